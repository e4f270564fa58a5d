//! The numbers of a batch, and the results of the run so far. These travel inside checkpoints, so that a resumed epoch
//! reports the same means as an uninterrupted one.

use super::{
    confusion::Confusion,
    events::StepTime,
    means::{AverageMeter, BatchMetrics},
    overlaps::Overlaps,
    run_schedule::{BatchInfo, Split},
};
use serde::{Deserialize, Serialize};

/// The numbers of one batch in the order in which the step packs them: losses as means over frames.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct StepMetrics {
    /// `w_box · box + λ · cls`: what training minimises, as a mean over frames.
    pub total: f64,
    /// Weighted sum of GIoU, L1 and location loss.
    pub box_loss: f64,
    /// GIoU loss, unweighted.
    pub giou: f64,
    /// L1 loss, unweighted.
    pub l1: f64,
    /// Focal loss of the centre's heat map, unweighted.
    pub location: f64,
    /// Class loss over the labelled frames, unweighted.
    pub class: f64,
    /// λ · class loss.
    pub class_weighted: f64,
    /// Mean IoU of predicted and true boxes.
    pub iou: f64,
    /// Labelled frames whose condition was right.
    pub correct: f64,
    /// Labelled frames.
    pub labelled: f64,
    /// Norm of the gradients before clipping; 0 in validation.
    pub gradient_norm: f64,
    /// 1 when the update was applied (always in validation), 0 when the step was not finite.
    pub applied: f64,
    /// Factor of the box task in what was minimised, beyond those of its own terms.
    #[serde(default)]
    pub weight_box: f64,
    /// Factor of the class loss in what was minimised: λ, times what the weighting of tasks makes of it.
    #[serde(default)]
    pub weight_class: f64,
}

impl StepMetrics {
    /// How many numbers there are.
    pub const COUNT: usize = 14;

    /// The first so many are those of a loss report.
    pub const REPORTED: usize = 10;

    /// The terms from the packed form of a step ([`Outcome::step_metrics`](super::step::Outcome::step_metrics)), and the rest of it;
    /// `None` when it is too short.
    pub fn unpack_from(values: &[f64]) -> Option<(Self, &[f64])> {
        let (step_metrics, rest) = values.split_at_checked(Self::COUNT)?;
        Some((Self::unpack(step_metrics)?, rest))
    }

    /// The terms from their packed form; `None` when the length is not [`StepMetrics::COUNT`].
    pub fn unpack(values: &[f64]) -> Option<Self> {
        let (reported, rest) = values.split_at_checked(Self::REPORTED)?;
        let &[total, box_loss, giou, l1, location, class, class_weighted, iou, correct, labelled] = reported else {
            return None;
        };
        let &[norm, applied, weight_box, weight_class] = rest else { return None };
        Some(Self {
            total,
            box_loss,
            giou,
            l1,
            location,
            class,
            class_weighted,
            iou,
            correct,
            labelled,
            gradient_norm: norm,
            applied,
            weight_box,
            weight_class,
        })
    }

    /// Share of labelled frames whose condition was right; `None` without any.
    pub fn accuracy(&self) -> Option<f64> {
        (self.labelled > 0.0).then(|| self.correct / self.labelled)
    }

    /// The losses with the names that users know, in the order of the step line.
    pub fn losses(&self) -> [(&'static str, f64); 7] {
        [
            ("Loss/total", self.total),
            ("Loss/box", self.box_loss),
            ("Loss/giou", self.giou),
            ("Loss/l1", self.l1),
            ("Loss/location", self.location),
            ("Loss/cls", self.class),
            ("Loss/cls_weighted", self.class_weighted),
        ]
    }
}

/// Mean IoU and class accuracy of one pass over validation clips.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Score {
    /// Mean IoU.
    pub iou: f64,
    /// Class accuracy over labelled frames, when there are any.
    pub accuracy: Option<f64>,
    /// Which conditions were taken for which; empty without a class head.
    #[serde(default)]
    pub confusion: Confusion,
    /// Mean IoU by condition.
    #[serde(default)]
    pub overlaps: Overlaps,
}

/// Where a run stands: the unfinished pass and the validations so far.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Progress {
    /// Sums of the unfinished pass.
    pub open: AverageMeter,
    /// Conditions in the unfinished pass, in validation.
    #[serde(default)]
    pub open_confusion: Confusion,
    /// IoUs by condition in the unfinished pass, in validation.
    #[serde(default)]
    pub open_overlaps: Overlaps,
    /// Validation before the first step.
    pub before: Option<Score>,
    /// The newest validation after training began.
    pub latest: Option<Score>,
    /// Non-finite training steps in a row.
    pub nonfinite_in_a_row: u64,
    /// Non-finite training steps altogether.
    pub nonfinite: u64,
    /// Seconds of the device on training steps and between them, in this call.
    #[serde(skip)]
    pub device: [f64; 2],
}

impl Progress {
    /// A training step took the device so many seconds, after so many without one.
    pub fn add_time(&mut self, time: &StepTime) {
        self.device = [self.device[0] + time.forward, self.device[1] + time.data];
    }

    /// The share of the time from the first training step of this call that the device spent on steps; none without any.
    pub fn device_busy(&self) -> Option<f64> {
        let [busy, idle] = self.device;
        (busy > 0.0).then(|| busy / (busy + idle))
    }

    /// Adds a batch; the means of its pass, which conditions were taken for which in it, and its IoUs by condition, when
    /// it was the last one.
    pub fn add(
        &mut self,
        info: &BatchInfo,
        step_metrics: &StepMetrics,
        metrics: &BatchMetrics,
        confusion: Option<&Confusion>,
        overlaps: Option<&Overlaps>,
    ) -> Option<(StepMetrics, Confusion, Overlaps)> {
        self.open.add(step_metrics, metrics);
        confusion.into_iter().for_each(|counts| self.open_confusion.add(counts));
        overlaps.into_iter().for_each(|sums| self.open_overlaps.merge(sums));
        if info.split == Split::Train {
            let bad = step_metrics.applied == 0.0;
            self.nonfinite += u64::from(bad);
            self.nonfinite_in_a_row = if bad { self.nonfinite_in_a_row + 1 } else { 0 };
        }
        if info.batch + 1 < info.of {
            return None;
        }
        let confusion = std::mem::take(&mut self.open_confusion);
        let overlaps = std::mem::take(&mut self.open_overlaps);
        let means = std::mem::take(&mut self.open).means()?;
        if info.split == Split::Val {
            let score = Score {
                iou: means.iou,
                accuracy: means.accuracy(),
                confusion: confusion.clone(),
                overlaps: overlaps.clone(),
            };
            if info.before { self.before = Some(score) } else { self.latest = Some(score) }
        }
        Some((means, confusion, overlaps))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn step_metrics(total: f64, labelled: f64) -> StepMetrics {
        StepMetrics {
            total,
            giou: total,
            weight_box: 1.0,
            iou: total / 10.0,
            class: 2.0,
            correct: labelled / 2.0,
            labelled,
            applied: 1.0,
            ..StepMetrics::default()
        }
    }

    fn clips(clips: usize) -> BatchMetrics {
        BatchMetrics { clips, giou: 1.0, ..BatchMetrics::default() }
    }

    fn info(split: Split, batch: usize, of: usize, before: bool) -> BatchInfo {
        BatchInfo { position: 0, split, epoch: 0, batch, of, step: 0, before, closes_epoch: false }
    }

    #[test]
    fn a_batch_that_is_not_finite_is_counted_and_left_out() {
        let mut progress = Progress::default();
        let bad = StepMetrics { applied: 0.0, total: f64::NAN, ..StepMetrics::default() };
        progress.add(&info(Split::Train, 0, 3, false), &bad, &clips(2), None, None);
        progress.add(&info(Split::Train, 1, 3, false), &bad, &clips(2), None, None);
        assert_eq!(progress.nonfinite_in_a_row, 2);
        let (means, ..) =
            progress.add(&info(Split::Train, 2, 3, false), &step_metrics(2.0, 0.0), &clips(2), None, None).unwrap();
        assert_eq!((means.total, progress.nonfinite_in_a_row, progress.nonfinite), (2.0, 0, 2));
    }

    #[test]
    fn validations_before_and_after_are_told_apart_and_survive_a_checkpoint() {
        let mut progress = Progress::default();
        progress.add(&info(Split::Val, 0, 1, true), &step_metrics(1.0, 2.0), &clips(1), None, None);
        progress.add(&info(Split::Val, 0, 1, false), &step_metrics(6.0, 2.0), &clips(1), None, None);
        assert_eq!(progress.before.as_ref().map(|score| score.iou), Some(0.1));
        assert_eq!(progress.latest.as_ref().map(|score| score.iou), Some(0.6));
        progress.add(&info(Split::Train, 0, 2, false), &step_metrics(1.0 / 3.0, 2.0), &clips(1), None, None);
        let text = serde_json::to_string(&progress).unwrap();
        assert_eq!(serde_json::from_str::<Progress>(&text).unwrap(), progress);
    }
}
