//! Scaling down without aliasing.

use fast_image_resize::images::{TypedImage, TypedImageRef};
use fast_image_resize::pixels::U8x3;
use fast_image_resize::{FilterType, ResizeAlg, ResizeOptions, Resizer};
use image::RgbImage;

/// `source` at another size, by convolution with Lanczos' kernel of three lobes: every source pixel counts.
pub fn smooth(source: &RgbImage, width: u32, height: u32) -> RgbImage {
    let mut output = RgbImage::new(width, height);
    let options = ResizeOptions::new().resize_alg(ResizeAlg::Convolution(FilterType::Lanczos3));
    let view = TypedImageRef::<U8x3>::from_buffer(source.width(), source.height(), source.as_raw());
    let target = TypedImage::<U8x3>::from_buffer(width, height, &mut output);
    if let (Ok(view), Ok(mut target)) = (view, target) {
        // Fails only for a crop box outside the source, and none is set.
        let done = Resizer::new().resize_typed(&view, &mut target, &options);
        debug_assert!(done.is_ok());
    }
    output
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fine_stripes_become_grey_rather_than_coarse_stripes() {
        let stripes = RgbImage::from_fn(300, 60, |x, _| image::Rgb([if x % 2 == 0 { 0 } else { 255 }; 3]));
        let small = smooth(&stripes, 70, 14);
        let inner = small.enumerate_pixels().filter(|(x, ..)| (4..66).contains(x));
        assert!(inner.map(|(.., pixel)| pixel.0[0]).all(|value| value.abs_diff(127) < 16));
    }
}
