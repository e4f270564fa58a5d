//! Activation checkpointing: of a part of a network, only the input is kept for the backward pass, which computes the
//! rest again (Chen et al.: "Training deep nets with sublinear memory cost", 2016).

use super::{
    check, pointers,
    precision::{Autocast, autocast_is_on},
};
use std::{
    ffi::{c_char, c_int, c_void},
    panic::{AssertUnwindSafe, catch_unwind},
    ptr,
};
use tch::Tensor;
use torch_sys::C_tensor;

pub(super) type Run = unsafe extern "C" fn(*const c_void, *const C_tensor, *mut Reason) -> *mut C_tensor;
pub(super) type DropClosure = unsafe extern "C" fn(*mut c_void);

/// A string of C++.
#[repr(C)]
pub(super) struct Reason {
    _opaque: [u8; 0],
}

unsafe extern "C" {
    fn trackflow_native_reason(reason: *mut Reason, text: *const c_char, length: usize);
    fn trackflow_native_recompute(
        x: *const C_tensor,
        parameters: *const *const C_tensor,
        count: usize,
        closure: *mut c_void,
        run: Run,
        drop: DropClosure,
        out: *mut *mut C_tensor,
    ) -> c_int;
}

/// `part` of `x`, which is called now and once more in every backward pass, there possibly on a thread of libtorch's.
/// Gradients flow into `x` and the `parameters`, into nothing else that `part` reads; it must compute the same each time
/// and draw no random numbers. Autocast is each time as it is now.
///
/// # Panics
/// As tch's operations do, when libtorch refuses, or `part` panics.
pub fn recompute<Part>(x: &Tensor, parameters: &[&Tensor], part: Part) -> Tensor
where
    Part: Fn(&Tensor) -> Tensor + Send + Sync + 'static,
{
    let parameters = pointers(parameters.iter().copied());
    let autocast = autocast_is_on().then(|| x.device());
    let part = move |x: &Tensor| {
        let _autocast = autocast.map(|device| Autocast::enter(device).unwrap_or_else(|e| panic!("{e}")));
        part(x)
    };
    recompute_part(x, &parameters, part)
}

fn recompute_part<Part: Fn(&Tensor) -> Tensor>(x: &Tensor, parameters: &[*const C_tensor], part: Part) -> Tensor {
    let closure = Box::into_raw(Box::new(part)).cast();
    let mut out = ptr::null_mut();
    // SAFETY: the pointers are of tensors that the caller holds, and those two functions take what `closure` is; a new
    // tensor comes back when the status is 0.
    unsafe {
        let (list, count) = (parameters.as_ptr(), parameters.len());
        check(trackflow_native_recompute(
            x.as_ptr(),
            list,
            count,
            closure,
            run::<Part>,
            drop_closure::<Part>,
            &mut out,
        ))
        .unwrap_or_else(|e| panic!("{e}"));
        Tensor::from_ptr(out)
    }
}

/// # Safety
/// `closure` is a `Part`, `x` a tensor, `reason` a string.
pub(super) unsafe extern "C" fn run<Part: Fn(&Tensor) -> Tensor>(
    closure: *const c_void,
    x: *const C_tensor,
    reason: *mut Reason,
) -> *mut C_tensor {
    // SAFETY: as the caller says; the clone shares its memory.
    let (part, x) = unsafe { (&*closure.cast::<Part>(), Tensor::clone_from_ptr(x.cast_mut())) };
    // C++ must not be unwound through.
    match catch_unwind(AssertUnwindSafe(|| part(&x))) {
        Ok(mut y) => {
            let pointer = y.as_mut_ptr();
            // The caller owns it.
            std::mem::forget(y);
            pointer
        }
        Err(payload) => {
            let text = payload.downcast_ref::<String>().map(String::as_str);
            let text = text.or_else(|| payload.downcast_ref::<&str>().copied()).unwrap_or("a panic without a message");
            // SAFETY: the string is the caller's, who copies the text.
            unsafe { trackflow_native_reason(reason, text.as_ptr().cast(), text.len()) };
            ptr::null_mut()
        }
    }
}

/// # Safety
/// `closure` is a boxed `Part` that nobody uses any more.
pub(super) unsafe extern "C" fn drop_closure<Part>(closure: *mut c_void) {
    // SAFETY: as the caller says.
    drop(unsafe { Box::from_raw(closure.cast::<Part>()) });
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    };
    use tch::{Device, Kind};

    /// A weight that a closure may hold; these tests use it from one thread at a time.
    struct Held(Tensor);
    // SAFETY: see above.
    unsafe impl Send for Held {}
    // SAFETY: see above.
    unsafe impl Sync for Held {}

    impl Held {
        fn of(&self, x: &Tensor) -> Tensor {
            x.matmul(&self.0).tanh().square()
        }
    }

    #[test]
    fn gradients_are_the_same_bits_and_the_part_is_computed_again_for_them() {
        let draw = |shape: &[i64]| Tensor::randn(shape, (Kind::Float, Device::Cpu)).set_requires_grad(true);
        let (x, weight, calls) = (draw(&[5, 7]), draw(&[7, 7]), Arc::new(AtomicUsize::new(0)));
        let plain = Held(weight.shallow_clone()).of(&x).sin();
        let (held, counted) = (Held(weight.shallow_clone()), calls.clone());
        let part = recompute(&x, &[&weight], move |x| {
            counted.fetch_add(1, Ordering::Relaxed);
            held.of(x)
        });
        let ours = part.sin();
        assert_eq!((ours == plain, calls.load(Ordering::Relaxed)), (true, 1));
        let gradients = |y: &Tensor, keep| Tensor::run_backward(&[y.sum(Kind::Float)], &[&x, &weight], keep, false);
        let expected = gradients(&plain, false);
        for keep in [true, false] {
            for (ours, expected) in gradients(&ours, keep).iter().zip(&expected) {
                assert_eq!(ours, expected);
            }
        }
        assert_eq!((calls.load(Ordering::Relaxed), Arc::strong_count(&calls)), (3, 2));
        drop((part, ours));
        assert_eq!(Arc::strong_count(&calls), 1, "the closure lives no longer than what it is for");
    }

    #[test]
    fn what_panics_says_so() {
        let x = Tensor::zeros([1], (Kind::Float, Device::Cpu));
        let failed = catch_unwind(AssertUnwindSafe(|| recompute(&x, &[], |_| panic!("out of memory"))));
        assert!(failed.unwrap_err().downcast_ref::<String>().unwrap().contains("out of memory"));
        // In the backward pass too.
        let (x, calls) = (x.set_requires_grad(true), AtomicUsize::new(0));
        let y = recompute(&x, &[], move |x| match calls.fetch_add(1, Ordering::Relaxed) {
            0 => x * 2.0,
            _ => panic!("{} of memory", "out"),
        });
        let failed = Tensor::f_run_backward(&[y.sum(Kind::Float)], &[&x], false, false).unwrap_err();
        assert!(failed.to_string().contains("out of memory"), "{failed}");
    }
}
