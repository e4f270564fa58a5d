//! From the model's box to the box in the frame.

use crate::vision::rect::Rect;

/// The box of the frame that the normalised `(cx, cy, w, h)` of a search crop means. The crop is `size` pixels wide, has
/// `scale` crop pixels per frame pixel, and was cut around the centre of `around`.
///
/// The crop's middle is taken as `size/2` here, as in the reference (where targets of training have it at
/// `(size − 1)/2`), and the scaling is in single precision as there.
pub fn map_back(predicted: [f32; 4], around: &Rect, size: u32, scale: f64) -> Rect {
    let [cx, cy, w, h] = predicted.map(|value| f64::from(value * size as f32 / scale as f32));
    let half = 0.5 * f64::from(size) / scale;
    let (x, y) = around.centre();
    Rect::new(cx + (x - half) - 0.5 * w, cy + (y - half) - 0.5 * h, w, h)
}

/// The part of `object` inside a `width` × `height` frame, at least `margin` wide and high.
///
/// A box beyond the border ends up within `margin` of it; one without size grows to `margin` (the reference's
/// `clip_box`).
pub fn clip_box(object: &Rect, width: f64, height: f64, margin: f64) -> Rect {
    let axis = |from: f64, length: f64, end: f64| {
        let first = from.max(0.0).min(end - margin);
        let last = (from + length).max(margin).min(end);
        (first, (last - first).max(margin))
    };
    let ((x, w), (y, h)) = (axis(object.x, object.w, width), axis(object.y, object.h, height));
    Rect::new(x, y, w, h)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::vision::window::Window;

    proptest! {
        #[test]
        fn a_clipped_box_lies_in_the_frame_and_keeps_what_was_inside(
            x in -400.0..800.0, y in -400.0..800.0, w in -20.0..500.0, h in -20.0..500.0,
        ) {
            let clipped = clip_box(&Rect::new(x, y, w, h), 320.0, 240.0, 10.0);
            prop_assert!(clipped.w >= 10.0 && clipped.h >= 10.0);
            prop_assert!(clipped.x >= 0.0 && clipped.x + clipped.w <= 320.0 + 1e-9);
            prop_assert!(clipped.y >= 0.0 && clipped.y + clipped.h <= 240.0 + 1e-9);
            let inside = Rect::new(x, y, w, h);
            if w >= 10.0 && h >= 10.0 && x >= 0.0 && y >= 0.0 && x + w <= 320.0 && y + h <= 240.0 {
                prop_assert!((clipped.x - inside.x).abs() < 1e-9 && (clipped.w - inside.w).abs() < 1e-9);
            }
        }

        #[test]
        fn a_box_found_where_it_was_stays_within_a_pixel(
            x in 0.0..300.0, y in 0.0..200.0, w in 8.0..90.0, h in 8.0..90.0,
        ) {
            let object = Rect::new(x, y, w, h);
            let window = Window::around(&object, 4.0).unwrap();
            let (size, scale) = (256, window.scale(256));
            let found = [0.5, 0.5, (w * scale / 256.0) as f32, (h * scale / 256.0) as f32];
            let back = map_back(found, &object, size, scale);
            for (a, b) in [(back.x, x), (back.y, y), (back.w, w), (back.h, h)] {
                prop_assert!((a - b).abs() < 1e-3, "{back:?} {object:?}");
            }
        }
    }
}
