//! What travels between the stages, and the names of the ports.

use crate::{
    data::plan::ClipPlan,
    flow::Port,
    train::{
        checkpoint::State,
        events::StepTime,
        run_schedule::BatchInfo,
        step::{Batch, Outcome, PreviewTensors},
    },
    vision::{area::DecodedRegion, pool, rect::Rect},
};
use image::RgbImage;
use std::sync::Arc;

pub(super) const PLANNED_CLIPS: Port = Port { name: "planned clips" };
pub(super) const DECODED_CLIPS: Port = Port { name: "decoded clips" };
pub(super) const CROPPED_CLIPS: Port = Port { name: "cropped clips" };
pub(super) const BATCHES: Port = Port { name: "batches in memory" };
pub(super) const DEVICE_BATCHES: Port = Port { name: "batches on the device" };
pub(super) const STEP_REPORTS: Port = Port { name: "step reports" };
pub(super) const CHECKPOINTS: Port = Port { name: "checkpoints" };

/// A clip's seat in its batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ticket {
    /// The batch.
    pub info: BatchInfo,
    /// The seat, from 0.
    pub slot: usize,
    /// Clips of the batch.
    pub of: usize,
}

/// A clip before any pixel is read.
#[derive(Clone, Debug)]
pub struct PlannedClip {
    /// Its seat.
    pub ticket: Ticket,
    /// Which frames, windows and augmentations.
    pub plan: ClipPlan,
}

/// A clip with its frames, or as much of them as it shows.
#[derive(Clone, Debug)]
pub struct DecodedClip {
    /// Its seat.
    pub ticket: Ticket,
    /// What to cut out of the frames.
    pub plan: ClipPlan,
    /// The template's frame, then the search frames'.
    pub frames: Vec<Arc<DecodedRegion>>,
}

/// A clip as crops.
#[derive(Debug)]
pub struct CroppedClip {
    /// Its seat.
    pub ticket: Ticket,
    /// What to change about the crops.
    pub plan: ClipPlan,
    /// The template's crop, then the search frames'; square, RGB.
    pub crops: Vec<RgbImage>,
    /// The object in each of them, in units of the crop's side.
    pub boxes: Vec<Rect>,
}

/// A copy whose crops are in buffers that were used before: a supervised stage keeps one of each clip it works on.
impl Clone for CroppedClip {
    fn clone(&self) -> Self {
        let copy = |crop: &RgbImage| {
            let mut pixels = pool::take(crop.len());
            pixels.extend_from_slice(crop);
            RgbImage::from_raw(crop.width(), crop.height(), pixels).unwrap_or_default()
        };
        let crops = self.crops.iter().map(copy).collect();
        Self { ticket: self.ticket, plan: self.plan.clone(), crops, boxes: self.boxes.clone() }
    }
}

/// The crops' memory is for the next clip.
impl Drop for CroppedClip {
    fn drop(&mut self) {
        self.crops.drain(..).for_each(|crop| pool::give(crop.into_raw()));
    }
}

/// B clips of N search frames as raw pixels, in row-major order.
#[derive(Clone, Debug, PartialEq)]
pub struct CollatedBatch {
    /// The batch's place in the run.
    pub info: BatchInfo,
    /// B.
    pub clips: usize,
    /// N.
    pub frames: usize,
    /// `[B, T, T, 3]`.
    pub template: Vec<u8>,
    /// `[N, B, S, S, 3]`.
    pub search: Vec<u8>,
    /// `[B, 4]`: x, y, w, h in units of the crop.
    pub template_boxes: Vec<f32>,
    /// `[N, B, 4]`.
    pub search_boxes: Vec<f32>,
    /// `[N, B]`.
    pub labels: Vec<i64>,
    /// `[N, B, Soft::WIDTH]`, or empty where the step learns the class alone.
    pub soft: Vec<f32>,
    /// What the clips are called, for messages.
    pub names: Arc<[String]>,
}

/// The pixels' memory is for the next batch, whatever becomes of this one.
impl Drop for CollatedBatch {
    fn drop(&mut self) {
        pool::give(std::mem::take(&mut self.template));
        pool::give(std::mem::take(&mut self.search));
    }
}

/// What the step says of one batch.
#[derive(Debug)]
pub struct StepReport {
    /// Which batch.
    pub info: BatchInfo,
    /// What its clips are called.
    pub names: Arc<[String]>,
    /// Its numbers, still on the device.
    pub outcome: Outcome,
    /// Where its time went.
    pub time: StepTime,
}

/// What leaves the step.
#[derive(Debug)]
pub enum StepOutput {
    /// A batch is done.
    Report(StepReport),
    /// Some clips of the batch `info`, for people to look at.
    PreviewTensors {
        /// Which batch.
        info: BatchInfo,
        /// The clips, still on the device.
        preview: PreviewTensors,
    },
    /// All tensors as they are after the batches reported so far.
    Snapshot {
        /// The tensors; the aggregate fills in the progress.
        state: Box<State>,
        /// Whether an epoch ends here.
        epoch_end: bool,
        /// Seconds that the step took for the copies.
        stall: f64,
    },
}

/// A checkpoint that is complete and not yet on disk.
#[derive(Debug)]
pub struct PendingCheckpoint {
    /// What to write.
    pub state: Box<State>,
    /// Whether an epoch ends here.
    pub epoch_end: bool,
    /// Seconds that the step took for the copies.
    pub stall: f64,
}

/// A batch on the device, as the step takes it.
pub(super) type DeviceBatch = Batch;
