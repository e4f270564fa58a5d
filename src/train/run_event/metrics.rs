//! The losses and metrics of batches and passes, under the names that users know.

use super::Number;
use crate::train::metrics::StepMetrics;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Losses and metrics of a batch, or their means over a pass.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct LossMetrics {
    /// `weight_box · Loss/box + weight_cls · Loss/cls`: what training minimises, as a mean over frames.
    #[serde(rename = "Loss/total")]
    pub total: Number,
    /// Weighted sum of GIoU, L1 and location loss.
    #[serde(rename = "Loss/box")]
    pub box_loss: Number,
    /// GIoU loss, unweighted.
    #[serde(rename = "Loss/giou")]
    pub giou: Number,
    /// L1 loss, unweighted.
    #[serde(rename = "Loss/l1")]
    pub l1: Number,
    /// Focal loss of the centre's heat map, unweighted.
    #[serde(rename = "Loss/location")]
    pub location: Number,
    /// Class loss over the labelled frames, unweighted.
    #[serde(rename = "Loss/cls")]
    pub class: Number,
    /// λ · class loss.
    #[serde(rename = "Loss/cls_weighted")]
    pub class_weighted: Number,
    /// Mean IoU of predicted boxes and ground truth.
    #[serde(rename = "IoU")]
    pub iou: Number,
    /// Share of the labelled frames whose condition was predicted correctly; null without labelled frames.
    #[serde(rename = "Accuracy")]
    pub accuracy: Option<Number>,
    /// Labelled frames.
    pub labelled: Number,
    /// Norm of the gradients before clipping; 0 in validation.
    pub gradient_norm: Number,
    /// Whether the update was applied (always in validation); false when the step was not finite.
    pub applied: bool,
    /// Factor of the box task in what was minimised, beyond those of its own terms.
    pub weight_box: Number,
    /// Factor of the class loss in what was minimised: λ, times what the weighting of tasks makes of it.
    #[serde(rename = "weight_cls")]
    pub weight_class: Number,
}

impl From<&StepMetrics> for LossMetrics {
    fn from(step_metrics: &StepMetrics) -> Self {
        Self {
            total: step_metrics.total.into(),
            box_loss: step_metrics.box_loss.into(),
            giou: step_metrics.giou.into(),
            l1: step_metrics.l1.into(),
            location: step_metrics.location.into(),
            class: step_metrics.class.into(),
            class_weighted: step_metrics.class_weighted.into(),
            iou: step_metrics.iou.into(),
            accuracy: step_metrics.accuracy().map(Number),
            labelled: step_metrics.labelled.into(),
            gradient_norm: step_metrics.gradient_norm.into(),
            applied: step_metrics.applied == 1.0,
            weight_box: step_metrics.weight_box.into(),
            weight_class: step_metrics.weight_class.into(),
        }
    }
}

impl From<&LossMetrics> for StepMetrics {
    fn from(metrics: &LossMetrics) -> Self {
        let labelled = if metrics.labelled.0.is_finite() { metrics.labelled.0 } else { 0.0 };
        Self {
            total: metrics.total.0,
            box_loss: metrics.box_loss.0,
            giou: metrics.giou.0,
            l1: metrics.l1.0,
            location: metrics.location.0,
            class: metrics.class.0,
            class_weighted: metrics.class_weighted.0,
            iou: metrics.iou.0,
            // A whole number of frames, whatever became of the last bit of its share.
            correct: metrics.accuracy.map_or(0.0, |share| (share.0 * labelled).round()),
            labelled,
            gradient_norm: metrics.gradient_norm.0,
            applied: f64::from(u8::from(metrics.applied)),
            weight_box: metrics.weight_box.0,
            weight_class: metrics.weight_class.0,
        }
    }
}

impl LossMetrics {
    /// All numbers by their names in the log, those that are finite.
    pub fn named(&self) -> impl Iterator<Item = (&'static str, f64)> {
        let step_metrics = StepMetrics::from(self);
        let rest = [
            ("IoU", self.iou),
            ("Accuracy", self.accuracy.unwrap_or_default()),
            ("labelled", self.labelled),
            ("gradient_norm", self.gradient_norm),
            ("weight_box", self.weight_box),
            ("weight_cls", self.weight_class),
        ];
        let all = step_metrics.losses().into_iter().chain(rest.map(|(name, number)| (name, number.0)));
        all.filter(|(_, value)| value.is_finite())
    }
}

/// How the boxes of one condition's frames fared.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct ConditionScore {
    /// Its frames.
    pub frames: u64,
    /// Their mean IoU.
    #[serde(rename = "IoU")]
    pub iou: Number,
}
