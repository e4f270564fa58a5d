//! `run.jsonl`: one event a line, for scripts and reports.

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
    io::{BufRead, BufReader, Write},
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
};

/// Writes events to `run.jsonl`.
#[derive(Debug)]
pub struct RunLog {
    path: PathBuf,
    out: Mutex<Out>,
}

/// What becomes of the log that is there when a run begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum History {
    /// It is another run's: it is kept under another name, and a new one begins.
    Other,
    /// It is this run's; lines of batches that will be done again, the same, are dropped.
    Same,
    /// It is this run's, which goes back: what was done after that is kept in a file of its own.
    CutAside,
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
    /// kept aside as `run.1.jsonl` (or the next free number), like all of another run's.
    ///
    /// # Errors
    /// The file cannot be read or written.
    pub fn open(path: &Path, position: u64, history: History) -> Result<Self> {
        Self::open_of(path, position, history, None)
    }

    /// The same for a run of `experiment`: the log of another one is kept aside whatever `history` says.
    ///
    /// # Errors
    /// As for [`open`](Self::open).
    pub fn open_of(path: &Path, position: u64, history: History, experiment: Option<&str>) -> Result<Self> {
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

/// The experiment of the run that wrote last to the log at `path`.
fn last_experiment(path: &Path) -> Option<String> {
    let lines = BufReader::new(File::open(path).ok()?).lines().map_while(std::io::Result::ok);
    let begun = lines.filter(|line| line.contains("\"event\":\"run\""));
    let event: Value = serde_json::from_str(&begun.last()?).ok()?;
    event["experiment"].as_str().map(str::to_string)
}

/// The first free name beside `path` for what is no longer its contents.
fn aside(path: &Path) -> PathBuf {
    let name = |n: u64| path.with_extension(format!("{n}.jsonl"));
    (1..).map(name).find(|aside| !aside.exists()).unwrap_or_else(|| name(0))
}

/// The lines of a log before and after a position, each part in its order.
struct Lines {
    before: String,
    after: String,
}

/// What was done before `position`, and what after it. Looked at from the end: numbers further up may be those of the run before it was
/// made longer, and stay.
fn lines_around(file: File, position: u64, history: History) -> std::io::Result<Lines> {
    let (mut kept, mut dropped): (Vec<String>, Vec<String>) = (Vec::new(), Vec::new());
    let mut within = false;
    let lines: std::io::Result<Vec<Vec<u8>>> = BufReader::new(file).split(b'\n').collect();
    for line in lines?.into_iter().rev() {
        // A killed run may leave half a line at the end; it belongs to a batch that is done again.
        let Ok(event) = serde_json::from_slice::<Value>(&line) else { continue };
        let done = event.get("position").and_then(Value::as_u64);
        // A checkpoint's position counts the batches before it, a batch's is its own number.
        let limit = if event["event"] == "checkpoint" { position + 1 } else { position };
        let before = done.is_none_or(|done| done < limit);
        within |= before && event["event"] == "batch";
        // What has no position (notes, warnings) stays, unless all that came then is another line of the run now.
        let placed = done.is_some() || within || history == History::Same;
        let part = if (before && placed) || within { &mut kept } else { &mut dropped };
        part.push(String::from_utf8_lossy(&line).into_owned() + "\n");
    }
    let in_order = |mut lines: Vec<String>| {
        lines.reverse();
        lines.concat()
    };
    Ok(Lines { before: in_order(kept), after: in_order(dropped) })
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
mod tests {
    use super::*;
    use crate::train::{
        events::StepTime,
        itinerary::{Split, Visit},
    };

    fn batch(position: u64) -> Event {
        let visit = Visit {
            position,
            split: Split::Train,
            epoch: 0,
            batch: 0,
            of: 9,
            step: position,
            before: false,
            closes_epoch: false,
        };
        let terms = Terms { total: 1.0 / 3.0, applied: 1.0, ..Terms::default() };
        let (metrics, time) = (Default::default(), StepTime::default());
        Event::Batch { visit, clips: 4, terms, metrics, lr: [1e-3, 1e-4], time }
    }

    #[test]
    fn a_resumed_log_drops_what_will_be_done_again_and_half_a_line() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("run.jsonl");
        let log = RunLog::open(&path, 0, History::Other).unwrap();
        (0..4).for_each(|position| log.observe(&batch(position)));
        std::fs::OpenOptions::new().append(true).open(&path).unwrap().write_all(b"{\"event\":\"ba").unwrap();
        let log = RunLog::open(&path, 2, History::Same).unwrap();
        log.observe(&batch(2));
        let lines: Vec<Value> =
            std::fs::read_to_string(&path).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!(lines.iter().map(|line| line["position"].as_u64()).collect::<Vec<_>>(), [Some(0), Some(1), Some(2)]);
        assert_eq!(lines[0]["Loss/total"].as_f64(), Some(1.0 / 3.0));
    }

    #[test]
    fn what_a_full_disk_refuses_waits_and_half_a_line_is_taken_back() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("run.jsonl");
        let log = RunLog::open(&path, 0, History::Other).unwrap();
        log.observe(&batch(0));
        let open = || OpenOptions::new().append(true).open(&path).unwrap();
        log.out.lock().unwrap().file = File::open(&path).unwrap();
        log.observe(&batch(1));
        open().write_all(b"{\"event\":\"ba").unwrap();
        log.out.lock().unwrap().file = open();
        log.observe(&batch(2));
        let text = std::fs::read_to_string(&path).unwrap();
        let positions: Vec<_> =
            text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap()["position"].as_u64()).collect();
        assert_eq!(positions, [Some(0), Some(1), Some(2)]);
    }

    #[test]
    fn the_log_of_a_run_that_was_made_longer_keeps_what_was_done() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("run.jsonl");
        let log = RunLog::open(&path, 0, History::Other).unwrap();
        // Positions 4 and 5 were of another length's validation; the longer run goes on at 4 and is killed at 7.
        [0, 1, 2, 3, 4, 5, 4, 5, 6, 7].into_iter().for_each(|position| log.observe(&batch(position)));
        RunLog::open(&path, 6, History::Same).unwrap();
        let text = std::fs::read_to_string(&path).unwrap();
        assert_eq!(text.lines().count(), 8, "{text}");
    }

    #[test]
    fn a_new_run_keeps_the_log_of_the_one_before() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("run.jsonl");
        RunLog::open(&path, 0, History::Other).unwrap().observe(&batch(0));
        RunLog::open(&path, 0, History::Other).unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "");
        assert_eq!(std::fs::read_to_string(home.path().join("run.1.jsonl")).unwrap().lines().count(), 1);
    }
}
