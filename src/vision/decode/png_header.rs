//! The chunks of a PNG file, and what its header says.

use super::{Container, DecodeError, DecodeReason, Header, PNG_SIGNATURE, check_size, exif, truncated};
use crate::vision::orientation::Orientation;

fn corrupt(detail: impl Into<String>) -> DecodeError {
    DecodeError::new(DecodeReason::Corrupt, detail)
}

/// The chunks of a PNG file from `at` on: kind, data, and whether the checksum is right.
struct Chunks<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Chunks<'a> {
    fn next(&mut self) -> Result<([u8; 4], &'a [u8], bool), DecodeError> {
        let cut = || truncated(self.bytes.len(), "the chunks: no IEND");
        let Some(&[l3, l2, l1, l0, k0, k1, k2, k3]) = self.bytes.get(self.at..self.at + 8) else { return Err(cut()) };
        let length = u32::from_be_bytes([l3, l2, l1, l0]) as usize;
        // Length and kind before the data, checksum after it.
        let (start, end) = (self.at + 8, self.at + 8 + length);
        let data = self.bytes.get(start..end).ok_or_else(cut)?;
        let sum = self.bytes.get(end..end + 4).ok_or_else(cut)?;
        let kind = [k0, k1, k2, k3];
        // Of picture data, decoders check it.
        let right = kind == *b"IDAT" || crc32fast::hash(&self.bytes[self.at + 4..end]).to_be_bytes() == sum;
        self.at = end + 4;
        Ok((kind, data, right))
    }
}

/// Reads the header, and what stands behind the picture data as far as `bytes` go; with `whole`, to the end.
///
/// # Errors
/// It is damaged or cut off, or tells of a picture that is not decoded.
pub(super) fn read(bytes: &[u8], whole: bool) -> Result<Header, DecodeError> {
    let mut chunks = Chunks { bytes, at: PNG_SIGNATURE.len() };
    let (kind, data, right) = chunks.next()?;
    let (stored, needs_palette) = match (&kind, data) {
        (b"CgBI", _) => {
            let detail = "a PNG file as Apple's tools pack it into programs; save it as plain PNG";
            return Err(DecodeError::new(DecodeReason::Unsupported, detail));
        }
        (b"IHDR", &[w3, w2, w1, w0, h3, h2, h1, h0, bits, colours, compression, filter, interlace]) if right => {
            let depths: &[u8] = match colours {
                0 => &[1, 2, 4, 8, 16],
                3 => &[1, 2, 4, 8],
                2 | 4 | 6 => &[8, 16],
                _ => &[],
            };
            if !depths.contains(&bits) || (compression, filter) != (0, 0) || interlace > 1 {
                return Err(corrupt("a header whose numbers PNG does not have"));
            }
            let size = (u32::from_be_bytes([w3, w2, w1, w0]), u32::from_be_bytes([h3, h2, h1, h0]));
            check_size(size.0, size.1)?;
            (size, colours == 3)
        }
        _ => return Err(corrupt("no sound header at its start")),
    };
    let (mut orientation, mut palette, mut pixels): (Option<Orientation>, bool, bool) = (None, false, false);
    loop {
        let (kind, data, right) = match chunks.next() {
            // Of the first bytes of a file that is all there is to know.
            Err(_) if pixels && !whole => break,
            chunk => chunk?,
        };
        match &kind {
            b"eXIf" if orientation.is_none() && right => orientation = exif::orientation(data),
            b"PLTE" => palette = true,
            b"IDAT" if needs_palette && !palette => return Err(corrupt("no palette before the picture data")),
            b"IDAT" => pixels = true,
            b"IEND" if !pixels => return Err(corrupt("ends without a picture")),
            b"IEND" => break,
            _ => {}
        }
    }
    Ok(Header {
        container: Container::Png,
        stored,
        orientation: orientation.unwrap_or_default(),
        arithmetic: false,
        filler: 0,
    })
}
