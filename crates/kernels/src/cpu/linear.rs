//! Linear layers on the CPU by oneDNN's matrix product, which libtorch has but uses for f32 in inference graphs only.

use crate::{is_plain, precision::autocast_is_on, tensor};
use std::ffi::c_int;
use tch::Tensor;
use torch_sys::C_tensor;

/// With fewer multiplications the products are too small for a difference.
const FEWEST_MULTIPLICATIONS: i64 = 1 << 26;

unsafe extern "C" {
    fn trackflow_native_linear(
        x: *const C_tensor,
        weight: *const C_tensor,
        bias: *const C_tensor,
        out: *mut *mut C_tensor,
    ) -> c_int;
}

/// `x Wᵀ + b` for `x` `[.., in]`, `weight` `[out, in]` and `bias` `[out]`; none where libtorch's own way does as well:
/// on a GPU, in other types than f32, under autocast, for small products.
///
/// # Panics
/// As tch's operations do, when libtorch refuses.
pub fn linear(x: &Tensor, weight: &Tensor, bias: &Tensor) -> Option<Tensor> {
    let (&[to, from], Some(&width)) = (weight.size().as_slice(), x.size().last()) else { return None };
    if autocast_is_on()
        || width != from
        || x.numel() as i64 * to < FEWEST_MULTIPLICATIONS
        || !is_plain(x)
        || !is_plain(weight)
    {
        return None;
    }
    // SAFETY: the pointers are of tensors that the caller holds.
    Some(tensor(|out| unsafe { trackflow_native_linear(x.as_ptr(), weight.as_ptr(), bias.as_ptr(), out) }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use tch::{Device, Kind};

    #[test]
    fn results_and_gradients_are_those_of_libtorch() {
        tch::manual_seed(4);
        let draw = |shape: &[i64]| Tensor::randn(shape, (Kind::Float, Device::Cpu)).set_requires_grad(true);
        // Not contiguous, as a part of a larger tensor is.
        let (all, weight, bias) = (draw(&[3, 200, 256]), draw(&[600, 256]), draw(&[600]));
        let x = all.narrow(1, 17, 150);
        let ours = linear(&x, &weight, &bias).unwrap();
        let theirs = x.linear(&weight, Some(&bias));
        let off = |a: &Tensor, b: &Tensor| ((a - b).abs().max() / b.abs().max()).double_value(&[]);
        assert!(off(&ours, &theirs) < 1e-5);
        let gradients = |y: &Tensor| {
            Tensor::run_backward(&[&(y * y.sin()).sum(Kind::Float)], &[&all, &weight, &bias], false, false)
        };
        for (ours, theirs) in gradients(&ours).iter().zip(&gradients(&theirs)) {
            assert!(off(ours, theirs) < 1e-4, "{}", off(ours, theirs));
        }
        assert!(linear(&x.narrow(1, 0, 1), &weight, &bias).is_none(), "small ones are left to libtorch");
    }
}
