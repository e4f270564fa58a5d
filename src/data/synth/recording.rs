//! Lens, shutter, sensor and recording: from light to the bytes of a JPEG picture.

use image::codecs::jpeg::JpegEncoder;
use image::imageops::{FilterType, resize};
use image::{ImageFormat, Rgb as Pixel, RgbImage, load_from_memory_with_format};

use super::colour::{Rgb, encode};
use super::picture::Picture;
use crate::data::random::CounterRng;

/// Steps of the table of the transfer function: in the dark, where it is steepest, a step is a fifth of a display level.
const CURVE: usize = 16_384;
/// Normal numbers in the noise table.
const GRAINS: usize = 4096;

/// A recording with fewer pixels than the picture has.
#[derive(Clone, Copy, Debug)]
pub struct Reduction {
    /// Picture pixels per recorded pixel along a side.
    pub factor: f64,
    /// JPEG quality of the small picture.
    pub quality: u8,
    /// How the small picture is enlarged.
    pub enlarge: FilterType,
}

/// Haze between the camera and the scene: `light·clear + veil·(1 − clear)`.
#[derive(Clone, Copy, Debug)]
pub struct Haze {
    /// The part of the light that gets through.
    pub clear: f32,
    /// The haze's own colour.
    pub veil: Rgb,
}

/// How the scene is recorded.
#[derive(Clone, Debug)]
pub struct Recording {
    /// The part of the frame interval in which the shutter is open.
    pub exposure: f64,
    /// Brightness.
    pub gain: f32,
    /// Loss of light in the corners.
    pub vignette: f32,
    /// Standard deviation of the sensor noise in display values.
    pub noise: f32,
    /// Haze, if any.
    pub haze: Option<Haze>,
    /// A recording with few pixels, if so.
    pub reduction: Option<Reduction>,
    /// JPEG quality.
    pub quality: u8,
    curve: Vec<f32>,
    grains: Vec<f32>,
}

impl Recording {
    /// Film with the usual small faults; noise and brightness as drawn.
    pub fn new(rng: &mut CounterRng, quality: u8) -> Self {
        let (noise, vignette, gain) = (rng.range(0.004, 0.018), rng.range(0.0, 0.3), rng.range(0.85, 1.15));
        let mut table = CounterRng::new(&[rng.bits()]);
        Self {
            exposure: rng.range(0.02, 0.12),
            gain: gain as f32,
            vignette: vignette as f32,
            noise: noise as f32,
            haze: haze(rng),
            reduction: None,
            quality,
            curve: (0..=CURVE).map(|step| 255.0 * encode(step as f32 / CURVE as f32) + 0.5).collect(),
            grains: (0..GRAINS).map(|_| table.normal() as f32).collect(),
        }
    }

    /// Develops the light of a frame. `rng` belongs to the frame.
    pub fn develop(&self, light: &Picture, rng: &mut CounterRng) -> RgbImage {
        let (width, height) = (light.width, light.height);
        let Haze { clear, veil } = self.haze.unwrap_or(Haze { clear: 1.0, veil: [0.0; 3] });
        let veil = veil.map(|v| (1.0 - clear) * v);
        let noise = 255.0 * self.noise;
        let corner = 0.25 * (width * width + height * height) as f32;
        let mut bytes = Vec::with_capacity(3 * width * height);
        for (row, line) in light.pixels.chunks_exact(width).enumerate() {
            let dy = row as f32 + 0.5 - 0.5 * height as f32;
            let mut grain = rng.below(GRAINS);
            for (column, pixel) in line.iter().enumerate() {
                let dx = column as f32 + 0.5 - 0.5 * width as f32;
                let gain = self.gain * (1.0 - self.vignette * (dx * dx + dy * dy) / corner);
                let mut developed = [0; 3];
                for c in 0..3 {
                    let level = self.display((clear * pixel[c] + veil[c]) * gain);
                    // The conversion saturates: a level below 0 is 0, one above 255 is 255.
                    developed[c] = (level + noise * self.grains[(grain + c) % GRAINS]) as u8;
                }
                bytes.extend_from_slice(&developed);
                grain += 3;
            }
        }
        let full = RgbImage::from_raw(width as u32, height as u32, bytes).unwrap_or_default();
        match self.reduction {
            None => full,
            Some(reduction) => reduction.apply(&full),
        }
    }

    /// The display level of a light, plus one half for rounding.
    fn display(&self, light: f32) -> f32 {
        self.curve[((light * CURVE as f32) as u16 as usize).min(CURVE)]
    }
}

/// Every third day is a little hazy.
fn haze(rng: &mut CounterRng) -> Option<Haze> {
    let grey = rng.range(0.3, 0.6) as f32;
    let clear = rng.range(0.75, 0.95) as f32;
    rng.chance(0.33).then_some(Haze { clear, veil: [grey, grey, 1.04 * grey] })
}

impl Reduction {
    fn apply(&self, full: &RgbImage) -> RgbImage {
        let less = |side: u32| ((f64::from(side) / self.factor).round() as u32).max(1);
        let small = resize(full, less(full.width()), less(full.height()), FilterType::Triangle);
        // The small picture was compressed before it was enlarged; a failure of the codec in memory leaves it as it is.
        let recorded = compress(&small, self.quality)
            .and_then(|bytes| load_from_memory_with_format(&bytes, ImageFormat::Jpeg))
            .map_or(small, |picture| picture.into_rgb8());
        resize(&recorded, full.width(), full.height(), self.enlarge)
    }
}

/// The bytes of the picture as a JPEG file.
pub fn compress(picture: &RgbImage, quality: u8) -> image::ImageResult<Vec<u8>> {
    let mut bytes = Vec::with_capacity(picture.len() / 6);
    JpegEncoder::new_with_quality(&mut bytes, quality)
        .encode_image::<image::ImageBuffer<Pixel<u8>, Vec<u8>>>(picture)?;
    Ok(bytes)
}
