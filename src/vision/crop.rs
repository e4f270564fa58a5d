//! Cutting a window out of a frame, black where the frame ends.

use image::RgbImage;

use crate::failure::{Failure, Result};
use crate::vision::area::{Area, DecodedRegion};
use crate::vision::window::Window;

/// One past the last frame column (or row) that a window from `from` shows.
///
/// The reference pads `max(0, end − length + 1)` at the far edge: a window that reaches the frame's end leaves the
/// last column black. Every HIPTrack and OSTrack weight was trained so, and the golden crops have it.
fn used(from: i64, side: u32, length: u32) -> i64 {
    let (end, length) = (from + i64::from(side), i64::from(length));
    if end >= length { length - 1 } else { end }
}

/// The pixels of a `width` × `height` frame that a crop of `window` shows; `None` when it would be black.
pub fn visible_area(window: &Window, (width, height): (u32, u32)) -> Option<Area> {
    let span = |from: i64, length: u32| {
        let (first, end) = (from.max(0), used(from, window.side, length));
        // Both lie in the frame when the first lies before the end.
        (first < end).then_some((first as u32, (end - first) as u32))
    };
    let ((x, width), (y, height)) = (span(window.x, width)?, span(window.y, height)?);
    Some(Area { x, y, width, height })
}

/// A crop needs pixels that were not decoded.
pub(super) fn missing(area: &Area, have: &Area) -> Failure {
    Failure::stage(format!("a crop needs {area:?} of a frame; what was decoded is {have:?}"))
}

/// The pixels of `window`, side × side, black outside the frame.
///
/// # Errors
/// `part` lacks pixels of the frame that the window shows.
pub fn crop(part: &DecodedRegion, window: &Window) -> Result<RgbImage> {
    let side = window.side as usize;
    let mut pixels = vec![0u8; side * side * 3];
    if let Some(area) = visible_area(window, part.frame) {
        let have = part.area();
        if !have.contains(&area) {
            return Err(missing(&area, &have));
        }
        let (stride, length) = (have.width as usize * 3, area.width as usize * 3);
        let left = (i64::from(area.x) - window.x) as usize * 3;
        let top = (i64::from(area.y) - window.y) as usize;
        for row in 0..area.height as usize {
            let from = ((area.y - have.y) as usize + row) * stride + (area.x - have.x) as usize * 3;
            let to = (top + row) * side * 3 + left;
            pixels[to..to + length].copy_from_slice(&part.pixels.as_raw()[from..from + length]);
        }
    }
    Ok(RgbImage::from_raw(window.side, window.side, pixels).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn frame() -> RgbImage {
        RgbImage::from_fn(23, 17, |x, y| image::Rgb([x as u8 + 1, y as u8 + 1, 200]))
    }

    proptest! {
        #[test]
        fn every_pixel_is_the_frame_s_or_black(x in -40i64..40, y in -40i64..40, side in 1u32..60) {
            let frame = frame();
            let window = Window { x, y, side, centre: (0.0, 0.0) };
            let whole = DecodedRegion::whole(frame.clone());
            let crop = crop(&whole, &window).unwrap();
            prop_assert_eq!(crop.dimensions(), (side, side));
            // The far column and row are black as soon as the window reaches them.
            let last = |from: i64, length: u32| if from + i64::from(side) >= i64::from(length) { 1 } else { 0 };
            let (right, bottom) = (23 - last(x, 23), 17 - last(y, 17));
            for (cx, cy, pixel) in crop.enumerate_pixels() {
                let (fx, fy) = (i64::from(cx) + x, i64::from(cy) + y);
                let inside = (0..right).contains(&fx) && (0..bottom).contains(&fy);
                let expected = if inside { *frame.get_pixel(fx as u32, fy as u32) } else { image::Rgb([0, 0, 0]) };
                prop_assert_eq!(*pixel, expected, "crop {},{}", cx, cy);
            }
            let black = crop.pixels().all(|pixel| pixel.0 == [0, 0, 0]);
            prop_assert_eq!(window.overlaps(23, 17), !black);
            // What the window shows is enough to cut it out.
            let part = match visible_area(&window, (23, 17)) {
                Some(Area { x, y, width, height }) => DecodedRegion {
                    pixels: image::imageops::crop_imm(&frame, x, y, width, height).to_image(),
                    origin: (x, y),
                    frame: (23, 17),
                    reduction: 1,
                },
                None => DecodedRegion::nothing((23, 17), 1),
            };
            prop_assert_eq!(super::crop(&part, &window).unwrap(), crop);
        }
    }

    #[test]
    fn a_part_that_is_too_small_is_an_error_rather_than_black() {
        let window = Window { x: 2, y: 2, side: 5, centre: (4.0, 4.0) };
        let part = DecodedRegion { pixels: RgbImage::new(4, 5), origin: (2, 2), frame: (23, 17), reduction: 1 };
        assert!(crop(&part, &window).unwrap_err().to_string().contains("a crop needs"));
    }
}
