//! JPEG files in tiles: ordinary baseline files that any decoder reads, from which a window can be taken without
//! decoding what lies beside it.
//!
//! A restart marker follows every few minimum coded units, at the same columns in every row of them. What lies between
//! two markers is a *tile*: entropy-coded data that depend on nothing before them. Application segments in front of the
//! scan list the tiles' lengths. The tiles of a window, with a header that declares its size, are again a complete
//! JPEG file ([`Tiling::cut`]), and its pixels are those of the original: quantisation, transform and colour are the
//! same, and a margin covers what upsampling chroma looks at beyond the window.

mod segments;

use std::ops::Range;

use segments::{Head, MARKER, head};

use crate::vision::area::Area;
use crate::vision::decode::{DecodeError, DecodeReason};
use crate::vision::pool;

/// What the application segments begin with.
const SIGNATURE: &[u8] = b"TFTILES\x01";
/// Bytes of lengths in one segment, whose own length has 16 bits.
const CHUNK: usize = 65_000;
/// Pixels around a window that chroma upsampling may look at, generously.
const MARGIN: u32 = 16;

/// How many minimum coded units a tile has in a picture with `across` of them in a row: that divisor of `across` which
/// is nearest to `wanted`, within a factor of two; without one, all of a row.
pub fn interval(across: u32, wanted: u32) -> Option<u16> {
    let distance = |units: u32| f64::from(units.max(wanted)) / f64::from(units.min(wanted).max(1));
    let divisors = (1..=across).filter(|units| across.is_multiple_of(*units) && distance(*units) <= 2.0);
    let nearest = divisors.min_by(|a, b| distance(*a).total_cmp(&distance(*b)));
    u16::try_from(nearest.unwrap_or(across)).ok().filter(|units| *units > 0)
}

/// The tiles of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tiling {
    /// Width and height of the picture.
    pub frame: (u32, u32),
    /// Width and height of a minimum coded unit in pixels.
    mcu: (u32, u32),
    /// Width of a tile in pixels.
    width: u32,
    /// Tiles in a row.
    across: u32,
    /// Rows of tiles, each a minimum coded unit high.
    down: u32,
    /// Where the entropy-coded data of each tile begin in the file, in order; then where they end.
    starts: Vec<u32>,
    /// The marker segments before the entropy-coded data, without those of this module.
    head: Vec<u8>,
    /// Where in `head` the frame header keeps height and width.
    size_at: usize,
}

/// A rectangle of whole tiles.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Region {
    rows: Range<u32>,
    columns: Range<u32>,
    /// The pixels that its tiles hold.
    pub area: Area,
    /// The bytes of the file from its first tile to its last.
    pub bytes: Range<u64>,
}

fn corrupt(detail: impl Into<String>) -> DecodeError {
    DecodeError::new(DecodeReason::Corrupt, detail)
}

/// A baseline JPEG file whose restart interval divides its rows, with the list of tiles added; and how long the part
/// before the entropy-coded data is, which [`Tiling::parse`] wants.
///
/// # Errors
/// `jpeg` is no such file.
pub fn list_tiles(jpeg: &[u8]) -> Result<(Vec<u8>, usize), DecodeError> {
    let head = head(jpeg)?;
    let (across, down) = grid(&head)?;
    let scan = &jpeg[head.length..];
    let lengths = segments::tile_lengths(scan, across as usize * down as usize)?;
    let mut listed = Vec::with_capacity(lengths.len() * 2);
    lengths.into_iter().for_each(|length| segments::put(&mut listed, length));

    let mut file = Vec::with_capacity(jpeg.len() + listed.len() + 64);
    file.extend_from_slice(&jpeg[..head.scan_at]);
    for chunk in listed.chunks(CHUNK) {
        let length = (2 + SIGNATURE.len() + chunk.len()) as u16;
        file.extend([0xFF, MARKER]);
        file.extend(length.to_be_bytes());
        file.extend_from_slice(SIGNATURE);
        file.extend_from_slice(chunk);
    }
    file.extend_from_slice(&jpeg[head.scan_at..head.length]);
    let length = file.len();
    file.extend_from_slice(scan);
    Ok((file, length))
}

/// Tiles in a row, and rows of tiles.
fn grid(head: &Head) -> Result<(u32, u32), DecodeError> {
    let across = head.frame.0.div_ceil(head.mcu.0);
    match u32::from(head.interval) {
        interval if interval > 0 && across.is_multiple_of(interval) => {
            Ok((across / interval, head.frame.1.div_ceil(head.mcu.1)))
        }
        _ => Err(corrupt("restart markers at other columns in each row")),
    }
}

impl Tiling {
    /// Reads what stands before the entropy-coded data of a file that [`list_tiles`] made.
    ///
    /// # Errors
    /// `bytes` is anything else.
    pub fn parse(bytes: &[u8]) -> Result<Self, DecodeError> {
        let head = head(bytes)?;
        if head.length != bytes.len() {
            return Err(corrupt(format!("{} bytes of header where {} were written", head.length, bytes.len())));
        }
        let (across, down) = grid(&head)?;
        let count = across as usize * down as usize;
        let listed: Vec<u8> = head.lists.iter().flat_map(|list| &bytes[list.clone()]).copied().collect();
        let mut rest = listed.as_slice();
        let mut starts = Vec::with_capacity(count.min(listed.len()) + 1);
        let mut at = head.length as u64;
        for _ in 0..count {
            let length = segments::take(&mut rest).ok_or_else(|| corrupt("a list of tiles that is too short"))?;
            starts.push(u32::try_from(at).map_err(|_| corrupt("tiles beyond 4 GB"))?);
            // Two bytes of marker follow each tile: a restart, or the end of the picture.
            at += u64::from(length) + 2;
        }
        if !rest.is_empty() {
            return Err(corrupt("a list of tiles that is too long"));
        }
        starts.push(u32::try_from(at).map_err(|_| corrupt("tiles beyond 4 GB"))?);
        let mut kept = Vec::with_capacity(head.length - listed.len());
        let mut from = 0;
        for list in &head.lists {
            kept.extend_from_slice(&bytes[from..list.start - SIGNATURE.len() - 4]);
            from = list.end;
        }
        // The frame header comes before all lists, which stand right before the scan.
        kept.extend_from_slice(&bytes[from..]);
        let width = u32::from(head.interval) * head.mcu.0;
        Ok(Self { frame: head.frame, mcu: head.mcu, width, across, down, starts, head: kept, size_at: head.size_at })
    }

    /// How long the file is.
    pub fn file_length(&self) -> u64 {
        u64::from(self.starts.last().copied().unwrap_or_default())
    }

    /// The tiles that decoding `area` needs, which lies in the picture and is not empty.
    pub fn region(&self, area: &Area) -> Region {
        let span = |from: u32, length: u32, side: u32, count: u32| {
            let first = from.saturating_sub(MARGIN) / side;
            let end = from.saturating_add(length).saturating_add(MARGIN).div_ceil(side).min(count);
            first.min(end.saturating_sub(1))..end
        };
        let columns = span(area.x, area.width, self.width, self.across);
        let rows = span(area.y, area.height, self.mcu.1, self.down);
        let pixels = |tiles: &Range<u32>, side: u32, all: u32| {
            let from = tiles.start * side;
            (from, (tiles.end * side).min(all) - from)
        };
        let (x, width) = pixels(&columns, self.width, self.frame.0);
        let (y, height) = pixels(&rows, self.mcu.1, self.frame.1);
        let tile = |row: u32, column: u32| (row * self.across + column) as usize;
        let first = self.starts[tile(rows.start, columns.start)];
        let end = self.starts[tile(rows.end - 1, columns.end - 1) + 1];
        Region { area: Area { x, y, width, height }, bytes: u64::from(first)..u64::from(end), rows, columns }
    }

    /// A JPEG file of the region's tiles alone. `data` are the region's [`bytes`](Region::bytes) of the file.
    ///
    /// # Errors
    /// `data` are not those.
    pub fn cut(&self, region: &Region, data: &[u8]) -> Result<Vec<u8>, DecodeError> {
        if data.len() as u64 != region.bytes.end - region.bytes.start {
            return Err(DecodeError::new(DecodeReason::Truncated, "the file ends within a tile"));
        }
        let mut file = pool::take(self.head.len() + data.len() + 2);
        file.extend_from_slice(&self.head);
        let [h1, h0] = (region.area.height as u16).to_be_bytes();
        let [w1, w0] = (region.area.width as u16).to_be_bytes();
        file[self.size_at..self.size_at + 4].copy_from_slice(&[h1, h0, w1, w0]);
        let across = region.columns.len();
        let mut number = 0u8;
        for row in region.rows.clone() {
            let first = (row * self.across + region.columns.start) as usize;
            for tile in first..first + across {
                let at = |start: u32| (u64::from(start) - region.bytes.start) as usize;
                let end = at(self.starts[tile + 1]);
                file.extend_from_slice(&data[at(self.starts[tile])..end]);
                // The marker's number counts the markers before it, modulo eight.
                let marker = file.len() - 1;
                if file[marker - 1] != 0xFF || !matches!(file[marker], 0xD0..=0xD7 | 0xD9) {
                    return Err(corrupt(format!("no marker after tile {tile}")));
                }
                file[marker] = 0xD0 + number;
                number = (number + 1) % 8;
            }
        }
        let last = file.len() - 1;
        file[last] = 0xD9;
        Ok(file)
    }
}

#[cfg(all(test, feature = "turbojpeg"))]
mod tests;
