//! The rows of a crop, read where they were decoded: what the crop shows is not copied into a picture of its own first.

use image::RgbImage;

use crate::{
    failure::Result,
    vision::{
        area::DecodedRegion,
        crop::{missing, visible_area},
        window::Window,
    },
};

/// Rows of RGB pixels, black around what there is.
pub(super) struct Lines<'a> {
    width: usize,
    height: usize,
    /// What is not black, from its first row on, and the bytes from one of its rows to the next.
    pixels: &'a [u8],
    stride: usize,
    /// Rows that are not black.
    rows: std::ops::Range<usize>,
    /// Bytes of a row that are not black.
    columns: std::ops::Range<usize>,
    /// A row with its black ends, where it has any.
    padded: Vec<u8>,
}

impl<'a> Lines<'a> {
    /// All of a picture.
    pub fn of_picture(picture: &'a RgbImage) -> Self {
        let (width, height) = (picture.width() as usize, picture.height() as usize);
        let pixels = picture.as_raw();
        Self { width, height, pixels, stride: width * 3, rows: 0..height, columns: 0..width * 3, padded: Vec::new() }
    }

    /// What [`crate::vision::crop::crop`] cuts out.
    ///
    /// # Errors
    /// `part` lacks pixels of the frame that the window shows.
    pub fn of_window(part: &'a DecodedRegion, window: &Window) -> Result<Self> {
        let side = window.side as usize;
        let black =
            Self { width: side, height: side, pixels: &[], stride: 0, rows: 0..0, columns: 0..0, padded: Vec::new() };
        let Some(area) = visible_area(window, part.frame) else { return Ok(black) };
        let have = part.area();
        if !have.contains(&area) {
            return Err(missing(&area, &have));
        }
        let stride = have.width as usize * 3;
        let first = (area.y - have.y) as usize * stride + (area.x - have.x) as usize * 3;
        let (left, top) = ((i64::from(area.x) - window.x) as usize, (i64::from(area.y) - window.y) as usize);
        let columns = left * 3..(left + area.width as usize) * 3;
        let padded = if columns == (0..side * 3) { Vec::new() } else { vec![0; side * 3] };
        let rows = top..top + area.height as usize;
        Ok(Self { pixels: &part.pixels.as_raw()[first..], stride, rows, columns, padded, ..black })
    }

    /// Columns and rows.
    pub fn size(&self) -> (usize, usize) {
        (self.width, self.height)
    }

    /// The pixels of row `y`; `None` when it is black.
    pub fn line(&mut self, y: usize) -> Option<&[u8]> {
        if !self.rows.contains(&y) {
            return None;
        }
        let from = (y - self.rows.start) * self.stride;
        let line = &self.pixels[from..from + self.columns.len()];
        if self.padded.is_empty() {
            return Some(line);
        }
        self.padded[self.columns.clone()].copy_from_slice(line);
        Some(&self.padded)
    }
}
