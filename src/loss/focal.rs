//! The focal loss of a score map (Law and Deng: "CornerNet", ECCV 2018): α = 2, β = 4.

use tch::{Kind, Tensor};

/// The loss `[N]` of scores `[N, B, G, G]` in (0, 1) against a heat map of the same shape whose peaks are exactly 1:
/// summed over a frame's maps and divided by its number of peaks (by 1 where it has none).
pub fn focal(score: &Tensor, target: &Tensor) -> Tensor {
    let dims = [1i64, 2, 3];
    let sum = |x: Tensor| x.sum_dim_intlist(dims.as_slice(), false, None::<Kind>);
    let peak = target.eq(1).to_kind(Kind::Float);
    let beside = target.lt(1).to_kind(Kind::Float);
    let score = score.clamp_min(1e-12);
    let miss: Tensor = 1 - &score;
    let attract = score.log() * miss.square() * &peak;
    let weight: Tensor = 1 - target;
    let repel = miss.log() * score.square() * weight.square().square() * beside;
    -(sum(attract) + sum(repel)) / sum(peak).clamp_min(1.0)
}
