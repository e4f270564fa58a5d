//! Scaling a crop to the size of the network's input; one file per resampler.

mod exact;
mod fast;
mod lines;
mod smooth;
mod vector;

pub use exact::ExactBilinear;
pub use fast::FastBilinear;
pub use smooth::smooth;

use image::RgbImage;

use crate::{
    failure::Result,
    vision::{area::DecodedRegion, crop, window::Window},
};

/// Scales pictures; one resampler per thread, as it keeps buffers between calls.
pub trait Resampler: Send {
    /// `source` at `width` × `height` pixels; a source without pixels gives black.
    fn resample(&mut self, source: &RgbImage, width: u32, height: u32) -> RgbImage;

    /// What `window` shows of a frame, black outside of it, at `size` × `size` pixels.
    ///
    /// # Errors
    /// `part` lacks pixels of the frame that the window shows.
    fn crop(&mut self, part: &DecodedRegion, window: &Window, size: u32) -> Result<RgbImage> {
        Ok(self.resample(&crop::crop(part, window)?, size, size))
    }
}
