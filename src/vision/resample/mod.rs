//! Scaling a crop to the size of the network's input; one file per resampler.

mod exact;
mod fast;

pub use exact::ExactBilinear;
pub use fast::FastBilinear;

use image::RgbImage;

/// Scales pictures; one resampler per thread, as it keeps buffers between calls.
pub trait Resampler: Send {
    /// `source` at `width` × `height` pixels; a source without pixels gives black.
    fn resample(&mut self, source: &RgbImage, width: u32, height: u32) -> RgbImage;
}
