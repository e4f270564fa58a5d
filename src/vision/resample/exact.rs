//! OpenCV's bilinear `resize` for 8-bit pictures, bit for bit, so that crops equal those the weights were trained on.
//!
//! The algorithm works in fixed point with 11 bits per axis. Each source row is scaled horizontally at most once per
//! call: neighbouring output rows share source rows, and two of them are kept.

use image::RgbImage;

use super::{Resampler, lines::Lines, vector};
use crate::{
    failure::Result,
    vision::{area::DecodedRegion, pool, window::Window},
};

/// Fixed-point one of an interpolation weight.
const ONE: f32 = 2048.0;

/// The resampler that equals `cv2.resize(…, interpolation=INTER_LINEAR)` in every byte.
#[derive(Clone, Debug, Default)]
pub struct ExactBilinear {
    upper: Row,
    lower: Row,
    /// Without the machine's vector instructions: what they are compared with.
    plain: bool,
}

/// One source row after horizontal scaling.
#[derive(Clone, Debug, Default)]
struct Row {
    /// Which source row it is.
    of: Option<usize>,
    /// Sums of two weighted pixels, without their lowest four bits (the vertical pass drops them).
    sums: Vec<i16>,
}

/// Where an output pixel lies between two source pixels, and their weights.
#[derive(Clone, Copy, Debug)]
pub(super) struct Tap {
    pub first: usize,
    pub second: usize,
    pub weights: [i16; 2],
}

/// The taps along one axis. `zero_at_border` is how OpenCV treats columns: beyond the outermost pixel centres the
/// fraction is dropped; for rows it is kept and both rows are clamped to the same one.
fn taps(source: usize, output: usize, zero_at_border: bool) -> Vec<Tap> {
    let scale = 1.0 / (output as f64 / source as f64);
    let last = source as i64 - 1;
    let tap = |i: usize| {
        let position = ((i as f64 + 0.5) * scale - 0.5) as f32;
        let mut first = position.floor() as i64;
        let mut fraction = position - position.floor();
        if zero_at_border && (first < 0 || first >= last) {
            (first, fraction) = (first.clamp(0, last), 0.0);
        }
        let weight = |part: f32| (part * ONE).round_ties_even() as i16;
        Tap {
            first: first.clamp(0, last) as usize,
            second: (first + 1).clamp(0, last) as usize,
            weights: [weight(1.0 - fraction), weight(fraction)],
        }
    };
    (0..output).map(tap).collect()
}

impl Row {
    /// Scales row `of`, whose pixels are `source`; `None` is a black one.
    fn fill(&mut self, source: Option<&[u8]>, of: usize, columns: &[Tap], plain: bool) {
        if self.of == Some(of) {
            return;
        }
        self.of = Some(of);
        self.sums.resize(columns.len() * 3, 0);
        let Some(source) = source else { return self.sums.fill(0) };
        let done = if plain { 0 } else { vector::horizontal(source, columns, &mut self.sums) };
        for (sums, tap) in self.sums.chunks_exact_mut(3).zip(columns).skip(done) {
            let (a, b) = (&source[tap.first * 3..tap.first * 3 + 3], &source[tap.second * 3..tap.second * 3 + 3]);
            let [wa, wb] = tap.weights.map(i32::from);
            for channel in 0..3 {
                // At most 255 · 2048 / 16 = 32640.
                sums[channel] = ((i32::from(a[channel]) * wa + i32::from(b[channel]) * wb) >> 4) as i16;
            }
        }
    }
}

impl ExactBilinear {
    fn scale(&mut self, mut source: Lines<'_>, width: u32, height: u32) -> RgbImage {
        let (n, m) = source.size();
        if n == 0 || m == 0 || width == 0 || height == 0 {
            return RgbImage::new(width, height);
        }
        let columns = taps(n, width as usize, true);
        let rows = taps(m, height as usize, false);
        (self.upper.of, self.lower.of) = (None, None);
        let mut output = pool::bytes(width as usize * height as usize * 3);
        for (out, tap) in output.chunks_exact_mut(width as usize * 3).zip(&rows) {
            if self.lower.of == Some(tap.first) {
                std::mem::swap(&mut self.upper, &mut self.lower);
            }
            self.upper.fill(source.line(tap.first), tap.first, &columns, self.plain);
            self.lower.fill(source.line(tap.second), tap.second, &columns, self.plain);
            let (upper, lower) = (&self.upper.sums, &self.lower.sums);
            let done = if self.plain { 0 } else { vector::vertical(upper, lower, tap.weights, out) };
            let [wa, wb] = tap.weights.map(i32::from);
            for ((out, &a), &b) in out[done..].iter_mut().zip(&upper[done..]).zip(&lower[done..]) {
                let sum = ((i32::from(a) * wa) >> 16) + ((i32::from(b) * wb) >> 16);
                *out = ((sum + 2) >> 2) as u8;
            }
        }
        RgbImage::from_raw(width, height, output).unwrap_or_default()
    }
}

impl Resampler for ExactBilinear {
    fn resample(&mut self, source: &RgbImage, width: u32, height: u32) -> RgbImage {
        self.scale(Lines::of_picture(source), width, height)
    }

    fn crop(&mut self, part: &DecodedRegion, window: &Window, size: u32) -> Result<RgbImage> {
        Ok(self.scale(Lines::of_window(part, window)?, size, size))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn noise(width: u32, height: u32, seed: u64) -> RgbImage {
        let mut rng = crate::vision::golden::Noise::new(seed);
        RgbImage::from_fn(width, height, |_, _| image::Rgb([rng.byte(), rng.byte(), rng.byte()]))
    }

    /// The same arithmetic, pixel by pixel and without caches, as the algorithm is written down.
    fn plain(source: &RgbImage, width: u32, height: u32) -> RgbImage {
        let axis = |i: u32, n: u32, d: u32| {
            let f = ((f64::from(i) + 0.5) * (1.0 / (f64::from(d) / f64::from(n))) - 0.5) as f32;
            (f.floor() as i64, f - f.floor())
        };
        let round = |v: f32| (v * 2048.0).round_ties_even() as i32;
        let (n, m) = source.dimensions();
        RgbImage::from_fn(width, height, |ox, oy| {
            let (mut sx, mut fx) = axis(ox, n, width);
            if sx < 0 {
                (sx, fx) = (0, 0.0);
            }
            if sx >= i64::from(n) - 1 {
                (sx, fx) = (i64::from(n) - 1, 0.0);
            }
            let sx1 = (sx + 1).min(i64::from(n) - 1);
            let (sy, fy) = axis(oy, m, height);
            let row = |y: i64| y.clamp(0, i64::from(m) - 1) as u32;
            let sum = |y: u32, c: usize| {
                let at = |x: i64| i32::from(source.get_pixel(x as u32, y).0[c]);
                at(sx) * round(1.0 - fx) + at(sx1) * round(fx)
            };
            image::Rgb([0, 1, 2].map(|c| {
                let upper = (round(1.0 - fy) * (sum(row(sy), c) >> 4)) >> 16;
                let lower = (round(fy) * (sum(row(sy + 1), c) >> 4)) >> 16;
                ((upper + lower + 2) >> 2) as u8
            }))
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(60))]
        #[test]
        fn caching_changes_no_byte(
            n in 1u32..70, m in 1u32..70, width in 1u32..90, height in 1u32..90, seed in any::<u64>(),
        ) {
            let source = noise(n, m, seed);
            let mut resampler = ExactBilinear::default();
            resampler.resample(&noise(9, 9, seed), 31, 5); // buffers of another call must not leak in
            let expected = plain(&source, width, height);
            prop_assert_eq!(&resampler.resample(&source, width, height), &expected);
            resampler.plain = true;
            prop_assert_eq!(&resampler.resample(&source, width, height), &expected);
        }
    }

    proptest! {
        #[test]
        fn a_window_equals_its_crop_resampled(
            x in -40i64..60, y in -40i64..60, side in 1u32..90, size in 1u32..70, seed in any::<u64>(),
        ) {
            let part = DecodedRegion::whole(noise(53, 41, seed));
            let window = Window { x, y, side, centre: (0.0, 0.0) };
            let crop = crate::vision::crop::crop(&part, &window).unwrap();
            let mut resampler = ExactBilinear::default();
            prop_assert_eq!(resampler.crop(&part, &window, size).unwrap(), plain(&crop, size, size));
        }
    }

    #[test]
    fn halving_is_the_rounded_mean_of_four() {
        let source = noise(32, 20, 4);
        let half = ExactBilinear::default().resample(&source, 16, 10);
        for (x, y, pixel) in half.enumerate_pixels() {
            for c in 0..3 {
                let at = |dx, dy| u32::from(source.get_pixel(2 * x + dx, 2 * y + dy).0[c]);
                assert_eq!(u32::from(pixel.0[c]), (at(0, 0) + at(1, 0) + at(0, 1) + at(1, 1) + 2) >> 2);
            }
        }
    }

    #[test]
    fn the_same_size_is_the_same_picture_and_no_pixels_are_black() {
        let source = noise(19, 11, 5);
        let mut resampler = ExactBilinear::default();
        assert_eq!(resampler.resample(&source, 19, 11), source);
        assert_eq!(resampler.resample(&RgbImage::new(0, 0), 2, 2), RgbImage::new(2, 2));
    }
}
