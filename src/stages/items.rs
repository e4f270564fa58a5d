//! What travels between the stages, and the names of the ports.

use crate::{
    data::plan::ClipPlan,
    failure::Result,
    flow::{Meter, Port},
    native::stream::{Download, Event},
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
use tch::Tensor;

/// Clips before any pixel is read.
pub const PLANNED_CLIPS: Port = Port::ranked::<PlannedClip>("planned clips");
/// Clips with their frames.
pub const DECODED_CLIPS: Port = Port::ranked::<DecodedClip>("decoded clips");
/// Clips as crops.
pub const CROPPED_CLIPS: Port = Port::ranked::<CroppedClip>("cropped clips");
/// Batches of pixels.
pub const BATCHES: Port = Port::of::<CollatedBatch>("batches in memory");
/// Batches where the step takes them.
pub const DEVICE_BATCHES: Port = Port::of::<DeviceBatch>("batches on the device");
/// What leaves the step.
pub const STEP_REPORTS: Port = Port::of::<StepOutput>("step reports");
/// Checkpoints that are to be written.
pub const CHECKPOINTS: Port = Port::of::<PendingCheckpoint>("checkpoints");

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
    /// How it was trained on; what is large of it is below.
    pub outcome: Outcome,
    /// [`Outcome::step_metrics`], on their way to the host.
    pub step_metrics: Download,
    /// [`Outcome::confusion`], on its way to the host.
    pub confusion: Option<Download>,
    /// [`Outcome::frames`], on their way to the host.
    pub frames: Option<Download>,
    /// When it began and ended.
    pub clock: StepClock,
    /// Where the device's time is to be counted, where the step's own thread does not wait for the device.
    pub meter: Option<Meter>,
}

/// Moments of the device around a step.
#[derive(Debug)]
pub struct StepClock {
    /// The end of what came before.
    pub idle: Arc<Event>,
    /// The batch is there.
    pub begin: Event,
    /// Everything is done.
    pub end: Event,
}

impl StepClock {
    /// The times between them, once the last one is over.
    ///
    /// # Errors
    /// It is not.
    pub fn time(&self) -> Result<StepTime> {
        let (data, forward) = (self.idle.until(&self.begin)?, self.begin.until(&self.end)?);
        Ok(StepTime { data: data.as_secs_f64(), forward: forward.as_secs_f64() })
    }
}

/// What leaves the step.
#[derive(Debug)]
pub enum StepOutput {
    /// A batch is done.
    Report(Box<StepReport>),
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
        /// When the tensors are what they are to be.
        ready: Event,
        /// Seconds that the step took for the copies.
        stall: f64,
    },
}

/// A checkpoint that is complete and not yet on disk.
#[derive(Debug)]
pub struct PendingCheckpoint {
    /// What to write.
    pub state: Box<State>,
    /// When its tensors, which may be on a device, are what they are to be.
    pub ready: Event,
    /// Whether an epoch ends here.
    pub epoch_end: bool,
    /// Seconds that the step took for the copies.
    pub stall: f64,
}

/// A batch on the device, or on its way there.
#[derive(Debug)]
pub(super) struct DeviceBatch {
    /// What the step takes.
    pub batch: Batch,
    /// When it is there: who uses it before waits for nothing else, and for nothing on a CPU.
    pub ready: Arc<Event>,
}

impl DeviceBatch {
    /// All its tensors.
    pub fn tensors(&self) -> impl Iterator<Item = &Tensor> {
        let (input, target) = (&self.batch.input, &self.batch.target);
        let always = [&input.template, &input.search, &input.template_boxes, &target.boxes, &target.labels];
        always.into_iter().chain(&target.soft)
    }
}
