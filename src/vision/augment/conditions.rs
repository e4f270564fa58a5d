//! Scene conditions made on crops: what a camera or a scene does to a video, done to the search frames of a clip.
//!
//! `strength` is from 0 (nothing) to 1; `draw` gives uniform numbers from 0 to 1, in an order that depends on the effect
//! alone, so that the same draws give the same pictures.

use image::{RgbImage, imageops};

use crate::vision::rect::Rect;
use crate::vision::resample::{FastBilinear, Resampler, smooth};

/// A way of making a scene harder.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Effect {
    /// Pixels are averaged along a line up to an eighth of the crop long, as when the camera moves while it exposes.
    MotionBlur,
    /// Values are drawn towards the mean of their channel, to as little as a tenth of their distance.
    LowContrast,
    /// The crop is scaled down, to as little as a tenth of its side, and up again.
    LowResolution,
    /// The light grows or fades from the first search frame to the last, by up to three stops.
    IlluminationChange,
    /// A piece of the surroundings lies over up to 80 % of the object.
    Occlusion,
    /// Up to six copies of the object lie beside it.
    BackgroundClutter,
}

impl Effect {
    /// Changes the search crops of a clip; `boxes` are the object's, in units of the crop's side.
    pub fn apply(self, crops: &mut [RgbImage], boxes: &[Rect], strength: f64, mut draw: impl FnMut() -> f64) {
        match self {
            Self::MotionBlur => {
                let angle = std::f64::consts::TAU * draw();
                for crop in crops {
                    let length = strength * f64::from(crop.width()) / 8.0;
                    motion_blur(crop, (length * angle.cos(), length * angle.sin()));
                }
            }
            Self::LowContrast => crops.iter_mut().for_each(|crop| low_contrast(crop, 1.0 - 0.9 * strength)),
            Self::LowResolution => crops.iter_mut().for_each(|crop| low_resolution(crop, 1.0 - 0.9 * strength)),
            Self::IlluminationChange => {
                let (stops, fades) = (3.0 * strength, draw() < 0.5);
                let last = crops.len().saturating_sub(1).max(1) as f64;
                for (index, crop) in crops.iter_mut().enumerate() {
                    // Half of it before the middle of the clip and half after, or the clip would be dark all through.
                    let at = index as f64 / last - 0.5;
                    super::brightness(crop, (stops * if fades { -at } else { at }).exp2() as f32);
                }
            }
            Self::Occlusion => {
                let (side, from) = (draw(), (draw(), draw()));
                for (crop, object) in crops.iter_mut().zip(boxes) {
                    occlude(crop, object, 0.8 * strength, side, from);
                }
            }
            Self::BackgroundClutter => {
                let copies = (6.0 * strength).ceil() as usize;
                let angles: Vec<(f64, f64)> = (0..copies).map(|_| (std::f64::consts::TAU * draw(), draw())).collect();
                for (crop, object) in crops.iter_mut().zip(boxes) {
                    clutter(crop, object, &angles);
                }
            }
        }
    }
}

/// Averages along the line from `-(dx, dy)/2` to `(dx, dy)/2`, in pixels; the border's pixels go on beyond it.
fn motion_blur(crop: &mut RgbImage, (dx, dy): (f64, f64)) {
    let samples = dx.abs().max(dy.abs()).round() as usize + 1;
    let (width, height) = (crop.width() as i64, crop.height() as i64);
    if samples < 2 || width == 0 {
        return;
    }
    let mut sums = vec![0u32; crop.len()];
    for sample in 0..samples {
        let at = sample as f64 / (samples - 1) as f64 - 0.5;
        let (ox, oy) = ((at * dx).round() as i64, (at * dy).round() as i64);
        for (y, row) in sums.chunks_exact_mut(width as usize * 3).enumerate() {
            let source = ((y as i64 + oy).clamp(0, height - 1) * width * 3) as usize;
            let source = &crop.as_raw()[source..source + width as usize * 3];
            for (x, sums) in row.chunks_exact_mut(3).enumerate() {
                let from = (x as i64 + ox).clamp(0, width - 1) as usize * 3;
                sums.iter_mut().zip(&source[from..from + 3]).for_each(|(sum, value)| *sum += u32::from(*value));
            }
        }
    }
    let (half, all) = (samples as u32 / 2, samples as u32);
    crop.iter_mut().zip(sums).for_each(|(value, sum)| *value = ((sum + half) / all) as u8);
}

/// Leaves `keep` of each value's distance from its channel's mean.
fn low_contrast(crop: &mut RgbImage, keep: f64) {
    let pixels = f64::from(crop.width()) * f64::from(crop.height());
    let mut means = [0.0; 3];
    crop.pixels().for_each(|pixel| means.iter_mut().zip(pixel.0).for_each(|(mean, value)| *mean += f64::from(value)));
    let tables = means.map(|sum| {
        let mean = sum / pixels.max(1.0);
        std::array::from_fn::<u8, 256, _>(|value| (mean + (value as f64 - mean) * keep).round() as u8)
    });
    for pixel in crop.pixels_mut() {
        pixel.0.iter_mut().zip(&tables).for_each(|(value, table)| *value = table[usize::from(*value)]);
    }
}

/// Scales down to `share` of the side, and back.
fn low_resolution(crop: &mut RgbImage, share: f64) {
    let side = |length: u32| ((f64::from(length) * share).round() as u32).clamp(1, length.max(1));
    let (width, height) = crop.dimensions();
    let small = smooth(crop, side(width), side(height));
    *crop = FastBilinear::default().resample(&small, width, height);
}

/// Whole pixels of a box, inside the crop: left, top, width, height.
fn pixels(object: &Rect, crop: &RgbImage) -> Option<(u32, u32, u32, u32)> {
    let (width, height) = crop.dimensions();
    let scaled = |value: f64, side: u32| (value * f64::from(side)).round().clamp(0.0, f64::from(side)) as u32;
    let (left, right) = (scaled(object.x, width), scaled(object.x + object.w, width));
    let (top, bottom) = (scaled(object.y, height), scaled(object.y + object.h, height));
    (right > left && bottom > top).then_some((left, top, right - left, bottom - top))
}

/// Lays a piece of the crop, taken at `from`, over `share` of the object: from the left, right, top or bottom.
fn occlude(crop: &mut RgbImage, object: &Rect, share: f64, side: f64, from: (f64, f64)) {
    let Some((x, y, w, h)) = pixels(object, crop) else { return };
    let part = |length: u32| (f64::from(length) * share).round() as u32;
    let (x, y, w, h) = match (side * 4.0) as u32 {
        0 => (x, y, part(w), h),
        1 => (x + w - part(w), y, part(w), h),
        2 => (x, y, w, part(h)),
        _ => (x, y + h - part(h), w, part(h)),
    };
    let source = |at: f64, length: u32, side: u32| (at * f64::from(side.saturating_sub(length))) as u32;
    let piece = imageops::crop_imm(crop, source(from.0, w, crop.width()), source(from.1, h, crop.height()), w, h);
    let piece = piece.to_image();
    imageops::replace(crop, &piece, i64::from(x), i64::from(y));
}

/// Lays copies of the object around it, each at an angle and between one and two of its diagonals away.
fn clutter(crop: &mut RgbImage, object: &Rect, places: &[(f64, f64)]) {
    let Some((x, y, w, h)) = pixels(object, crop) else { return };
    let copy = imageops::crop_imm(crop, x, y, w, h).to_image();
    let diagonal = f64::from(w).hypot(f64::from(h));
    for (angle, distance) in places {
        let away = diagonal * (1.0 + distance);
        let (cx, cy) = (f64::from(x) + away * angle.cos(), f64::from(y) + away * angle.sin());
        imageops::replace(crop, &copy, cx.round() as i64, cy.round() as i64);
    }
    // A copy that reaches back over the object would be an occlusion.
    imageops::replace(crop, &copy, i64::from(x), i64::from(y));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vision::golden::Noise;

    const OBJECT: Rect = Rect { x: 0.4, y: 0.35, w: 0.2, h: 0.25 };

    fn clip() -> Vec<RgbImage> {
        let mut noise = Noise::new(4);
        (0..3)
            .map(|_| RgbImage::from_fn(80, 80, |x, _| image::Rgb([noise.byte() / 2, x as u8, noise.byte()])))
            .collect()
    }

    fn applied(effect: Effect, strength: f64) -> Vec<RgbImage> {
        let (mut crops, mut noise) = (clip(), Noise::new(7));
        effect.apply(&mut crops, &[OBJECT; 3], strength, || f64::from(noise.byte()) / 256.0);
        crops
    }

    fn mean(crop: &RgbImage) -> f64 {
        crop.iter().map(|value| f64::from(*value)).sum::<f64>() / crop.len() as f64
    }

    /// Standard deviation of the blue channel.
    fn spread(crop: &RgbImage) -> f64 {
        let values: Vec<f64> = crop.pixels().map(|pixel| f64::from(pixel.0[2])).collect();
        let mean = values.iter().sum::<f64>() / values.len() as f64;
        (values.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / values.len() as f64).sqrt()
    }

    #[test]
    fn blur_low_contrast_and_low_resolution_take_detail_and_leave_the_mean() {
        for effect in [Effect::MotionBlur, Effect::LowContrast, Effect::LowResolution] {
            for (before, after) in clip().iter().zip(applied(effect, 0.8)) {
                assert!(spread(&after) < 0.5 * spread(before), "{effect:?}: {} {}", spread(before), spread(&after));
                assert!((mean(&after) - mean(before)).abs() < 3.0, "{effect:?}");
            }
        }
    }

    #[test]
    fn light_changes_in_one_direction() {
        let means: Vec<f64> = applied(Effect::IlluminationChange, 0.5).iter().map(mean).collect();
        assert!(means.is_sorted_by(|a, b| a < b) || means.is_sorted_by(|a, b| a > b), "{means:?}");
    }

    #[test]
    fn an_occluder_stays_on_the_object_and_clutter_off_it() {
        let inside = |x: u32, y: u32| (32..48).contains(&x) && (28..48).contains(&y);
        let changed = |effect, within: bool| {
            let pairs = clip().into_iter().zip(applied(effect, 1.0));
            pairs
                .map(|(before, after)| {
                    let all = before.enumerate_pixels().filter(|(x, y, _)| inside(*x, *y) == within);
                    all.filter(|(x, y, pixel)| after.get_pixel(*x, *y) != *pixel).count()
                })
                .collect::<Vec<_>>()
        };
        assert_eq!(changed(Effect::Occlusion, false), [0; 3]);
        // 80 % of the object's 320 pixels, rounded to whole rows or columns, but for those that happen to be equal.
        assert!(changed(Effect::Occlusion, true).iter().all(|&count| (230..=260).contains(&count)));
        assert_eq!(changed(Effect::BackgroundClutter, true), [0; 3]);
        assert!(changed(Effect::BackgroundClutter, false).iter().all(|&count| count > 300));
    }

    #[test]
    fn no_strength_changes_nothing_and_boxes_outside_do_no_harm() {
        use Effect::{BackgroundClutter, LowContrast, MotionBlur, Occlusion};
        for effect in [MotionBlur, LowContrast, Occlusion, BackgroundClutter] {
            assert_eq!(applied(effect, 0.0), clip(), "{effect:?}");
            let mut crops = clip();
            effect.apply(&mut crops, &[Rect::new(-3.0, 0.9, 1.0, 9.0); 3], 1.0, || 0.99);
            effect.apply(&mut [RgbImage::new(1, 1)], &[OBJECT], 1.0, || 0.5);
        }
    }
}
