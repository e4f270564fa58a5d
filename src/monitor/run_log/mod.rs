//! `run.jsonl`: one event a line, for scripts and reports.

mod earlier;

pub use earlier::History;

use earlier::{Lines, aside, last_experiment, lines_around};

use crate::{
    data::shared::Shared,
    failure::{Failure, Result},
    flow::StopReason,
    telemetry::log,
    train::{
        confusion::Confusion,
        events::{Event, Observer},
        overlaps::Overlap,
        tally::Terms,
    },
};
use serde_json::{Map, Value, json};
use std::{
    fs::{File, OpenOptions},
    io::Write,
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
};

/// Writes events to `run.jsonl`.
#[derive(Debug)]
pub struct RunLog {
    path: PathBuf,
    out: Mutex<Out>,
}

/// Why a run ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ended {
    /// All of it is done.
    Complete,
    /// The steps of `--max_steps` are done.
    MaxSteps,
    /// It was asked to stop, and has saved.
    Stopped(StopReason),
}

impl Ended {
    /// The exit code of a run that ended so.
    pub fn exit_code(&self) -> i32 {
        match self {
            Self::Complete | Self::MaxSteps => 0,
            Self::Stopped(reason) => reason.exit_code(),
        }
    }

    fn reason(&self) -> String {
        match self {
            Self::Complete => "complete".into(),
            Self::MaxSteps => "max_steps".into(),
            Self::Stopped(StopReason::TimeLimit) => "time_limit".into(),
            Self::Stopped(StopReason::Signal(signal)) => format!("signal {signal}"),
            Self::Stopped(StopReason::Reached(goal)) => goal.clone(),
        }
    }
}

/// The file, and what could not be written yet: a disk that is full may get room again.
#[derive(Debug)]
struct Out {
    file: File,
    /// Bytes of whole lines in the file.
    length: u64,
    waiting: Vec<u8>,
    failing: bool,
}

/// The most that waits; then the newest lines are lost.
const MOST_WAITING: usize = 64 << 20;

impl Out {
    /// Writes what waits, in whole lines: what a full disk cut off is taken back.
    fn flush(&mut self) -> std::io::Result<()> {
        if self.failing {
            self.file.set_len(self.length)?;
        }
        self.failing = true;
        self.file.write_all(&self.waiting)?;
        self.length += self.waiting.len() as u64;
        self.waiting.clear();
        self.failing = false;
        Ok(())
    }
}

impl RunLog {
    /// Opens the log at `path` for a run that goes on at `position`. Lines after that are dropped or, as `history` says,
    /// kept aside as `run.1.jsonl` (or the next free number), like all of another run's; the log of another `experiment`
    /// is kept aside whatever `history` says.
    ///
    /// # Errors
    /// The file cannot be read or written.
    pub fn open(path: &Path, position: u64, history: History, experiment: Option<&str>) -> Result<Self> {
        let other = experiment.is_some_and(|own| last_experiment(path).is_some_and(|last| last != own));
        let history = if other { History::Other } else { history };
        if other {
            log::say(&format!("{}: is of another experiment; it is kept beside a new one", path.display()));
        }
        let failed = |error: std::io::Error| Failure::output(format!("{}: {error}", path.display()));
        let kept = match File::open(path) {
            Ok(file) if position > 0 && history != History::Other => {
                let Lines { before, after } = lines_around(file, position, history).map_err(failed)?;
                if history == History::CutAside && !after.is_empty() {
                    let aside = aside(path);
                    std::fs::write(&aside, after).map_err(failed)?;
                    log::say(&format!("what {} says of the time after it is in {}", path.display(), aside.display()));
                }
                before
            }
            Ok(_) => std::fs::rename(path, aside(path)).map(|()| String::new()).map_err(failed)?,
            Err(_) => String::new(),
        };
        let temporary = path.with_extension("jsonl.tmp");
        std::fs::write(&temporary, kept).map_err(failed)?;
        std::fs::rename(&temporary, path).map_err(failed)?;
        let file = OpenOptions::new().append(true).open(path).map_err(failed)?;
        let length = file.metadata().map_err(failed)?.len();
        let out = Out { file, length, waiting: Vec::new(), failing: false };
        Ok(Self { path: path.to_path_buf(), out: Mutex::new(out) })
    }

    /// Says what begins, or goes on from `position`, and what validation has in common with training.
    pub fn begin(&self, experiment: &str, seed: u64, device: &str, position: u64, shared: Option<&Shared>) {
        let shared = shared.map(|shared| json!({"shared": shared.sequences, "sequences": shared.of}));
        let fields = [
            ("experiment", json!(experiment)),
            ("seed", json!(seed)),
            ("device", json!(device)),
            ("version", json!(env!("CARGO_PKG_VERSION"))),
            ("position", json!(position)),
            ("validation", shared.unwrap_or_default()),
        ];
        self.write("run", fields.into_iter().map(|(key, value)| (key.to_string(), value)).collect());
    }

    /// Says why the run ended, as the log's last line.
    pub fn end(&self, ended: &Result<Ended>) {
        let fields = match ended {
            Ok(ended) => vec![("reason", json!(ended.reason())), ("exit_code", json!(ended.exit_code()))],
            Err(failure) => vec![
                ("reason", json!("failure")),
                ("exit_code", json!(failure.kind.exit_code())),
                ("message", json!(failure.message)),
            ],
        };
        self.write("end", fields.into_iter().map(|(key, value)| (key.to_string(), value)).collect());
        self.sync();
    }

    /// Writes one event with its own fields.
    pub fn write(&self, event: &str, mut fields: Map<String, Value>) {
        fields.insert("event".into(), event.into());
        let line = Value::Object(fields).to_string() + "\n";
        let mut out = self.out.lock().unwrap_or_else(PoisonError::into_inner);
        let failing = out.failing;
        if out.waiting.len() < MOST_WAITING {
            out.waiting.extend(line.as_bytes());
        }
        match out.flush() {
            Err(error) if !failing => {
                let path = self.path.display();
                log::warn(&format!("{path}: {error}; events wait in memory until they can be written"));
            }
            Ok(()) if failing => log::warn(&format!("{}: written again, nothing was lost", self.path.display())),
            _ => {}
        }
    }

    /// Has the system put on disk what was written.
    fn sync(&self) {
        // A checkpoint is as good without it; what fails here fails again, loudly, at the next line.
        let _ = self.out.lock().unwrap_or_else(PoisonError::into_inner).file.sync_data();
    }
}

/// The conditions that the event `pass` tells of; empty where it tells of none.
pub(super) fn confusion(event: &Value) -> Confusion {
    let rows = event["confusion"].as_array().into_iter().flatten().filter_map(Value::as_array);
    let counts: Vec<f64> = rows.flatten().filter_map(Value::as_f64).collect();
    Confusion::from_counts(&counts).unwrap_or_default()
}

fn numbers(terms: &Terms) -> Map<String, Value> {
    let mut fields: Map<String, Value> =
        terms.losses().iter().map(|(name, value)| ((*name).to_string(), json!(value))).collect();
    fields.insert("IoU".into(), json!(terms.iou));
    fields.insert("Accuracy".into(), json!(terms.accuracy()));
    fields.insert("labelled".into(), json!(terms.labelled));
    fields.insert("gradient_norm".into(), json!(terms.gradient_norm));
    fields.insert("applied".into(), json!(terms.applied == 1.0));
    fields.insert("weight_box".into(), json!(terms.weight_box));
    fields.insert("weight_cls".into(), json!(terms.weight_class));
    fields
}

impl Observer for RunLog {
    fn observe(&self, event: &Event) {
        match event {
            Event::Batch { visit, clips, terms, lr, time, .. } => {
                let mut fields = numbers(terms);
                fields.insert("position".into(), visit.position.into());
                fields.insert("split".into(), visit.split.name().into());
                fields.insert("epoch".into(), (visit.epoch + 1).into());
                fields.insert("step".into(), visit.step.into());
                fields.insert("clips".into(), (*clips).into());
                fields.insert("lr".into(), json!(lr[0]));
                fields.insert("lr_backbone".into(), json!(lr[1]));
                fields.insert("data_seconds".into(), json!(time.data));
                fields.insert("forward_seconds".into(), json!(time.forward));
                self.write("batch", fields);
            }
            Event::Pass { visit, means, confusion, overlaps } => {
                let mut fields = numbers(means);
                fields.insert("position".into(), visit.position.into());
                fields.insert("split".into(), visit.split.name().into());
                fields.insert("epoch".into(), (if visit.before { 0 } else { visit.epoch + 1 }).into());
                if !confusion.rows().is_empty() {
                    fields.insert("confusion".into(), json!(confusion.rows()));
                }
                let own =
                    |one: &Overlap| (one.condition.name().to_string(), json!({"frames": one.frames, "IoU": one.iou}));
                let conditions: Map<String, Value> = overlaps.means().iter().map(own).collect();
                if !conditions.is_empty() {
                    fields.insert("conditions".into(), Value::Object(conditions));
                }
                self.write("pass", fields);
            }
            Event::Saved { path, bytes, seconds, stall, position } => {
                let mut fields = Map::new();
                fields.insert("path".into(), path.display().to_string().into());
                fields.insert("bytes".into(), (*bytes).into());
                fields.insert("seconds".into(), json!(seconds));
                fields.insert("stall_seconds".into(), json!(stall));
                fields.insert("position".into(), (*position).into());
                self.write("checkpoint", fields);
                self.sync();
            }
            Event::NonFinite { visit, clips, in_a_row } => {
                let mut fields = Map::new();
                fields.insert("position".into(), visit.position.into());
                fields.insert("step".into(), visit.step.into());
                fields.insert("clips".into(), json!(clips[..]));
                fields.insert("in_a_row".into(), (*in_a_row).into());
                self.write("nonfinite", fields);
            }
            Event::Gradients { visit, gradients } => {
                let mut fields = Map::new();
                fields.insert("position".into(), visit.position.into());
                fields.insert("step".into(), visit.step.into());
                fields.insert("identity_error".into(), json!(gradients.identity_error()));
                let rows = gradients.blocks.iter().map(|block| {
                    json!({
                        "block": block.name, "box": block.box_norm, "cls": block.class_norm, "total": block.norm,
                        "cosine": block.cosine(),
                    })
                });
                fields.insert("blocks".into(), rows.collect());
                self.write("gradients", fields);
            }
            Event::Advice(advice) => {
                let mut fields = Map::new();
                fields.insert("rule".into(), advice.rule.into());
                fields.insert("message".into(), advice.message.as_str().into());
                let numbers = advice.numbers.iter().map(|(name, value)| ((*name).to_string(), json!(value)));
                fields.insert("numbers".into(), Value::Object(numbers.collect()));
                self.write("advice", fields);
            }
            Event::Seen(_) | Event::Features(_) => {}
            Event::Note(message) => {
                self.write("note", Map::from_iter([("message".to_string(), message.as_str().into())]));
            }
            Event::Warning(message) => {
                self.write("warning", Map::from_iter([("message".to_string(), message.as_str().into())]));
            }
        }
    }
}

#[cfg(test)]
mod tests;
