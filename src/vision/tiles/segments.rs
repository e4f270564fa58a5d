//! The marker segments of a tiled file, as far as they matter here.

use std::ops::Range;

use super::{SIGNATURE, corrupt};
use crate::vision::decode::DecodeError;

/// The marker of the lists: the ninth application segment.
pub(super) const MARKER: u8 = 0xE9;

/// What stands before the entropy-coded data.
pub(super) struct Head {
    /// Width and height of the picture.
    pub frame: (u32, u32),
    /// Width and height of a minimum coded unit in pixels.
    pub mcu: (u32, u32),
    /// Minimum coded units between restart markers; 0 without any.
    pub interval: u16,
    /// Where height and width stand.
    pub size_at: usize,
    /// Where the scan's own header begins.
    pub scan_at: usize,
    /// Where the entropy-coded data begin.
    pub length: usize,
    /// What the lists of tiles hold.
    pub lists: Vec<Range<usize>>,
}

/// Reads the segments of a baseline file up to its entropy-coded data.
///
/// # Errors
/// The bytes are no such file.
pub(super) fn head(bytes: &[u8]) -> Result<Head, DecodeError> {
    let short = || corrupt("ends within its header");
    if !bytes.starts_with(&[0xFF, 0xD8]) {
        return Err(corrupt("no JPEG file"));
    }
    let mut head =
        Head { frame: (0, 0), mcu: (0, 0), interval: 0, size_at: 0, scan_at: 0, length: 0, lists: Vec::new() };
    let mut at = 2;
    loop {
        let &[0xFF, marker, high, low] = bytes.get(at..at + 4).ok_or_else(short)? else {
            return Err(corrupt(format!("no marker at byte {at}")));
        };
        let (start, end) = (at + 4, at + 2 + usize::from(u16::from_be_bytes([high, low])));
        let body = bytes.get(start..end).ok_or_else(short)?;
        match marker {
            0xC0 | 0xC1 => frame(body, start, &mut head)?,
            0xC2..=0xC3 | 0xC5..=0xC7 | 0xC9..=0xCB | 0xCD..=0xCF => return Err(corrupt("not a baseline file")),
            0xDD => head.interval = u16::from_be_bytes(body.try_into().map_err(|_| short())?),
            MARKER if body.starts_with(SIGNATURE) => head.lists.push(start + SIGNATURE.len()..end),
            0xDA => {
                (head.scan_at, head.length) = (at, end);
                break;
            }
            _ => {}
        }
        at = end;
    }
    match head.size_at {
        0 => Err(corrupt("no frame header before the scan")),
        _ => Ok(head),
    }
}

fn frame(body: &[u8], start: usize, head: &mut Head) -> Result<(), DecodeError> {
    let &[8, h1, h0, w1, w0, count, ref components @ ..] = body else {
        return Err(corrupt("a frame header of other than 8 bits"));
    };
    head.size_at = start + 1;
    head.frame = (u32::from(u16::from_be_bytes([w1, w0])), u32::from(u16::from_be_bytes([h1, h0])));
    let sampling = components.chunks_exact(3).map(|component| (component[1] >> 4, component[1] & 15));
    let largest = sampling.fold((0, 0), |(a, b), (h, v)| (a.max(h), b.max(v)));
    // The sampling factors of a single component have no meaning.
    let (h, v) = if count == 1 { (1, 1) } else { largest };
    if components.len() != usize::from(count) * 3 || !(1..=4).contains(&h) || !(1..=4).contains(&v) {
        return Err(corrupt("a damaged frame header"));
    }
    head.mcu = (8 * u32::from(h), 8 * u32::from(v));
    match head.frame {
        (0, _) | (_, 0) => Err(corrupt("a picture without pixels")),
        _ => Ok(()),
    }
}

/// The lengths of the `count` tiles of a scan, without the markers that follow them.
///
/// # Errors
/// There are more or fewer.
pub(super) fn tile_lengths(scan: &[u8], count: usize) -> Result<Vec<u32>, DecodeError> {
    let mut lengths = Vec::with_capacity(count.min(scan.len()));
    let mut start = 0;
    for at in memchr::memchr_iter(0xFF, scan) {
        match scan.get(at + 1) {
            Some(0x00) => {}
            Some(marker @ (0xD0..=0xD7 | 0xD9)) => {
                lengths.push((at - start) as u32);
                start = at + 2;
                if *marker == 0xD9 {
                    return match lengths.len() == count && start == scan.len() {
                        true => Ok(lengths),
                        false => Err(corrupt(format!("{} tiles where {count} must be", lengths.len()))),
                    };
                }
            }
            _ => return Err(corrupt("another marker within the picture data")),
        }
    }
    Err(corrupt("no end of the picture"))
}

/// Appends a number, seven bits a byte, the lowest first.
pub(super) fn put(to: &mut Vec<u8>, mut value: u32) {
    while value >= 0x80 {
        to.push(value as u8 | 0x80);
        value >>= 7;
    }
    to.push(value as u8);
}

/// Takes a number that [`put`] wrote.
pub(super) fn take(from: &mut &[u8]) -> Option<u32> {
    let mut value = 0u64;
    for shift in (0..35).step_by(7) {
        let (&byte, rest) = from.split_first()?;
        *from = rest;
        value |= u64::from(byte & 0x7F) << shift;
        if byte < 0x80 {
            return u32::try_from(value).ok();
        }
    }
    None
}
