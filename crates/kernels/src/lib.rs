//! C++ beside libtorch: what libtorch can do and tch does not wrap, and kernels of our own. Each `.cpp` file has its
//! Rust side here.

mod adamw;
#[cfg(feature = "cpu-kernels")]
mod cpu;
pub mod memory;
#[cfg(not(feature = "cpu-kernels"))]
mod none;
mod precision;
pub mod ranks;
mod recompute;
mod shared;
pub mod stream;
mod sync;
pub mod uploads;

pub use adamw::{Hyper, adamw, norm};
#[cfg(feature = "cpu-kernels")]
pub use cpu::{PackedConvolution, PackedLinear, Pass, attention, convolution, linear};
pub use memory::channels_last;
#[cfg(not(feature = "cpu-kernels"))]
pub use none::{PackedConvolution, PackedLinear, Pass, attention, convolution, linear};
pub use precision::{Autocast, allow_tf32, autocast_is_on};
pub use recompute::recompute;
pub use shared::{Sharing, Use, copy_all, count_later, shared};
pub use sync::{Synchronised, is_synchronised, sum_over_ranks};

use std::ffi::{CStr, c_char, c_int};
#[cfg(feature = "cpu-kernels")]
use std::ptr;
use tch::TchError;
#[cfg(feature = "cpu-kernels")]
use tch::{Device, Kind, Tensor};
use torch_sys::C_tensor;

/// Whether this build has kernels of our own; without them, libtorch's serve everywhere.
pub const HAS_OWN: bool = cfg!(feature = "cpu-kernels");

unsafe extern "C" {
    fn trackflow_native_message() -> *const c_char;
    fn trackflow_native_torch_version() -> *const c_char;
}

/// The version of libtorch whose headers the program was built with: `2.11.0`.
pub fn torch_version() -> String {
    // SAFETY: a constant text that ends with a zero.
    unsafe { CStr::from_ptr(trackflow_native_torch_version()) }.to_string_lossy().into_owned()
}

/// What a call says: nothing, or what its exception said.
fn check(status: c_int) -> Result<(), TchError> {
    if status == 0 {
        return Ok(());
    }
    // SAFETY: the message is a string of this thread that the next failure on it overwrites; it is copied here.
    let message = unsafe { CStr::from_ptr(trackflow_native_message()) };
    Err(TchError::Torch(message.to_string_lossy().into_owned()))
}

#[cfg(feature = "cpu-kernels")]
/// The tensor that `call` makes.
///
/// # Panics
/// As tch's operations do, when libtorch refuses.
fn tensor(call: impl FnOnce(*mut *mut C_tensor) -> c_int) -> Tensor {
    let mut out = ptr::null_mut();
    check(call(&mut out)).unwrap_or_else(|e| panic!("{e}"));
    // SAFETY: a new tensor comes back when the status is 0.
    unsafe { Tensor::from_ptr(out) }
}

#[cfg(feature = "cpu-kernels")]
/// Whether it is of the kind that our own kernels are for: f32 on the CPU.
fn is_plain(tensor: &Tensor) -> bool {
    tensor.device() == Device::Cpu && tensor.kind() == Kind::Float
}

/// Pointers to the C++ tensors of `tensors`.
fn pointers<'a>(tensors: impl IntoIterator<Item = &'a tch::Tensor>) -> Vec<*const C_tensor> {
    tensors.into_iter().map(tch::Tensor::as_ptr).collect()
}
