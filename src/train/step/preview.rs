//! What the model sees and predicts, for people to look at.

use super::{Batch, Trainer};
use crate::{failure::Result, model::ClipInput};
use tch::{Kind, Tensor};

/// Some clips of a batch with the model's answers, on the device until somebody reads them.
#[derive(Debug)]
pub struct PreviewTensors {
    /// `[B, 3, T, T]` f32, normalised.
    pub template: Tensor,
    /// `[B, 4]` f32: the object in the template, `(x, y, w, h)` as shares of the crop.
    pub template_boxes: Tensor,
    /// `[N, B, 3, S, S]` f32, normalised.
    pub search: Tensor,
    /// `[N, B, 4]` f32: where the object is, `(x, y, w, h)` as shares of the search crop.
    pub truth: Tensor,
    /// `[N, B, 4]` f32: where the model says it is, `(cx, cy, w, h)` as shares of the search crop.
    pub predicted: Tensor,
    /// `[N, B]` i64: the true conditions.
    pub labels: Tensor,
    /// `[N, B]` i64: the predicted conditions, when it has a class head.
    pub conditions: Option<Tensor>,
}

impl Trainer {
    /// The first `clips` clips of `batch` and what the model says of them, as in an evaluation. Nothing changes by it.
    ///
    /// # Errors
    /// The batch does not fit the model.
    pub fn preview(&self, batch: &Batch, clips: i64) -> Result<PreviewTensors> {
        let clips = clips.min(batch.input.batch());
        let input = ClipInput {
            template: batch.input.template.f_narrow(0, 0, clips)?,
            search: batch.input.search.f_narrow(1, 0, clips)?,
            template_boxes: batch.input.template_boxes.f_narrow(0, 0, clips)?,
        };
        let (options, device) = (self.options(&batch.info), self.model.params().device());
        let output =
            tch::no_grad(|| self.training.precision.forward(device, || self.model.evaluate(&input, &options)))?;
        Ok(PreviewTensors {
            truth: batch.target.boxes.f_narrow(1, 0, clips)?,
            predicted: output.boxes().detach().f_to_kind(Kind::Float)?,
            labels: batch.target.labels.f_narrow(1, 0, clips)?,
            conditions: output.logits().map(|logits| logits.f_argmax(-1, false)).transpose()?,
            template: input.template,
            template_boxes: input.template_boxes,
            search: input.search,
        })
    }
}
