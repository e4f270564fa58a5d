//! What the header of a JPEG file says, and whether a picture like that is decoded.

use super::segments::{SCAN, Segments, is_frame_header};
use super::{Container, DecodeError, DecodeReason, Header, check_size, exif};
use crate::vision::orientation::Orientation;

/// The most rows and columns that libjpeg takes.
const LONGEST: u32 = 65_500;
/// The most blocks in a minimum coded unit.
const BLOCKS: u32 = 10;

const APP1: u8 = 0xE1;

fn corrupt(detail: impl Into<String>) -> DecodeError {
    DecodeError::new(DecodeReason::Corrupt, detail)
}

fn unsupported(detail: impl Into<String>) -> DecodeError {
    DecodeError::new(DecodeReason::Unsupported, detail)
}

/// A component of the picture: its number, sampling factors and quantisation table.
struct Component {
    id: u8,
    h: u32,
    v: u32,
    table: u8,
}

/// What a frame header declares.
struct Frame {
    size: (u32, u32),
    arithmetic: bool,
    components: Vec<Component>,
}

#[derive(Default)]
struct HeaderParts {
    frame: Option<Frame>,
    orientation: Option<Orientation>,
    /// Which quantisation tables there are, a bit each.
    tables: u8,
}

/// Reads the header, up to the first scan.
///
/// # Errors
/// It is damaged or cut off, or tells of a picture that is not decoded.
pub(super) fn read(segments: &mut Segments<'_>) -> Result<Header, DecodeError> {
    let mut seen = HeaderParts::default();
    while let Some((marker, body)) = segments.next()? {
        match marker {
            _ if is_frame_header(marker) && seen.frame.is_some() => return Err(corrupt("two frame headers")),
            _ if is_frame_header(marker) => seen.frame = Some(frame(marker, body)?),
            0xDE | 0xDF => return Err(unsupported(HIERARCHICAL)),
            0xDB => seen.tables |= tables(body),
            APP1 if seen.orientation.is_none() => {
                seen.orientation = body.strip_prefix(exif::SIGNATURE).and_then(exif::orientation);
            }
            SCAN => {
                let frame = seen.frame.as_ref().ok_or_else(|| corrupt("no frame header before the first scan"))?;
                scan(body, &frame.components, seen.tables)?;
                return Ok(Header {
                    container: Container::Jpeg,
                    stored: frame.size,
                    orientation: seen.orientation.unwrap_or_default(),
                    arithmetic: frame.arithmetic,
                    filler: segments.filler,
                });
            }
            0xC4 | 0xCC | 0xDC | 0xDD | 0xE0..=0xEF | 0xFE => {}
            _ => return Err(corrupt(format!("the marker ff {marker:02x}, which no picture has"))),
        }
    }
    Err(corrupt("ends without a picture"))
}

const HIERARCHICAL: &str = "hierarchical JPEG, which is not decoded; save it as baseline JPEG or PNG";

fn frame(marker: u8, body: &[u8]) -> Result<Frame, DecodeError> {
    let &[bits, h1, h0, w1, w0, count, ref rest @ ..] = body else { return Err(corrupt("short frame header")) };
    match marker {
        0xC3 | 0xCB => return Err(unsupported("lossless JPEG, which is not decoded; save it as baseline JPEG or PNG")),
        0xC5..=0xC7 | 0xCD..=0xCF => return Err(unsupported(HIERARCHICAL)),
        0xC9 | 0xCA if !cfg!(feature = "turbojpeg") => {
            return Err(unsupported("arithmetic coding, which is not decoded; save it as baseline JPEG or PNG"));
        }
        _ => {}
    }
    if bits != 8 {
        return Err(unsupported(format!("{bits} bits a sample; save it with 8")));
    }
    match count {
        1 | 3 => {}
        4 => return Err(unsupported("four components (CMYK); save it as RGB")),
        0 => return Err(corrupt("a frame header without components")),
        _ => return Err(unsupported(format!("{count} components, neither grey nor colour; save it as RGB"))),
    }
    if rest.len() != 3 * usize::from(count) {
        return Err(corrupt("a frame header of another length than its components need"));
    }
    let component = |entry: &[u8]| Component {
        id: entry[0],
        h: u32::from(entry[1] >> 4),
        v: u32::from(entry[1] & 15),
        table: entry[2],
    };
    let components: Vec<Component> = rest.chunks_exact(3).map(component).collect();
    if components.iter().any(|c| !(1..=4).contains(&c.h) || !(1..=4).contains(&c.v)) {
        return Err(corrupt("sampling factors outside 1 to 4"));
    }
    let largest = |of: fn(&Component) -> u32| components.iter().map(of).max().unwrap_or(1);
    let (h, v) = (largest(|c| c.h), largest(|c| c.v));
    if components.iter().any(|c| h % c.h != 0 || v % c.v != 0) {
        let detail = "chroma sampled at a fraction that is not decoded; save it with 4:4:4, 4:2:2 or 4:2:0";
        return Err(unsupported(detail));
    }
    let (width, height) = (u32::from(u16::from_be_bytes([w1, w0])), u32::from(u16::from_be_bytes([h1, h0])));
    check_size(width, height)?;
    if width.max(height) > LONGEST {
        return Err(unsupported(format!("{width}×{height} pixels; no side may be longer than {LONGEST}")));
    }
    Ok(Frame { size: (width, height), arithmetic: matches!(marker, 0xC9 | 0xCA), components })
}

/// The quantisation tables that a segment defines.
fn tables(mut body: &[u8]) -> u8 {
    let mut found = 0;
    while let Some((&head, rest)) = body.split_first() {
        let length = if head >> 4 == 0 { 64 } else { 128 };
        let (id, Some(rest)) = (head & 15, rest.get(length..)) else { break };
        found |= if id < 4 { 1 << id } else { 0 };
        body = rest;
    }
    found
}

/// Whether the first scan's header fits the frame's.
fn scan(body: &[u8], components: &[Component], tables: u8) -> Result<(), DecodeError> {
    let damaged = || corrupt("a damaged scan header");
    let (&count, rest) = body.split_first().ok_or_else(damaged)?;
    let count = usize::from(count);
    if !(1..=components.len()).contains(&count) || rest.len() != 2 * count + 3 {
        return Err(damaged());
    }
    let mut blocks = 0;
    for entry in rest[..2 * count].chunks_exact(2) {
        let of = components.iter().find(|component| component.id == entry[0]).ok_or_else(damaged)?;
        if of.table > 3 || tables & (1 << of.table) == 0 {
            return Err(corrupt(format!("no quantisation table {}", of.table)));
        }
        blocks += of.h * of.v;
    }
    if count > 1 && blocks > BLOCKS { Err(corrupt("sampling factors beyond what a scan may have")) } else { Ok(()) }
}
