//! What a run tells those who watch it. The stages emit events; logs, progress bars and reports observe them.

use super::{
    confusion::Confusion, features::Features, itinerary::Visit, means::BatchMetrics, overlaps::Overlaps, tally::Terms,
    tasks::Gradients,
};
use crate::{data::condition::Condition, vision::rect::Rect};
use image::RgbImage;
use std::{path::PathBuf, sync::Arc};

/// Where a step's time went, in seconds.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct StepTime {
    /// Waiting for the batch.
    pub data: f64,
    /// Forward, backward and update.
    pub forward: f64,
}

/// Something that happened in a run.
#[derive(Clone, Debug)]
pub enum Event {
    /// A batch is done.
    Batch {
        /// Which one.
        visit: Visit,
        /// Clips in it.
        clips: usize,
        /// Its losses and metrics.
        terms: Terms,
        /// What it adds to means over several batches; nothing where it is told again from a log.
        metrics: Arc<BatchMetrics>,
        /// Learning rate of the heads and of the backbone.
        lr: [f64; 2],
        /// Where its time went.
        time: StepTime,
    },
    /// A pass over an epoch's batches of one split is done.
    Pass {
        /// Its last batch.
        visit: Visit,
        /// Means over its clips and labels, as of one batch.
        means: Terms,
        /// Which conditions were taken for which, in validation; empty otherwise.
        confusion: Confusion,
        /// Mean IoU by condition, in validation; empty otherwise.
        overlaps: Overlaps,
    },
    /// A checkpoint was written.
    Saved {
        /// The file.
        path: PathBuf,
        /// Its size.
        bytes: u64,
        /// How long writing took.
        seconds: f64,
        /// How long the step waited for the copy that was written.
        stall: f64,
        /// Batches of the run that are done in it.
        position: u64,
    },
    /// Some clips of a batch as the model sees them, with what it says of them.
    Seen(Arc<Seen>),
    /// What a complete validation saw of each search frame.
    Features(Arc<Features>),
    /// A training step was not finite, and changed nothing.
    NonFinite {
        /// Which one.
        visit: Visit,
        /// The clips of its batch.
        clips: Arc<[String]>,
        /// So many in a row, this one included.
        in_a_row: u64,
    },
    /// The gradients of both tasks were compared.
    Gradients {
        /// In which step.
        visit: Visit,
        /// What was found.
        gradients: Gradients,
    },
    /// Something that the numbers of the run suggest.
    Advice(Advice),
    /// A choice that the program made by itself and that a user may want to know.
    Note(String),
    /// Something that a user should know and that does not end the run.
    Warning(String),
}

/// Some clips of a batch.
#[derive(Clone, Debug)]
pub struct Seen {
    /// The batch.
    pub visit: Visit,
    /// The clips.
    pub clips: Vec<SeenClip>,
}

/// A clip as the model sees it. Boxes are shares of the crop.
#[derive(Clone, Debug)]
pub struct SeenClip {
    /// The crop of the template.
    pub template: RgbImage,
    /// The object in it.
    pub object: Rect,
    /// The search frames.
    pub frames: Vec<SeenFrame>,
}

/// A search frame as the model sees it, with what it says. Boxes are shares of the crop.
#[derive(Clone, Debug)]
pub struct SeenFrame {
    /// The crop.
    pub crop: RgbImage,
    /// Where the object is.
    pub truth: Rect,
    /// Where the model says it is.
    pub told: Rect,
    /// The condition, if the frame is labelled.
    pub condition: Option<Condition>,
    /// The condition that the model tells, if it has a class head.
    pub told_condition: Option<Condition>,
}

/// What the numbers of a run suggest.
#[derive(Clone, Debug, PartialEq)]
pub struct Advice {
    /// A short name, for metrics.
    pub rule: &'static str,
    /// What was seen and what to do about it.
    pub message: String,
    /// The numbers that were seen.
    pub numbers: Vec<(&'static str, f64)>,
}

/// Watches a run. Observers never fail a run and never block it for long.
pub trait Observer: Send + Sync {
    /// Takes note of `event`.
    fn observe(&self, event: &Event);
}

impl<T: Observer> Observer for std::sync::Arc<T> {
    fn observe(&self, event: &Event) {
        self.as_ref().observe(event);
    }
}

impl Observer for Vec<Box<dyn Observer>> {
    fn observe(&self, event: &Event) {
        self.iter().for_each(|observer| observer.observe(event));
    }
}
