//! Whole pixels of a frame: a rectangle of them, and a part of the picture.

use image::RgbImage;

use crate::vision::pool;

/// A rectangle of whole pixels inside a picture.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Area {
    /// First column.
    pub x: u32,
    /// First row.
    pub y: u32,
    /// Columns.
    pub width: u32,
    /// Rows.
    pub height: u32,
}

impl Area {
    /// All of a picture.
    pub fn whole(width: u32, height: u32) -> Self {
        Self { x: 0, y: 0, width, height }
    }

    /// Whether `other` lies within.
    pub fn contains(&self, other: &Self) -> bool {
        let within = |from: u32, length: u32, other_from: u32, other_length: u32| {
            other_from >= from && u64::from(other_from) + u64::from(other_length) <= u64::from(from) + u64::from(length)
        };
        within(self.x, self.width, other.x, other.width) && within(self.y, self.height, other.y, other.height)
    }
}

/// The decoded part of a frame: all of it, or at least what a window shows of it.
#[derive(Clone, Debug, PartialEq)]
pub struct DecodedRegion {
    /// The pixels.
    pub pixels: RgbImage,
    /// The frame's column and row of the first of them.
    pub origin: (u32, u32),
    /// Width and height of the frame, reduced as the pixels are.
    pub frame: (u32, u32),
    /// The pixels are of the frame at 1/`reduction` of its size: 1, 2, 4 or 8.
    pub reduction: u32,
}

/// The pixels' memory is for the next frame.
impl Drop for DecodedRegion {
    fn drop(&mut self) {
        pool::give(std::mem::take(&mut self.pixels).into_raw());
    }
}

impl DecodedRegion {
    /// A whole frame.
    pub fn whole(pixels: RgbImage) -> Self {
        Self { frame: pixels.dimensions(), pixels, origin: (0, 0), reduction: 1 }
    }

    /// Nothing of a frame that has this size at 1/`reduction`.
    pub fn nothing(frame: (u32, u32), reduction: u32) -> Self {
        Self { pixels: RgbImage::default(), origin: (0, 0), frame, reduction }
    }

    /// Where the pixels lie in the frame.
    pub fn area(&self) -> Area {
        Area { x: self.origin.0, y: self.origin.1, width: self.pixels.width(), height: self.pixels.height() }
    }
}
