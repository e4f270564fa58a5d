//! The lines of `--verbose`: every loss component, in the form that trainers of this family of trackers read.

use super::super::structured::Pace;
use crate::train::{
    metrics::StepMetrics,
    run_event::{Batch, Checkpoint, Pass},
    run_schedule::Split,
};

/// The batches since the last line, `last` the newest of them; `pass_rate`: clips a second since the pass began.
pub(super) fn batches(last: &Batch, pace: &Pace, pass_rate: f64, means: Option<&StepMetrics>, classes: bool) -> String {
    format!(
        "[{}: {}, {} / {}] FPS: {pass_rate:.1} ({:.1}) , DataTime: {:.3} , ForwardTime: {:.3} , TotalTime: {:.3} , {}",
        last.split.name(),
        last.shown_epoch(),
        last.batch + 1,
        last.batches,
        pace.clips_per_second,
        pace.data_seconds,
        pace.forward_seconds,
        pace.data_seconds + pace.forward_seconds,
        means.map_or("Loss/total: not finite".to_string(), |step_metrics| metrics(step_metrics, classes)),
    )
}

/// The means of a pass.
pub(super) fn pass(pass: &Pass, classes: bool) -> String {
    let what = match (pass.split, pass.epoch) {
        (Split::Val, 0) => "validation before training".to_string(),
        (Split::Val, epoch) => format!("validation after epoch {epoch}"),
        (Split::Train, epoch) => format!("epoch {epoch} trained"),
    };
    format!("{what}: {}", metrics(&StepMetrics::from(&pass.metrics), classes))
}

/// A checkpoint that was written.
pub(super) fn checkpoint(saved: &Checkpoint) -> String {
    let (size, seconds) = (saved.bytes as f64 / 1e6, saved.seconds.0);
    format!("checkpoint: {} ({size:.1} MB in {seconds:.2} s)", saved.path)
}

/// `Loss/total: 3.21 , … , IoU: 0.51 , Accuracy: 0.60`.
fn metrics(step_metrics: &StepMetrics, classes: bool) -> String {
    let mut text = String::new();
    for (name, value) in step_metrics.losses() {
        text += &format!("{name}: {value:.5} , ");
    }
    text += &format!("IoU: {:.5}", step_metrics.iou);
    match step_metrics.accuracy() {
        Some(accuracy) => text + &format!(" , Accuracy: {accuracy:.5}"),
        None if classes => text + " , Accuracy: no labels",
        None => text,
    }
}
