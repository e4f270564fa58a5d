//! PCGrad: gradient surgery (Yu et al., "Gradient surgery for multi-task learning", NeurIPS 2020).

use tch::{Kind, Tensor};

/// The largest factor of a gradient, against one that is next to nothing.
const LARGEST: f64 = 3e38;

/// One gradient for each parameter from those of two tasks, undefined where a task has none.
///
/// Over the parameters that both tasks reach, θ: where g₁·g₂ < 0, each task's gradient loses its projection on the
/// other's, `g₁ ← g₁ − (g₁·g₂)/‖g₂‖² g₂` and the other way round, both from the original gradients; their sum is what
/// comes out. With two tasks the order does not matter. Everywhere else the gradients are added.
pub fn combine(first: &[Tensor], second: &[Tensor]) -> Vec<Tensor> {
    let shared = || first.iter().zip(second).filter(|(a, b)| a.defined() && b.defined());
    let sum = |step_metrics: Vec<Tensor>| step_metrics.into_iter().reduce(|sum, term| sum + term);
    // Squares of small numbers vanish in f32.
    let dot = |a: &Tensor, b: &Tensor| (a.to_kind(Kind::Double) * b.to_kind(Kind::Double)).sum(Kind::Double);
    let both = sum(shared().map(|(a, b)| dot(a, b)).collect());
    let squares = sum(shared().map(|(a, _)| dot(a, a)).collect()).zip(sum(shared().map(|(_, b)| dot(b, b)).collect()));
    let factors = both.zip(squares).map(|(both, (a, b))| {
        let opposed = both.clamp_max(0.0);
        // A task without any gradient is opposed to nothing, and 0/0 is kept out.
        let keep = |other: Tensor| {
            let kept: Tensor = 1 - &opposed / other.clamp_min(f64::MIN_POSITIVE);
            kept.clamp_max(LARGEST).to_kind(Kind::Float)
        };
        // How much of each gradient is left in the sum: the other task's surgery takes away along it.
        (keep(a), keep(b))
    });
    first
        .iter()
        .zip(second)
        .map(|(a, b)| match (a.defined(), b.defined(), &factors) {
            (true, true, Some((of_a, of_b))) => a * of_a + b * of_b,
            (true, true, None) => a + b,
            (true, false, _) => a.shallow_clone(),
            (false, _, _) => b.shallow_clone(),
        })
        .collect()
}
