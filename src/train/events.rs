//! Who watches a run. The stages emit events and what else there is to see; logs, progress bars and reports observe them.

use super::{features::Features, means::BatchMetrics, run_event::RunEvent, run_schedule::BatchInfo};
use crate::{data::condition::Condition, vision::rect::Rect};
use image::RgbImage;

/// Where a step's time went, in seconds.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct StepTime {
    /// Waiting for the batch.
    pub data: f64,
    /// Forward, backward and update.
    pub forward: f64,
}

/// Some clips of a batch.
#[derive(Clone, Debug)]
pub struct Preview {
    /// The batch.
    pub info: BatchInfo,
    /// The clips.
    pub clips: Vec<PreviewClip>,
}

/// A clip as the model sees it. Boxes are shares of the crop.
#[derive(Clone, Debug)]
pub struct PreviewClip {
    /// The crop of the template.
    pub template: RgbImage,
    /// The object in it.
    pub object: Rect,
    /// The search frames.
    pub frames: Vec<PreviewFrame>,
}

/// A search frame as the model sees it, with its predictions. Boxes are shares of the crop.
#[derive(Clone, Debug)]
pub struct PreviewFrame {
    /// The crop.
    pub crop: RgbImage,
    /// Where the object is.
    pub truth: Rect,
    /// Where the model predicts it.
    pub predicted: Rect,
    /// The condition, if the frame is labelled.
    pub condition: Option<Condition>,
    /// The condition that the model predicts, if it has a class head.
    pub predicted_condition: Option<Condition>,
}

/// Watches a run. Observers never fail a run and never block it for long.
pub trait Observer: Send + Sync {
    /// Takes note of `event`.
    fn observe(&self, event: &RunEvent);

    /// Takes note of the event of a batch, with what the batch adds to means over several.
    fn batch(&self, event: &RunEvent, _metrics: &BatchMetrics) {
        self.observe(event);
    }

    /// Takes note of some clips of a batch as the model sees them, with what it predicts.
    fn preview(&self, _clips: &Preview) {}

    /// Takes note of what a complete validation found in each search frame.
    fn features(&self, _features: &Features) {}
}

impl<T: Observer + ?Sized> Observer for std::sync::Arc<T> {
    fn observe(&self, event: &RunEvent) {
        self.as_ref().observe(event);
    }

    fn batch(&self, event: &RunEvent, metrics: &BatchMetrics) {
        self.as_ref().batch(event, metrics);
    }

    fn preview(&self, clips: &Preview) {
        self.as_ref().preview(clips);
    }

    fn features(&self, features: &Features) {
        self.as_ref().features(features);
    }
}

impl Observer for Vec<Box<dyn Observer>> {
    fn observe(&self, event: &RunEvent) {
        self.iter().for_each(|observer| observer.observe(event));
    }

    fn batch(&self, event: &RunEvent, metrics: &BatchMetrics) {
        self.iter().for_each(|observer| observer.batch(event, metrics));
    }

    fn preview(&self, clips: &Preview) {
        self.iter().for_each(|observer| observer.preview(clips));
    }

    fn features(&self, features: &Features) {
        self.iter().for_each(|observer| observer.features(features));
    }
}
