//! What training reports to Prometheus.

use crate::{
    data::condition::Condition,
    telemetry::{SecondsCounter, names, process::timestamp},
    train::{
        confusion::Confusion,
        events::StepTime,
        experiment::Phase,
        metrics::StepMetrics,
        overlaps::Overlaps,
        run_schedule::{BatchInfo, RunSchedule, Split},
        step::Spent,
        tasks::Gradients,
    },
};
use metrics::{counter, gauge, histogram};
use std::time::{Duration, SystemTime};

/// The metrics of training.
#[derive(Debug)]
pub(super) struct PrometheusMetrics {
    phases: Vec<Phase>,
    /// Batches of the whole run.
    batches: u64,
    best_iou: f64,
    forward: SecondsCounter,
    backward: SecondsCounter,
    update: SecondsCounter,
}

impl PrometheusMetrics {
    /// Tells the shape of the run, and lets what is counted begin at 0: who looks at a rate needs a start.
    pub fn new(schedule: &RunSchedule, phases: &[Phase]) -> Self {
        gauge!(names::TRAIN_EPOCHS).set(schedule.epochs as f64);
        gauge!(names::TRAIN_EPOCH_STEPS).set(schedule.train_batches as f64);
        for name in [
            names::TRAIN_STEPS,
            names::TRAIN_CLIPS,
            names::TRAIN_NONFINITE_STEPS,
            names::CHECKPOINT_SAVES,
            names::CHECKPOINT_FAILURES,
        ] {
            counter!(name).increment(0);
        }
        let part = |part: &str| SecondsCounter::new(names::TRAIN_PART_SECONDS, &[("part", part)]);
        Self {
            phases: phases.to_vec(),
            batches: schedule.len(),
            best_iou: 0.0,
            forward: part("forward"),
            backward: part("backward"),
            update: part("update"),
        }
    }

    /// A batch of `clips` is done.
    pub fn batch(&self, info: &BatchInfo, clips: usize, step_metrics: &StepMetrics, lr: [f64; 2]) {
        gauge!(names::TRAIN_PROGRESS).set((info.position + 1) as f64 / self.batches.max(1) as f64);
        if info.split != Split::Train {
            return;
        }
        counter!(names::TRAIN_STEPS).increment(1);
        counter!(names::TRAIN_CLIPS).increment(clips as u64);
        gauge!(names::TRAIN_EPOCH).set((info.epoch + 1) as f64);
        gauge!(names::TRAIN_IOU).set(step_metrics.iou);
        gauge!(names::TRAIN_GRADIENT_NORM).set(step_metrics.gradient_norm);
        for (task, weight) in [("box", step_metrics.weight_box), ("cls", step_metrics.weight_class)] {
            gauge!(names::TRAIN_TASK_WEIGHT, "task" => task).set(weight);
        }
        if let Some(accuracy) = step_metrics.accuracy() {
            gauge!(names::TRAIN_CLASS_ACCURACY).set(accuracy);
        }
        losses(names::TRAIN_LOSS, step_metrics);
        for (group, lr) in [("heads", lr[0]), ("backbone", lr[1])] {
            gauge!(names::TRAIN_LEARNING_RATE, "group" => group).set(lr);
        }
        if step_metrics.applied == 0.0 {
            counter!(names::TRAIN_NONFINITE_STEPS).increment(1);
        }
    }

    /// Phase `present` (its place in the list) is trained.
    pub fn phase(&self, present: usize) {
        for (index, phase) in self.phases.iter().enumerate() {
            let here = f64::from(u8::from(index == present));
            gauge!(names::TRAIN_PHASE, "phase" => phase.name.clone()).set(here);
        }
    }

    /// The gradients of both tasks were compared.
    pub fn gradients(gradients: &Gradients) {
        for block in &gradients.blocks {
            let name = &block.name;
            for (task, norm) in [("box", block.box_norm), ("cls", block.class_norm), ("total", block.norm)] {
                gauge!(names::TRAIN_BLOCK_GRADIENT, "block" => name.clone(), "task" => task).set(norm);
            }
            if let Some(cosine) = block.cosine() {
                gauge!(names::TRAIN_BLOCK_COSINE, "block" => name.clone()).set(cosine);
            }
        }
    }

    /// Where the time of a training step went; `sync` is how long its numbers took to come from the
    /// device, and `busy` the share of the time that it was busy.
    pub fn time(&self, time: &StepTime, spent: &Spent, sync: Duration, busy: Option<f64>) {
        histogram!(names::TRAIN_STEP_SECONDS).record(time.forward);
        if let Some(busy) = busy {
            gauge!(names::TRAIN_DEVICE_BUSY).set(busy);
        }
        histogram!(names::TRAIN_DATA_WAIT_SECONDS).record(time.data);
        histogram!(names::TRAIN_SYNC_SECONDS).record(sync.as_secs_f64());
        for (part, seconds) in
            [(&self.forward, spent.forward), (&self.backward, spent.backward), (&self.update, spent.update)]
        {
            part.increment(Duration::try_from_secs_f64(seconds).unwrap_or_default());
        }
    }

    /// A validation is done.
    pub fn validation(&mut self, means: &StepMetrics, confusion: &Confusion, overlaps: &Overlaps) {
        losses(names::VALIDATION_LOSS, means);
        gauge!(names::VALIDATION_IOU).set(means.iou);
        self.best_iou = self.best_iou.max(means.iou);
        gauge!(names::VALIDATION_BEST_IOU).set(self.best_iou);
        if let Some(accuracy) = means.accuracy() {
            gauge!(names::VALIDATION_CLASS_ACCURACY).set(accuracy);
        }
        let set = |name: &'static str, condition: Condition, value: f64| {
            gauge!(name, "condition" => condition.name()).set(value);
        };
        for overlap in overlaps.means() {
            set(names::VALIDATION_CONDITION_FRAMES, overlap.condition, overlap.frames as f64);
            set(names::VALIDATION_CONDITION_IOU, overlap.condition, overlap.iou);
        }
        for recall in confusion.recalls() {
            set(names::VALIDATION_CONDITION_ACCURACY, recall.condition, recall.right as f64 / recall.frames as f64);
        }
    }
}

/// A checkpoint of `bytes` was written in `seconds`.
pub(super) fn saved(bytes: u64, seconds: f64) {
    counter!(names::CHECKPOINT_SAVES).increment(1);
    histogram!(names::CHECKPOINT_SECONDS).record(seconds);
    gauge!(names::CHECKPOINT_BYTES).set(bytes as f64);
    gauge!(names::CHECKPOINT_TIME).set(timestamp(SystemTime::now()));
}

fn losses(name: &'static str, step_metrics: &StepMetrics) {
    for (term, value) in step_metrics.losses() {
        gauge!(name, "term" => term.trim_start_matches("Loss/")).set(value);
    }
}
