//! The corner head (Yan et al.: "Learning Spatio-Temporal Transformer for Visual Tracking", ICCV 2021): two maps say
//! where the upper left and the lower right corner of the box are, and the expected places are the corners.

use super::clip::Corners;
use super::config::Config;
use super::heads::{BoxPrediction, Tower};
use super::layers::Statistics;
use super::params::Scope;
use tch::{Kind, Tensor};

#[derive(Debug)]
pub(super) struct CornerHead {
    upper_left: Tower,
    lower_right: Tower,
}

impl CornerHead {
    pub fn new(mut scope: Scope<'_>, config: &Config) -> Self {
        Self {
            upper_left: Tower::new(&mut scope, config, "tl", 1, None),
            lower_right: Tower::new(&mut scope, config, "br", 1, None),
        }
    }

    /// The box of `features` `[B, C, G, G]`.
    pub fn forward(&self, features: &Tensor, statistics: Statistics) -> BoxPrediction {
        let logits =
            Tensor::cat(&[&self.upper_left, &self.lower_right].map(|tower| tower.forward(features, statistics)), 1);
        between_corners(&logits)
    }
}

/// The box between the corners whose maps have `logits` `[B, 2, G, G]`. A place of the map is the upper left corner of
/// its token, as in the reference.
///
/// Score, size and offset are those of a centre head that says the same box everywhere, so that whoever weights the
/// score and reads the box at its peak gets this box. The score is the geometric mean of the two maps' peaks.
pub(super) fn between_corners(logits: &Tensor) -> BoxPrediction {
    let size = logits.size();
    let (batch, grid) = (size[0], size[3]);
    let maps = logits.flatten(2, 3).softmax(-1, None::<Kind>).view([batch, 2, grid, grid]);
    let cells = Tensor::arange(grid, (Kind::Float, logits.device()));
    let expected = |summed: i64| {
        let line = maps.sum_dim_intlist([summed].as_slice(), false, None::<Kind>);
        (line * &cells).sum_dim_intlist([-1i64].as_slice(), false, None::<Kind>) / grid as f64
    };
    // [B, 2 corners, (x, y)]
    let corners = Tensor::stack(&[expected(2), expected(3)], -1);
    let (first, second) = (corners.select(1, 0), corners.select(1, 1));
    let (low, high) = (first.minimum(&second), first.maximum(&second));
    let boxes = Tensor::cat(&[(&low + &high) * 0.5, &high - &low], 1);

    let everywhere = |values: &Tensor| values.detach().unsqueeze(-1).unsqueeze(-1).expand([-1, -1, grid, grid], false);
    let peaks = maps.detach().flatten(2, 3).amax([-1], false).log();
    let score = everywhere(&peaks.mean_dim([1i64].as_slice(), true, None::<Kind>).exp()).contiguous();
    let (x, y) = (cells.view([1, grid]).expand([grid, grid], false), cells.view([grid, 1]).expand([grid, grid], false));
    let offset = everywhere(&boxes.narrow(1, 0, 2)) * grid as f64 - Tensor::stack(&[x, y], 0);
    let size = everywhere(&boxes.narrow(1, 2, 2)).contiguous();
    let corners = Some(Corners { edges: corners.flatten(1, 2), maps });
    BoxPrediction { boxes, score, size, offset, corners }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::heads::boxes_at_peak;
    use tch::Device;

    fn at(places: [[i64; 2]; 2]) -> BoxPrediction {
        let logits = Tensor::zeros([1, 2, 8, 8], (Kind::Float, Device::Cpu));
        for (map, [x, y]) in places.into_iter().enumerate() {
            let _ = logits.get(0).get(map as i64).get(y).get(x).fill_(50.0);
        }
        between_corners(&logits)
    }

    fn values(tensor: &Tensor) -> Vec<f32> {
        Vec::try_from(tensor.reshape([-1])).unwrap()
    }

    #[test]
    fn the_box_lies_between_the_corners() {
        let found = at([[1, 2], [5, 4]]);
        assert_eq!(values(&found.boxes), [3.0 / 8.0, 3.0 / 8.0, 0.5, 0.25]);
        assert_eq!(values(&found.corners.as_ref().unwrap().edges), [0.125, 0.25, 0.625, 0.5]);
        assert!((found.score.double_value(&[0, 0, 3, 3]) - 1.0).abs() < 1e-6);
    }

    #[test]
    fn corners_that_changed_places_still_span_a_box() {
        let found = at([[5, 2], [1, 4]]);
        assert_eq!(values(&found.boxes), [3.0 / 8.0, 3.0 / 8.0, 0.5, 0.25]);
        assert_eq!(values(&found.corners.unwrap().edges), [0.625, 0.25, 0.125, 0.5], "the loss sees that they did");
    }

    #[test]
    fn the_maps_say_the_same_box_at_every_place() {
        let logits = Tensor::arange(2 * 2 * 64, (Kind::Float, Device::Cpu)).sin().view([2, 2, 8, 8]);
        let found = between_corners(&logits);
        for peak in [0, 27, 63] {
            let weight = Tensor::full([1, 1, 64], 0.5, (Kind::Float, Device::Cpu));
            let _ = weight.narrow(2, peak, 1).fill_(1.0);
            let read = boxes_at_peak(&(&found.score * weight.view([1, 1, 8, 8])), &found.size, &found.offset);
            assert!((read - &found.boxes).abs().max().double_value(&[]) < 1e-6);
        }
    }
}
