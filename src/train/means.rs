//! Means over several batches. A pass is reported as if all its clips were one batch: its losses are divided by the same
//! counts, taken over the whole pass, so that they do not depend on how it is cut into batches, and its weighted terms add
//! up to its total.

use super::metrics::StepMetrics;
use crate::loss::Weights;
use serde::{Deserialize, Serialize};

/// What a batch adds to the means over several, beside its [`StepMetrics`].
#[derive(Clone, Debug, Default, PartialEq)]
pub struct BatchMetrics {
    /// Clips in it.
    pub clips: usize,
    /// Weight of its GIoU loss.
    pub giou: f64,
    /// Weight of its L1 loss.
    pub l1: f64,
    /// Weight of its focal loss.
    pub location: f64,
    /// λ, the weight of its class loss.
    pub class: f64,
    /// By search frame.
    pub frames: Vec<FrameMetrics>,
}

/// The sums and counts of one search frame over the clips of a batch, behind the means that do not divide by clips.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct FrameMetrics {
    /// Sum of the focal loss.
    pub location: f64,
    /// Peaks of the heat maps.
    pub peaks: f64,
    /// Sum of the class loss.
    pub class: f64,
    /// Labelled clips.
    pub labelled: f64,
}

impl BatchMetrics {
    /// Those of a batch of `clips` that was weighted by `weights`, with rows of
    /// [`LossComponents::sums`](crate::loss::LossComponents::sums) in row-major order.
    pub fn new(clips: usize, weights: &Weights, sums: &[f64]) -> Self {
        let (rows, _) = sums.as_chunks::<4>();
        let frame = |&[location, peaks, class, labelled]: &[f64; 4]| FrameMetrics { location, peaks, class, labelled };
        let Weights { giou, l1, location, class, .. } = *weights;
        Self { clips, giou, l1, location, class, frames: rows.iter().map(frame).collect() }
    }
}

/// Sums over the batches of a pass, or of a part of it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct AverageMeter {
    /// Clips summed over.
    pub clips: f64,
    /// Batches left out because they were not finite.
    pub nonfinite: u64,
    /// Those of what is divided by clips; box loss and total without their focal and class losses.
    sums: StepMetrics,
    /// Those of what is divided by other counts, by search frame.
    #[serde(default)]
    frames: Vec<FrameMeter>,
}

/// Sums of the losses of one search frame, plain, weighted by their terms' own weights, and as they were minimised.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
struct FrameMeter {
    location: [f64; 3],
    peaks: f64,
    class: [f64; 3],
    labelled: f64,
}

impl AverageMeter {
    /// Adds a batch. One that is not finite is counted and left out.
    pub fn add(&mut self, step_metrics: &StepMetrics, metrics: &BatchMetrics) {
        if step_metrics.applied == 0.0 || !step_metrics.total.is_finite() {
            self.nonfinite += 1;
            return;
        }
        let n = metrics.clips as f64;
        let boxed = metrics.giou * step_metrics.giou + metrics.l1 * step_metrics.l1;
        self.clips += n;
        let sums = &mut self.sums;
        for (sum, term) in [
            (&mut sums.total, step_metrics.weight_box * boxed),
            (&mut sums.box_loss, boxed),
            (&mut sums.giou, step_metrics.giou),
            (&mut sums.l1, step_metrics.l1),
            (&mut sums.iou, step_metrics.iou),
            (&mut sums.gradient_norm, step_metrics.gradient_norm),
            (&mut sums.weight_box, step_metrics.weight_box),
            (&mut sums.weight_class, step_metrics.weight_class),
        ] {
            *sum += n * term;
        }
        sums.correct += step_metrics.correct;
        sums.labelled += step_metrics.labelled;
        if self.frames.len() < metrics.frames.len() {
            self.frames.resize(metrics.frames.len(), FrameMeter::default());
        }
        let location = [1.0, metrics.location, step_metrics.weight_box * metrics.location];
        let class = [1.0, metrics.class, step_metrics.weight_class];
        for (sums, frame) in self.frames.iter_mut().zip(&metrics.frames) {
            sums.location.iter_mut().zip(location).for_each(|(sum, weight)| *sum += weight * frame.location);
            sums.class.iter_mut().zip(class).for_each(|(sum, weight)| *sum += weight * frame.class);
            sums.peaks += frame.peaks;
            sums.labelled += frame.labelled;
        }
    }

    /// The means; counts stay sums. `None` before the first batch.
    pub fn means(&self) -> Option<StepMetrics> {
        if self.clips == 0.0 {
            return None;
        }
        let (sums, n) = (self.sums, self.clips);
        let [location, location_weighted, location_minimised] = self.over(|frame| (frame.location, frame.peaks));
        let [class, class_weighted, class_minimised] = self.over(|frame| (frame.class, frame.labelled));
        Some(StepMetrics {
            total: sums.total / n + location_minimised + class_minimised,
            box_loss: sums.box_loss / n + location_weighted,
            giou: sums.giou / n,
            l1: sums.l1 / n,
            location,
            class,
            class_weighted,
            iou: sums.iou / n,
            correct: sums.correct,
            labelled: sums.labelled,
            gradient_norm: sums.gradient_norm / n,
            applied: 1.0,
            weight_box: sums.weight_box / n,
            weight_class: sums.weight_class / n,
        })
    }

    /// The mean over frames of sums, each divided by its count (by 1 where nothing was counted).
    fn over(&self, of: impl Fn(&FrameMeter) -> ([f64; 3], f64)) -> [f64; 3] {
        let mut means = [0.0; 3];
        for (sums, count) in self.frames.iter().map(of) {
            means.iter_mut().zip(sums).for_each(|(mean, sum)| *mean += sum / count.max(1.0));
        }
        means.map(|mean| mean / self.frames.len().max(1) as f64)
    }

    /// Whether these were written before sums were kept by search frame, so that nothing can be added to them.
    pub fn is_outdated(&self) -> bool {
        self.clips > 0.0 && self.frames.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A clip of two search frames: its boxes' losses, the sum and peaks of its focal loss, class losses where labelled.
    type Clip = (f64, [(f64, f64); 2], [Option<f64>; 2]);

    const CLIPS: [Clip; 5] = [
        (1.0, [(4.0, 1.0), (2.0, 0.0)], [None, Some(8.0)]),
        (3.0, [(1.0, 1.0), (7.0, 1.0)], [None, None]),
        (0.5, [(2.5, 0.0), (1.0, 1.0)], [Some(2.0), Some(0.25)]),
        (2.0, [(9.0, 1.0), (3.0, 1.0)], [Some(1.0), None]),
        (4.0, [(0.5, 1.0), (6.0, 1.0)], [None, None]),
    ];

    /// What a step says of some clips, with factors of the tasks.
    fn step(clips: &[Clip], lambda: f64, factors: [f64; 2]) -> (StepMetrics, BatchMetrics) {
        let frame = |at: usize| FrameMetrics {
            location: clips.iter().map(|(_, location, _)| location[at].0).sum(),
            peaks: clips.iter().map(|(_, location, _)| location[at].1).sum(),
            class: clips.iter().filter_map(|(.., class)| class[at]).sum(),
            labelled: clips.iter().filter_map(|(.., class)| class[at]).count() as f64,
        };
        let frames = vec![frame(0), frame(1)];
        let mean = |of: fn(&FrameMetrics) -> f64| frames.iter().map(of).sum::<f64>() / 2.0;
        let giou = clips.iter().map(|(giou, ..)| giou).sum::<f64>() / clips.len() as f64;
        let location = mean(|frame| frame.location / frame.peaks.max(1.0));
        let class = mean(|frame| frame.class / frame.labelled.max(1.0));
        let box_loss = 2.0 * giou + 5.0 * (giou / 2.0) + 0.5 * location;
        let step_metrics = StepMetrics {
            total: factors[0] * box_loss + factors[1] * lambda * class,
            box_loss,
            giou,
            l1: giou / 2.0,
            location,
            class,
            class_weighted: lambda * class,
            labelled: frames.iter().map(|frame| frame.labelled).sum(),
            weight_box: factors[0],
            weight_class: factors[1] * lambda,
            applied: 1.0,
            ..StepMetrics::default()
        };
        let metrics = BatchMetrics { clips: clips.len(), giou: 2.0, l1: 5.0, location: 0.5, class: lambda, frames };
        (step_metrics, metrics)
    }

    fn pass(size: usize, lambda: f64, factors: [f64; 2]) -> StepMetrics {
        let mut sums = AverageMeter::default();
        for clips in CLIPS.chunks(size) {
            let (step_metrics, metrics) = step(clips, lambda, factors);
            sums.add(&step_metrics, &metrics);
        }
        sums.means().unwrap()
    }

    fn near(a: f64, b: f64, what: &str) {
        assert!((a - b).abs() <= 1e-12 * a.abs().max(1.0), "{what}: {a} {b}");
    }

    #[test]
    fn a_pass_is_as_one_batch_however_it_is_cut() {
        for factors in [[1.0, 1.0], [0.3, 1.7]] {
            let (whole, _) = step(&CLIPS, 0.1, factors);
            for size in 1..=5 {
                let means = pass(size, 0.1, factors);
                for ((name, mean), (_, known)) in means.losses().into_iter().zip(whole.losses()) {
                    near(mean, known, &format!("{name} in batches of {size}"));
                }
                assert_eq!(means.labelled, whole.labelled);
            }
        }
    }

    #[test]
    fn a_pass_adds_up_exactly_where_weights_are_fixed() {
        for size in 1..=5 {
            let means = pass(size, 0.3, [1.0, 1.0]);
            assert_eq!(means.total, means.box_loss + means.class_weighted, "batches of {size}");
            near(means.class_weighted, 0.3 * means.class, "λ");
            near(means.box_loss, 2.0 * means.giou + 5.0 * means.l1 + 0.5 * means.location, "boxes");
        }
    }

    #[test]
    fn weights_that_change_within_a_pass_count_for_their_own_batches() {
        let mut sums = AverageMeter::default();
        for (clips, lambda) in CLIPS.chunks(3).zip([0.0, 1.0]) {
            let (step_metrics, metrics) = step(clips, lambda, [1.0, 1.0]);
            sums.add(&step_metrics, &metrics);
        }
        let means = sums.means().unwrap();
        // The second batch has one of the two labels of the first frame; the first one's losses count for nothing.
        near(means.class_weighted, 1.0 / 2.0 / 2.0, "λ");
        near(means.total, means.box_loss + means.class_weighted, "total");
    }

    #[test]
    fn sums_survive_a_checkpoint_and_older_ones_are_known() {
        let mut sums = AverageMeter::default();
        let (step_metrics, metrics) = step(&CLIPS[..2], 1.0 / 3.0, [1.0, 1.0]);
        sums.add(&step_metrics, &metrics);
        let text = serde_json::to_string(&sums).unwrap();
        let again: AverageMeter = serde_json::from_str(&text).unwrap();
        assert!(again == sums && !again.is_outdated());
        let mut value = serde_json::to_value(&sums).unwrap();
        value.as_object_mut().unwrap().remove("frames");
        assert!(serde_json::from_value::<AverageMeter>(value).unwrap().is_outdated());
    }
}
