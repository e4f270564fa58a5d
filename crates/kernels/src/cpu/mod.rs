//! Kernels of our own: on the CPU, in f32. Each says by `None` where libtorch's own is to be used.

mod attention;
mod convolution;
mod linear;
mod packed;

pub use attention::attention;
pub use convolution::{Pass, convolution};
pub use linear::linear;
pub use packed::{PackedConvolution, PackedLinear};
