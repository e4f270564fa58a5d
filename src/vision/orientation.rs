//! How a picture is turned before it is shown: the eight values of Exif's orientation.

use image::RgbImage;

use super::area::{Area, DecodedRegion};
use super::pool;

/// How the stored rows and columns of a picture become those that are shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Orientation {
    /// Stored rows are shown as columns.
    swaps: bool,
    /// Stored columns are shown from the last to the first.
    mirrors_columns: bool,
    /// Stored rows are shown from the last to the first.
    mirrors_rows: bool,
}

impl Orientation {
    /// The meaning of Exif's value; anything but 2 to 8 leaves the picture as it is stored.
    pub fn of_exif(value: u16) -> Self {
        Self {
            swaps: matches!(value, 5..=8),
            mirrors_columns: matches!(value, 2 | 3 | 7 | 8),
            mirrors_rows: matches!(value, 3 | 4 | 6 | 7),
        }
    }

    /// Exif's value, 1 to 8.
    pub fn exif(self) -> u16 {
        match (self.swaps, self.mirrors_columns, self.mirrors_rows) {
            (false, false, false) => 1,
            (false, true, false) => 2,
            (false, true, true) => 3,
            (false, false, true) => 4,
            (true, false, false) => 5,
            (true, false, true) => 6,
            (true, true, true) => 7,
            (true, true, false) => 8,
        }
    }

    /// Whether the picture is shown as it is stored.
    pub fn is_upright(self) -> bool {
        self == Self::default()
    }

    /// Width and height as shown of a picture that is stored with these; and the other way round.
    pub fn size(self, (width, height): (u32, u32)) -> (u32, u32) {
        if self.swaps { (height, width) } else { (width, height) }
    }

    /// Where the shown `area` lies in the stored picture, whose size is `stored`.
    pub fn to_stored(self, area: &Area, stored: (u32, u32)) -> Area {
        let (mut columns, mut rows) = ((area.x, area.width), (area.y, area.height));
        if self.swaps {
            std::mem::swap(&mut columns, &mut rows);
        }
        self.mirrored(columns, rows, stored)
    }

    /// Where `area` of the stored picture, whose size is `stored`, is shown.
    pub fn to_upright(self, area: &Area, stored: (u32, u32)) -> Area {
        let Area { x, y, width, height } = self.mirrored((area.x, area.width), (area.y, area.height), stored);
        match self.swaps {
            true => Area { x: y, y: x, width: height, height: width },
            false => Area { x, y, width, height },
        }
    }

    fn mirrored(self, columns: (u32, u32), rows: (u32, u32), stored: (u32, u32)) -> Area {
        let from = |mirrors: bool, (from, length): (u32, u32), all: u32| match mirrors {
            true => all.saturating_sub(from).saturating_sub(length),
            false => from,
        };
        let x = from(self.mirrors_columns, columns, stored.0);
        Area { x, y: from(self.mirrors_rows, rows, stored.1), width: columns.1, height: rows.1 }
    }

    /// A part of the stored picture as it is shown.
    pub fn turn(self, mut part: DecodedRegion) -> DecodedRegion {
        if self.is_upright() {
            return part;
        }
        let upright = self.to_upright(&part.area(), part.frame);
        part.pixels = self.pixels(&part.pixels);
        part.frame = self.size(part.frame);
        part.origin = (upright.x, upright.y);
        part
    }

    fn pixels(self, stored: &RgbImage) -> RgbImage {
        let (columns, rows) = (stored.width() as usize, stored.height() as usize);
        let (width, height) = self.size(stored.dimensions());
        let mut upright = pool::bytes(stored.as_raw().len());
        let from = stored.as_raw();
        let at = |index: usize, mirrors: bool, all: usize| if mirrors { all - 1 - index } else { index };
        for (y, line) in upright.chunks_exact_mut((width as usize * 3).max(3)).enumerate() {
            for (x, pixel) in line.chunks_exact_mut(3).enumerate() {
                let (column, row) = if self.swaps { (y, x) } else { (x, y) };
                let (column, row) = (at(column, self.mirrors_columns, columns), at(row, self.mirrors_rows, rows));
                let start = (row * columns + column) * 3;
                pixel.copy_from_slice(&from[start..start + 3]);
            }
        }
        RgbImage::from_raw(width, height, upright).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use image::imageops;

    use super::*;

    #[test]
    fn pictures_and_areas_are_turned_as_the_values_say() {
        let stored = RgbImage::from_fn(7, 4, |x, y| image::Rgb([x as u8, y as u8, 9]));
        let expected = [
            stored.clone(),
            imageops::flip_horizontal(&stored),
            imageops::rotate180(&stored),
            imageops::flip_vertical(&stored),
            imageops::flip_horizontal(&imageops::rotate90(&stored)),
            imageops::rotate90(&stored),
            imageops::flip_horizontal(&imageops::rotate270(&stored)),
            imageops::rotate270(&stored),
        ];
        for (value, expected) in (1..).zip(expected) {
            let orientation = Orientation::of_exif(value);
            assert_eq!(orientation.exif(), value);
            let whole = orientation.turn(DecodedRegion::whole(stored.clone()));
            assert_eq!((&whole.pixels, whole.frame), (&expected, expected.dimensions()), "orientation {value}");
            // A part is turned to the same pixels as those of the whole.
            let area = Area { x: 1, y: 2, width: 3, height: 2 };
            let inner = orientation.to_stored(&orientation.to_upright(&area, (7, 4)), (7, 4));
            assert_eq!(inner, area);
            let pixels = imageops::crop_imm(&stored, 1, 2, 3, 2).to_image();
            let part = orientation.turn(DecodedRegion { pixels, origin: (1, 2), frame: (7, 4), reduction: 1 });
            let Area { x, y, width, height } = part.area();
            assert_eq!(part.pixels, imageops::crop_imm(&expected, x, y, width, height).to_image(), "{value}");
        }
        for value in [0, 9, 600] {
            assert!(Orientation::of_exif(value).is_upright());
        }
    }
}
