//! Linear layers and 3×3 convolutions whose weights do not change any more, on the CPU in f32: weights are laid out once
//! as oneDNN's products read them, which otherwise happens in every call and costs most where there are few rows.

use crate::{check, is_plain, tensor};
use std::{ffi::c_int, ptr};
use tch::Tensor;
use torch_sys::C_tensor;

/// A weight with fewer numbers is read so fast that its layout makes no difference.
const FEWEST_WEIGHTS: usize = 1 << 16;

#[repr(C)]
struct Kernel {
    _opaque: [u8; 0],
}

unsafe extern "C" {
    fn trackflow_native_pack(weight: *const C_tensor, rows: i64, out: *mut *mut C_tensor) -> c_int;
    fn trackflow_native_product(
        x: *const C_tensor,
        packed: *const C_tensor,
        bias: *const C_tensor,
        out: *mut *mut C_tensor,
    ) -> c_int;
    fn trackflow_native_pack_kernel(
        weight: *const C_tensor,
        bias: *const C_tensor,
        places: i64,
        out: *mut *mut Kernel,
    ) -> c_int;
    fn trackflow_native_packed_kernel_drop(kernel: *mut Kernel);
    fn trackflow_native_packed_convolve(map: *const C_tensor, kernel: *const Kernel, out: *mut *mut C_tensor) -> c_int;
}

/// `x Wᵀ + b` with a weight of its own.
#[derive(Debug)]
pub struct PackedLinear {
    weight: Tensor,
    bias: Tensor,
}

impl PackedLinear {
    /// Of `weight` `[out, in]` and `bias` `[out]`, for inputs of about `rows` rows; none where libtorch's own way does as
    /// well: on a GPU, in other types than f32, for small weights.
    pub fn new(weight: &Tensor, bias: &Tensor, rows: i64) -> Option<Self> {
        if !is_plain(weight) || !is_plain(bias) || weight.dim() != 2 || weight.numel() < FEWEST_WEIGHTS {
            return None;
        }
        // SAFETY: the pointer is of a tensor that the caller holds.
        let weight = tensor(|out| unsafe { trackflow_native_pack(weight.as_ptr(), rows, out) });
        Some(Self { weight, bias: bias.copy() })
    }

    /// `[.., out]` of `x` `[.., in]`, f32.
    ///
    /// # Panics
    /// As tch's operations do, when libtorch refuses.
    pub fn forward(&self, x: &Tensor) -> Tensor {
        // SAFETY: the pointers are of tensors that are held here.
        tensor(|out| unsafe { trackflow_native_product(x.as_ptr(), self.weight.as_ptr(), self.bias.as_ptr(), out) })
    }
}

/// A 3×3 convolution with bias by Winograd's F(2×2, 3×3) (Lavin and Gray, "Fast algorithms for convolutional neural
/// networks", CVPR 2016), with a kernel of its own.
#[derive(Debug)]
pub struct PackedConvolution {
    kernel: *mut Kernel,
    channels: i64,
}

// SAFETY: the kernel is read only, and libtorch's tensors may be read from any thread.
unsafe impl Send for PackedConvolution {}

impl Drop for PackedConvolution {
    fn drop(&mut self) {
        // SAFETY: the pointer came from `trackflow_native_pack_kernel` and is dropped here alone.
        unsafe { trackflow_native_packed_kernel_drop(self.kernel) }
    }
}

impl PackedConvolution {
    /// Of `weight` `[out, in, 3, 3]` and `bias` `[out]`, for maps of about `places` places; none on a GPU and in other
    /// types than f32.
    ///
    /// # Panics
    /// As tch's operations do, when libtorch refuses.
    pub fn new(weight: &Tensor, bias: &Tensor, places: i64) -> Option<Self> {
        let &[_, channels, 3, 3] = weight.size().as_slice() else { return None };
        if !is_plain(weight) || !is_plain(bias) {
            return None;
        }
        let mut kernel = ptr::null_mut();
        // SAFETY: the pointers are of tensors that the caller holds; a new kernel comes back when the status is 0.
        check(unsafe { trackflow_native_pack_kernel(weight.as_ptr(), bias.as_ptr(), places, &mut kernel) })
            .unwrap_or_else(|e| panic!("{e}"));
        Some(Self { kernel, channels })
    }

    /// `[H, W, out]` of `map` `[H, W, in]`, f32, with even sides; stride 1 and a border of one place.
    ///
    /// # Panics
    /// For a map of another shape, and as tch's operations do, when libtorch refuses.
    pub fn forward(&self, map: &Tensor) -> Tensor {
        let size = map.size();
        assert!(
            matches!(size[..], [height, width, channels] if height % 2 == 0 && width % 2 == 0 && channels == self.channels)
                && is_plain(map),
            "a map {:?} {size:?} for a kernel of {} channels",
            map.kind(),
            self.channels
        );
        // SAFETY: shape and type were checked, and the kernel lives as long as this value.
        tensor(|out| unsafe { trackflow_native_packed_convolve(map.as_ptr(), self.kernel, out) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tch::{Device, Kind};

    fn draw(shape: &[i64]) -> Tensor {
        Tensor::randn(shape, (Kind::Float, Device::Cpu))
    }

    fn off(a: &Tensor, b: &Tensor) -> f64 {
        ((a - b).abs().max() / b.abs().max()).double_value(&[])
    }

    #[test]
    fn layers_give_what_libtorch_gives_for_any_number_of_rows() {
        tch::manual_seed(5);
        let (weight, bias) = (draw(&[300, 256]), draw(&[300]));
        let packed = PackedLinear::new(&weight, &bias, 40).unwrap();
        // Not contiguous, as a part of a larger tensor is.
        let all = draw(&[3, 90, 256]);
        for rows in [1, 7, 40, 90] {
            let x = all.narrow(1, 90 - rows, rows);
            let expected = x.linear(&weight, Some(&bias));
            let have = packed.forward(&x);
            assert_eq!(have.size(), expected.size());
            assert!(off(&have, &expected) < 1e-5, "{rows}");
        }
        // It keeps what the weights were.
        let x = draw(&[5, 256]);
        let before = packed.forward(&x);
        let _ = (weight.shallow_clone().zero_(), bias.shallow_clone().zero_());
        assert_eq!(packed.forward(&x), before);
        assert!(PackedLinear::new(&draw(&[8, 8]), &draw(&[8]), 40).is_none(), "small ones are left to libtorch");
    }

    #[test]
    fn convolutions_give_what_the_direct_way_gives() {
        tch::manual_seed(6);
        // Small kernels and large ones go different ways.
        for (from, to) in [(24, 10), (600, 450)] {
            let weight = draw(&[to, from, 3, 3]) / ((9 * from) as f64).sqrt();
            let bias = draw(&[to]);
            let packed = PackedConvolution::new(&weight, &bias, 48).unwrap();
            let map = draw(&[8, 6, 2 * from]).narrow(2, 3, from);
            let planes = map.permute([2, 0, 1]).unsqueeze(0);
            let expected = planes.conv2d(&weight, Some(&bias), [1], [1], [1], 1).squeeze_dim(0).permute([1, 2, 0]);
            let have = packed.forward(&map);
            assert_eq!(have.size(), [8, 6, to]);
            assert!(off(&have, &expected) < 1e-5, "{from} {to}: {}", off(&have, &expected));
        }
    }
}
