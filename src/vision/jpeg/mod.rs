//! libjpeg-turbo, through its own interface rather than the TurboJPEG wrapper, which costs more for each frame.
//!
//! libjpeg reports errors by `longjmp`, which must not cross Rust. So every call goes through a C function in `shim/`
//! that catches it: `errors.c` is the error manager, `decompress.c` decodes windows, `transcode.c`
//! writes. `ffi.rs` declares them and the
//! types here make them safe. What else needs libjpeg becomes another C file beside these, on the same error manager.

mod decompressor;
mod ffi;
mod transcode;

pub use decompressor::{Decompressor, Header, Opened};
pub use transcode::{encode, with_restarts};

use std::ffi::CStr;

/// The classes of failed calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum JpegErrorKind {
    /// The bytes contradict the format.
    Corrupt,
    /// The bytes end before the picture does.
    Truncated,
    /// A valid file of a sort that is not decoded, as CMYK.
    Unsupported,
    /// No memory.
    Memory,
    /// A mistake of the caller's.
    Misuse,
}

/// Why libjpeg gave up.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct JpegError {
    /// The class.
    pub kind: JpegErrorKind,
    /// libjpeg's words.
    pub message: String,
}

/// The outcome that `report` tells of.
fn outcome(report: &ffi::Report) -> Result<(), JpegError> {
    let kind = match report.code {
        ffi::DONE => return Ok(()),
        ffi::TRUNCATED => JpegErrorKind::Truncated,
        ffi::UNSUPPORTED => JpegErrorKind::Unsupported,
        ffi::MEMORY => JpegErrorKind::Memory,
        ffi::MISUSE => JpegErrorKind::Misuse,
        _ => JpegErrorKind::Corrupt,
    };
    let message = CStr::from_bytes_until_nul(&report.message).unwrap_or_default().to_string_lossy().into_owned();
    Err(JpegError { kind, message })
}

#[cfg(test)]
mod tests;
