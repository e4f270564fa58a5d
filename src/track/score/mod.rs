//! The scores that the field's toolkits give to result files, and what is odd about them.
//!
//! [`robust`] is `extract_results` of the reference (HIPTrack, OSTrack) and of pytracking, [`toolkit`] the GOT-10k
//! toolkit. Both take boxes in double precision: some frames lie exactly on a bound.

mod odd;
pub mod robust;
pub mod toolkit;

pub use odd::Odd;

use crate::vision::rect::Rect;
use serde::Serialize;

/// Whose code gives the scores.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Rules {
    /// HIPTrack's and OSTrack's extract_results and plot_results
    Hiptrack,
    /// pytracking's: a ground truth that touches the left or top edge is invalid too
    Pytracking,
    /// The GOT-10k toolkit's: AO and SR on GOT-10k, success and precision elsewhere
    Got10k,
}

/// Why a toolkit takes no score of a result.
pub type Refusal = String;

/// A result file's boxes and the ground truth of the same frames, both from the first tracked frame on.
#[derive(Clone, Copy, Debug)]
pub struct Pair<'a> {
    /// `x, y, w, h` as found.
    pub found: &'a [[f64; 4]],
    /// `x, y, w, h` as annotated; NaN where the annotators wrote so.
    pub truth: &'a [[f64; 4]],
    /// Which frames no mark of the annotators (occluded, out of view, absent, no cover) takes out; where there are any.
    pub visible: Option<&'a [bool]>,
}

impl Pair<'_> {
    /// Whether the object is to be seen in a frame, by everything that the annotators say.
    pub fn is_present(&self, frame: usize) -> bool {
        let [x, y, w, h] = self.truth[frame];
        Rect::new(x, y, w, h).is_sane() && self.visible.is_none_or(|visible| visible.get(frame) != Some(&false))
    }
}

/// Shares of frames over bounds, each from 0 to 1.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Curves {
    /// With an overlap above 0, 0.05, … 1.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub success: Vec<f64>,
    /// With a centre at most 0, 1, … 50 pixels off.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub precision: Vec<f64>,
    /// With a centre off by at most 0, 0.01, … 0.5 of the ground truth's size.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub normalised_precision: Vec<f64>,
    /// With an overlap above 0, 0.01, … 1, over GOT-10k's frames.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub got10k_success: Vec<f64>,
}

/// The bounds of [`Curves::success`], as the toolkits' code makes them.
pub fn overlap_bounds() -> impl Iterator<Item = f64> {
    (0..21).map(|at| f64::from(at) * 0.05)
}

/// The bounds of [`Curves::precision`], in pixels.
pub fn pixel_bounds() -> impl Iterator<Item = f64> {
    (0..51).map(f64::from)
}

/// The bounds of [`Curves::normalised_precision`].
pub fn share_bounds() -> impl Iterator<Item = f64> {
    (0..51).map(|at| f64::from(at) / 100.0)
}

/// Scores of a sequence or of many, as shares of 1; those that the rules do not give are left out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Scores {
    /// Annotated frames.
    pub frames: usize,
    /// Area under the success curve: its mean.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub auc: Option<f64>,
    /// Share of frames with an overlap above 0.5.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub op50: Option<f64>,
    /// Share of frames with an overlap above 0.75.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub op75: Option<f64>,
    /// Share of frames whose centre is at most 20 pixels off.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub precision: Option<f64>,
    /// Share of frames whose centre is off by at most 0.2 of the ground truth's size.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub normalised_precision: Option<f64>,
    /// Mean overlap of the valid frames of one sequence.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mean_overlap: Option<f64>,
    /// Average overlap (GOT-10k).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ao: Option<f64>,
    /// Share of overlaps above 0.5 (GOT-10k).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sr50: Option<f64>,
    /// Share of overlaps above 0.75 (GOT-10k).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sr75: Option<f64>,
    /// Frames that the last three are taken over, in all runs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub got10k_frames: Option<usize>,
    /// Mean of 1 ÷ seconds over frames (GOT-10k).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub speed_fps: Option<f64>,
}

impl Scores {
    /// What curves say.
    pub fn of(frames: usize, curves: &Curves) -> Self {
        Self {
            frames,
            auc: mean(&curves.success),
            op50: curves.success.get(10).copied(),
            op75: curves.success.get(15).copied(),
            precision: curves.precision.get(20).copied(),
            normalised_precision: curves.normalised_precision.get(20).copied(),
            ..Self::default()
        }
    }
}

/// The mean of curves: of a sequence's runs, or of a data set's sequences. Curves that one of them lacks are lacking.
pub fn mean_curves(curves: &[&Curves]) -> Curves {
    let average = |part: fn(&Curves) -> &Vec<f64>| -> Vec<f64> {
        let length = curves.iter().map(|curve| part(curve).len()).min().unwrap_or(0);
        let at = |bound: usize| sum(curves.iter().map(|curve| part(curve)[bound])) / curves.len() as f64;
        (0..length).map(at).collect()
    };
    Curves {
        success: average(|c| &c.success),
        precision: average(|c| &c.precision),
        normalised_precision: average(|c| &c.normalised_precision),
        got10k_success: average(|c| &c.got10k_success),
    }
}

/// The mean of numbers; none of none.
pub fn mean(values: &[f64]) -> Option<f64> {
    (!values.is_empty()).then(|| sum(values.iter().copied()) / values.len() as f64)
}

/// A sum without the rounding of its steps (Neumaier's).
fn sum(values: impl Iterator<Item = f64>) -> f64 {
    let (mut total, mut lost) = (0.0f64, 0.0f64);
    for value in values {
        let next = total + value;
        lost += if total.abs() >= value.abs() { (total - next) + value } else { (value - next) + total };
        total = next;
    }
    total + lost
}

/// Intersection over union; 0 when either has no area.
pub fn overlap(a: &Rect, b: &Rect) -> f64 {
    let length = |a0: f64, a1: f64, b0: f64, b1: f64| ((a0 + a1).min(b0 + b1) - a0.max(b0)).max(0.0);
    let shared = length(a.x, a.w, b.x, b.w) * length(a.y, a.h, b.y, b.h);
    let union = a.area() + b.area() - shared;
    if shared > 0.0 && union > 0.0 { shared / union } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn curves_are_averaged_and_scores_read_off() {
        let flat = |value: f64| Curves {
            success: vec![value; 21],
            precision: vec![value; 51],
            normalised_precision: vec![value; 51],
            got10k_success: Vec::new(),
        };
        let all = mean_curves(&[&flat(1.0), &flat(0.5)]);
        let scores = Scores::of(7, &all);
        assert_eq!((scores.frames, scores.auc, scores.precision), (7, Some(0.75), Some(0.75)));
        assert_eq!((scores.op75, scores.normalised_precision, scores.ao), (Some(0.75), Some(0.75), None));
        let other = Curves { precision: Vec::new(), ..flat(1.0) };
        assert!(mean_curves(&[&flat(1.0), &other]).precision.is_empty());
    }

    #[test]
    fn a_sum_loses_no_small_number() {
        assert_eq!(sum([1.0, 1e100, 1.0, -1e100].into_iter()), 2.0);
        assert_eq!(mean(&[]), None);
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
