//! The events of a run as structured log records (`--log json`).

use crate::train::{
    events::Event,
    itinerary::{Split, Visit},
    tally::Terms,
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

/// The epoch as people count it: 0 is before training.
pub(super) fn epoch(visit: &Visit) -> usize {
    if visit.before { 0 } else { visit.epoch + 1 }
}

/// The batches since the last record; no `means` when none of them was finite.
pub(super) fn batches(visit: &Visit, pace: &Pace, means: Option<&Terms>) {
    let of = |term: fn(&Terms) -> f64| means.map(term);
    info!(
        event = "progress",
        split = visit.split.name(),
        epoch = epoch(visit),
        batch = visit.batch + 1,
        batches = visit.of,
        step = visit.step,
        clips_per_second = pace.clips_per_second,
        data_seconds = pace.data_seconds,
        forward_seconds = pace.forward_seconds,
        loss_total = of(|terms| terms.total),
        loss_box = of(|terms| terms.box_loss),
        loss_cls = of(|terms| terms.class),
        iou = of(|terms| terms.iou),
        accuracy = means.and_then(Terms::accuracy),
    );
}

/// All other events.
pub(super) fn event(event: &Event) {
    match event {
        Event::Batch { .. } | Event::Seen(_) | Event::Gradients { .. } | Event::Features(_) => {}
        Event::Pass { visit, means, .. } => info!(
            event = if visit.split == Split::Val { "validation" } else { "epoch" },
            split = visit.split.name(),
            epoch = epoch(visit),
            loss_total = means.total,
            loss_box = means.box_loss,
            loss_cls = means.class,
            iou = means.iou,
            accuracy = means.accuracy(),
        ),
        Event::Saved { path, bytes, seconds, position, .. } => {
            info!(event = "checkpoint", path = %path.display(), bytes, seconds, position);
        }
        Event::NonFinite { visit, clips, in_a_row } => {
            warn!(event = "nonfinite", step = visit.step + 1, in_a_row, clips = clips.join(", "));
        }
        Event::Advice(advice) => warn!(event = "advice", rule = advice.rule, "{}", advice.message),
        Event::Note(message) => info!(event = "note", "{message}"),
        Event::Warning(message) => warn!(event = "warning", "{message}"),
    }
}
