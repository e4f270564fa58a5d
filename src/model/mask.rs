//! The mask that shows the prompt encoder where the object is: 1 inside a box, 0 outside, by tensor operations only.

use super::boxes::{cxcywh_to_xyxy, xywh_to_xyxy};
use tch::{Kind, Tensor};

/// What happens to a box that reaches over the crop's border.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum MaskClamp {
    /// Every edge is clamped to the crop.
    #[default]
    Correct,
    /// As in the reference, where the clamps of the top and bottom edges are swapped: a box over the top or left
    /// border gives an empty or a wrapped mask (`COMPAT: reference`).
    Reference,
}

/// The mask `[B, 1, size, size]` of normalised boxes `[B, 4]` in `(cx, cy, w, h)`.
pub fn centre_mask(boxes: &Tensor, size: i64, clamp: MaskClamp) -> Tensor {
    let edges = (cxcywh_to_xyxy(&boxes.detach()) * size as f64).to_kind(Kind::Int);
    fill(&edges, size, clamp)
}

/// The mask `[B, 1, size, size]` of normalised boxes `[B, 4]` in `(x, y, w, h)`; corner and size are cut to whole
/// pixels one by one, as in the reference.
pub fn corner_mask(boxes: &Tensor, size: i64, clamp: MaskClamp) -> Tensor {
    let edges = xywh_to_xyxy(&(boxes.detach() * size as f64).to_kind(Kind::Int));
    fill(&edges, size, clamp)
}

/// `mask` `[B, 1, size, size]` without the pixels of eliminated tokens: `removed` as in
/// [`BackboneOutput`](super::BackboneOutput), on a `grid` × `grid` of tokens.
pub fn without_removed(mask: Tensor, removed: &[Tensor], grid: i64) -> Tensor {
    if removed.is_empty() {
        return mask;
    }
    let (batch, size) = (mask.size()[0], mask.size()[2]);
    let kept = Tensor::ones([batch, grid * grid], (Kind::Float, mask.device()));
    let kept = kept.scatter_value(1, &Tensor::cat(removed, 1), 0.0);
    mask * kept.view([batch, 1, grid, grid]).upsample_nearest2d([size, size], None, None)
}

fn fill(edges: &Tensor, size: i64, clamp: MaskClamp) -> Tensor {
    let edge = |at: i64| edges.narrow(1, at, 1);
    let (x0, y0, x1, y1) = match clamp {
        MaskClamp::Correct => return inside(&edges.narrow(1, 0, 2), &edges.narrow(1, 2, 2), size),
        // Python reads a negative slice bound from the end; x0 and y1 are clamped at 0, y0 and x1 are not.
        MaskClamp::Reference => (edge(0).clamp_min(0), wrapped(&edge(1), size), wrapped(&edge(2), size), edge(3)),
    };
    inside(&Tensor::cat(&[x0, y0], 1), &Tensor::cat(&[x1, y1], 1), size)
}

/// The mask of the pixels from `low` `[B, (x, y)]` on and before `high`.
fn inside(low: &Tensor, high: &Tensor, size: i64) -> Tensor {
    let pixels = Tensor::arange(size, (Kind::Int, low.device()));
    let (low, high) = (low.unsqueeze(2), high.unsqueeze(2));
    // `[B, columns and rows, size]`
    let inside = pixels.ge_tensor(&low).logical_and(&pixels.lt_tensor(&high));
    let (columns, rows) = (inside.select(1, 0), inside.select(1, 1));
    rows.unsqueeze(2).logical_and(&columns.unsqueeze(1)).unsqueeze(1).to_kind(Kind::Float)
}

fn wrapped(edge: &Tensor, size: i64) -> Tensor {
    (edge + size).clamp_min(0).where_self(&edge.lt(0), edge)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn area(boxes: [f32; 4], clamp: MaskClamp) -> f64 {
        centre_mask(&Tensor::from_slice(&boxes).view([1, 4]), 32, clamp).sum(None::<Kind>).double_value(&[])
    }

    #[test]
    fn a_box_inside_is_filled_to_whole_pixels() {
        let mask = centre_mask(&Tensor::from_slice(&[0.5f32, 0.25, 0.25, 0.125]).view([1, 4]), 32, MaskClamp::Correct);
        assert_eq!(mask.size(), [1, 1, 32, 32]);
        // x 12..20, y 6..10
        assert_eq!(mask.sum(None::<Kind>).double_value(&[]), 32.0);
        for ((y, x), expected) in [((6, 12), 1.0), ((9, 19), 1.0), ((5, 12), 0.0), ((10, 12), 0.0), ((6, 20), 0.0)] {
            assert_eq!(mask.double_value(&[0, 0, y, x]), expected, "{y} {x}");
        }
    }

    #[test]
    fn boxes_over_the_borders_are_cut_and_the_reference_loses_them() {
        let (top, left) = ([0.5, 0.0, 0.5, 0.5], [0.0, 0.5, 0.5, 0.5]);
        let (bottom, right) = ([0.5, 1.0, 0.5, 0.5], [1.0, 0.5, 0.5, 0.5]);
        for border in [top, left, bottom, right] {
            assert_eq!(area(border, MaskClamp::Correct), 128.0, "{border:?}");
        }
        for (border, expected) in [(top, 0.0), (left, 128.0), (bottom, 128.0), (right, 128.0)] {
            assert_eq!(area(border, MaskClamp::Reference), expected, "{border:?}");
        }
    }

    #[test]
    fn boxes_outside_have_no_pixel() {
        for outside in [[-0.5, 0.5, 0.5, 0.5], [0.5, 1.6, 0.2, 0.2], [3.0, -3.0, 0.5, 0.5]] {
            assert_eq!(area(outside, MaskClamp::Correct), 0.0, "{outside:?}");
        }
    }

    #[test]
    fn eliminated_tokens_lose_their_pixels() {
        let mask = Tensor::ones([2, 1, 8, 8], (Kind::Float, tch::Device::Cpu));
        let removed = [Tensor::from_slice(&[0i64, 3]).view([2, 1]), Tensor::from_slice(&[1i64, 2]).view([2, 1])];
        let left = without_removed(mask, &removed, 2);
        assert_eq!(left.narrow(2, 0, 4).select(0, 0).sum(None::<Kind>).double_value(&[]), 0.0);
        assert_eq!(left.narrow(2, 4, 4).select(0, 1).sum(None::<Kind>).double_value(&[]), 0.0);
        assert_eq!(left.sum(None::<Kind>).double_value(&[]), 64.0);
    }
}
