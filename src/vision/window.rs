//! The square part of a frame that becomes a crop, and the map between frame and crop.

use crate::vision::rect::Rect;

/// A square of a frame, in whole pixels; it may reach outside the frame.
///
/// The map between frame and crop is about the centre of the box that the window was made around, before rounding, as
/// in the reference (`transform_image_to_crop`): `crop = (size − 1)/2 + (frame − centre)·size/side`. It differs from
/// the pixels' own geometry by less than a pixel, and networks are trained with it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Window {
    /// Left edge in the frame.
    pub x: i64,
    /// Top edge in the frame.
    pub y: i64,
    /// Width and height in frame pixels, at least 1.
    pub side: u32,
    /// Centre of the box it was made around, horizontal then vertical.
    pub centre: (f64, f64),
}

/// The largest side of a window: beyond it a box is damaged, and the crop would not fit into memory.
pub const MAX_SIDE: f64 = 32_768.0;

impl Window {
    /// The window around the centre of `target` whose side is `⌈√(w·h)·factor⌉`, its corner rounded half to even.
    ///
    /// `None` when that is no window: a box without area, a number that is not finite, or a side beyond [`MAX_SIDE`].
    pub fn around(target: &Rect, factor: f64) -> Option<Self> {
        let side = (target.area().sqrt() * factor).ceil();
        if !target.is_sane() || !(1.0..=MAX_SIDE).contains(&side) {
            return None;
        }
        let centre = target.centre();
        let corner = |c: f64| (c - side * 0.5).round_ties_even();
        let (x, y) = (corner(centre.0), corner(centre.1));
        (x.abs().max(y.abs()) < 1e9).then_some(Self { x: x as i64, y: y as i64, side: side as u32, centre })
    }

    /// The largest reduction (1, 2, 4 or 8) of a frame that leaves the window at least `size` pixels.
    pub fn reduction(&self, size: u32) -> u32 {
        [8, 4, 2].into_iter().find(|by| self.side / by >= size.max(1)).unwrap_or(1)
    }

    /// The same part of a frame at 1/`by` of its size, in whole pixels.
    pub fn reduced(&self, by: u32) -> Self {
        let part = |length: i64| (length as f64 / f64::from(by)).round() as i64;
        let side = part(i64::from(self.side)).max(1) as u32;
        let centre = (self.centre.0 / f64::from(by), self.centre.1 / f64::from(by));
        Self { x: part(self.x), y: part(self.y), side, centre }
    }

    /// Crop pixels per frame pixel for a crop of `size` pixels.
    pub fn scale(&self, size: u32) -> f64 {
        f64::from(size) / f64::from(self.side)
    }

    /// A box of the frame in pixels of the crop.
    pub fn to_crop(&self, frame: &Rect, size: u32) -> Rect {
        let scale = self.scale(size);
        let (cx, cy) = frame.centre();
        let half = (f64::from(size) - 1.0) / 2.0;
        let (w, h) = (frame.w * scale, frame.h * scale);
        let (x, y) = (half + (cx - self.centre.0) * scale, half + (cy - self.centre.1) * scale);
        Rect::new(x - 0.5 * w, y - 0.5 * h, w, h)
    }

    /// A box of the frame in units of the crop's size: the targets of training.
    pub fn to_crop_normalised(&self, frame: &Rect, size: u32) -> Rect {
        let pixels = self.to_crop(frame, size);
        let size = f64::from(size);
        Rect::new(pixels.x / size, pixels.y / size, pixels.w / size, pixels.h / size)
    }

    /// A box in pixels of the crop as a box of the frame: the inverse of [`Window::to_crop`].
    pub fn to_frame(&self, crop: &Rect, size: u32) -> Rect {
        let scale = self.scale(size);
        let (cx, cy) = crop.centre();
        let half = (f64::from(size) - 1.0) / 2.0;
        let (w, h) = (crop.w / scale, crop.h / scale);
        let (x, y) = ((cx - half) / scale + self.centre.0, (cy - half) / scale + self.centre.1);
        Rect::new(x - 0.5 * w, y - 0.5 * h, w, h)
    }

    /// Whether the point of the frame lies in the window.
    pub fn contains(&self, (x, y): (f64, f64)) -> bool {
        let inside = |at: f64, from: i64| at >= from as f64 && at < (from + i64::from(self.side)) as f64;
        inside(x, self.x) && inside(y, self.y)
    }

    /// Whether a crop of a `width` × `height` frame would show anything but black.
    pub fn overlaps(&self, width: u32, height: u32) -> bool {
        crate::vision::crop::visible_area(self, (width, height)).is_some()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn boxes() -> impl Strategy<Value = Rect> {
        (-500.0..2000.0, -500.0..2000.0, 1.0..800.0, 1.0..800.0).prop_map(|(x, y, w, h)| Rect::new(x, y, w, h))
    }

    fn close(a: &Rect, b: &Rect, tolerance: f64) -> bool {
        [(a.x, b.x), (a.y, b.y), (a.w, b.w), (a.h, b.h)].iter().all(|(a, b)| (a - b).abs() <= tolerance)
    }

    proptest! {
        #[test]
        fn a_box_survives_the_way_into_the_crop_and_back(
            target in boxes(), object in boxes(), factor in 1.0..6.0, size in 16u32..512,
        ) {
            let window = Window::around(&target, factor).unwrap();
            let back = window.to_frame(&window.to_crop(&object, size), size);
            prop_assert!(close(&back, &object, 1e-6), "{object:?} came back as {back:?}");
        }

        #[test]
        fn a_window_is_centred_on_its_target_within_half_a_pixel(target in boxes(), factor in 1.0..6.0) {
            let window = Window::around(&target, factor).unwrap();
            let (cx, cy) = target.centre();
            let half = f64::from(window.side) / 2.0;
            prop_assert!((window.x as f64 + half - cx).abs() <= 0.5);
            prop_assert!((window.y as f64 + half - cy).abs() <= 0.5);
            let exact = target.area().sqrt() * factor;
            prop_assert!((0.0..1.0).contains(&(f64::from(window.side) - exact)));
        }

        #[test]
        fn the_target_of_a_window_is_in_the_middle_of_its_crop(target in boxes(), size in 16u32..512) {
            let window = Window::around(&target, 4.0).unwrap();
            let (cx, cy) = window.to_crop(&target, size).centre();
            let middle = (f64::from(size) - 1.0) / 2.0;
            prop_assert!((cx - middle).abs() < 1e-9 && (cy - middle).abs() < 1e-9);
        }
    }

    #[test]
    fn corners_are_rounded_half_to_even() {
        // Side 10 around (7.5, 8.5): corners 2.5 and 3.5.
        let window = Window::around(&Rect::new(5.0, 6.0, 5.0, 5.0), 2.0).unwrap();
        assert_eq!((window.x, window.y, window.side), (2, 4, 10));
    }

    #[test]
    fn a_box_without_area_or_number_has_no_window() {
        for bad in [
            Rect::new(1.0, 1.0, 0.0, 5.0),
            Rect::new(1.0, 1.0, -3.0, -3.0),
            Rect::new(f64::NAN, 1.0, 3.0, 3.0),
            Rect::new(1.0, f64::INFINITY, 3.0, 3.0),
            Rect::new(0.0, 0.0, 1e9, 1e9),
            Rect::new(1e12, 0.0, 10.0, 10.0),
        ] {
            assert_eq!(Window::around(&bad, 5.0), None, "{bad:?}");
        }
    }

    #[test]
    fn overlap_is_seen_at_every_side() {
        let at = |x, y| Window { x, y, side: 10, centre: (0.0, 0.0) };
        assert!(at(0, 0).overlaps(100, 50) && at(-9, -9).overlaps(100, 50) && at(98, 48).overlaps(100, 50));
        for outside in [at(-10, 0), at(0, -10), at(100, 0), at(0, 50), at(99, 0)] {
            assert!(!outside.overlaps(100, 50), "{outside:?}");
        }
    }
}
