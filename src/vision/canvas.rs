//! Drawing on pictures for people: text, bars and boxes.

use std::convert::Infallible;

use embedded_graphics::{
    Pixel,
    mono_font::{MonoFont, MonoTextStyle, ascii},
    pixelcolor::Rgb888,
    prelude::*,
    primitives::{PrimitiveStyle, Rectangle},
    text::{Baseline, Text},
};
use image::{Rgb, RgbImage};

use crate::vision::rect::Rect;

/// A colour: red, green, blue.
pub type Colour = [u8; 3];

/// White paper.
pub const PAPER: Colour = [255, 255, 255];
/// Text.
pub const INK: Colour = [32, 36, 44];
/// Secondary text.
pub const FAINT: Colour = [110, 118, 130];
/// Bars.
pub const BLUE: Colour = [52, 116, 190];
/// Boxes of what is looked for.
pub const GREEN: Colour = [60, 230, 80];
/// Boxes in templates.
pub const YELLOW: Colour = [255, 210, 40];

/// The sizes of text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Font {
    /// 7 × 13 pixels.
    Plain,
    /// 7 × 13 pixels, bold.
    Bold,
    /// 10 × 20 pixels.
    Large,
}

impl Font {
    fn face(self) -> &'static MonoFont<'static> {
        match self {
            Self::Plain => &ascii::FONT_7X13,
            Self::Bold => &ascii::FONT_7X13_BOLD,
            Self::Large => &ascii::FONT_10X20,
        }
    }

    /// Width and height of a character in pixels.
    pub fn cell(self) -> (i32, i32) {
        let size = self.face().character_size;
        (size.width as i32, size.height as i32)
    }
}

/// A picture to draw on; what lies outside is not drawn.
#[derive(Clone, Debug)]
pub struct Canvas {
    /// What was drawn so far.
    pub picture: RgbImage,
}

impl Canvas {
    /// Blank paper.
    pub fn new(width: u32, height: u32) -> Self {
        Self { picture: RgbImage::from_pixel(width, height, Rgb(PAPER)) }
    }

    /// Writes `text` with its top left corner at `(x, y)`; a character that the font has not appears as `?`.
    pub fn text(&mut self, x: i32, y: i32, text: &str, font: Font, colour: Colour) {
        let style = MonoTextStyle::new(font.face(), ink(colour));
        let Ok(_) = Text::with_baseline(text, Point::new(x, y), style, Baseline::Top).draw(self);
    }

    /// Fills a rectangle.
    pub fn fill(&mut self, x: i32, y: i32, width: u32, height: u32, colour: Colour) {
        let area = Rectangle::new(Point::new(x, y), Size::new(width, height));
        let Ok(()) = area.into_styled(PrimitiveStyle::with_fill(ink(colour))).draw(self);
    }

    /// Outlines `object`, whose coordinates count from `(x, y)`, two pixels wide, within the area of that size.
    pub fn outline(&mut self, (x, y): (i32, i32), side: u32, object: &Rect, colour: Colour) {
        let at = |v: f64| v.round().clamp(-1e6, 1e6) as i32;
        let corner = Point::new(x + at(object.x), y + at(object.y));
        let size = Size::new(at(object.w).max(2) as u32, at(object.h).max(2) as u32);
        let within = Rectangle::new(Point::new(x, y), Size::new(side, side));
        let outline = Rectangle::new(corner, size).into_styled(PrimitiveStyle::with_stroke(ink(colour), 2));
        let Ok(()) = outline.draw(&mut self.clipped(&within));
    }

    /// Puts `picture` with its top left corner at `(x, y)`.
    pub fn paste(&mut self, x: i32, y: i32, picture: &RgbImage) {
        image::imageops::replace(&mut self.picture, picture, i64::from(x), i64::from(y));
    }
}

fn ink([r, g, b]: Colour) -> Rgb888 {
    Rgb888::new(r, g, b)
}

impl OriginDimensions for Canvas {
    fn size(&self) -> Size {
        Size::new(self.picture.width(), self.picture.height())
    }
}

impl DrawTarget for Canvas {
    type Color = Rgb888;
    type Error = Infallible;

    fn draw_iter<I: IntoIterator<Item = Pixel<Rgb888>>>(&mut self, pixels: I) -> Result<(), Infallible> {
        for Pixel(Point { x, y }, colour) in pixels {
            if let (Ok(x), Ok(y)) = (u32::try_from(x), u32::try_from(y))
                && let Some(pixel) = self.picture.get_pixel_mut_checked(x, y)
            {
                *pixel = Rgb([colour.r(), colour.g(), colour.b()]);
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_drawn_stays_on_the_picture_and_boxes_in_their_area() {
        let mut canvas = Canvas::new(40, 30);
        canvas.fill(-5, 25, 100, 100, BLUE);
        canvas.text(30, 2, "far beyond the edge", Font::Plain, INK);
        canvas.outline((10, 10), 10, &Rect::new(2.0, 2.0, 500.0, 500.0), GREEN);
        let green = canvas.picture.enumerate_pixels().filter(|(.., pixel)| pixel.0 == GREEN);
        assert!(green.clone().count() > 8);
        assert!(green.into_iter().all(|(x, y, _)| (10..20).contains(&x) && (10..20).contains(&y)));
        assert_eq!(canvas.picture.get_pixel(0, 29).0, BLUE);
        assert_eq!(canvas.picture.get_pixel(0, 0).0, PAPER);
    }
}
