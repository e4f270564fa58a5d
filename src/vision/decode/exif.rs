//! The orientation in Exif data, read as OpenCV's `imread` reads it: what is malformed counts for nothing.
//!
//! That reader takes the directory's entries in turn, looks at the values of some of them, and ends at the first that
//! reaches outside the data; it looks at no entry's type but reads 16 bits. So does this one.

use crate::vision::orientation::Orientation;

/// What begins the application segment of a JPEG file that holds Exif data.
pub const SIGNATURE: &[u8] = b"Exif\0\0";

const ORIENTATION: u16 = 0x112;

/// The orientation that a TIFF header and its first directory tell; `None` when they tell none.
pub fn orientation(tiff: &[u8]) -> Option<Orientation> {
    let little = tiff.starts_with(b"II");
    let u16_at = |at: usize| {
        let bytes: [u8; 2] = tiff.get(at..at.checked_add(2)?)?.try_into().ok()?;
        Some(if little { u16::from_le_bytes(bytes) } else { u16::from_be_bytes(bytes) })
    };
    let u32_at = |at: usize| {
        let bytes: [u8; 4] = tiff.get(at..at.checked_add(4)?)?.try_into().ok()?;
        Some((if little { u32::from_le_bytes(bytes) } else { u32::from_be_bytes(bytes) }) as usize)
    };
    if u16_at(2)? != 42 {
        return None;
    }
    let directory = u32_at(4)?;
    for entry in 0..usize::from(u16_at(directory)?) {
        let at = directory + 2 + 12 * entry;
        // The values of these must be there, or nothing after them is read.
        match u16_at(at)? {
            ORIENTATION => return u16_at(at + 8).map(Orientation::of_exif),
            0x10E | 0x10F | 0x110 | 0x131 | 0x132 | 0x8298 => {
                let length = u32_at(at + 4)?;
                let from = if length > 4 { u32_at(at + 8)? } else { 8 };
                tiff.get(from..from.checked_add(length)?)?;
            }
            tag @ (0x11A | 0x11B | 0x13E | 0x13F | 0x211 | 0x214) => {
                let numbers = match tag {
                    0x13E => 2,
                    0x211 => 3,
                    0x13F | 0x214 => 6,
                    _ => 1,
                };
                let from = u32_at(at + 8)?;
                tiff.get(from..from.checked_add(8 * numbers)?)?;
            }
            0x128 | 0x213 => drop(u16_at(at + 8)?),
            _ => {}
        }
    }
    None
}

/// The application segment that says that a JPEG file is to be turned so.
pub fn segment(orientation: Orientation) -> Vec<u8> {
    let mut segment = vec![0xFF, 0xE1, 0, 0];
    segment.extend_from_slice(SIGNATURE);
    segment.extend_from_slice(b"MM\0\x2A\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01");
    segment.extend(orientation.exif().to_be_bytes());
    segment.extend_from_slice(&[0; 6]);
    let length = (segment.len() - 2) as u16;
    segment[2..4].copy_from_slice(&length.to_be_bytes());
    segment
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A TIFF header with a directory of `entries`: tag, type, count and the four bytes of the value.
    fn tiff(little: bool, entries: &[(u16, u16, u32, [u8; 4])]) -> Vec<u8> {
        let two = |value: u16| if little { value.to_le_bytes() } else { value.to_be_bytes() };
        let four = |value: u32| if little { value.to_le_bytes() } else { value.to_be_bytes() };
        let mut bytes = if little { b"II".to_vec() } else { b"MM".to_vec() };
        bytes.extend(two(42));
        bytes.extend(four(8));
        bytes.extend(two(entries.len() as u16));
        for (tag, kind, count, value) in entries {
            [two(*tag), two(*kind)].iter().for_each(|part| bytes.extend(part));
            bytes.extend(four(*count));
            bytes.extend(value);
        }
        bytes.extend([0; 4]);
        bytes
    }

    fn value(tiff: &[u8]) -> Option<u16> {
        orientation(tiff).map(Orientation::exif)
    }

    #[test]
    fn every_value_is_read_in_both_byte_orders() {
        for exif in 1..=8u16 {
            assert_eq!(value(&tiff(true, &[(0x112, 3, 1, [exif as u8, 0, 0, 0])])), Some(exif));
            assert_eq!(value(&tiff(false, &[(0x112, 3, 1, [0, exif as u8, 0, 0])])), Some(exif));
            let written = segment(Orientation::of_exif(exif));
            assert_eq!(&written[4..10], SIGNATURE);
            assert_eq!(value(&written[10..]), Some(exif));
        }
    }

    /// What OpenCV 4.10 and 5.0 make of the same bytes.
    #[test]
    fn malformed_data_count_as_opencv_counts_them() {
        let six = (0x112, 3, 1, [6, 0, 0, 0]);
        let bad_text = (0x10F, 2, 500, [0x0F, 0x27, 0, 0]);
        let bad_unknown = (0x9999, 2, 500, [0x0F, 0x27, 0, 0]);
        assert_eq!(value(&tiff(true, &[six, (0x112, 3, 1, [3, 0, 0, 0])])), Some(6));
        assert_eq!(value(&tiff(true, &[bad_text, six])), None);
        assert_eq!(value(&tiff(true, &[six, bad_text])), Some(6));
        assert_eq!(value(&tiff(true, &[bad_unknown, six])), Some(6));
        // A number of 32 bits, a type that there is not, and a count of none.
        assert_eq!(value(&tiff(true, &[(0x112, 4, 1, [6, 0, 0, 0])])), Some(6));
        assert_eq!(value(&tiff(false, &[(0x112, 4, 1, [0, 0, 0, 6])])), Some(1));
        assert_eq!(value(&tiff(true, &[(0x112, 99, 0, [6, 0, 0, 0])])), Some(6));
        // Cut within the value or before it.
        let whole = tiff(true, &[six]);
        assert_eq!(value(&whole[..whole.len() - 6]), Some(6));
        assert_eq!(value(&whole[..whole.len() - 7]), None);
        for cut in 0..whole.len() {
            let _ = value(&whole[..cut]);
        }
        let mut other = whole;
        other[2] = 43;
        assert_eq!(value(&other), None);
    }
}
