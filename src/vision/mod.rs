//! Decoders, crop geometry, resampling and augmentation: pure functions on pixels.

pub mod rect;
