//! Augmentation of crops. What to do is decided by the clip's plan; these functions only do it.

mod conditions;

pub use conditions::Effect;

use image::RgbImage;

use crate::vision::rect::Rect;

/// Makes the crop grey: all channels become the luma of ITU-R BT.601 in OpenCV's fixed point (`COLOR_RGB2GRAY`).
pub fn grey(crop: &mut RgbImage) {
    for pixel in crop.pixels_mut() {
        let [r, g, b] = pixel.0.map(u32::from);
        // 0.299, 0.587 and 0.114 with 15 bits.
        let luma = (r * 9798 + g * 19235 + b * 3735 + (1 << 14)) >> 15;
        pixel.0 = [luma as u8; 3];
    }
}

/// Mirrors the crop left to right; its box is mirrored by [`flip_box`].
pub fn flip(crop: &mut RgbImage) {
    let stride = crop.width() as usize * 3;
    if stride == 0 {
        return;
    }
    for row in crop.chunks_exact_mut(stride) {
        let (mut left, mut right) = (0, stride - 3);
        while left < right {
            for channel in 0..3 {
                row.swap(left + channel, right + channel);
            }
            left += 3;
            right -= 3;
        }
    }
}

/// The box, normalised by `size`, in the mirrored crop.
///
/// Crop coordinates count pixel centres from 0, as [`crate::vision::window::Window::to_crop`] has its middle at
/// (size − 1)/2; so pixel `i` goes to `size − 1 − i`, and a box in the middle stays there. (The reference mirrors
/// about size/2 here and about (size − 1)/2 in frames; one convention serves both.)
pub fn flip_box(object: &Rect, size: u32) -> Rect {
    let last = (f64::from(size) - 1.0) / f64::from(size);
    Rect::new(last - object.x - object.w, object.y, object.w, object.h)
}

/// Multiplies every channel by `factor`, rounded and limited to 255.
pub fn brightness(crop: &mut RgbImage, factor: f32) {
    let table: [u8; 256] = std::array::from_fn(|value| (value as f32 * factor).round() as u8);
    match fixed_point(factor, &table) {
        Some(scale) => scale_all(crop, scale),
        None => crop.iter_mut().for_each(|value| *value = table[usize::from(*value)]),
    }
}

/// `factor` with 16 fractional bits, when integers of 32 bits with it give all of `table`: then whole vectors of values
/// are multiplied at once.
fn fixed_point(factor: f32, table: &[u8; 256]) -> Option<u32> {
    let scale = (0.0..256.0).contains(&factor).then(|| (factor * 65536.0).round() as u32)?;
    (0..256u32).all(|value| scaled(value, scale) == table[value as usize]).then_some(scale)
}

fn scaled(value: u32, scale: u32) -> u8 {
    ((value * scale + (1 << 15)) >> 16).min(255) as u8
}

fn scale_all(values: &mut [u8], scale: u32) {
    #[cfg(target_arch = "x86_64")]
    {
        #[target_feature(enable = "avx2")]
        fn with_avx2(values: &mut [u8], scale: u32) {
            values.iter_mut().for_each(|value| *value = scaled(u32::from(*value), scale));
        }
        if is_x86_feature_detected!("avx2") {
            // SAFETY: the machine has what the function was compiled for.
            return unsafe { with_avx2(values, scale) };
        }
    }
    values.iter_mut().for_each(|value| *value = scaled(u32::from(*value), scale));
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::vision::window::Window;

    proptest! {
        #[test]
        fn flipping_twice_changes_nothing(width in 1u32..20, height in 1u32..20, x in -0.5..1.0, w in 0.01..1.0) {
            let mut noise = crate::vision::golden::Noise::new(u64::from(width * height));
            let crop = RgbImage::from_fn(width, height, |_, _| image::Rgb([noise.byte(), noise.byte(), noise.byte()]));
            let mut flipped = crop.clone();
            flip(&mut flipped);
            for (x, y, pixel) in crop.enumerate_pixels() {
                prop_assert_eq!(pixel, flipped.get_pixel(width - 1 - x, y));
            }
            flip(&mut flipped);
            prop_assert_eq!(&flipped, &crop);
            let object = Rect::new(x, 0.25, w, 0.5);
            let back = flip_box(&flip_box(&object, width), width);
            prop_assert!((back.x - object.x).abs() < 1e-12);
        }
    }

    #[test]
    fn a_centred_box_stays_centred_when_flipped() {
        let target = Rect::new(40.0, 30.0, 20.0, 10.0);
        let object = Window::around(&target, 2.0).unwrap().to_crop_normalised(&target, 384);
        assert!((flip_box(&object, 384).x - object.x).abs() < 1e-12);
    }

    #[test]
    fn brightness_scales_and_saturates() {
        let mut crop = RgbImage::from_raw(1, 1, vec![100, 0, 250]).unwrap();
        brightness(&mut crop, 1.155);
        assert_eq!(crop.as_raw(), &[116, 0, 255]);
        brightness(&mut crop, -1.0);
        assert_eq!(crop.as_raw(), &[0, 0, 0]);
    }

    #[test]
    fn brightness_is_the_same_for_whole_vectors() {
        let mut fast = 0;
        for step in 0..4000u16 {
            let factor = f32::from(step) / 1999.7;
            let table: [u8; 256] = std::array::from_fn(|value| (value as f32 * factor).round() as u8);
            fast += u32::from(fixed_point(factor, &table).is_some());
            let mut crop = RgbImage::from_fn(16, 16, |x, y| image::Rgb([(16 * y + x) as u8; 3]));
            brightness(&mut crop, factor);
            assert!(crop.pixels().zip(&table).all(|(pixel, value)| pixel.0 == [*value; 3]), "{factor}");
        }
        assert!(fast > 3600, "{fast} of 4000");
    }
}
