//! `run.jsonl`: one event a line, for scripts and reports.

use crate::{
    failure::{Failure, Result},
    train::{
        events::{Event, Observer},
        tally::Terms,
    },
};
use serde_json::{Map, Value, json};
use std::{
    fs::{File, OpenOptions},
    io::{BufRead, BufReader, Write},
    path::{Path, PathBuf},
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};

/// Writes events to `run.jsonl`.
#[derive(Debug)]
pub struct RunLog {
    path: PathBuf,
    file: Mutex<File>,
    complained: AtomicBool,
}

impl RunLog {
    /// Opens the log at `path`. A new run starts a new log and keeps the one that is there as `run.1.jsonl` (or the next
    /// free number); a run that goes on at `position` keeps the lines before it and drops those of batches that will be
    /// done again.
    ///
    /// # Errors
    /// The file cannot be read or written.
    pub fn open(path: &Path, position: u64) -> Result<Self> {
        let failed = |error: std::io::Error| Failure::output(format!("{}: {error}", path.display()));
        let kept = match File::open(path) {
            Ok(file) if position > 0 => lines_before(file, position).map_err(failed)?,
            Ok(_) => set_aside(path).map(|()| String::new()).map_err(failed)?,
            Err(_) => String::new(),
        };
        let temporary = path.with_extension("jsonl.tmp");
        std::fs::write(&temporary, kept).map_err(failed)?;
        std::fs::rename(&temporary, path).map_err(failed)?;
        let file = OpenOptions::new().append(true).open(path).map_err(failed)?;
        Ok(Self { path: path.to_path_buf(), file: Mutex::new(file), complained: AtomicBool::new(false) })
    }

    /// Writes one event with its own fields.
    pub fn write(&self, event: &str, mut fields: Map<String, Value>) {
        fields.insert("event".into(), event.into());
        let line = Value::Object(fields).to_string() + "\n";
        let mut file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        if let Err(error) = file.write_all(line.as_bytes())
            && !self.complained.swap(true, Ordering::Relaxed)
        {
            eprintln!("warning: {}: {error}; events are lost from here on", self.path.display());
        }
    }
}

fn set_aside(path: &Path) -> std::io::Result<()> {
    let free = (1..).map(|n| path.with_extension(format!("{n}.jsonl"))).find(|aside| !aside.exists());
    free.map_or(Ok(()), |aside| std::fs::rename(path, aside))
}

fn lines_before(file: File, position: u64) -> std::io::Result<String> {
    let mut kept = String::new();
    for line in BufReader::new(file).lines() {
        let line = line?;
        // A killed run may leave half a line at the end; it belongs to a batch that is done again.
        let Ok(event) = serde_json::from_str::<Value>(&line) else { continue };
        let done = event.get("position").and_then(Value::as_u64);
        // A checkpoint's position counts the batches before it, a batch's is its own number.
        let limit = if event["event"] == "checkpoint" { position + 1 } else { position };
        if done.is_none_or(|done| done < limit) {
            kept.push_str(&line);
            kept.push('\n');
        }
    }
    Ok(kept)
}

fn numbers(terms: &Terms) -> Map<String, Value> {
    let mut fields: Map<String, Value> =
        terms.losses().iter().map(|(name, value)| ((*name).to_string(), json!(value))).collect();
    fields.insert("IoU".into(), json!(terms.iou));
    fields.insert("Accuracy".into(), json!(terms.accuracy()));
    fields.insert("labelled".into(), json!(terms.labelled));
    fields.insert("gradient_norm".into(), json!(terms.gradient_norm));
    fields.insert("applied".into(), json!(terms.applied == 1.0));
    fields
}

impl Observer for RunLog {
    fn observe(&self, event: &Event) {
        match event {
            Event::Batch { visit, clips, terms, lr, time } => {
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
            Event::Pass { visit, means, confusion } => {
                let mut fields = numbers(means);
                fields.insert("position".into(), visit.position.into());
                fields.insert("split".into(), visit.split.name().into());
                fields.insert("epoch".into(), (if visit.before { 0 } else { visit.epoch + 1 }).into());
                if !confusion.rows().is_empty() {
                    fields.insert("confusion".into(), json!(confusion.rows()));
                }
                self.write("pass", fields);
            }
            Event::Saved { path, bytes, seconds, position } => {
                let mut fields = Map::new();
                fields.insert("path".into(), path.display().to_string().into());
                fields.insert("bytes".into(), (*bytes).into());
                fields.insert("seconds".into(), json!(seconds));
                fields.insert("position".into(), (*position).into());
                self.write("checkpoint", fields);
            }
            Event::Seen(_) => {}
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
        Event::Batch { visit, clips: 4, terms, lr: [1e-3, 1e-4], time: StepTime::default() }
    }

    #[test]
    fn a_resumed_log_drops_what_will_be_done_again_and_half_a_line() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("run.jsonl");
        let log = RunLog::open(&path, 0).unwrap();
        (0..4).for_each(|position| log.observe(&batch(position)));
        std::fs::OpenOptions::new().append(true).open(&path).unwrap().write_all(b"{\"event\":\"ba").unwrap();
        let log = RunLog::open(&path, 2).unwrap();
        log.observe(&batch(2));
        let lines: Vec<Value> =
            std::fs::read_to_string(&path).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!(lines.iter().map(|line| line["position"].as_u64()).collect::<Vec<_>>(), [Some(0), Some(1), Some(2)]);
        assert_eq!(lines[0]["Loss/total"].as_f64(), Some(1.0 / 3.0));
    }

    #[test]
    fn a_new_run_keeps_the_log_of_the_one_before() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("run.jsonl");
        RunLog::open(&path, 0).unwrap().observe(&batch(0));
        RunLog::open(&path, 0).unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "");
        assert_eq!(std::fs::read_to_string(home.path().join("run.1.jsonl")).unwrap().lines().count(), 1);
    }
}
