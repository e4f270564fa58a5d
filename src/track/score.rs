//! The scores that benchmarks give to result files.

use crate::vision::rect::Rect;
use serde::Serialize;

/// The overlaps at which the success curve is taken: 0, 0.05, … 1.
const OVERLAPS: usize = 21;
/// Precision is the share of frames whose centre is at most so many pixels off.
const PIXELS: f64 = 20.0;
/// The same for the error in units of the true box's width and height.
const SHARE: f64 = 0.2;

/// Scores of one sequence or many, all as shares of 1.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Scores {
    /// Frames that count for the OTB and LaSOT scores.
    pub frames: usize,
    /// Area under the success curve (OTB, LaSOT): the mean over overlaps 0, 0.05, … 1 of the share of frames above.
    pub auc: f64,
    /// Share of frames with an overlap above 0.5.
    pub op50: f64,
    /// Share of frames with an overlap above 0.75.
    pub op75: f64,
    /// Share of frames whose centre is at most 20 pixels off (OTB, LaSOT).
    pub precision: f64,
    /// Share of frames whose centre is off by at most 0.2 of the true box's size (LaSOT, TrackingNet).
    pub normalised_precision: f64,
    /// Average overlap without the first frame, over frames that show the object (GOT-10k).
    pub ao: f64,
    /// Share of those frames with an overlap above 0.5 (GOT-10k).
    pub sr50: f64,
    /// Share of those frames with an overlap above 0.75 (GOT-10k).
    pub sr75: f64,
    /// Frames that count for the GOT-10k scores.
    pub got10k_frames: usize,
}

/// Intersection over union; 0 when either has no area.
pub fn overlap(a: &Rect, b: &Rect) -> f64 {
    let length = |a0: f64, a1: f64, b0: f64, b1: f64| ((a0 + a1).min(b0 + b1) - a0.max(b0)).max(0.0);
    let shared = length(a.x, a.w, b.x, b.w) * length(a.y, a.h, b.y, b.h);
    let union = a.area() + b.area() - shared;
    if shared > 0.0 && union > 0.0 { shared / union } else { 0.0 }
}

/// The scores of one sequence: `found` boxes against `truth`, both from the first frame on.
///
/// The first frame was given: it counts as found, as in OTB's one-pass evaluation, and GOT-10k leaves it out. Frames in
/// which the object is not `visible` or has no box count as missed for OTB and LaSOT (their toolkits divide by all
/// frames) and not at all for GOT-10k, whose toolkit also cuts boxes to the picture: `size` is its width and height. A
/// box without size repeats the one before it.
pub fn sequence(found: &[Rect], truth: &[Rect], visible: &[bool], size: Option<(f64, f64)>) -> Scores {
    let mut found = found.to_vec();
    if let (Some(first), Some(given)) = (found.first_mut(), truth.first()) {
        *first = *given;
    }
    for at in 1..found.len() {
        if found[at].w == 0.0 || found[at].h == 0.0 {
            found[at] = found[at - 1];
        }
    }
    let valid = |at: usize| truth[at].is_sane() && visible.get(at).copied().unwrap_or(true);
    let frames: Vec<usize> = (0..truth.len().min(found.len())).collect();
    let overlaps: Vec<f64> =
        frames.iter().map(|&at| if valid(at) { overlap(&found[at], &truth[at]) } else { -1.0 }).collect();
    let errors: Vec<(f64, f64)> = frames
        .iter()
        .map(|&at| {
            if !valid(at) {
                return (f64::INFINITY, f64::INFINITY);
            }
            // The toolkits' centres are half a pixel up and left of ours; the difference is the same only in pixels.
            let centre = |r: &Rect| (r.x + 0.5 * (r.w - 1.0), r.y + 0.5 * (r.h - 1.0));
            let ((x, y), (tx, ty)) = (centre(&found[at]), centre(&truth[at]));
            ((x - tx).hypot(y - ty), ((x - tx) / truth[at].w).hypot((y - ty) / truth[at].h))
        })
        .collect();
    let share = |count: usize| count as f64 / frames.len().max(1) as f64;
    let above = |bound: f64| share(overlaps.iter().filter(|&&value| value > bound).count());
    let auc = (0..OVERLAPS).map(|at| above(at as f64 / (OVERLAPS - 1) as f64)).sum::<f64>() / OVERLAPS as f64;

    let cut = |r: &Rect| size.map_or(*r, |(width, height)| r.clipped(width, height));
    let seen: Vec<f64> =
        frames.iter().skip(1).filter(|&&at| valid(at)).map(|&at| overlap(&cut(&found[at]), &cut(&truth[at]))).collect();
    let of_seen = |bound: f64| seen.iter().filter(|&&value| value > bound).count() as f64 / seen.len().max(1) as f64;
    Scores {
        frames: frames.len(),
        auc,
        op50: above(0.5),
        op75: above(0.75),
        precision: share(errors.iter().filter(|(pixels, _)| *pixels <= PIXELS).count()),
        normalised_precision: share(errors.iter().filter(|(_, share)| *share <= SHARE).count()),
        ao: seen.iter().sum::<f64>() / seen.len().max(1) as f64,
        sr50: of_seen(0.5),
        sr75: of_seen(0.75),
        got10k_frames: seen.len(),
    }
}

/// The scores of a benchmark: OTB and LaSOT take the mean over sequences, GOT-10k that over frames.
pub fn benchmark(sequences: &[Scores]) -> Scores {
    let mean = |part: fn(&Scores) -> f64| sequences.iter().map(part).sum::<f64>() / sequences.len().max(1) as f64;
    let frames: usize = sequences.iter().map(|scores| scores.got10k_frames).sum();
    let by_frame = |part: fn(&Scores) -> f64| {
        sequences.iter().map(|scores| part(scores) * scores.got10k_frames as f64).sum::<f64>() / frames.max(1) as f64
    };
    Scores {
        frames: sequences.iter().map(|scores| scores.frames).sum(),
        auc: mean(|s| s.auc),
        op50: mean(|s| s.op50),
        op75: mean(|s| s.op75),
        precision: mean(|s| s.precision),
        normalised_precision: mean(|s| s.normalised_precision),
        ao: by_frame(|s| s.ao),
        sr50: by_frame(|s| s.sr50),
        sr75: by_frame(|s| s.sr75),
        got10k_frames: frames,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn boxes(xs: &[f64]) -> Vec<Rect> {
        xs.iter().map(|&x| Rect::new(x, 0.0, 10.0, 10.0)).collect()
    }

    #[test]
    fn a_perfect_track_has_full_scores() {
        let truth = boxes(&[0.0, 5.0, 9.0]);
        let scores = sequence(&truth, &truth, &[true; 3], None);
        // An overlap of 1 is not above 1: the success curve ends at 0.
        assert!((scores.auc - 20.0 / 21.0).abs() < 1e-12);
        for full in [scores.op50, scores.op75, scores.precision, scores.normalised_precision, scores.ao, scores.sr75] {
            assert_eq!(full, 1.0);
        }
    }

    #[test]
    fn overlaps_and_errors_are_those_of_the_definitions() {
        // Given; overlap 5/15, error 5; no overlap, error 30; absent.
        let truth = [boxes(&[0.0, 0.0, 0.0]), vec![Rect::default()]].concat();
        let scores = sequence(&boxes(&[3.0, 5.0, 30.0, 0.0]), &truth, &[true, true, true, false], None);
        let expected = (21.0 - 1.0 + 7.0) / 4.0 / 21.0; // 1 is above 20 bounds, 1/3 above 0 … 0.3
        assert!((scores.auc - expected).abs() < 1e-12, "{scores:?}");
        assert_eq!((scores.op50, scores.precision, scores.normalised_precision), (0.25, 0.5, 0.25));
        assert!((scores.ao - 1.0 / 6.0).abs() < 1e-12);
        assert_eq!((scores.frames, scores.got10k_frames, scores.sr50), (4, 2, 0.0));
    }

    #[test]
    fn benchmarks_weigh_sequences_or_frames() {
        let one = Scores { auc: 1.0, ao: 1.0, got10k_frames: 1, frames: 2, ..Scores::default() };
        let three = Scores { auc: 0.0, ao: 0.0, got10k_frames: 3, frames: 4, ..Scores::default() };
        let all = benchmark(&[one, three]);
        assert_eq!((all.auc, all.ao, all.frames), (0.5, 0.25, 6));
    }

    proptest! {
        #[test]
        fn overlap_is_symmetric_and_within_bounds(a in prop::array::uniform4(0.0..50.0), b in prop::array::uniform4(0.0..50.0)) {
            let (a, b) = (Rect::new(a[0], a[1], a[2], a[3]), Rect::new(b[0], b[1], b[2], b[3]));
            let value = overlap(&a, &b);
            prop_assert!((0.0..=1.0 + 1e-12).contains(&value));
            prop_assert!((value - overlap(&b, &a)).abs() < 1e-12);
        }
    }
}
