//! The marker segments of a JPEG file, read as libjpeg reads them: bytes between segments are passed over and counted.

use super::{DecodeError, DecodeReason, truncated};

/// The end of the image.
pub(super) const END: u8 = 0xD9;
/// The start of a scan.
pub(super) const SCAN: u8 = 0xDA;

/// SOF0..SOF15 without DHT, JPG and DAC, which share the range.
pub(super) fn is_frame_header(marker: u8) -> bool {
    (0xC0..=0xCF).contains(&marker) && ![0xC4, 0xC8, 0xCC].contains(&marker)
}

/// Markers that stand alone, without a length: TEM and the restart markers.
fn is_bare(marker: u8) -> bool {
    marker == 0x01 || (0xD0..=0xD7).contains(&marker)
}

/// The marker segments of a JPEG file.
pub(super) struct Segments<'a> {
    bytes: &'a [u8],
    /// Where the next segment is looked for.
    pub at: usize,
    /// How many bytes stood between segments, where none belong.
    pub filler: usize,
}

impl<'a> Segments<'a> {
    /// Those after the start of the image.
    pub fn of(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 2, filler: 0 }
    }

    /// The next marker and its body, `None` for the end-of-image marker.
    pub fn next(&mut self) -> Result<Option<(u8, &'a [u8])>, DecodeError> {
        let within = "the marker segments";
        loop {
            let rest = self.bytes.get(self.at..).unwrap_or_default();
            let skipped = memchr::memchr(0xFF, rest).ok_or_else(|| truncated(self.bytes.len(), within))?;
            self.filler += skipped;
            self.at += skipped;
            let &marker = self.bytes.get(self.at + 1).ok_or_else(|| truncated(self.bytes.len(), within))?;
            match marker {
                0xFF => self.at += 1, // a fill byte
                0x00 => (self.at, self.filler) = (self.at + 2, self.filler + 2),
                END => {
                    self.at += 2;
                    return Ok(None);
                }
                _ if is_bare(marker) => self.at += 2,
                _ => break self.body(marker).map(Some),
            }
        }
    }

    fn body(&mut self, marker: u8) -> Result<(u8, &'a [u8]), DecodeError> {
        let cut = || truncated(self.bytes.len(), "the marker segments");
        self.at += 2;
        let length = match self.bytes.get(self.at..self.at + 2) {
            Some(&[high, low]) => usize::from(u16::from_be_bytes([high, low])),
            _ => return Err(cut()),
        };
        if length < 2 {
            let detail = format!("a segment of {length} bytes at byte {}", self.at);
            return Err(DecodeError::new(DecodeReason::Corrupt, detail));
        }
        let body = self.bytes.get(self.at + 2..self.at + length).ok_or_else(cut)?;
        self.at += length;
        Ok((marker, body))
    }

    /// Steps over the entropy-coded data that follows a scan header, to the marker that ends it.
    pub fn skip_scan(&mut self) -> Result<(), DecodeError> {
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

/// The JPEG file `bytes` without what stands between its segments, for decoders that take that for damage.
///
/// # Errors
/// The file ends within a segment.
pub(super) fn without_filler(bytes: &[u8]) -> Result<Vec<u8>, DecodeError> {
    let mut clean = bytes.get(..2).unwrap_or_default().to_vec();
    let mut segments = Segments::of(bytes);
    while let Some((marker, body)) = segments.next()? {
        clean.extend([0xFF, marker]);
        clean.extend((body.len() as u16 + 2).to_be_bytes());
        clean.extend_from_slice(body);
        if marker == SCAN {
            let from = segments.at;
            segments.skip_scan()?;
            clean.extend_from_slice(&bytes[from..segments.at]);
        }
    }
    clean.extend([0xFF, END]);
    Ok(clean)
}
