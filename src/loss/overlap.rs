//! How much boxes overlap.

use tch::{Kind, Tensor};

/// Generalised IoU and IoU of paired boxes `[.., 4]` in `(x0, y0, x1, y1)`, each `[..]`
/// (Rezatofighi et al.: "Generalized Intersection over Union", CVPR 2019).
///
/// A box with negative width or height gives NaN in both: it is a fault that the step must see, not a score.
pub fn generalised_iou(a: &Tensor, b: &Tensor) -> (Tensor, Tensor) {
    let corner = |x: &Tensor| x.narrow(-1, 0, 2);
    let opposite = |x: &Tensor| x.narrow(-1, 2, 2);
    let area = |x: &Tensor| product(&(opposite(x) - corner(x)));
    let overlap = opposite(a).minimum(&opposite(b)) - corner(a).maximum(&corner(b));
    let intersection = product(&overlap.clamp_min(0.0));
    let union = area(a) + area(b) - &intersection;
    let iou = intersection / &union;
    let hull = opposite(a).maximum(&opposite(b)) - corner(a).minimum(&corner(b));
    let hull = product(&hull.clamp_min(0.0));
    let giou = &iou - (&hull - union) / &hull;

    let upright = |x: &Tensor| opposite(x).ge_tensor(&corner(x)).all_dim(-1, false);
    let valid = upright(a).logical_and(&upright(b));
    let or_nan = |x: Tensor| x.where_self(&valid, &Tensor::full([1i64; 0], f64::NAN, (Kind::Float, a.device())));
    (or_nan(giou), or_nan(iou))
}

fn product(sides: &Tensor) -> Tensor {
    sides.select(-1, 0) * sides.select(-1, 1)
}
