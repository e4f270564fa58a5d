//! Whether a JPEG or PNG file is all there, by walking its structure without decoding it.
//!
//! Decoders made for the web paint what a truncated file has and leave the rest grey; a tracker would train on that.

use super::segments::{SCAN, Segments};
use super::{DecodeError, DecodeReason, jpeg_header, other, png_header};
use crate::vision::orientation::Orientation;

/// The formats of picture files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Container {
    /// ITU-T T.81 interchange format, with or without JFIF and Exif.
    Jpeg,
    /// Portable Network Graphics.
    Png,
}

/// First bytes of every JPEG file (start of image).
const JPEG_START: [u8; 2] = [0xFF, 0xD8];
/// First bytes of every PNG file.
pub(super) const PNG_SIGNATURE: [u8; 8] = [0x89, b'P', b'N', b'G', 0x0D, 0x0A, 0x1A, 0x0A];

impl Container {
    /// The format that the first bytes of a file announce.
    pub fn detect(bytes: &[u8]) -> Result<Self, DecodeError> {
        if bytes.is_empty() {
            return Err(DecodeError::new(DecodeReason::Empty, "no bytes"));
        }
        if bytes.starts_with(&JPEG_START) {
            return Ok(Self::Jpeg);
        }
        if bytes.starts_with(&PNG_SIGNATURE) {
            return Ok(Self::Png);
        }
        if JPEG_START.starts_with(bytes) || PNG_SIGNATURE.starts_with(bytes) {
            return Err(truncated(bytes.len(), "the signature"));
        }
        if bytes.iter().all(|&byte| byte == 0) {
            return Err(DecodeError::new(DecodeReason::Corrupt, format!("{} zero bytes", bytes.len())));
        }
        if let Some(detail) = other::name(bytes) {
            return Err(DecodeError::new(DecodeReason::Unsupported, detail));
        }
        let head: Vec<String> = bytes.iter().take(4).map(|byte| format!("{byte:02x}")).collect();
        Err(DecodeError::new(
            DecodeReason::Unsupported,
            format!("begins with {}: neither JPEG nor PNG; convert it", head.join(" ")),
        ))
    }
}

/// What the header of a picture file says. A file with a header like that is decoded, unless what follows is damaged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// The format.
    pub container: Container,
    /// Width and height of the rows that the file holds.
    pub stored: (u32, u32),
    /// How they are turned to be shown.
    pub orientation: Orientation,
    /// Whether a JPEG file's coding is arithmetic.
    pub arithmetic: bool,
    /// Bytes between the segments of a JPEG file, where none belong: decoders pass over them.
    pub filler: usize,
}

impl Header {
    /// Width and height of the picture as it is shown.
    pub fn size(&self) -> (u32, u32) {
        self.orientation.size(self.stored)
    }
}

/// What the header of the picture file that begins with `bytes` says.
///
/// # Errors
/// The header is damaged or longer than `bytes`, or the picture is none that is decoded.
pub fn header(bytes: &[u8]) -> Result<Header, DecodeError> {
    match Container::detect(bytes)? {
        Container::Jpeg => jpeg_header::read(&mut Segments::of(bytes)),
        Container::Png => png_header::read(bytes, false),
    }
}

/// The header of `bytes` if the picture in it is complete: every segment or chunk is whole, the end marker is there,
/// and no page of a JPEG was lost. Bytes after the end marker are allowed, as cameras and download tools leave some.
pub fn check_complete(bytes: &[u8]) -> Result<Header, DecodeError> {
    match Container::detect(bytes)? {
        Container::Jpeg => walk_jpeg(bytes),
        Container::Png => png_header::read(bytes, true),
    }
}

/// Width and height of a picture as it is shown, from its header.
pub fn dimensions(bytes: &[u8]) -> Result<(u32, u32), DecodeError> {
    header(bytes).map(|header| header.size())
}

pub(super) fn truncated(length: usize, within: &str) -> DecodeError {
    DecodeError::new(DecodeReason::Truncated, format!("ends after {length} bytes, within {within}"))
}

fn walk_jpeg(bytes: &[u8]) -> Result<Header, DecodeError> {
    let mut segments = Segments::of(bytes);
    let mut header = jpeg_header::read(&mut segments)?;
    segments.skip_scan()?;
    while let Some((marker, _)) = segments.next()? {
        if marker == SCAN {
            segments.skip_scan()?;
        }
    }
    header.filler = segments.filler;
    let written = &bytes[..segments.at];
    match written.chunks_exact(PAGE).position(|page| page.iter().all(|&byte| byte == 0)) {
        Some(page) => {
            let detail = format!("bytes {} to {} are all zero: never written", page * PAGE, (page + 1) * PAGE);
            Err(DecodeError::new(DecodeReason::Corrupt, detail))
        }
        None => Ok(header),
    }
}

/// What file systems write at once. An interrupted copy leaves whole pages of zeros, at places where entropy-coded
/// data has none: the shortest code of a black block gives no such run below several million pixels.
const PAGE: usize = 4096;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_picture_has_its_reason() {
        let reason = |bytes: &[u8]| check_complete(bytes).unwrap_err().reason;
        assert_eq!(reason(b""), DecodeReason::Empty);
        assert_eq!(reason(b"\xFF"), DecodeReason::Truncated);
        assert_eq!(reason(b"\x89PNG"), DecodeReason::Truncated);
        assert_eq!(reason(b"GIF89a..."), DecodeReason::Unsupported);
        assert_eq!(reason(&[0; 4096]), DecodeReason::Corrupt);
        assert_eq!(reason(b"\xFF\xD8\xFF\xD9"), DecodeReason::Corrupt);
        // What stands between segments is passed over, and then nothing comes.
        assert_eq!(reason(b"\xFF\xD8\x12\x34"), DecodeReason::Truncated);
    }

    #[test]
    fn an_end_marker_inside_a_thumbnail_does_not_count() {
        // An APP1 segment whose body holds FF D9, and nothing after it.
        let bytes = [0xFF, 0xD8, 0xFF, 0xE1, 0x00, 0x04, 0xFF, 0xD9];
        assert_eq!(check_complete(&bytes).unwrap_err().reason, DecodeReason::Truncated);
    }
}
