//! Sums over processes in the middle of a pass, with gradients through them: what statistics of all their clips take.

use super::{
    check,
    recompute::{DropClosure, Run, drop_closure, run},
};
use std::{
    cell::RefCell,
    ffi::{c_int, c_void},
    ptr,
    sync::Arc,
};
use tch::Tensor;
use torch_sys::C_tensor;

unsafe extern "C" {
    fn trackflow_native_sum_over_ranks(
        x: *const C_tensor,
        closure: *mut c_void,
        run: Run,
        drop: DropClosure,
        out: *mut *mut C_tensor,
    ) -> c_int;
}

/// Sums a tensor over all processes; a panic says what failed.
type Sum = Arc<dyn Fn(&Tensor) -> Tensor + Send + Sync>;

thread_local! {
    static PRESENT: RefCell<Option<Sum>> = const { RefCell::new(None) };
}

/// The pass of this thread, whose statistics are those of all processes, until the value is dropped.
#[derive(Debug)]
pub struct Synchronised {
    _of_thread: std::marker::PhantomData<*const ()>,
}

impl Synchronised {
    /// From here on `sum` sums over all processes, in the backward pass too, there possibly on a thread of libtorch's.
    pub fn begin(sum: impl Fn(&Tensor) -> Tensor + Send + Sync + 'static) -> Self {
        PRESENT.set(Some(Arc::new(sum)));
        Self { _of_thread: std::marker::PhantomData }
    }
}

impl Drop for Synchronised {
    fn drop(&mut self) {
        PRESENT.set(None);
    }
}

/// `x` summed over all processes, where the pass of this thread does that.
///
/// # Panics
/// As tch's operations do, when the processes have lost each other.
pub fn sum_over_ranks(x: &Tensor) -> Option<Tensor> {
    let sum = PRESENT.with_borrow(Option::clone)?;
    Some(sum_by(x, move |x: &Tensor| sum(x)))
}

/// Whether the pass of this thread takes statistics of all processes.
pub fn is_synchronised() -> bool {
    PRESENT.with_borrow(Option::is_some)
}

fn sum_by<S: Fn(&Tensor) -> Tensor>(x: &Tensor, sum: S) -> Tensor {
    let closure = Box::into_raw(Box::new(sum)).cast();
    let mut out = ptr::null_mut();
    // SAFETY: `x` lives as long as the call, and those two functions take what `closure` is; a new tensor comes back when
    // the status is 0.
    unsafe {
        check(trackflow_native_sum_over_ranks(x.as_ptr(), closure, run::<S>, drop_closure::<S>, &mut out))
            .unwrap_or_else(|e| panic!("{e}"));
        Tensor::from_ptr(out)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gradients_are_summed_as_values_are() {
        let x = Tensor::from_slice(&[1f32, 2.0]).set_requires_grad(true);
        assert!(sum_over_ranks(&x).is_none() && !is_synchronised());
        let y = {
            // As if a second process had the same.
            let _sync = Synchronised::begin(|x| x * 2);
            sum_over_ranks(&x).unwrap()
        };
        assert!(!is_synchronised());
        let gradient = Tensor::run_backward(&[y.square().sum(tch::Kind::Float)], &[&x], false, false);
        // 2y by the formula, and twice that, as both use it.
        assert_eq!(Vec::<f32>::try_from(&gradient[0]).unwrap(), [8.0, 16.0]);
        assert_eq!(Vec::<f32>::try_from(&y).unwrap(), [2.0, 4.0]);
    }
}
