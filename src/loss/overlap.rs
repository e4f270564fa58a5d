//! How much boxes overlap.

use tch::{Kind, Tensor};

/// Generalised IoU and IoU of paired boxes `[.., 4]` in `(x0, y0, x1, y1)`, each `[..]`
/// (Rezatofighi et al.: "Generalized Intersection over Union", CVPR 2019).
///
/// A box with negative width or height gives NaN in both: it is a fault that the step must see, not a score.
pub fn generalised_iou(a: &Tensor, b: &Tensor) -> (Tensor, Tensor) {
    // On a GPU split once, as the gradient of each cut would be as large as the whole; on a CPU that would change the
    // order in which gradients are summed.
    let halves = |x: &Tensor| if x.device().is_cuda() { x.split(2, -1) } else { Vec::new() };
    let split = [(a, halves(a)), (b, halves(b))];
    let half = |x: &Tensor, at: usize| match split.iter().find(|(whole, _)| std::ptr::eq(*whole, x)) {
        Some((_, halves)) if halves.len() == 2 => halves[at].shallow_clone(),
        _ => x.narrow(-1, 2 * at as i64, 2),
    };
    let corner = |x: &Tensor| half(x, 0);
    let opposite = |x: &Tensor| half(x, 1);
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
