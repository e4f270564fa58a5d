//! C++ beside libtorch: what libtorch can do and tch does not wrap, and kernels of our own. Each `.cpp` file has its
//! Rust side here.

mod adamw;
mod attention;
mod convolution;
mod linear;
pub mod memory;
mod packed;
mod precision;
mod recompute;

pub use adamw::{Hyper, adamw, norm};
pub use attention::attention;
pub use convolution::{Pass, convolution};
pub use linear::linear;
pub use packed::{PackedConvolution, PackedLinear};
pub use precision::{Autocast, allow_tf32};
pub use recompute::recompute;

use std::ffi::{CStr, c_char, c_int};
use tch::TchError;
use torch_sys::C_tensor;

unsafe extern "C" {
    fn trackflow_native_message() -> *const c_char;
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

/// Pointers to the C++ tensors of `tensors`.
fn pointers<'a>(tensors: impl IntoIterator<Item = &'a tch::Tensor>) -> Vec<*const C_tensor> {
    tensors.into_iter().map(tch::Tensor::as_ptr).collect()
}
