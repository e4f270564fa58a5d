//! The score map that a box asks for: a Gaussian around its centre, as in CenterNet.

use tch::{Kind, Tensor};

/// The smallest IoU that a shifted box shall have: it sets the Gaussian's radius.
const MIN_OVERLAP: f64 = 0.7;

/// The heat maps `[.., grid, grid]` of boxes `[.., 4]`, `(x, y, w, h)` as shares of the crop.
///
/// The centre is rounded to a token (half to even); the Gaussian has whole radius r, σ = (2r + 1) / 6 and ends at r.
/// The exponentials are taken in f64 and rounded once, as the reference does, so the peak is exactly 1. A centre
/// outside the grid leaves only the part of the Gaussian that reaches in.
pub fn heatmap(boxes: &Tensor, grid: i64) -> Tensor {
    let boxes = boxes.detach() * grid as f64;
    let (corner, size) = (boxes.narrow(-1, 0, 2), boxes.narrow(-1, 2, 2));
    let centre = (corner + &size / 2.0).round();
    let radius = gaussian_radius(&size).clamp_min(0.0).trunc().to_kind(Kind::Double);
    let sigma = (&radius * 2.0 + 1.0) / 6.0;

    let cells = Tensor::arange(grid, (Kind::Double, boxes.device()));
    let distance = |axis: i64| (&cells - centre.narrow(-1, axis, 1).to_kind(Kind::Double)).unsqueeze(-1);
    let (x, y) = (distance(0).transpose(-2, -1), distance(1));
    let (radius, sigma) = (radius.unsqueeze(-1), sigma.unsqueeze(-1));
    let squared: Tensor = x.square() + y.square();
    let bell = (-squared / (sigma.square() * 2.0)).exp();
    let inside = x.abs().le_tensor(&radius).logical_and(&y.abs().le_tensor(&radius));
    (bell * inside.to_kind(Kind::Double)).to_kind(Kind::Float)
}

/// The radius `[.., 1]` of boxes with `size` `[.., 2]` (w, h) in tokens, before it is cut to a whole number.
///
/// These are the roots as CornerNet first had them: the first two divide by 2 instead of 2a. The reference says so and
/// keeps them; so do we, as another radius is another training target.
pub fn gaussian_radius(size: &Tensor) -> Tensor {
    let (width, height) = (size.narrow(-1, 0, 1), size.narrow(-1, 1, 1));
    let root = |a: f64, b: Tensor, c: Tensor| {
        let discriminant = b.square() - c * (4.0 * a);
        (b + discriminant.sqrt()) / 2.0
    };
    let half: Tensor = &height + &width;
    let area: Tensor = width * height;
    let r1 = root(1.0, half.shallow_clone(), &area * (1.0 - MIN_OVERLAP) / (1.0 + MIN_OVERLAP));
    let r2 = root(4.0, &half * 2.0, &area * (1.0 - MIN_OVERLAP));
    let r3 = root(4.0 * MIN_OVERLAP, half * (-2.0 * MIN_OVERLAP), area * (MIN_OVERLAP - 1.0));
    r1.minimum(&r2.minimum(&r3))
}
