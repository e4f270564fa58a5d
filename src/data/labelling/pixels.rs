//! What the pixels of a frame tell of an object: its contrast to what is around it, and its sharpness.

use super::rules::threshold::RING;
use crate::data::dataset::FrameFile;
use crate::data::frame;
use crate::data::retry::FrameFault;
use crate::vision::area::DecodedRegion;
use crate::vision::decode::Decoder;
use crate::vision::rect::Rect;
use crate::vision::window::Window;

/// What was measured in a frame.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct PixelMeasures {
    /// Width and height of the frame.
    pub frame: (u32, u32),
    /// Mean brightness inside the box and in the ring around it, the larger by the smaller; none without either.
    pub contrast: Option<f64>,
    /// Variance of the Laplacian of what the box holds; none with fewer than nine pixels.
    pub sharpness: Option<f64>,
}

/// Looks at `object` in the frame in `file`; no more of it is decoded than the ring around the box needs.
///
/// # Errors
/// The file cannot be read, or is no whole picture.
pub(super) fn look(file: &FrameFile, object: &Rect, decoder: &mut dyn Decoder) -> Result<PixelMeasures, FrameFault> {
    let outer = ring(object);
    // A little more, as the box need not lie on whole pixels.
    let reach = (outer.w.max(outer.h) + 4.0).ceil();
    let centre = outer.centre();
    let corner = |at: f64| (at - 0.5 * reach).floor() as i64;
    let window = (reach <= crate::vision::window::MAX_SIDE && centre.0.abs().max(centre.1.abs()) < 1e9)
        .then(|| Window { x: corner(centre.0), y: corner(centre.1), side: reach as u32 + 1, centre });
    let part = frame::read(file, decoder, window.as_ref(), 1)?;
    Ok(measure(&part, object))
}

/// The outer edge of the ring: at least two pixels beyond the box on every side.
fn ring(object: &Rect) -> Rect {
    let (cx, cy) = object.centre();
    let (w, h) = ((object.w * RING).max(object.w + 4.0), (object.h * RING).max(object.h + 4.0));
    Rect::new(cx - 0.5 * w, cy - 0.5 * h, w, h)
}

fn measure(part: &DecodedRegion, object: &Rect) -> PixelMeasures {
    let grey = Grey { part };
    let (inner, outer) = (grey.span(object), grey.span(&ring(object)));
    let (mut inside, mut around) = (Mean::default(), Mean::default());
    let mut edges = Mean::default();
    for y in outer.1.0..outer.1.1 {
        for x in outer.0.0..outer.0.1 {
            let is_inside = (inner.0.0..inner.0.1).contains(&x) && (inner.1.0..inner.1.1).contains(&y);
            if !is_inside {
                around.add(grey.at(x, y));
                continue;
            }
            inside.add(grey.at(x, y));
            // The step from object to surroundings is no sharpness of the object's.
            let near = |dx: i64, dy: i64| grey.at(mirrored(x + dx, inner.0), mirrored(y + dy, inner.1));
            edges.add(near(-1, 0) + near(1, 0) + near(0, -1) + near(0, 1) - 4.0 * grey.at(x, y));
        }
    }
    // A value of 1 of 255 is as dark as a camera tells.
    let contrast = inside.mean().zip(around.mean()).map(|(a, b)| (a.max(1.0), b.max(1.0)));
    PixelMeasures {
        frame: part.frame,
        contrast: contrast.map(|(a, b)| a.max(b) / a.min(b)),
        sharpness: edges.variance().filter(|_| edges.count >= 9.0),
    }
}

/// Sums of values and of their squares.
#[derive(Default)]
struct Mean {
    count: f64,
    sum: f64,
    squares: f64,
}

impl Mean {
    fn add(&mut self, value: f64) {
        self.count += 1.0;
        self.sum += value;
        self.squares += value * value;
    }

    fn mean(&self) -> Option<f64> {
        (self.count > 0.0).then(|| self.sum / self.count)
    }

    fn variance(&self) -> Option<f64> {
        self.mean().map(|mean| (self.squares / self.count - mean * mean).max(0.0))
    }
}

/// The brightness of a frame, as OpenCV's `COLOR_RGB2GRAY` weighs colours, in frame coordinates.
struct Grey<'a> {
    part: &'a DecodedRegion,
}

impl Grey<'_> {
    /// Columns and rows of the decoded part whose centres lie in `object`, each from and to before.
    fn span(&self, object: &Rect) -> ((i64, i64), (i64, i64)) {
        let area = self.part.area();
        let axis = |from: f64, length: f64, first: u32, count: u32| {
            let (low, high) = (i64::from(first), i64::from(first) + i64::from(count));
            let edge = |at: f64| ((at - 0.5).ceil() as i64).clamp(low, high);
            (edge(from), edge(from + length))
        };
        (axis(object.x, object.w, area.x, area.width), axis(object.y, object.h, area.y, area.height))
    }

    /// The value at a place inside the decoded part.
    fn at(&self, x: i64, y: i64) -> f64 {
        let (left, top) = self.part.origin;
        let pixel = self.part.pixels.get_pixel((x - i64::from(left)) as u32, (y - i64::from(top)) as u32);
        let [r, g, b] = pixel.0.map(f64::from);
        0.299 * r + 0.587 * g + 0.114 * b
    }
}

/// A place beyond the span by one, mirrored at its edge pixel, as OpenCV's filters do at the edges of a picture.
fn mirrored(at: i64, (from, to): (i64, i64)) -> i64 {
    let last = to - 1;
    let at = if at < from { 2 * from - at } else { at };
    let at = if at > last { 2 * last - at } else { at };
    at.clamp(from, last)
}

#[cfg(test)]
mod tests {
    use image::{Rgb, RgbImage};

    use super::*;

    fn measures(object: &Rect, value: impl Fn(u32, u32) -> u8) -> PixelMeasures {
        let picture = RgbImage::from_fn(100, 80, |x, y| Rgb([value(x, y); 3]));
        measure(&DecodedRegion::whole(picture), object)
    }

    #[test]
    fn contrast_is_the_ratio_of_box_and_ring_either_way() {
        let object = Rect::new(30.0, 20.0, 20.0, 10.0);
        let inside = |x: u32, y: u32| (30..50).contains(&x) && (20..30).contains(&y);
        let ratio = |a: u8, b: u8| measures(&object, |x, y| if inside(x, y) { a } else { b }).contrast.unwrap();
        assert!((ratio(120, 60) - 2.0).abs() < 1e-9 && (ratio(60, 120) - 2.0).abs() < 1e-9);
        assert!((ratio(0, 0) - 1.0).abs() < 1e-9 && (ratio(0, 200) - 200.0).abs() < 1e-9);
        // What lies beyond the ring does not count.
        let far = measures(&object, |x, y| if x < 20 || y > 60 { 255 } else { 100 }).contrast.unwrap();
        assert!((far - 1.0).abs() < 1e-9, "{far}");
        let all = measures(&Rect::new(0.0, 0.0, 100.0, 80.0), |_, _| 100);
        assert_eq!((all.contrast, all.sharpness), (None, Some(0.0)));
        assert_eq!(measures(&Rect::new(200.0, 0.0, 10.0, 10.0), |_, _| 100).sharpness, None);
    }

    #[test]
    fn the_laplacian_is_that_of_opencv() {
        // A chequered board of 0 and 10: the Laplacian is ±40 everywhere, at the mirrored edges too.
        let board = |x: u32, y: u32| if (x + y).is_multiple_of(2) { 0 } else { 10 };
        for object in [Rect::new(30.0, 20.0, 20.0, 10.0), Rect::new(0.0, 0.0, 20.0, 10.0)] {
            let variance = measures(&object, board).sharpness.unwrap();
            assert!((variance - 1600.0).abs() < 1e-6, "{variance}");
        }
        // A slope has none but where it is mirrored, and what lies outside of the box has no part in it.
        let slope = |x: u32, _| if x < 50 { x as u8 } else { 255 };
        assert!(measures(&Rect::new(30.0, 20.0, 20.0, 10.0), slope).sharpness.unwrap() < 1.0);
    }

    #[test]
    fn a_window_of_a_file_gives_what_the_whole_frame_does() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("1.png");
        let value = |x: u32, y: u32| Rgb([(x * 7 + y * 13) as u8, (x * 3) as u8, (y * 5) as u8]);
        let picture = RgbImage::from_fn(100, 80, value);
        picture.save(&path).unwrap();
        let file = FrameFile { path, member: None };
        let mut decoder = crate::vision::decode::DecoderKind::best().decoder().unwrap();
        for object in [Rect::new(30.2, 20.7, 21.3, 10.1), Rect::new(-5.0, 60.0, 30.0, 40.0)] {
            let whole = measure(&DecodedRegion::whole(picture.clone()), &object);
            assert_eq!(look(&file, &object, decoder.as_mut()).unwrap(), whole);
        }
    }
}
