//! From the bytes of a picture file to RGB pixels; one file per decoder.

mod container;
mod strict;

pub use container::{Container, check_complete, dimensions};
pub use strict::StrictDecoder;

use std::fmt;

use image::RgbImage;

/// Turns the bytes of a whole picture file into pixels; one decoder per thread, as it may keep buffers.
pub trait Decoder: Send {
    /// The picture in `bytes` as RGB, or why it is none. A picture that misses a part is an error, never a grey area.
    fn decode(&mut self, bytes: &[u8]) -> Result<RgbImage, DecodeError>;
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
