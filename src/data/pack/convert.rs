//! What becomes of one frame.

use crate::data::dataset::packed::How;
use crate::vision::decode::{DecodeError, check_complete};
use crate::vision::rect::Rect;
#[cfg(feature = "turbojpeg")]
use crate::vision::{
    decode::{Container, Decoder, TurboDecoder, orientation_segment},
    jpeg,
    orientation::Orientation,
    tiles,
};

/// A frame as it goes into a shard.
pub(super) struct Converted {
    /// The file.
    pub bytes: Vec<u8>,
    /// How many bytes stand before tiles; 0 without tiles.
    pub head: u32,
    /// Frame pixels ÷ pixels of the original.
    pub scale: f64,
    /// What scaling cost.
    pub loss: Loss,
}

/// What scaling frames cost: the mean squared error of their pixels, compared at the scaled size.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Loss {
    /// Squared errors, summed over `values`.
    squares: f64,
    /// Channel values that were compared.
    values: f64,
    /// Frames that were scaled down.
    pub scaled: usize,
}

impl Loss {
    /// Adds that of other frames.
    pub fn add(&mut self, other: &Self) {
        self.squares += other.squares;
        self.values += other.values;
        self.scaled += other.scaled;
    }

    /// Peak signal-to-noise ratio in dB of what compression did to the scaled pixels; `None` when no frame was scaled.
    pub fn psnr(&self) -> Option<f64> {
        (self.values > 0.0).then(|| 10.0 * (255.0 * 255.0 * self.values / self.squares.max(1e-9)).log10())
    }
}

/// `bytes` as the shard keeps them. `object` is the object's box, which decides how far the frame may be scaled down.
///
/// # Errors
/// The bytes are no whole picture.
#[cfg(feature = "turbojpeg")]
pub(super) fn convert(bytes: Vec<u8>, how: &How, object: Option<&Rect>) -> Result<Converted, DecodeError> {
    let header = check_complete(&bytes)?;
    let (tile, scale) = match how {
        How::Lossless { tile } => (*tile, 1.0),
        How::Scaled { tile, object: wanted, .. } => {
            (*tile, object.map_or(1.0, |object| (wanted / object.area().sqrt()).min(1.0)))
        }
    };
    // Less than a tenth is not worth a generation of losses.
    let scaled = match how {
        How::Scaled { quality, .. } if scale < 0.9 => Some(scaled(&bytes, *quality, tile, scale)?),
        _ => None,
    };
    let whole = match header.container {
        Container::Jpeg => tiled(bytes, tile, header.orientation)?,
        Container::Png => plain(bytes),
    };
    // A file of low quality may be smaller than its scaled copy.
    Ok(scaled.filter(|scaled| scaled.bytes.len() < whole.bytes.len()).unwrap_or(whole))
}

/// A file that goes into a shard as it is.
fn plain(bytes: Vec<u8>) -> Converted {
    Converted { bytes, head: 0, scale: 1.0, loss: Loss::default() }
}

#[cfg(feature = "turbojpeg")]
fn tiled(bytes: Vec<u8>, tile: u32, orientation: Orientation) -> Result<Converted, DecodeError> {
    let mut decompressor = jpeg::Decompressor::new()?;
    let header = *decompressor.open(&bytes)?.header();
    let Some(units) = tiles::interval(header.width.div_ceil(header.mcu.0), tile) else { return Ok(plain(bytes)) };
    let mut plain_file = jpeg::with_restarts(&bytes, units)?;
    if !orientation.is_upright() {
        // Turning the samples would change pixels at the seams of coded units, so the tag stays.
        plain_file.splice(2..2, orientation_segment(orientation));
    }
    let (file, head) = tiles::list_tiles(&plain_file)?;
    Ok(Converted { head: head as u32, ..plain(file) })
}

#[cfg(feature = "turbojpeg")]
fn scaled(bytes: &[u8], quality: u8, tile: u32, scale: f64) -> Result<Converted, DecodeError> {
    let mut decoder = TurboDecoder::new()?;
    let whole = decoder.decode(bytes, None)?;
    let (scaled, scale) = shrink(&whole.pixels, scale);
    let units = tiles::interval(scaled.width().div_ceil(16), tile).unwrap_or(1);
    let (bytes, head) = tiles::list_tiles(&jpeg::encode(&scaled, quality, units)?)?;
    let back = decoder.decode(&bytes, None)?;
    let error = |(a, b): (&u8, &u8)| f64::from(a.abs_diff(*b)).powi(2);
    let squares = back.pixels.iter().zip(scaled.iter()).map(error).sum();
    let loss = Loss { squares, values: back.pixels.len() as f64, scaled: 1 };
    Ok(Converted { bytes, head: head as u32, scale, loss })
}

/// Without libjpeg-turbo frames go into shards as they are.
#[cfg(not(feature = "turbojpeg"))]
pub(super) fn convert(bytes: Vec<u8>, how: &How, _object: Option<&Rect>) -> Result<Converted, DecodeError> {
    check_complete(&bytes)?;
    match how {
        How::Lossless { .. } => Ok(plain(bytes)),
        How::Scaled { .. } => Err(DecodeError::new(
            crate::vision::decode::DecodeReason::Unsupported,
            "this program was built without libjpeg-turbo, which scaling needs",
        )),
    }
}

/// The picture scaled by about `scale`, and the scale that whole pixels made of it: one for both directions, as boxes
/// keep their shape.
#[cfg(feature = "turbojpeg")]
fn shrink(picture: &image::RgbImage, scale: f64) -> (image::RgbImage, f64) {
    let side = |length: u32, scale: f64| ((f64::from(length) * scale).round() as u32).max(1);
    let width = side(picture.width(), scale);
    let scale = f64::from(width) / f64::from(picture.width().max(1));
    (crate::vision::resample::smooth(picture, width, side(picture.height(), scale)), scale)
}
