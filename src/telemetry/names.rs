//! Every metric that trackflow exports: the only place that knows their names.
//!
//! Units are base units (seconds, bytes, ratios from 0 to 1); counters end in `_total`.

/// How a metric behaves.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum MetricKind {
    /// Counts events.
    Counter,
    /// Adds up seconds, with fractions.
    Seconds,
    /// Goes up and down.
    Gauge,
    /// Counts observations by the upper bounds of its buckets; an infinite one is implied.
    Histogram(&'static [f64]),
}

/// One metric.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Metric {
    /// The full name.
    pub name: &'static str,
    /// How it behaves.
    pub kind: MetricKind,
    /// Its labels.
    pub labels: &'static [&'static str],
    /// What it says, with its unit.
    pub help: &'static str,
}

/// From a step on a fast GPU to one of the full model on a CPU.
const STEP_BUCKETS: &[f64] = &[0.05, 0.1, 0.2, 0.3, 0.5, 0.75, 1.0, 1.5, 2.0, 3.0, 5.0, 7.5, 10.0, 15.0, 30.0, 60.0];

/// From a queue that is full to a starved trainer.
const WAIT_BUCKETS: &[f64] = &[0.0001, 0.0005, 0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0];

macro_rules! metrics {
    ($($constant:ident = $name:literal, $kind:expr, [$($label:literal),*], $help:literal;)*) => {
        $(#[doc = $help] pub const $constant: &str = concat!("trackflow_", $name);)*

        /// All metrics.
        pub const ALL: &[Metric] = &[
            $(Metric { name: $constant, kind: $kind, labels: &[$($label),*], help: $help }),*
        ];
    };
}

use MetricKind::{Counter, Gauge, Histogram, Seconds};

metrics! {
    BUILD_INFO = "build_info", Gauge, ["version"], "Always 1; the label says which program runs.";

    CHANNEL_DEPTH = "channel_depth", Gauge, ["from", "to"], "Items that wait in the channel.";
    CHANNEL_CAPACITY = "channel_capacity", Gauge, ["from", "to"], "The most items that can wait in the channel.";
    CHANNEL_ITEMS = "channel_items_total", Counter, ["from", "to"], "Items that were put into the channel.";
    CHANNEL_SEND_BLOCKED = "channel_send_blocked_seconds_total", Seconds, ["from", "to"],
        "Seconds that workers of `from` were blocked because `to` did not keep up, summed over workers.";
    CHANNEL_RECEIVE_WAIT = "channel_receive_wait_seconds_total", Seconds, ["from", "to"],
        "Seconds that workers of `to` waited for `from`, summed over workers.";

    STAGE_BUSY = "stage_busy_seconds_total", Seconds, ["stage", "kind"],
        "Seconds spent in the stage's own work, summed over workers.";
    STAGE_ITEMS = "stage_items_total", Counter, ["stage", "kind"], "Items that the stage has taken.";
    STAGE_WORKERS = "stage_workers", Gauge, ["stage", "kind"], "Workers that are running.";
    STAGE_FAILURES = "stage_failures_total", Counter, ["stage", "kind"],
        "How often a worker failed with an error or a panic.";
    STAGE_RESTARTS = "stage_restarts_total", Counter, ["stage", "kind"],
        "How often a worker that had failed was replaced.";
    STAGE_LEFT_OUT = "stage_left_out_total", Counter, ["stage", "kind"],
        "Items that failed twice and that the run went on without.";

    TRAIN_LOSS = "train_loss", Gauge, ["term"], "The loss of the last step by term, as a mean over frames.";
    TRAIN_IOU = "train_iou", Gauge, [], "Mean IoU of the last step, from 0 to 1.";
    TRAIN_CLASS_ACCURACY = "train_class_accuracy", Gauge, [],
        "Share of labelled frames of the last step whose condition was found, from 0 to 1.";
    TRAIN_STEP_SECONDS = "train_step_seconds", Histogram(STEP_BUCKETS), [],
        "Seconds from one batch to the next without the wait for data.";
    TRAIN_DATA_WAIT_SECONDS = "train_data_wait_seconds", Histogram(WAIT_BUCKETS), [],
        "Seconds that a step waited for its batch.";
    TRAIN_STEPS = "train_steps_total", Counter, [], "Optimizer steps.";
    TRAIN_CLIPS = "train_clips_total", Counter, [], "Clips that went through a step.";
    TRAIN_EPOCH = "train_epoch", Gauge, [], "The epoch, from 1.";
    TRAIN_LEARNING_RATE = "train_learning_rate", Gauge, ["group"], "The learning rate by parameter group.";
    TRAIN_NONFINITE_STEPS = "train_nonfinite_steps_total", Counter, [],
        "Steps that were skipped because loss or gradients were not finite.";

    TRAIN_TASK_WEIGHT = "train_task_weight", Gauge, ["task"],
        "Factor of the task in what the last step minimised.";
    TRAIN_GRADIENT_NORM = "train_gradient_norm", Gauge, [], "Norm of all gradients of the last step before clipping.";
    TRAIN_BLOCK_GRADIENT = "train_block_gradient_norm", Gauge, ["block", "task"],
        "Norm of the block's gradient by task (box, cls, total) at the last analysis.";
    TRAIN_BLOCK_COSINE = "train_block_gradient_cosine", Gauge, ["block"],
        "Cosine between the gradients of both tasks at the last analysis.";
    HEALTH_ADVICE = "health_advice_total", Counter, ["rule"], "Advice that the run's numbers gave rise to.";

    VALIDATION_IOU = "validation_iou", Gauge, [], "Mean IoU of the last validation, from 0 to 1.";
    VALIDATION_CLASS_ACCURACY = "validation_class_accuracy", Gauge, [],
        "Class accuracy of the last validation, from 0 to 1.";

    REJECTED_CLIPS = "rejected_clips_total", Counter, ["reason", "dataset"],
        "Planned clips that could not be used and were planned again.";
    LEFT_OUT_SEQUENCES = "left_out_sequences", Gauge, ["reason", "dataset"],
        "Sequences that give no clips: too short, or the object is rarely visible.";
    QUARANTINED_FILES = "quarantined_files", Gauge, [], "Frame files that failed so often that they are not read again.";

    CHECKPOINT_SAVES = "checkpoint_saves_total", Counter, [], "Checkpoints that were written.";
    CHECKPOINT_FAILURES = "checkpoint_failures_total", Counter, [], "Attempts to write a checkpoint that failed.";
    CHECKPOINT_SECONDS = "checkpoint_seconds", Gauge, [], "Seconds that the last checkpoint took to write.";
    CHECKPOINT_BYTES = "checkpoint_bytes", Gauge, [], "Bytes of the last checkpoint.";
}
