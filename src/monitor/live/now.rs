//! The [`Status`] as of now.

use super::{Live, LiveState, SERVE, Saved, TRAIN, Validation, runs, status::*};
use crate::{
    data::condition::Condition,
    flow::{Load, sentence},
    stages::EXPECTED_BOTTLENECK,
    telemetry::{
        Gpu, gpus, machine, preparation,
        process::{Process, timestamp},
    },
    train::{
        experiment::defaults::Setting,
        run_event::{Batch, LossMetrics, Number},
    },
};
use std::time::SystemTime;

impl Live {
    /// `starting` before the pipeline runs, `running`, or `stopping` once it drains after a signal or the last step.
    pub(super) fn state(&self) -> &'static str {
        state_name(self.verb, &self.locked())
    }

    /// The whole state of the run as of now.
    pub(super) fn status(&self) -> Status {
        let state = self.locked();
        let elapsed = state.running.as_ref().map_or(0.0, |running| running.since.elapsed().as_secs_f64());
        let (version, verb, pid) = (env!("CARGO_PKG_VERSION").into(), self.verb.into(), std::process::id());
        Status {
            program: Program { version, verb, pid },
            state: state_name(self.verb, &state).into(),
            time: state.last_time.unwrap_or_else(|| timestamp(SystemTime::now())),
            started: state.first_time.unwrap_or(self.started),
            elapsed_seconds: Short(elapsed),
            run: run(&state, elapsed),
            preparing: preparation::current().map(preparing),
            pipeline: pipeline(&state),
            curves: curves(&state),
            validations: state.validations.iter().map(validation).collect(),
            conditions: Condition::ALL.map(|condition| condition.name().into()).into(),
            clips: state.previews.status(),
            checkpoints: state.checkpoints.iter().rev().take(20).map(checkpoint).collect(),
            messages: state.messages.iter().rev().take(50).map(message).collect(),
            process: if state.last_event.is_some() { ProcessStatus::default() } else { process() },
            call: state.call.clone(),
            has_runs: self.runs.get().is_some(),
        }
    }

    /// The run as one among others.
    pub(super) fn summary(&self, number: usize, name: &str) -> RunSummary {
        let state = self.locked();
        let ious = || state.validations.iter().map(|one| one.means.iou.0).filter(|iou| iou.is_finite());
        let last = state.validations.last();
        let setting = |one: &Setting| one.default.as_ref().map(|_| format!("{}={}", one.key, one.value));
        RunSummary {
            number,
            name: name.into(),
            state: runs::state_of(state.last_event.as_ref(), state.in_use).into(),
            experiment: state.plan.as_ref().map(|plan| plan.experiment.clone()).unwrap_or_default(),
            started: state.first_time,
            time: state.last_time,
            epoch: state.last.as_ref().map_or(0, Batch::shown_epoch),
            epochs: state.epochs,
            step: state.newest.as_ref().map_or(0, |batch| batch.step + 1),
            iou: Short(last.map_or(f64::NAN, |one| one.means.iou.0)),
            best_iou: Short(ious().fold(f64::NAN, f64::max)),
            accuracy: last.and_then(|one| one.means.accuracy).map(|share| Short(share.0)),
            lambda: Short(state.newest.as_ref().map_or(f64::NAN, |batch| batch.metrics.weight_class.0)),
            settings: state.settings.iter().filter_map(setting).collect(),
        }
    }

    /// The settings of the experiment, as `/experiment.json` gives them.
    pub(super) fn settings(&self) -> serde_json::Value {
        let state = self.locked();
        let one = |one: &Setting| serde_json::json!({"key": one.key, "value": one.value, "default": one.default});
        state.settings.iter().map(one).collect()
    }
}

fn preparing(now: preparation::Preparing) -> PreparingStatus {
    let preparation::Preparing { what, unit, done, total } = now;
    PreparingStatus { what, unit: unit.into(), done, total }
}

fn state_name(verb: &str, state: &LiveState) -> &'static str {
    match &state.running {
        None if verb == SERVE => "serving",
        // Known by its log alone.
        None if state.last_event.is_some() => runs::state_of(state.last_event.as_ref(), state.in_use),
        None => "starting",
        Some(running) if running.stop.is_stopping() => "stopping",
        Some(_) => "running",
    }
}

fn all_short(values: Vec<f64>) -> Vec<Short> {
    values.into_iter().map(Short).collect()
}

fn run(state: &LiveState, elapsed: f64) -> Option<Run> {
    let plan = state.plan.as_ref()?;
    let (last, newest) = (state.last.as_ref(), state.newest.as_ref());
    let position = last.map_or(plan.position, |batch| batch.position + 1);
    let by_log = state.last_event.is_some();
    let step = newest.map_or(0, |batch| batch.step + 1);
    let steps = plan.epochs * plan.epoch_steps;
    let done = position.saturating_sub(plan.position) as f64;
    let left = plan.batches.saturating_sub(position) as f64;
    let epoch = last.map_or(0, |batch| batch.epoch.saturating_sub(1));
    let mut first = 0;
    let phase = plan.phases.iter().find(|(_, epochs, _)| {
        first += *epochs as u64;
        epoch < first
    });
    let phase = phase.or(plan.phases.last());
    Some(Run {
        experiment: plan.experiment.clone(),
        device: plan.device.clone(),
        parameters: plan.parameters,
        epoch: last.map(Batch::shown_epoch),
        epochs: plan.epochs,
        split: last.map(|batch| batch.split),
        step,
        steps,
        clips: state.trained,
        progress: match (by_log, plan.batches) {
            (_, 0) => 0.0,
            // A log does not say how many batches there are to come.
            (true, _) => (step as f64 / steps.max(1) as f64).min(1.0),
            (false, batches) => position as f64 / batches as f64,
        },
        eta_seconds: Short(if done > 0.0 && !by_log { elapsed / done * left } else { f64::NAN }),
        phase: phase.map(|(name, ..)| name.clone()),
        phases: plan.phases.iter().map(|(name, ..)| name.clone()).collect(),
        weights: phase.map(|(_, _, [r#box, cls])| TaskWeights { r#box: *r#box, cls: *cls }),
        lr: newest.map(|batch| LearningRates { heads: Short(batch.lr.0), backbone: Short(batch.lr_backbone.0) }),
        last: newest.map(|batch| numbers(&batch.metrics)),
        nonfinite_steps: state.nonfinite,
    })
}

fn numbers(metrics: &LossMetrics) -> Numbers {
    let short = |number: Number| Short(number.0);
    Numbers {
        total: short(metrics.total),
        r#box: short(metrics.box_loss),
        cls: short(metrics.class),
        cls_weighted: short(metrics.class_weighted),
        iou: short(metrics.iou),
        accuracy: metrics.accuracy.map(short),
        gradient_norm: short(metrics.gradient_norm),
    }
}

fn pipeline(state: &LiveState) -> Option<Pipeline> {
    let running = state.running.as_ref()?;
    let stages = state.meter_history.stages(&running.most);
    let loads: Vec<Load> = stages.iter().map(|stage| stage.load.clone()).collect();
    let stages = stages.iter().map(|stage| {
        let (load, report) = (&stage.load, &stage.report);
        StageStatus {
            id: report.id.clone(),
            kind: report.kind.to_string(),
            inputs: report.inputs.clone(),
            workers: report.running,
            most_workers: load.most,
            busy: Short(load.utilisation()),
            waiting: Short(load.share(load.waited)),
            blocked: Short(load.share(load.blocked)),
            rate: Short(stage.rate),
            items: report.taken,
            failures: report.failures,
            skipped: report.skipped,
        }
    });
    let channels = state.meter_history.channels();
    let channels = channels.iter().map(|channel| {
        let report = &channel.report;
        ChannelStatus {
            from: report.from.clone(),
            to: report.to.clone(),
            depth: report.depth.min(report.capacity),
            capacity: report.capacity,
            rate: Short(channel.rate),
            items: report.items,
        }
    });
    // Before the first items are through, nobody holds anybody up.
    let looked = state.meter_history.seconds() >= 2.0 && loads.iter().any(|load| !load.busy.is_zero());
    let busiest = crate::flow::busiest(&loads).map(|load| load.id.clone());
    Some(Pipeline {
        stages: stages.collect(),
        channels: channels.collect(),
        window_seconds: Short(state.meter_history.seconds()),
        bottleneck: sentence(&loads, EXPECTED_BOTTLENECK).filter(|_| looked),
        busiest: busiest.filter(|_| looked),
    })
}

/// By training step, each point the mean of its neighbours; memory by seconds since the start.
fn curves(state: &LiveState) -> Curves {
    let column = |(at, name): (usize, &&str)| ((*name).to_string(), all_short(state.train.column(at)));
    let train = TrainCurves {
        step: state.train.xs().into_iter().map(|step| step as u64).collect(),
        columns: TRAIN.iter().enumerate().map(column).collect(),
    };
    let memory = MemoryCurve { seconds: all_short(state.memory.xs()), bytes: all_short(state.memory.column(0)) };
    Curves { train, memory }
}

fn validation(validation: &Validation) -> ValidationStatus {
    let recalls = validation.confusion.recalls();
    let of = |condition: &Condition| recalls.iter().find(|recall| recall.condition == *condition);
    let share = |condition| of(condition).map(|recall| Short(recall.right as f64 / recall.frames as f64));
    ValidationStatus {
        epoch: validation.epoch,
        step: validation.step,
        numbers: numbers(&validation.means),
        accuracy: Condition::ALL.iter().map(share).collect(),
        frames: Condition::ALL.iter().map(|condition| of(condition).map_or(0, |recall| recall.frames)).collect(),
    }
}

fn checkpoint(saved: &Saved) -> CheckpointStatus {
    let Saved { file, bytes, seconds, position, at } = saved.clone();
    CheckpointStatus { file, bytes, seconds: Short(seconds), position, time: at }
}

fn message(message: &super::Message) -> MessageStatus {
    MessageStatus { time: message.at, warning: message.warning, text: message.text.clone() }
}

fn process() -> ProcessStatus {
    let process = Process::now();
    ProcessStatus {
        memory_bytes: process.memory,
        peak_memory_bytes: process.peak_memory,
        machine_memory_bytes: machine::memory().map(|memory| memory.total),
        threads: process.threads,
        cpu_seconds: process.cpu.map(|cpu| Short(cpu.as_secs_f64())),
        gpus: gpus().iter().map(gpu).collect(),
    }
}

fn gpu(gpu: &Gpu) -> GpuStatus {
    GpuStatus {
        index: gpu.index,
        utilisation: gpu.utilisation.map(Short),
        memory_used_bytes: gpu.memory.map(|(used, _)| used),
        memory_bytes: gpu.memory.map(|(_, all)| all),
        watts: gpu.watts.map(Short),
    }
}
