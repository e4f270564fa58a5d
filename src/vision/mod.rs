//! Decoders, crop geometry, resampling and augmentation: pure functions on pixels.

pub mod augment;
pub mod canvas;
pub mod crop;
pub mod decode;
pub mod rect;
pub mod resample;
pub mod window;

#[cfg(test)]
mod golden;
