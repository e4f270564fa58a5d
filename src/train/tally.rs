//! Sums over the batches of an epoch, and the results of the run so far. They travel inside checkpoints, so that a
//! resumed epoch reports the same means as an uninterrupted one.

use super::{
    confusion::Confusion,
    itinerary::{Split, Visit},
    overlaps::Overlaps,
};
use serde::{Deserialize, Serialize};

/// The numbers of one batch in the order in which the step packs them: losses as means over frames.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Terms {
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

impl Terms {
    /// How many numbers there are.
    pub const COUNT: usize = 14;

    /// The first so many are those of a loss report.
    pub const REPORTED: usize = 10;

    /// The terms from their packed form; `None` when the length is not [`Terms::COUNT`].
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

/// Sums over batches, weighted by their clips.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Sums {
    /// Clips summed over.
    pub clips: f64,
    /// Batches left out because they were not finite.
    pub nonfinite: u64,
    sums: Terms,
    class_clips: f64,
}

impl Sums {
    /// Adds a batch of `clips`. A batch that is not finite is counted and left out.
    pub fn add(&mut self, terms: &Terms, clips: usize) {
        if terms.applied == 0.0 || !terms.total.is_finite() {
            self.nonfinite += 1;
            return;
        }
        let n = clips as f64;
        self.clips += n;
        let sums = &mut self.sums;
        for (sum, term) in [
            (&mut sums.total, terms.total),
            (&mut sums.box_loss, terms.box_loss),
            (&mut sums.giou, terms.giou),
            (&mut sums.l1, terms.l1),
            (&mut sums.location, terms.location),
            (&mut sums.class_weighted, terms.class_weighted),
            (&mut sums.iou, terms.iou),
            (&mut sums.gradient_norm, terms.gradient_norm),
            (&mut sums.weight_box, terms.weight_box),
            (&mut sums.weight_class, terms.weight_class),
        ] {
            *sum += n * term;
        }
        sums.correct += terms.correct;
        sums.labelled += terms.labelled;
        if terms.labelled > 0.0 {
            sums.class += n * terms.class;
            self.class_clips += n;
        }
    }

    /// The means over clips; counts stay sums. `None` before the first batch.
    pub fn means(&self) -> Option<Terms> {
        if self.clips == 0.0 {
            return None;
        }
        let (sums, n) = (self.sums, self.clips);
        Some(Terms {
            total: sums.total / n,
            box_loss: sums.box_loss / n,
            giou: sums.giou / n,
            l1: sums.l1 / n,
            location: sums.location / n,
            class: if self.class_clips > 0.0 { sums.class / self.class_clips } else { 0.0 },
            class_weighted: sums.class_weighted / n,
            iou: sums.iou / n,
            correct: sums.correct,
            labelled: sums.labelled,
            gradient_norm: sums.gradient_norm / n,
            applied: 1.0,
            weight_box: sums.weight_box / n,
            weight_class: sums.weight_class / n,
        })
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
    pub open: Sums,
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
}

impl Progress {
    /// Adds a batch; the means of its pass, which conditions were taken for which in it, and its IoUs by condition, when
    /// it was the last one.
    pub fn add(
        &mut self,
        visit: &Visit,
        terms: &Terms,
        confusion: Option<&Confusion>,
        overlaps: Option<&Overlaps>,
        clips: usize,
    ) -> Option<(Terms, Confusion, Overlaps)> {
        self.open.add(terms, clips);
        confusion.into_iter().for_each(|counts| self.open_confusion.add(counts));
        overlaps.into_iter().for_each(|sums| self.open_overlaps.merge(sums));
        if visit.split == Split::Train {
            let bad = terms.applied == 0.0;
            self.nonfinite += u64::from(bad);
            self.nonfinite_in_a_row = if bad { self.nonfinite_in_a_row + 1 } else { 0 };
        }
        if visit.batch + 1 < visit.of {
            return None;
        }
        let confusion = std::mem::take(&mut self.open_confusion);
        let overlaps = std::mem::take(&mut self.open_overlaps);
        let means = std::mem::take(&mut self.open).means()?;
        if visit.split == Split::Val {
            let score = Score {
                iou: means.iou,
                accuracy: means.accuracy(),
                confusion: confusion.clone(),
                overlaps: overlaps.clone(),
            };
            if visit.before { self.before = Some(score) } else { self.latest = Some(score) }
        }
        Some((means, confusion, overlaps))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn terms(total: f64, labelled: f64) -> Terms {
        Terms {
            total,
            iou: total / 10.0,
            class: 2.0,
            correct: labelled / 2.0,
            labelled,
            applied: 1.0,
            ..Terms::default()
        }
    }

    fn visit(split: Split, batch: usize, of: usize, before: bool) -> Visit {
        Visit { position: 0, split, epoch: 0, batch, of, step: 0, before, closes_epoch: false }
    }

    #[test]
    fn means_weigh_batches_by_their_clips_and_classes_by_their_labels() {
        let mut sums = Sums::default();
        sums.add(&terms(1.0, 0.0), 1);
        sums.add(&terms(4.0, 6.0), 3);
        let means = sums.means().unwrap();
        assert_eq!((means.total, means.class, means.accuracy()), (3.25, 2.0, Some(0.5)));
    }

    #[test]
    fn a_batch_that_is_not_finite_is_counted_and_left_out() {
        let mut progress = Progress::default();
        let bad = Terms { applied: 0.0, total: f64::NAN, ..Terms::default() };
        progress.add(&visit(Split::Train, 0, 3, false), &bad, None, None, 2);
        progress.add(&visit(Split::Train, 1, 3, false), &bad, None, None, 2);
        assert_eq!(progress.nonfinite_in_a_row, 2);
        let (means, ..) = progress.add(&visit(Split::Train, 2, 3, false), &terms(2.0, 0.0), None, None, 2).unwrap();
        assert_eq!((means.total, progress.nonfinite_in_a_row, progress.nonfinite), (2.0, 0, 2));
    }

    #[test]
    fn validations_before_and_after_are_told_apart_and_survive_a_checkpoint() {
        let mut progress = Progress::default();
        progress.add(&visit(Split::Val, 0, 1, true), &terms(1.0, 2.0), None, None, 1);
        progress.add(&visit(Split::Val, 0, 1, false), &terms(6.0, 2.0), None, None, 1);
        assert_eq!(progress.before.as_ref().map(|score| score.iou), Some(0.1));
        assert_eq!(progress.latest.as_ref().map(|score| score.iou), Some(0.6));
        progress.add(&visit(Split::Train, 0, 2, false), &terms(1.0 / 3.0, 2.0), None, None, 1);
        let text = serde_json::to_string(&progress).unwrap();
        assert_eq!(serde_json::from_str::<Progress>(&text).unwrap(), progress);
    }
}
