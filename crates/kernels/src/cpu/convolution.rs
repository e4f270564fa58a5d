//! 3×3 convolutions on the CPU by Winograd's F(2×2, 3×3) (Lavin and Gray, "Fast algorithms for convolutional neural
//! networks", CVPR 2016): 2.25 times fewer multiplications, and results as close to the exact ones as the direct way's.

use crate::{check, is_plain, precision::autocast_is_on, tensor};
use std::{cell::RefCell, collections::HashMap, ffi::c_int, ptr};
use tch::Tensor;
use torch_sys::C_tensor;

/// With fewer channels on either side the transforms cost what they save: at 64 they lose, at 128 nothing is gained.
const FEWEST_CHANNELS: i64 = 256;

#[repr(C)]
struct Prepared {
    _opaque: [u8; 0],
}

unsafe extern "C" {
    fn trackflow_native_kernel(weight: *const C_tensor, out: *mut *mut Prepared) -> c_int;
    fn trackflow_native_kernel_drop(kernel: *mut Prepared);
    fn trackflow_native_convolve(
        map: *const C_tensor,
        kernel: *const Prepared,
        bias: *const C_tensor,
        out: *mut *mut C_tensor,
    ) -> c_int;
}

/// A kernel made ready for the calls of one pass.
struct Kernel(*mut Prepared);

impl Drop for Kernel {
    fn drop(&mut self) {
        // SAFETY: the pointer came from `trackflow_native_kernel` and is dropped here alone.
        unsafe { trackflow_native_kernel_drop(self.0) }
    }
}

thread_local! {
    /// The kernels of this thread's pass, by the address of their weight's handle. None outside of a pass.
    static KERNELS: RefCell<Option<HashMap<usize, Kernel>>> = const { RefCell::new(None) };
}

/// One pass over a batch on this thread. In it, [`convolution`] prepares each kernel once, and all calls of a kernel
/// share one gradient computation. Weights must not change, and gradients not be switched on or off, while it lasts.
#[derive(Debug)]
pub struct Pass {
    /// A pass belongs to its thread.
    _of_thread: std::marker::PhantomData<*const ()>,
}

impl Pass {
    /// Begins a pass, which ends when the value is dropped.
    pub fn begin() -> Self {
        KERNELS.with_borrow_mut(|kernels| *kernels = Some(HashMap::new()));
        Self { _of_thread: std::marker::PhantomData }
    }
}

impl Drop for Pass {
    fn drop(&mut self) {
        KERNELS.with_borrow_mut(|kernels| *kernels = None);
    }
}

/// The convolution of `map` `[B, in, H, W]` with `weight` `[out, in, 3, 3]` and `bias` `[out]`, stride 1, a border of
/// one place; none where libtorch's own does as well or better: outside of a [`Pass`], on a GPU, under autocast, with few
/// channels.
///
/// # Panics
/// As tch's operations do, when libtorch refuses.
pub fn convolution(map: &Tensor, weight: &Tensor, bias: &Tensor) -> Option<Tensor> {
    KERNELS.with_borrow_mut(|kernels| {
        let kernels = kernels.as_mut()?;
        if !fits(map, weight) {
            return None;
        }
        let kernel = kernels.entry(weight.as_ptr() as usize).or_insert_with(|| {
            let mut kernel = ptr::null_mut();
            // SAFETY: `weight` is f32 with four dimensions; a new kernel comes back when the status is 0.
            check(unsafe { trackflow_native_kernel(weight.as_ptr(), &mut kernel) }).unwrap_or_else(|e| panic!("{e}"));
            Kernel(kernel)
        });
        // SAFETY: shapes and types were checked by `fits`.
        Some(tensor(|out| unsafe { trackflow_native_convolve(map.as_ptr(), kernel.0, bias.as_ptr(), out) }))
    })
}

fn fits(map: &Tensor, weight: &Tensor) -> bool {
    let (&[_, channels, height, width], &[to, from, 3, 3]) = (map.size().as_slice(), weight.size().as_slice()) else {
        return false;
    };
    !autocast_is_on()
        && from == channels
        && from >= FEWEST_CHANNELS
        && to >= FEWEST_CHANNELS
        && height % 2 == 0
        && width % 2 == 0
        && height > 0
        && width > 0
        && [map, weight].into_iter().all(is_plain)
}

#[cfg(test)]
mod tests {
    use super::*;
    use tch::{Device, Kind};

    const WIDE: i64 = FEWEST_CHANNELS;

    fn draw(shape: &[i64]) -> Tensor {
        Tensor::randn(shape, (Kind::Float, Device::Cpu)).set_requires_grad(true)
    }

    fn off(a: &Tensor, b: &Tensor) -> f64 {
        ((a - b).abs().max() / b.abs().max()).double_value(&[])
    }

    #[test]
    fn results_and_gradients_are_those_of_the_direct_way() {
        tch::manual_seed(3);
        // Kernels of the scale that networks begin with: results near 1, where what is computed from them below does not
        // magnify the difference in rounding by their square.
        let weight = (draw(&[WIDE + 2, WIDE + 1, 3, 3]) / ((9 * WIDE) as f64).sqrt()).detach().set_requires_grad(true);
        let bias = draw(&[WIDE + 2]);
        let maps = [draw(&[2, WIDE + 1, 6, 4]), draw(&[1, WIDE + 1, 8, 2])];
        let direct = |map: &Tensor| map.conv2d(&weight, Some(&bias), [1], [1], [1], 1);
        let inputs = [&maps[0], &maps[1], &weight, &bias];
        let gradients = |results: Vec<Tensor>| {
            let sum: Tensor = results.iter().map(|result| (result * result.sin()).sum(Kind::Float)).sum();
            // Twice, as when the gradients of two tasks are compared.
            let _ = Tensor::run_backward(&[&sum], &inputs, true, false);
            Tensor::run_backward(&[&sum], &inputs, false, false)
        };
        let pass = Pass::begin();
        let ours: Vec<Tensor> = maps.iter().map(|map| convolution(map, &weight, &bias).unwrap()).collect();
        drop(pass);
        assert!(convolution(&maps[0], &weight, &bias).is_none(), "outside of a pass");
        let theirs: Vec<Tensor> = maps.iter().map(direct).collect();
        for (ours, theirs) in ours.iter().zip(&theirs) {
            assert!(off(ours, theirs) < 1e-5, "{}", off(ours, theirs));
        }
        for (ours, theirs) in gradients(ours).iter().zip(&gradients(theirs)) {
            assert_eq!(ours.size(), theirs.size());
            assert!(off(ours, theirs) < 1e-4, "{}", off(ours, theirs));
        }
    }

    #[test]
    fn frozen_kernels_and_inputs_get_no_gradient() {
        let (weight, bias, map) = (draw(&[WIDE, WIDE, 3, 3]), draw(&[WIDE]), draw(&[1, WIDE, 4, 4]));
        let _ = weight.set_requires_grad(false);
        let _pass = Pass::begin();
        let sum = convolution(&map, &weight, &bias).unwrap().square().sum(Kind::Float);
        assert!(Tensor::run_backward(&[&sum], &[&map, &bias], false, false).iter().all(Tensor::defined));
        let _ = weight.set_requires_grad(true);
        let _pass = Pass::begin();
        let sum = convolution(&map.detach(), &weight, &bias).unwrap().square().sum(Kind::Float);
        assert!(Tensor::run_backward(&[&sum], &[&weight], false, false)[0].defined());
    }

    #[test]
    fn what_does_not_fit_is_left_to_libtorch() {
        let _pass = Pass::begin();
        let bias = draw(&[WIDE]);
        for (map, weight) in [
            ([1, WIDE, 5, 4], [WIDE, WIDE, 3, 3]),
            ([1, 8, 4, 4], [WIDE, 8, 3, 3]),
            ([1, WIDE, 4, 4], [WIDE, WIDE, 1, 1]),
        ] {
            assert!(convolution(&draw(&map), &draw(&weight), &bias).is_none());
        }
    }
}
