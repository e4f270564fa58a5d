//! The fused AdamW of libtorch.

use super::{check, pointers};
use std::{ffi::c_int, ptr};
use tch::{TchError, Tensor};
use torch_sys::C_tensor;

unsafe extern "C" {
    fn trackflow_native_norm(tensors: *const *const C_tensor, count: usize, out: *mut *mut C_tensor) -> c_int;
    fn trackflow_native_adamw(
        parameters: *const *const C_tensor,
        gradients: *const *const C_tensor,
        first: *const *const C_tensor,
        second: *const *const C_tensor,
        count: usize,
        step: *const C_tensor,
        divisor: *const C_tensor,
        skip: *const C_tensor,
        lr: f64,
        beta1: f64,
        beta2: f64,
        weight_decay: f64,
        eps: f64,
    ) -> c_int;
}

/// What is the same for all parameters of a call.
#[derive(Clone, Copy, Debug)]
pub struct Hyper {
    /// Learning rate.
    pub lr: f64,
    /// Decay of the first moment.
    pub beta1: f64,
    /// Decay of the second moment.
    pub beta2: f64,
    /// Decoupled weight decay.
    pub weight_decay: f64,
    /// Added to the root of the second moment.
    pub eps: f64,
}

/// The 2-norm of all `tensors` together, a scalar on their device.
///
/// # Errors
/// There are none, or they are on several devices.
pub fn norm<'a>(tensors: impl IntoIterator<Item = &'a Tensor>) -> Result<Tensor, TchError> {
    let tensors = pointers(tensors);
    let mut out = ptr::null_mut();
    // SAFETY: the pointers are of tensors that the caller holds; a new tensor comes back when the status is 0.
    unsafe {
        check(trackflow_native_norm(tensors.as_ptr(), tensors.len(), &mut out))?;
        Ok(Tensor::from_ptr(out))
    }
}

/// One update of parameters, each given with its gradient and its two moments.
///
/// Gradients are divided by `divisor`, in place. `step` is the number of this update, from 1. Where `skip` is 1 nothing
/// changes. All three are scalars f32 on the parameters' device: nothing waits for it.
///
/// # Errors
/// Tensors whose shapes, types or devices do not fit together.
pub fn adamw(
    slots: &[[&Tensor; 4]],
    step: &Tensor,
    divisor: Option<&Tensor>,
    skip: &Tensor,
    hyper: &Hyper,
) -> Result<(), TchError> {
    let part = |at: usize| pointers(slots.iter().map(|slot| slot[at]));
    let (parameters, gradients, first, second) = (part(0), part(1), part(2), part(3));
    let Hyper { lr, beta1, beta2, weight_decay, eps } = *hyper;
    // SAFETY: the pointers are of tensors that the caller holds, as many in each list as `count` says.
    check(unsafe {
        trackflow_native_adamw(
            parameters.as_ptr(),
            gradients.as_ptr(),
            first.as_ptr(),
            second.as_ptr(),
            slots.len(),
            step.as_ptr(),
            divisor.map_or(ptr::null(), Tensor::as_ptr),
            skip.as_ptr(),
            lr,
            beta1,
            beta2,
            weight_decay,
            eps,
        )
    })
}
