//! Whether a JPEG or PNG file is all there, by walking its structure without decoding it.
//!
//! Decoders made for the web paint what a truncated file has and leave the rest grey; a tracker would train on that.

use super::{DecodeError, DecodeReason};

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
const PNG_SIGNATURE: [u8; 8] = [0x89, b'P', b'N', b'G', 0x0D, 0x0A, 0x1A, 0x0A];

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
        let head: Vec<String> = bytes.iter().take(4).map(|byte| format!("{byte:02x}")).collect();
        Err(DecodeError::new(DecodeReason::Unsupported, format!("begins with {}: not JPEG, not PNG", head.join(" "))))
    }
}

/// The format of `bytes` if the picture in it is complete: every segment or chunk is whole, the end marker is there,
/// and no page of a JPEG was lost. Bytes after the end marker are allowed, as cameras and download tools leave some.
pub fn check_complete(bytes: &[u8]) -> Result<Container, DecodeError> {
    let container = Container::detect(bytes)?;
    match container {
        Container::Jpeg => walk_jpeg(bytes)?,
        Container::Png => walk_png(bytes)?,
    }
    Ok(container)
}

/// Width and height that the header of a picture declares.
pub fn dimensions(bytes: &[u8]) -> Result<(u32, u32), DecodeError> {
    match Container::detect(bytes)? {
        Container::Jpeg => {
            let mut segments = Segments { bytes, at: 2 };
            while let Some((marker, body)) = segments.next()? {
                if is_frame_header(marker) {
                    let &[_, h1, h0, w1, w0, ..] = body else {
                        return Err(DecodeError::new(DecodeReason::Corrupt, "short frame header"));
                    };
                    return Ok((u32::from(u16::from_be_bytes([w1, w0])), u32::from(u16::from_be_bytes([h1, h0]))));
                }
                if marker == SCAN {
                    break;
                }
            }
            Err(DecodeError::new(DecodeReason::Corrupt, "no frame header before the first scan"))
        }
        Container::Png => match bytes.get(16..24) {
            Some(&[w3, w2, w1, w0, h3, h2, h1, h0]) => {
                Ok((u32::from_be_bytes([w3, w2, w1, w0]), u32::from_be_bytes([h3, h2, h1, h0])))
            }
            _ => Err(truncated(bytes.len(), "the header")),
        },
    }
}

fn truncated(length: usize, within: &str) -> DecodeError {
    DecodeError::new(DecodeReason::Truncated, format!("ends after {length} bytes, within {within}"))
}

const END: u8 = 0xD9;
const SCAN: u8 = 0xDA;

/// SOF0..SOF15 without DHT, JPG and DAC, which share the range.
fn is_frame_header(marker: u8) -> bool {
    (0xC0..=0xCF).contains(&marker) && ![0xC4, 0xC8, 0xCC].contains(&marker)
}

/// Markers that stand alone, without a length: TEM and the restart markers.
fn is_bare(marker: u8) -> bool {
    marker == 0x01 || (0xD0..=0xD7).contains(&marker)
}

/// The marker segments of a JPEG file from `at` on.
struct Segments<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Segments<'a> {
    /// The next marker and its body, `None` for the end-of-image marker.
    fn next(&mut self) -> Result<Option<(u8, &'a [u8])>, DecodeError> {
        loop {
            let within = "the marker segments";
            let &first = self.bytes.get(self.at).ok_or_else(|| truncated(self.bytes.len(), within))?;
            if first != 0xFF {
                let detail = format!("byte {} is {first:02x} where a marker must be", self.at);
                return Err(DecodeError::new(DecodeReason::Corrupt, detail));
            }
            let &marker = self.bytes.get(self.at + 1).ok_or_else(|| truncated(self.bytes.len(), within))?;
            if marker == 0xFF {
                self.at += 1; // a fill byte
                continue;
            }
            self.at += 2;
            if marker == END {
                return Ok(None);
            }
            if is_bare(marker) {
                continue;
            }
            let length = match self.bytes.get(self.at..self.at + 2) {
                Some(&[high, low]) => usize::from(u16::from_be_bytes([high, low])),
                _ => return Err(truncated(self.bytes.len(), within)),
            };
            if length < 2 {
                let detail = format!("a segment of {length} bytes at byte {}", self.at);
                return Err(DecodeError::new(DecodeReason::Corrupt, detail));
            }
            let body =
                self.bytes.get(self.at + 2..self.at + length).ok_or_else(|| truncated(self.bytes.len(), within))?;
            self.at += length;
            return Ok(Some((marker, body)));
        }
    }

    /// Steps over the entropy-coded data that follows a scan header, to the marker that ends it.
    fn skip_scan(&mut self) -> Result<(), DecodeError> {
        let rest = self.bytes.get(self.at..).unwrap_or_default();
        for offset in memchr::memchr_iter(0xFF, rest) {
            match rest.get(offset + 1) {
                None => break,
                Some(0x00 | 0xFF) => {} // a stuffed FF of the data, or a fill byte
                Some(&marker) if is_bare(marker) => {}
                Some(_) => {
                    self.at += offset;
                    return Ok(());
                }
            }
        }
        Err(truncated(self.bytes.len(), "the picture data: no end-of-image marker"))
    }
}

fn walk_jpeg(bytes: &[u8]) -> Result<(), DecodeError> {
    let mut segments = Segments { bytes, at: 2 };
    let (mut frame, mut scans) = (false, 0);
    while let Some((marker, _)) = segments.next()? {
        frame |= is_frame_header(marker);
        if marker == SCAN {
            scans += 1;
            segments.skip_scan()?;
        }
    }
    if !frame || scans == 0 {
        return Err(DecodeError::new(DecodeReason::Corrupt, "ends without a picture"));
    }
    let written = &bytes[..segments.at];
    match written.chunks_exact(PAGE).position(|page| page.iter().all(|&byte| byte == 0)) {
        Some(page) => {
            let detail = format!("bytes {} to {} are all zero: never written", page * PAGE, (page + 1) * PAGE);
            Err(DecodeError::new(DecodeReason::Corrupt, detail))
        }
        None => Ok(()),
    }
}

/// What file systems write at once. An interrupted copy leaves whole pages of zeros, at places where entropy-coded
/// data has none: the shortest code of a black block gives no such run below several million pixels.
const PAGE: usize = 4096;

fn walk_png(bytes: &[u8]) -> Result<(), DecodeError> {
    let mut at = PNG_SIGNATURE.len();
    loop {
        let Some(&[l3, l2, l1, l0, k0, k1, k2, k3]) = bytes.get(at..at + 8) else {
            return Err(truncated(bytes.len(), "the chunks: no IEND"));
        };
        let length = u32::from_be_bytes([l3, l2, l1, l0]) as usize;
        // Length and kind before the data, checksum after it.
        let end = at + 12 + length;
        if end > bytes.len() {
            return Err(truncated(bytes.len(), "the chunks: no IEND"));
        }
        if [k0, k1, k2, k3] == *b"IEND" {
            return Ok(());
        }
        at = end;
    }
}

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
        assert_eq!(reason(b"\xFF\xD8\x12\x34"), DecodeReason::Corrupt);
    }

    #[test]
    fn an_end_marker_inside_a_thumbnail_does_not_count() {
        // An APP1 segment whose body holds FF D9, and nothing after it.
        let bytes = [0xFF, 0xD8, 0xFF, 0xE1, 0x00, 0x04, 0xFF, 0xD9];
        assert_eq!(check_complete(&bytes).unwrap_err().reason, DecodeReason::Truncated);
    }
}
