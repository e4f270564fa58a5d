//! Boxes that are probably something else than they are read as.

use super::remarks::Remark;
use super::{FrameFiles, ScanContext, SequenceFiles};
use crate::vision::decode::dimensions;

/// So much of a frame's file is read for its size.
const HEADER: u64 = 1 << 16;
/// Share of the frames whose numbers must fit as corners …
const FITTING: f64 = 0.95;
/// … and of those whose box would then reach out of the picture.
const OUTSIDE: f64 = 0.5;
/// … or of fewer, where sizes between corners vary so much less than the last two numbers do.
const FEWER_OUTSIDE: f64 = 0.1;
const MUCH_STEADIER: f64 = 0.25;
/// How far out, in widths or heights of the picture: annotators draw boxes a little over the border.
const MARGIN: f64 = 0.02;

/// Looks at the boxes of a sequence as they were read. Shares of the picture's size instead of pixels are a fault;
/// what looks like the corners x1,y1,x2,y2 is remarked, with the evidence.
pub(super) fn look(entry: &SequenceFiles, boxes: &[[f32; 4]], frames: &FrameFiles, own: &mut ScanContext) {
    let boxes: Vec<[f64; 4]> =
        boxes.iter().filter(|[_, _, w, h]| *w > 0.0 && *h > 0.0).map(|b| b.map(f64::from)).collect();
    if boxes.is_empty() {
        return;
    }
    if boxes.iter().flatten().all(|value| (0.0..=1.0).contains(value)) {
        let what = "all boxes lie between 0 and 1, as shares of the picture's size do";
        own.problems.file(&entry.boxes, format_args!("{what}; write pixels: multiply by its width and height"));
        return;
    }
    let corners = |[x, y, w, h]: &&[f64; 4]| w > x && h > y;
    let share = |count: usize| count as f64 / boxes.len() as f64;
    // The numbers alone rule nearly every other sequence out, before any file is opened.
    if frames.is_empty() || share(boxes.iter().filter(corners).count()) < FITTING {
        return;
    }
    let least_outside = match steadiness(&boxes) {
        much if much <= MUCH_STEADIER => FEWER_OUTSIDE,
        some if some <= 1.0 => OUTSIDE,
        _ => return,
    };
    let file = frames.file(0);
    let Some((width, height)) = file.start(HEADER).ok().and_then(|bytes| dimensions(&bytes).ok()) else { return };
    own.exists(&file.path);
    let (width, height) = (f64::from(width), f64::from(height));
    let inside = |of: &&[f64; 4]| corners(of) && of[2] <= width + 1.0 && of[3] <= height + 1.0;
    let outside = |[x, y, w, h]: &&[f64; 4]| x + w > width * (1.0 + MARGIN) || y + h > height * (1.0 + MARGIN);
    let (fitting, outside) = (share(boxes.iter().filter(inside).count()), share(boxes.iter().filter(outside).count()));
    if fitting >= FITTING && outside >= least_outside {
        let evidence = format!(
            "{}: in {:.0} % of the frames the last two numbers are larger than the first two and lie in the \
             {width}x{height} picture, while x+w or y+h lies outside in {:.0} %; write x2-x1, y2-y1 if they are corners",
            entry.boxes.display(),
            fitting * 100.0,
            outside * 100.0
        );
        own.remarks.add(Remark::Corners, evidence);
    }
}

/// How much sizes vary when the last two numbers are taken as corners, in parts of what these numbers vary themselves: a
/// corner moves with its object, a size does not.
fn steadiness(boxes: &[[f64; 4]]) -> f64 {
    let variance = |of: &dyn Fn(&[f64; 4]) -> f64| {
        let mean = boxes.iter().map(of).sum::<f64>() / boxes.len() as f64;
        boxes.iter().map(|values| (of(values) - mean).powi(2)).sum::<f64>()
    };
    let as_sizes = variance(&|b| b[2]) + variance(&|b| b[3]);
    let between = variance(&|b| b[2] - b[0]) + variance(&|b| b[3] - b[1]);
    if between > 0.0 { between / as_sizes } else { f64::from(u8::from(as_sizes == 0.0)) }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    /// What is said of boxes in a 320×240 picture.
    fn said(boxes: &[[f32; 4]]) -> (Vec<String>, Vec<String>) {
        let folder = tempfile::tempdir().unwrap();
        image::RgbImage::new(320, 240).save(folder.path().join("1.png")).unwrap();
        let frames = FrameFiles::listed(folder.path(), vec!["1.png".into()]);
        let entry = SequenceFiles::new("s".into(), folder.path().into(), Path::new("s.txt").into());
        let mut own = ScanContext::default();
        look(&entry, boxes, &frames, &mut own);
        (own.problems.lines().to_vec(), own.take_notes())
    }

    #[test]
    fn corners_and_shares_are_recognised_and_large_or_lost_objects_are_not() {
        let moving = |object: fn(f32) -> [f32; 4]| (0..40).map(|i| object(i as f32)).collect::<Vec<_>>();
        let (faults, notes) = said(&moving(|t| [150.0 + t, 100.0, 200.0 + t, 140.0]));
        assert!(faults.is_empty() && notes.len() == 1, "{faults:?} {notes:?}");
        assert!(notes[0].contains("in 100 % of the frames") && notes[0].contains("outside in 100 %"), "{notes:?}");
        // Mostly in the upper left, where what would be a box stays inside.
        let (_, notes) = said(&moving(|t| [60.0 + 2.5 * t, 60.0, 100.0 + 2.5 * t, 90.0]));
        assert!(notes.len() == 1 && notes[0].contains("outside in 15 %"), "{notes:?}");
        for innocent in [
            moving(|t| [150.0 + t, 100.0, 50.0, 40.0]),
            // Nearly the whole picture, shaking; and an object that leaves it.
            moving(|t| [5.0 + t % 3.0, 4.0, 300.0 + t % 5.0, 230.0]),
            moving(|t| [20.0 + 2.0 * t, 20.0, 280.0, 200.0]),
            moving(|_| [0.0; 4]),
        ] {
            assert_eq!(said(&innocent), (Vec::new(), Vec::new()));
        }
        let (faults, notes) = said(&moving(|t| [0.2 + t / 100.0, 0.3, 0.1, 0.2]));
        assert!(faults.len() == 1 && notes.is_empty() && faults[0].contains("between 0 and 1"), "{faults:?}");
    }
}
