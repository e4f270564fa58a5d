//! Every metric that trackflow exports: the only place that knows their names.
//!
//! Units are base units (seconds, bytes, watts, ratios from 0 to 1); counters end in `_total`. The engine
//! declares those of its stages and channels beside the code that counts; they are listed here with all others.

pub use trackflow_dataflow::stats::names::*;

/// From a step of a small model on a fast GPU to one of the full model on a CPU.
const STEP_BUCKETS: &[f64] =
    &[0.01, 0.025, 0.05, 0.1, 0.2, 0.3, 0.5, 0.75, 1.0, 1.5, 2.0, 3.0, 5.0, 7.5, 10.0, 15.0, 30.0, 60.0];

/// From a queue that is full to a starved trainer.
const WAIT_BUCKETS: &[f64] = &[0.0001, 0.0005, 0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0];

/// From a small model on a local disk to the full one on a slow share.
const SAVE_BUCKETS: &[f64] = &[0.01, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0];

use MetricKind::{Counter, Gauge, Histogram, Seconds};

trackflow_dataflow::declare_metrics! { PROGRAM:
    BUILD_INFO = "build_info", Gauge, One, ["version"], "Always 1; the label says which program runs.";

    TRAIN_INFO = "train_info", Gauge, One, ["experiment", "device"], "Always 1; the labels say what is trained, and where.";
    TRAIN_LOSS = "train_loss", Gauge, One, ["term"], "The loss of the last step by term, as a mean over frames.";
    TRAIN_IOU = "train_iou", Gauge, Ratio, [], "Mean IoU of the last step, from 0 to 1.";
    TRAIN_CLASS_ACCURACY = "train_class_accuracy", Gauge, Ratio, [],
        "Share of labelled frames of the last step whose condition was predicted correctly, from 0 to 1.";
    TRAIN_GRADIENT_NORM = "train_gradient_norm", Gauge, One, [],
        "Norm of all gradients of the last step together, before clipping.";
    TRAIN_TASK_WEIGHT = "train_task_weight", Gauge, One, ["task"],
        "Weight of each task's loss in the total: λ for `cls`.";
    TRAIN_LEARNING_RATE = "train_learning_rate", Gauge, One, ["group"], "The learning rate by parameter group.";
    TRAIN_STEP_SECONDS = "train_step_seconds", Histogram(STEP_BUCKETS), Second, [],
        "Seconds from one batch to the next without the wait for data.";
    TRAIN_PART_SECONDS = "train_part_seconds_total", Seconds, Second, ["part"],
        "Seconds of the device in the parts of steps: forward, backward, update.";
    TRAIN_DEVICE_BUSY = "train_device_busy_ratio", Gauge, Ratio, [],
        "Share of the time since training began that the device spent on steps, by its own clock.";
    TRAIN_DATA_WAIT_SECONDS = "train_data_wait_seconds", Histogram(WAIT_BUCKETS), Second, [],
        "Seconds that a step waited for its batch.";
    TRAIN_SYNC_SECONDS = "train_sync_seconds", Histogram(WAIT_BUCKETS), Second, [],
        "Seconds until the device returned the numbers of a step; only logging waits for them.";
    TRAIN_STEPS = "train_steps_total", Counter, One, [], "Optimizer steps.";
    TRAIN_CLIPS = "train_clips_total", Counter, One, [], "Clips that went through a step.";
    TRAIN_EPOCH = "train_epoch", Gauge, One, [], "The epoch, from 1.";
    TRAIN_EPOCHS = "train_epochs", Gauge, One, [], "Epochs of the whole run.";
    TRAIN_EPOCH_STEPS = "train_epoch_steps", Gauge, One, [], "Optimizer steps of an epoch.";
    TRAIN_PROGRESS = "train_progress_ratio", Gauge, Ratio, [],
        "Share of the batches of the whole run, validation included, that are done.";
    TRAIN_PHASE = "train_phase", Gauge, One, ["phase"], "1 for the phase that is trained, 0 for the others.";
    TRAIN_NONFINITE_STEPS = "train_nonfinite_steps_total", Counter, One, [],
        "Steps that were skipped because loss or gradients were not finite.";

    TRAIN_BLOCK_GRADIENT = "train_block_gradient_norm", Gauge, One, ["block", "task"],
        "Norm of the block's gradient by task (box, cls, total) at the last analysis.";
    TRAIN_BLOCK_COSINE = "train_block_gradient_cosine", Gauge, One, ["block"],
        "Cosine between the gradients of both tasks at the last analysis.";
    HEALTH_ADVICE = "health_advice_total", Counter, One, ["rule"], "Advice that the run's numbers gave rise to.";

    VALIDATION_LOSS = "validation_loss", Gauge, One, ["term"],
        "The loss of the last validation by term, as a mean over frames.";
    VALIDATION_IOU = "validation_iou", Gauge, Ratio, [], "Mean IoU of the last validation, from 0 to 1.";
    VALIDATION_BEST_IOU = "validation_best_iou", Gauge, Ratio, [],
        "The best mean IoU of all validations since the process began.";
    VALIDATION_CLASS_ACCURACY = "validation_class_accuracy", Gauge, Ratio, [],
        "Class accuracy of the last validation, from 0 to 1.";
    VALIDATION_CONDITION_ACCURACY = "validation_condition_accuracy", Gauge, Ratio, ["condition"],
        "Share of the frames of a condition that the last validation predicted right, from 0 to 1.";
    VALIDATION_CONDITION_IOU = "validation_condition_iou", Gauge, Ratio, ["condition"],
        "Mean IoU of the frames of a condition in the last validation, from 0 to 1.";
    VALIDATION_CONDITION_FRAMES = "validation_condition_frames", Gauge, One, ["condition"],
        "Labelled frames of a condition in the last validation.";

    REJECTED_CLIPS = "rejected_clips_total", Counter, One, ["reason", "dataset"],
        "Planned clips that could not be used and were planned again.";
    LEFT_OUT_SEQUENCES = "left_out_sequences", Gauge, One, ["reason", "dataset"],
        "Sequences that give no clips: too short, or the object is rarely visible.";
    QUARANTINED_FILES = "quarantined_files", Gauge, One, ["reason", "dataset"],
        "Frame files that failed so often that they are not read again.";

    CHECKPOINT_SAVES = "checkpoint_saves_total", Counter, One, [], "Checkpoints that were written.";
    CHECKPOINT_FAILURES = "checkpoint_failures_total", Counter, One, [],
        "Attempts to write a checkpoint that failed.";
    CHECKPOINT_SECONDS = "checkpoint_seconds", Histogram(SAVE_BUCKETS), Second, [],
        "Seconds that a checkpoint took to write.";
    CHECKPOINT_BYTES = "checkpoint_bytes", Gauge, Byte, [], "Bytes of the last checkpoint.";
    CHECKPOINT_TIME = "checkpoint_timestamp_seconds", Gauge, Second, [],
        "When the last checkpoint was written, in seconds since 1970.";

    PROCESS_MEMORY = "process_resident_memory_bytes", Gauge, Byte, [], "Memory of the process that is resident.";
    PROCESS_PEAK_MEMORY = "process_peak_memory_bytes", Gauge, Byte, [],
        "The most memory of the process that was ever resident.";
    PROCESS_CPU = "process_cpu_seconds_total", Seconds, Second, [],
        "Processor time of the process, summed over its threads.";
    PROCESS_THREADS = "process_threads", Gauge, One, [], "Threads of the process.";
    PROCESS_OPEN_FILES = "process_open_files", Gauge, One, [], "Open file descriptors of the process.";
    PROCESS_START = "process_start_time_seconds", Gauge, Second, [],
        "When the process began, in seconds since 1970.";
    MACHINE_MEMORY = "machine_memory_bytes", Gauge, Byte, [], "Memory that this process may use: the machine's, or its container's.";
    MACHINE_MEMORY_AVAILABLE = "machine_memory_available_bytes", Gauge, Byte, [],
        "Memory of the machine that new work could have.";

    GPU_UTILISATION = "gpu_utilisation_ratio", Gauge, Ratio, ["gpu"],
        "Share of the last moment in which a kernel ran on the GPU.";
    GPU_MEMORY_USED = "gpu_memory_used_bytes", Gauge, Byte, ["gpu"], "Memory of the GPU that is in use, by anyone.";
    GPU_MEMORY = "gpu_memory_bytes", Gauge, Byte, ["gpu"], "Memory of the GPU.";
    GPU_POWER = "gpu_power_watts", Gauge, Watt, ["gpu"], "Power that the GPU draws.";
}

/// All metrics, those of the engine first.
pub const ALL: &[Metric] = &JOINED;

const JOINED: [Metric; ENGINE.len() + PROGRAM.len()] = {
    let mut all = [ENGINE[0]; ENGINE.len() + PROGRAM.len()];
    let mut at = 0;
    while at < all.len() {
        all[at] = if at < ENGINE.len() { ENGINE[at] } else { PROGRAM[at - ENGINE.len()] };
        at += 1;
    }
    all
};
