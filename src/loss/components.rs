//! The terms of a step's loss, and what is read of them.

use super::class::{ClassComponents, ClassLoss};
use super::counts::{Counts, over};
use super::focal::{self, focal_sum};
use super::overlap::generalised_iou;
use crate::failure::{Failure, Result};
use crate::model::ClipOutput;
use crate::model::boxes::{cxcywh_to_xyxy, xywh_to_xyxy};
use tch::{Kind, Tensor};

/// What the search frames really show.
#[derive(Debug)]
pub struct Target {
    /// `[N, B, 4]` f32: `(x, y, w, h)` as shares of the search crop.
    pub boxes: Tensor,
    /// `[N, B]` i64: condition indices, [`UNLABELLED`](crate::data::condition::UNLABELLED) where there is none.
    pub labels: Tensor,
    /// `[N, B, Soft::WIDTH]` f32: how probable each condition is, and how much they disturb (−1: not known); see
    /// [`Soft`](crate::data::labels::Soft). None where only the class is known.
    pub soft: Option<Tensor>,
}

/// How much each term counts, and which classification loss.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Weights {
    /// Of the GIoU loss (`TRAIN.GIOU_WEIGHT`).
    pub giou: f64,
    /// Of the L1 loss (`TRAIN.L1_WEIGHT`).
    pub l1: f64,
    /// Of the focal loss.
    pub location: f64,
    /// λ, of the classification loss (`TRAIN.CLS_WEIGHT`).
    pub class: f64,
    /// Which classification loss.
    pub class_loss: ClassLoss,
}

impl Weights {
    /// The reference's: 2, 5, 1 and λ = 0.1 with cross-entropy.
    pub fn reference() -> Self {
        Self { giou: 2.0, l1: 5.0, location: 1.0, class: 0.1, class_loss: ClassLoss::CrossEntropy }
    }
}

/// The loss of a step, or what a part of its batch adds to it, on the device.
///
/// What training differentiates is the **sum** over the N frames of a clip, each a mean over the batch: this is the
/// reference's gradient scale, on which its learning rates and its clipping rest. What is reported is the **mean** over
/// frames. A mean over the batch divides by the batch's clips, by its peaks (the focal loss) or by its labelled clips (the
/// class loss) of that frame ([`Counts`]).
#[derive(Debug)]
pub struct LossComponents {
    /// `box_task + class_task`: what training minimises. Scalar, with graph.
    pub objective: Tensor,
    /// The box task's share of it. Scalar, with graph.
    pub box_task: Tensor,
    /// The classification task's share of it, times λ. Scalar, with graph (unless there is no condition head).
    pub class_task: Tensor,
    /// `[N, 6]`, detached: GIoU, L1, location and class losses (unweighted), mean IoU, share of right conditions among
    /// the labelled.
    pub per_frame: Tensor,
    /// `[N, 4]` f64, detached: the sums and counts of these clips behind the means that do not divide by clips, which are
    /// the focal loss and the number of peaks, the class loss and the number of labelled clips.
    pub sums: Tensor,
    /// `[11]` f64, detached: the values of a [`Report`] in its fields' order.
    report: Tensor,
}

/// What a step's loss says in numbers: means over frames and batch.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Report {
    /// `box_task + class_weighted`: all that training minimises.
    pub total: f64,
    /// Weighted sum of the three terms below.
    pub box_task: f64,
    /// 1 − GIoU, unweighted.
    pub giou: f64,
    /// L1 distance of the corners, unweighted.
    pub l1: f64,
    /// Focal loss of the score map, unweighted.
    pub location: f64,
    /// Classification loss, unweighted.
    pub class: f64,
    /// Classification loss times λ.
    pub class_weighted: f64,
    /// IoU of predicted and true boxes.
    pub iou: f64,
    /// How many labelled frames were predicted right.
    pub class_correct: f64,
    /// How many frames had a label.
    pub class_labelled: f64,
    /// The sum over frames that was differentiated.
    pub objective: f64,
}

impl Report {
    /// How many numbers a report has.
    pub const LEN: usize = 11;

    /// The share of labelled frames whose condition was predicted right; none when none was labelled.
    pub fn class_accuracy(&self) -> Option<f64> {
        (self.class_labelled > 0.0).then(|| self.class_correct / self.class_labelled)
    }

    /// Whether the loss is a number.
    pub fn is_finite(&self) -> bool {
        self.objective.is_finite()
    }
}

impl From<[f64; Self::LEN]> for Report {
    /// The report whose fields have these values, in their order.
    fn from(values: [f64; Self::LEN]) -> Self {
        let [total, box_task, giou, l1, location, class, class_weighted, iou, class_correct, class_labelled, objective] =
            values;
        Self {
            total,
            box_task,
            giou,
            l1,
            location,
            class,
            class_weighted,
            iou,
            class_correct,
            class_labelled,
            objective,
        }
    }
}

impl LossComponents {
    /// The numbers, in one transfer; this is the only place where the loss waits for the device.
    ///
    /// # Errors
    /// A transfer that libtorch refuses.
    pub fn report(&self) -> Result<Report> {
        let values = Vec::<f64>::try_from(&self.report)?;
        let values: [f64; Report::LEN] =
            values.try_into().map_err(|_| Failure::stage("a loss report has the wrong length"))?;
        Ok(values.into())
    }

    /// The report as a tensor `[11]` f64 on the device, to be read later together with other numbers
    /// (`Report::from`).
    pub fn report_tensor(&self) -> &Tensor {
        &self.report
    }

    /// Whether the objective is finite, as a bool scalar on the device: what a skipped step is decided by.
    pub fn is_finite(&self) -> Tensor {
        self.objective.detach().isfinite()
    }
}

/// The loss of `output` against `target`, which are a whole batch.
///
/// # Errors
/// Boxes or labels whose shape does not fit the output.
pub fn loss(output: &ClipOutput, target: &Target, weights: &Weights) -> Result<LossComponents> {
    check(target, &output.boxes())?;
    let grid = output.corners().is_none().then(|| output.score_maps().size()[3]);
    let classes = output.logits().map(|logits| logits.size()[2]);
    loss_of_part(output, target, weights, &Counts::of(target, grid, classes))
}

/// What some clips of a batch with these `counts` add to its loss: over all parts of the batch, objectives, gradients and
/// reports add up to those of the whole.
///
/// # Errors
/// Boxes or labels whose shape does not fit the output.
pub fn loss_of_part(
    output: &ClipOutput,
    target: &Target,
    weights: &Weights,
    counts: &Counts,
) -> Result<LossComponents> {
    let (boxes, scores) = (output.boxes(), output.score_maps());
    check(target, &boxes)?;
    let predicted = cxcywh_to_xyxy(&boxes);
    let truth = xywh_to_xyxy(&target.boxes).clamp(0.0, 1.0);
    let clips = counts.clips.max(1) as f64;
    let over_batch = |x: Tensor| x.sum_dim_intlist([1i64].as_slice(), false, None::<Kind>) / clips;

    let (giou, iou) = generalised_iou(&predicted, &truth);
    let giou = over_batch(1 - giou);
    let iou = over_batch(iou.detach());
    // A corner head answers for its corners, also where they changed places, and has no map of centres.
    let corners = output.corners();
    let edges = corners.as_ref().unwrap_or(&predicted);
    let l1 = (edges - truth).abs().sum_dim_intlist([1i64, 2].as_slice(), false, None::<Kind>) / (4.0 * clips);
    let none = || l1.detach().zeros_like();
    let (location_sum, own_peaks, location) = match (&counts.peaks, &counts.maps) {
        (Some(peaks), Some(maps)) if corners.is_none() => {
            let sum = focal_sum(&scores, maps);
            let location = over(&sum, peaks);
            (sum, focal::peaks(maps), location)
        }
        _ => (none(), none(), none()),
    };
    let boxed = &giou * weights.giou + &l1 * weights.l1 + &location * weights.location;

    let (class, all_labelled) = match (output.logits(), &counts.labelled) {
        (Some(logits), Some(labelled)) => {
            let (soft, severity) = (target.soft.as_ref(), output.severities());
            let components = weights.class_loss.components(&logits, &target.labels, soft, severity.as_ref());
            (components, labelled.shallow_clone())
        }
        _ => (ClassComponents { sum: none(), correct: none(), labelled: none() }, none()),
    };
    let class_loss = over(&class.sum, &all_labelled);
    let weighted = &class_loss * weights.class;
    let sum = |x: &Tensor| x.sum(None::<Kind>);
    let (box_task, class_task) = (sum(&boxed), sum(&weighted));
    let objective = &box_task + &class_task;

    let mean = |x: &Tensor| x.detach().mean(Kind::Double);
    let count = |x: &Tensor| x.detach().sum(Kind::Double);
    let (mean_box, mean_class) = (mean(&boxed), mean(&weighted));
    let report = [
        &mean_box + &mean_class,
        mean_box,
        mean(&giou),
        mean(&l1),
        mean(&location),
        mean(&class_loss),
        mean_class,
        mean(&iou),
        count(&class.correct),
        count(&class.labelled),
        objective.detach().to_kind(Kind::Double),
    ];
    let hits = over(&class.correct, &all_labelled);
    let per_frame = [&giou, &l1, &location, &class_loss, &iou, &hits].map(Tensor::detach);
    let sums = [&location_sum, &own_peaks, &class.sum, &class.labelled].map(|x| x.detach().to_kind(Kind::Double));
    Ok(LossComponents {
        objective,
        box_task,
        class_task,
        per_frame: Tensor::stack(&per_frame, 1),
        sums: Tensor::stack(&sums, 1),
        report: Tensor::stack(&report, 0),
    })
}

fn check(target: &Target, predicted: &Tensor) -> Result<()> {
    let expected = predicted.size();
    if target.boxes.size() != expected {
        let size = target.boxes.size();
        return Err(Failure::config(format!("target boxes are {size:?}; the prediction has {expected:?}")));
    }
    if target.labels.size() != expected[..2] || target.labels.kind() != Kind::Int64 {
        let (size, kind) = (target.labels.size(), target.labels.kind());
        let expected = &expected[..2];
        return Err(Failure::config(format!("labels are {kind:?} {size:?}; the prediction needs Int64 {expected:?}")));
    }
    Ok(())
}
