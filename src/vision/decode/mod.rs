//! From the bytes of a picture file to RGB pixels; one file per decoder.

mod container;
mod exif;
mod image_crate;
mod jpeg_header;
mod kind;
mod other;
mod png_header;
mod segments;
#[cfg(feature = "turbojpeg")]
mod turbojpeg;

pub use container::{Container, Header, check_complete, dimensions, header};
use container::{PNG_SIGNATURE, truncated};
pub use exif::segment as orientation_segment;
pub use image_crate::ImageDecoder;
pub use kind::DecoderKind;
pub use other::UNREAD;
#[cfg(feature = "turbojpeg")]
pub use turbojpeg::TurboDecoder;

use std::fmt;

use crate::vision::area::{Area, DecodedRegion};
use crate::vision::window::Window;

/// Turns the bytes of a whole picture file into pixels; one decoder per thread, as it may keep buffers.
pub trait Decoder: Send {
    /// The picture in `bytes` as RGB: all of it, or at least what `window` shows of it (nothing, when the window does
    /// not overlap the frame). What is decoded equals those pixels of the whole frame, but for those that no window
    /// asked for. A picture is turned as its Exif data say, and windows and areas are of the turned picture.
    ///
    /// # Errors
    /// The bytes are no picture, or one that misses a part: that is an error, never a grey area. A decoder that is
    /// asked for a window need not notice damage in the picture data below it.
    fn decode(&mut self, bytes: &[u8], window: Option<&Window>) -> Result<DecodedRegion, DecodeError>;

    /// The picture in `bytes` at 1/`reduction` of its size as RGB: at least `area` of that, which lies inside and is not
    /// empty. Not every decoder reduces.
    ///
    /// # Errors
    /// As for [`Decoder::decode`].
    fn decode_area(&mut self, bytes: &[u8], area: &Area, reduction: u32) -> Result<DecodedRegion, DecodeError>;
}

/// More pixels than any video frame has; a header that declares more is damaged, or of another kind of picture.
const MAX_PIXELS: u64 = 1 << 27;

fn check_size(width: u32, height: u32) -> Result<(), DecodeError> {
    match u64::from(width) * u64::from(height) {
        1..=MAX_PIXELS => Ok(()),
        0 => Err(DecodeError::new(DecodeReason::Corrupt, format!("declares {width}×{height} pixels"))),
        _ => {
            let detail =
                format!("declares {width}×{height} pixels, more than the limit of {MAX_PIXELS}; scale it down");
            Err(DecodeError::new(DecodeReason::Unsupported, detail))
        }
    }
}

/// The classes of broken picture files.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum DecodeReason {
    /// The file has no bytes.
    Empty,
    /// The file ends before its picture does.
    Truncated,
    /// The file's bytes contradict its format.
    Corrupt,
    /// The file has another format.
    Unsupported,
}

impl DecodeReason {
    /// The name in counters and messages.
    pub fn name(self) -> &'static str {
        match self {
            Self::Empty => "empty",
            Self::Truncated => "truncated",
            Self::Corrupt => "corrupt",
            Self::Unsupported => "unsupported",
        }
    }
}

impl fmt::Display for DecodeReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Why bytes are no picture.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{reason}: {detail}")]
pub struct DecodeError {
    /// The class, for counters.
    pub reason: DecodeReason,
    /// What exactly was found.
    pub detail: String,
}

impl DecodeError {
    /// An error of the class `reason`.
    pub fn new(reason: DecodeReason, detail: impl Into<String>) -> Self {
        Self { reason, detail: detail.into() }
    }
}

#[cfg(test)]
mod kinds_tests;
#[cfg(test)]
mod tests;
