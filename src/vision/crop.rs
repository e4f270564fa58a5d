//! Cutting a window out of a frame, black where the frame ends.

use image::RgbImage;

use crate::vision::window::Window;

/// One past the last frame column (or row) that a window from `from` shows.
///
/// The reference pads `max(0, end − length + 1)` at the far edge: a window that reaches the frame's end leaves the
/// last column black. Every HIPTrack and OSTrack weight was trained so, and the golden crops have it.
pub(crate) fn used(from: i64, side: u32, length: u32) -> i64 {
    let (end, length) = (from + i64::from(side), i64::from(length));
    if end >= length { length - 1 } else { end }
}

/// The pixels of `window` in `frame`, side × side, black outside the frame.
pub fn crop(frame: &RgbImage, window: &Window) -> RgbImage {
    let side = window.side as usize;
    let mut pixels = vec![0u8; side * side * 3];
    let (x0, x1) = (window.x.max(0), used(window.x, window.side, frame.width()));
    let (y0, y1) = (window.y.max(0), used(window.y, window.side, frame.height()));
    if x0 < x1 && y0 < y1 {
        let (stride, length) = (frame.width() as usize * 3, (x1 - x0) as usize * 3);
        let left = (x0 - window.x) as usize * 3;
        for y in y0..y1 {
            let from = y as usize * stride + x0 as usize * 3;
            let to = (y - window.y) as usize * side * 3 + left;
            pixels[to..to + length].copy_from_slice(&frame.as_raw()[from..from + length]);
        }
    }
    RgbImage::from_raw(window.side, window.side, pixels).unwrap_or_default()
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
            let crop = crop(&frame, &window);
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
        }
    }
}
