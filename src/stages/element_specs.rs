//! The shapes of the items, and what the engine may do with them.

use super::items::{CroppedClip, DecodedClip, PlannedClip, Ticket};
use crate::{
    data::{labels::Soft, plan::ClipPlan},
    flow::{ArraySpec, Dtype, ElementSpec, StreamItem},
    train::experiment::Experiment,
};

/// What is known about a run before it starts, as far as shapes depend on it.
#[derive(Clone, Debug)]
pub struct Facts {
    /// Sizes of crops, clips and batches.
    pub experiment: Experiment,
    /// Whether batches go to the memory of an accelerator.
    pub on_accelerator: bool,
}

/// Frames of this size are assumed where only the data could tell.
const FRAME: [usize; 3] = [720, 1280, 3];

impl Facts {
    fn frames(&self) -> usize {
        self.experiment.data.search_frames
    }

    /// A clip with its whole frames.
    pub(super) fn decoded(&self) -> ElementSpec {
        ElementSpec::host([ArraySpec::new("frames", Dtype::U8, FRAME, 1 + self.frames()).assumed()])
    }

    /// A clip with crops of these sides.
    pub(super) fn cropped(&self, template: usize, search: usize) -> ElementSpec {
        ElementSpec::host([
            ArraySpec::new("template crops", Dtype::U8, [template, template, 3], 1),
            ArraySpec::new("search crops", Dtype::U8, [search, search, 3], self.frames()),
        ])
    }

    /// A clip with crops as the model takes them.
    pub(super) fn model_crops(&self) -> ElementSpec {
        self.cropped(self.experiment.data.template.size, self.experiment.data.search.size)
    }

    /// A batch of pixels.
    pub(super) fn batch(&self) -> ElementSpec {
        let (clips, frames) = (self.experiment.training.batch_size, self.frames());
        let mut parts = self.model_crops().parts;
        parts.iter_mut().for_each(|part| part.count *= clips);
        parts.push(ArraySpec::new("boxes", Dtype::F32, [4], clips * (1 + frames)));
        parts.push(ArraySpec::new("labels", Dtype::I64, [1], clips * frames));
        if self.experiment.training.mtl.needs_soft() {
            parts.push(ArraySpec::new("soft labels", Dtype::F32, [Soft::WIDTH], clips * frames));
        }
        ElementSpec::host(parts)
    }

    /// A batch as the step takes it.
    pub(super) fn device_batch(&self) -> ElementSpec {
        let mut element_spec = self.batch();
        for part in element_spec.parts.iter_mut().filter(|part| part.dtype == Dtype::U8) {
            part.dtype = Dtype::F32;
            part.shape.rotate_right(1);
        }
        if self.on_accelerator { ElementSpec::device(element_spec.parts) } else { element_spec }
    }
}

/// A plan holds names and numbers, a few hundred bytes.
pub(super) fn small() -> ElementSpec {
    ElementSpec::host([])
}

fn rank(ticket: &Ticket) -> Option<(u64, u64)> {
    Some((ticket.info.position, ticket.slot as u64))
}

fn identity(ticket: &Ticket, plan: &ClipPlan) -> Option<String> {
    let ClipPlan { index, epoch, attempt, dataset, sequence, .. } = plan;
    let split = ticket.info.split.name();
    let again = if *attempt > 0 { format!(", attempt {}", attempt + 1) } else { String::new() };
    Some(format!("{split} clip {} of epoch {} ({dataset}, sequence {sequence}{again})", index + 1, epoch + 1))
}

macro_rules! stream_item {
    ($type:ty) => {
        impl StreamItem for $type {
            fn rank(&self) -> Option<(u64, u64)> {
                rank(&self.ticket)
            }

            fn identity(&self) -> Option<String> {
                identity(&self.ticket, &self.plan)
            }
        }
    };
}

stream_item!(PlannedClip);
stream_item!(DecodedClip);
stream_item!(CroppedClip);
