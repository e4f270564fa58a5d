//! `/status.json`: everything that the page draws, for other programs too.

use super::{Live, Shown, TRAIN, Validation};
use crate::{
    data::condition::Condition,
    flow::{Load, sentence},
    stages::PRAISE,
    telemetry::{
        Gpu, gpus, machine,
        process::{Process, timestamp},
    },
    train::tally::Terms,
};
use serde_json::{Value, json};
use std::time::SystemTime;

impl Live {
    /// `starting` before the pipeline runs, `running`, or `stopping` once it drains after a signal or the last step.
    pub(super) fn state(&self) -> &'static str {
        state(&self.shown())
    }

    /// The whole state of the run as of now.
    pub(super) fn status(&self) -> Value {
        let shown = self.shown();
        let elapsed = shown.running.as_ref().map_or(0.0, |running| running.since.elapsed().as_secs_f64());
        json!({
            "program": {"version": env!("CARGO_PKG_VERSION"), "verb": self.verb, "pid": std::process::id()},
            "state": state(&shown),
            "time": timestamp(SystemTime::now()),
            "started": self.started,
            "elapsed_seconds": short(elapsed),
            "run": run(&shown, elapsed),
            "pipeline": pipeline(&shown),
            "curves": curves(&shown),
            "validations": shown.validations.iter().map(validation).collect::<Vec<_>>(),
            "conditions": Condition::ALL.map(Condition::name),
            "clips": shown.pictures.status(),
            "checkpoints": checkpoints(&shown),
            "messages": messages(&shown),
            "process": process(),
        })
    }
}

fn state(shown: &Shown) -> &'static str {
    match &shown.running {
        None => "starting",
        Some(running) if running.stop.is_stopping() => "stopping",
        Some(_) => "running",
    }
}

/// Five digits are enough to draw; what is not a number is null.
pub(super) fn short(value: f64) -> Value {
    match format!("{value:.4e}").parse::<f64>() {
        Ok(value) if value.is_finite() => json!(value),
        _ => Value::Null,
    }
}

fn all_short(values: Vec<f64>) -> Value {
    values.into_iter().map(short).collect()
}

/// What is trained and how far it is; null for a process that trains nothing.
fn run(shown: &Shown, elapsed: f64) -> Value {
    let Some(plan) = &shown.plan else { return Value::Null };
    let position = shown.last.map_or(plan.position, |visit| visit.position + 1);
    let done = position.saturating_sub(plan.position) as f64;
    let left = plan.batches.saturating_sub(position) as f64;
    let newest = shown.newest.as_ref();
    let epoch = shown.last.map_or(0, |visit| visit.epoch);
    let mut first = 0;
    let phase = plan.phases.iter().find(|(_, epochs, _)| {
        first += epochs;
        epoch < first
    });
    let phase = phase.or(plan.phases.last());
    let progress = if plan.batches > 0 { position as f64 / plan.batches as f64 } else { 0.0 };
    json!({
        "experiment": plan.experiment,
        "device": plan.device,
        "parameters": plan.parameters,
        "epoch": shown.last.map(|visit| if visit.before { 0 } else { visit.epoch + 1 }),
        "epochs": plan.epochs,
        "split": shown.last.map(|visit| visit.split.name()),
        "step": newest.map_or(0, |(visit, ..)| visit.step + 1),
        "steps": plan.epochs * plan.epoch_steps,
        "progress": progress,
        "eta_seconds": if done > 0.0 { short(elapsed / done * left) } else { Value::Null },
        "phase": phase.map(|(name, ..)| name),
        "phases": plan.phases.iter().map(|(name, ..)| name).collect::<Vec<_>>(),
        "weights": phase.map(|(_, _, [r#box, class])| json!({"box": r#box, "cls": class})),
        "lr": newest.map(|(_, _, [heads, backbone])| json!({"heads": short(*heads), "backbone": short(*backbone)})),
        "last": newest.map(|(_, terms, _)| numbers(terms)),
        "nonfinite_steps": shown.nonfinite,
    })
}

fn numbers(terms: &Terms) -> Value {
    json!({
        "total": short(terms.total),
        "box": short(terms.box_loss),
        "cls": short(terms.class),
        "cls_weighted": short(terms.class_weighted),
        "iou": short(terms.iou),
        "accuracy": terms.accuracy().map(short),
        "gradient_norm": short(terms.gradient_norm),
    })
}

fn pipeline(shown: &Shown) -> Value {
    let Some(running) = &shown.running else { return Value::Null };
    let stages = shown.looks.stages(&running.most);
    let loads: Vec<Load> = stages.iter().map(|stage| stage.load.clone()).collect();
    let stages: Vec<Value> = stages
        .iter()
        .map(|stage| {
            let (load, report) = (&stage.load, &stage.report);
            json!({
                "id": report.id,
                "kind": report.kind,
                "inputs": report.inputs,
                "workers": report.running,
                "most_workers": load.most,
                "busy": short(load.utilisation()),
                "waiting": short(load.share(load.waited)),
                "blocked": short(load.share(load.blocked)),
                "rate": short(stage.rate),
                "items": report.taken,
                "failures": report.failures,
                "left_out": report.left_out,
            })
        })
        .collect();
    let channels: Vec<Value> = shown
        .looks
        .channels()
        .iter()
        .map(|channel| {
            let report = &channel.report;
            json!({
                "from": report.from,
                "to": report.to,
                "depth": report.depth.min(report.capacity),
                "capacity": report.capacity,
                "rate": short(channel.rate),
                "items": report.items,
            })
        })
        .collect();
    // Before the first items are through, nobody holds anybody up.
    let looked = shown.looks.seconds() >= 2.0 && loads.iter().any(|load| !load.busy.is_zero());
    let busiest = crate::flow::busiest(&loads).map(|load| load.id.clone());
    json!({
        "stages": stages,
        "channels": channels,
        "window_seconds": short(shown.looks.seconds()),
        "bottleneck": looked.then(|| sentence(&loads, PRAISE)),
        "busiest": if looked { busiest } else { None },
    })
}

/// By training step, each point the mean of its neighbours; memory by seconds since the start.
fn curves(shown: &Shown) -> Value {
    let mut train = serde_json::Map::new();
    train.insert("step".into(), all_short_steps(shown.train.xs()));
    for (column, name) in TRAIN.iter().enumerate() {
        train.insert((*name).into(), all_short(shown.train.column(column)));
    }
    json!({
        "train": train,
        "memory": {"seconds": all_short(shown.memory.xs()), "bytes": all_short(shown.memory.column(0))},
    })
}

/// Steps are whole numbers of any length.
fn all_short_steps(steps: Vec<f64>) -> Value {
    steps.into_iter().map(|step| json!(step as u64)).collect()
}

/// The accuracy by condition stands in the order of `conditions`, null where there was no frame of one.
fn validation(validation: &Validation) -> Value {
    let recalls = validation.confusion.recalls();
    let of = |condition: Condition| recalls.iter().find(|recall| recall.condition == condition);
    json!({
        "epoch": validation.epoch,
        "step": validation.step,
        "numbers": numbers(&validation.means),
        "accuracy": Condition::ALL.map(|condition| of(condition).map(|r| short(r.right as f64 / r.frames as f64))),
        "frames": Condition::ALL.map(|condition| of(condition).map_or(0, |recall| recall.frames)),
    })
}

/// The newest first.
fn checkpoints(shown: &Shown) -> Vec<Value> {
    let value = |saved: &super::Saved| {
        json!({
            "file": saved.file,
            "bytes": saved.bytes,
            "seconds": short(saved.seconds),
            "position": saved.position,
            "time": saved.at,
        })
    };
    shown.checkpoints.iter().rev().take(20).map(value).collect()
}

/// The newest first.
fn messages(shown: &Shown) -> Vec<Value> {
    let value =
        |message: &super::Message| json!({"time": message.at, "warning": message.warning, "text": message.text});
    shown.messages.iter().rev().take(50).map(value).collect()
}

fn process() -> Value {
    let process = Process::now();
    json!({
        "memory_bytes": process.memory,
        "peak_memory_bytes": process.peak_memory,
        "machine_memory_bytes": machine::memory().map(|memory| memory.total),
        "threads": process.threads,
        "cpu_seconds": process.cpu.map(|cpu| short(cpu.as_secs_f64())),
        "gpus": gpus().iter().map(gpu).collect::<Vec<_>>(),
    })
}

fn gpu(gpu: &Gpu) -> Value {
    json!({
        "index": gpu.index,
        "utilisation": gpu.utilisation.map(short),
        "memory_used_bytes": gpu.memory.map(|(used, _)| used),
        "memory_bytes": gpu.memory.map(|(_, all)| all),
        "watts": gpu.watts.map(short),
    })
}
