//! The events of a run as structured log records (`--log json`).

use crate::train::{
    metrics::StepMetrics,
    run_event::{Batch, RunEvent},
    run_schedule::Split,
};
use tracing::{info, warn};

/// How fast the batches since the last record were.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pace {
    /// Clips a second since the last record.
    pub clips_per_second: f64,
    /// Seconds that a batch waited for data, on average.
    pub data_seconds: f64,
    /// Seconds that a batch was computed, on average.
    pub forward_seconds: f64,
}

/// The batches since the last record, the newest of which is `last`; no `means` when none of them was finite.
pub(super) fn batches(last: &Batch, pace: &Pace, means: Option<&StepMetrics>) {
    let of = |term: fn(&StepMetrics) -> f64| means.map(term);
    info!(
        event = "progress",
        split = last.split.name(),
        epoch = last.shown_epoch(),
        batch = last.batch + 1,
        batches = last.batches,
        step = last.step,
        clips_per_second = pace.clips_per_second,
        data_seconds = pace.data_seconds,
        forward_seconds = pace.forward_seconds,
        loss_total = of(|step_metrics| step_metrics.total),
        loss_box = of(|step_metrics| step_metrics.box_loss),
        loss_cls = of(|step_metrics| step_metrics.class),
        iou = of(|step_metrics| step_metrics.iou),
        accuracy = means.and_then(StepMetrics::accuracy),
    );
}

/// All other events.
pub(super) fn event(event: &RunEvent) {
    match event {
        RunEvent::Batch(_) | RunEvent::Gradients(_) | RunEvent::Run(_) | RunEvent::End(_) => {}
        RunEvent::Pass(pass) => info!(
            event = if pass.split == Split::Val { "validation" } else { "epoch" },
            split = pass.split.name(),
            epoch = pass.epoch,
            loss_total = pass.metrics.total.0,
            loss_box = pass.metrics.box_loss.0,
            loss_cls = pass.metrics.class.0,
            iou = pass.metrics.iou.0,
            accuracy = pass.metrics.accuracy.map(|share| share.0),
        ),
        RunEvent::Checkpoint(saved) => {
            let (seconds, position) = (saved.seconds.0, saved.position);
            info!(event = "checkpoint", path = saved.path, bytes = saved.bytes, seconds, position);
        }
        RunEvent::Nonfinite(bad) => {
            let (step, in_a_row) = (bad.step + 1, bad.in_a_row);
            warn!(event = "nonfinite", step, in_a_row, clips = bad.clips.join(", "));
        }
        RunEvent::Advice(advice) => warn!(event = "advice", rule = advice.rule, "{}", advice.message),
        RunEvent::Note(note) => info!(event = "note", "{}", note.message),
        RunEvent::Warning(warning) => warn!(event = "warning", "{}", warning.message),
    }
}
