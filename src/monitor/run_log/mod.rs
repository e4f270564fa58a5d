//! `run.jsonl`: one event a line, for scripts and reports.

mod earlier;

pub use earlier::History;

use earlier::{Parts, aside, last_experiment, parts_around};

use crate::{
    failure::{Failure, Result},
    flow::StopReason,
    telemetry::log,
    train::{
        events::Observer,
        run_event::{End, RunEvent, RunLine, Timestamp, read},
    },
};
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
        let failed = |error: std::io::Error| Failure::output(format!("{}: {error}", path.display()));
        let lines = match read::lines(path) {
            Ok(lines) => Some(lines.collect::<std::io::Result<Vec<_>>>().map_err(failed)?),
            Err(_) => None,
        };
        let last = lines.as_deref().and_then(last_experiment);
        let other = experiment.is_some_and(|own| last.is_some_and(|last| last != own));
        let history = if other { History::Other } else { history };
        if other {
            log::say(&format!("{}: is of another experiment; it is kept beside a new one", path.display()));
        }
        let kept = match lines {
            Some(lines) if position > 0 && history != History::Other => {
                let Parts { before, after, torn } = parts_around(lines, position, history);
                if torn > 0 {
                    log::say(&format!("{}: {torn} damaged lines were taken out", path.display()));
                }
                if history == History::CutAside && !after.is_empty() {
                    let aside = aside(path);
                    std::fs::write(&aside, after).map_err(failed)?;
                    log::say(&format!("what {} says of the time after it is in {}", path.display(), aside.display()));
                }
                before
            }
            Some(_) => std::fs::rename(path, aside(path)).map(|()| Vec::new()).map_err(failed)?,
            None => Vec::new(),
        };
        let temporary = path.with_extension("jsonl.tmp");
        std::fs::write(&temporary, kept).map_err(failed)?;
        std::fs::rename(&temporary, path).map_err(failed)?;
        let file = OpenOptions::new().append(true).open(path).map_err(failed)?;
        let length = file.metadata().map_err(failed)?.len();
        let out = Out { file, length, waiting: Vec::new(), failing: false };
        Ok(Self { path: path.to_path_buf(), out: Mutex::new(out) })
    }

    /// Says why the run ended, as the log's last line.
    pub fn end(&self, ended: &Result<Ended>) {
        let end = match ended {
            Ok(ended) => End { reason: ended.reason(), exit_code: ended.exit_code(), message: None },
            Err(failure) => End {
                reason: "failure".into(),
                exit_code: failure.kind.exit_code(),
                message: Some(failure.message.clone()),
            },
        };
        self.write(&RunEvent::End(end));
        self.sync();
    }

    /// Writes one event as of now.
    fn write(&self, event: &RunEvent) {
        let line = RunLine { time: Some(Timestamp::now()), event: event.clone() };
        let line = match line.to_text() {
            Ok(line) => line,
            Err(error) => return log::warn(&format!("{}: an event was not written: {error}", self.path.display())),
        };
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

impl Observer for RunLog {
    fn observe(&self, event: &RunEvent) {
        self.write(event);
        if matches!(event, RunEvent::Checkpoint(_)) {
            self.sync();
        }
    }
}

#[cfg(test)]
mod tests;
