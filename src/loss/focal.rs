//! The focal loss of a score map (Law and Deng: "CornerNet", ECCV 2018): α = 2, β = 4.

use tch::{Kind, Tensor};

/// The loss `[N]` of scores `[N, B, G, G]` in (0, 1) against a heat map of the same shape whose peaks are exactly 1:
/// summed over a frame's maps and divided by its number of peaks (by 1 where it has none).
pub fn focal(score: &Tensor, target: &Tensor) -> Tensor {
    focal_sum(score, target) / peaks(target).clamp_min(1.0)
}

/// How many peaks `[N]` f32 the heat maps `[N, B, G, G]` of each frame have.
pub fn peaks(target: &Tensor) -> Tensor {
    over_maps(target.eq(1).to_kind(Kind::Float))
}

/// The loss before it is divided by the number of peaks: what the maps of any part of a batch add to it.
pub fn focal_sum(score: &Tensor, target: &Tensor) -> Tensor {
    let peak = target.eq(1).to_kind(Kind::Float);
    let beside = target.lt(1).to_kind(Kind::Float);
    let score = score.clamp_min(1e-12);
    let miss: Tensor = 1 - &score;
    let attract = score.log() * miss.square() * &peak;
    let weight: Tensor = 1 - target;
    let repel = miss.log() * score.square() * weight.square().square() * beside;
    -(over_maps(attract) + over_maps(repel))
}

fn over_maps(x: Tensor) -> Tensor {
    x.sum_dim_intlist([1i64, 2, 3].as_slice(), false, None::<Kind>)
}
