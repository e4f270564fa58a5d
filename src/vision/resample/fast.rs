//! Bilinear interpolation with the widest vector instructions of the machine.

use fast_image_resize::images::{TypedImage, TypedImageRef};
use fast_image_resize::pixels::U8x3;
use fast_image_resize::{FilterType, ResizeAlg, ResizeOptions, Resizer};
use image::RgbImage;

use super::Resampler;

/// The resampler for speed: the same two-tap interpolation with other rounding, within two grey levels of
/// [`super::ExactBilinear`]. Like it, it does not average when it scales down.
#[derive(Debug, Default)]
pub struct FastBilinear {
    resizer: Resizer,
}

impl Resampler for FastBilinear {
    fn resample(&mut self, source: &RgbImage, width: u32, height: u32) -> RgbImage {
        let mut output = RgbImage::new(width, height);
        let options = ResizeOptions::new().resize_alg(ResizeAlg::Interpolation(FilterType::Bilinear));
        let view = TypedImageRef::<U8x3>::from_buffer(source.width(), source.height(), source.as_raw());
        let target = TypedImage::<U8x3>::from_buffer(width, height, &mut output);
        if let (Ok(view), Ok(mut target)) = (view, target) {
            // Fails only for a crop box outside the source, and none is set.
            let done = self.resizer.resize_typed(&view, &mut target, &options);
            debug_assert!(done.is_ok());
        }
        output
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vision::resample::ExactBilinear;

    #[test]
    fn stays_within_two_grey_levels_of_the_exact_one() {
        let mut noise = crate::vision::golden::Noise::new(11);
        let source = RgbImage::from_fn(173, 141, |_, _| image::Rgb([noise.byte(), noise.byte(), noise.byte()]));
        for (width, height) in [(64, 64), (384, 384), (100, 31), (173, 141)] {
            let exact = ExactBilinear::default().resample(&source, width, height);
            let fast = FastBilinear::default().resample(&source, width, height);
            let worst = exact.iter().zip(fast.iter()).map(|(a, b)| a.abs_diff(*b)).max().unwrap();
            assert!(worst <= 2, "{width}×{height}: {worst}");
        }
    }

    #[test]
    fn no_pixels_are_black() {
        assert_eq!(FastBilinear::default().resample(&RgbImage::new(0, 0), 2, 3), RgbImage::new(2, 3));
    }
}
