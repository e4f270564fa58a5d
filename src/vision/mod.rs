//! Decoders, crop geometry, resampling and augmentation: pure functions on pixels.

pub mod area;
pub mod augment;
pub mod canvas;
pub mod crop;
pub mod decode;
#[cfg(feature = "turbojpeg")]
pub mod jpeg;
pub mod orientation;
pub mod pool;
pub mod rect;
pub mod resample;
pub mod tiles;
pub mod window;

#[cfg(test)]
mod golden;
