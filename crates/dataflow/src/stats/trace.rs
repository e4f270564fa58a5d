//! What each worker did when, as trace events that Perfetto and Chrome (`chrome://tracing`) open.
//!
//! A worker has a row. On it lie slices: its stage's name while it works on an item, `wait` while it has none, `blocked`
//! while nobody takes what it made; and what a stage itself says of its work ([`crate::Emitter::slice`]). Only a part of
//! the run is recorded, from one count of the run's steps to another, as the stage that counts them says
//! ([`crate::Emitter::reached`]). A run that is not traced pays a look at an empty option for each item.

use std::borrow::Cow;
use std::io::{self, Write};
use std::ops::Range;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use serde_json::json;

/// Slices that are kept at most; a few hundred megabytes as a file.
const MOST: usize = 2_000_000;

/// What is recorded of a run.
#[derive(Debug)]
pub struct Trace {
    /// The steps of the run that are recorded, counted from 0.
    steps: Range<u64>,
    on: AtomicBool,
    /// What came after [`MOST`].
    dropped: AtomicU64,
    recorded: Mutex<Recorded>,
}

#[derive(Debug)]
struct Recorded {
    /// When recording began.
    start: Instant,
    /// What the rows are called.
    lanes: Vec<String>,
    slices: Vec<Slice>,
}

#[derive(Debug)]
struct Slice {
    lane: usize,
    name: Cow<'static, str>,
    /// Since the start.
    begin: Duration,
    length: Duration,
}

impl Trace {
    /// Records the steps of `steps`, and what goes on meanwhile.
    pub fn of_steps(steps: Range<u64>) -> Arc<Self> {
        let recorded = Recorded { start: Instant::now(), lanes: Vec::new(), slices: Vec::new() };
        let on = AtomicBool::new(steps.start == 0);
        Arc::new(Self { steps, on, dropped: AtomicU64::new(0), recorded: Mutex::new(recorded) })
    }

    /// The steps that it records.
    pub fn steps(&self) -> Range<u64> {
        self.steps.clone()
    }

    /// How many slices were recorded.
    pub fn len(&self) -> usize {
        self.recorded().slices.len()
    }

    /// Whether nothing was recorded.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn recorded(&self) -> std::sync::MutexGuard<'_, Recorded> {
        self.recorded.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The run has done `step` steps.
    fn reached(&self, step: u64) {
        let on = self.steps.contains(&step);
        if on && !self.on.load(Ordering::Relaxed) {
            self.recorded().start = Instant::now();
        }
        self.on.store(on, Ordering::Relaxed);
    }

    /// A new row.
    pub(crate) fn lane(self: &Arc<Self>, name: String) -> Lane {
        let mut recorded = self.recorded();
        // A worker that was replaced, or comes again, goes on in its row.
        let known = recorded.lanes.iter().position(|lane| *lane == name);
        let index = known.unwrap_or(recorded.lanes.len());
        if known.is_none() {
            recorded.lanes.push(name);
        }
        Lane { trace: Arc::clone(self), index }
    }

    /// Writes everything as a JSON object of trace events.
    ///
    /// # Errors
    /// Those of `out`.
    pub fn write(&self, out: &mut dyn Write) -> io::Result<()> {
        let recorded = self.recorded();
        let micros = |time: Duration| time.as_nanos() as f64 / 1000.0;
        write!(out, "{{\"displayTimeUnit\": \"ms\", \"otherData\": ")?;
        let dropped = self.dropped.load(Ordering::Relaxed);
        let metadata = json!({"steps": format!("{}:{}", self.steps.start, self.steps.end), "slices_dropped": dropped});
        write!(out, "{metadata}, \"traceEvents\": [")?;
        write!(out, "\n{}", json!({"ph": "M", "pid": 1, "name": "process_name", "args": {"name": "trackflow"}}))?;
        for (index, name) in recorded.lanes.iter().enumerate() {
            let tid = index + 1;
            let name = json!({"ph": "M", "pid": 1, "tid": tid, "name": "thread_name", "args": {"name": name}});
            let order =
                json!({"ph": "M", "pid": 1, "tid": tid, "name": "thread_sort_index", "args": {"sort_index": tid}});
            write!(out, ",\n{name},\n{order}")?;
        }
        for slice in &recorded.slices {
            let event = json!({
                "ph": "X", "pid": 1, "tid": slice.lane + 1, "name": slice.name, "cat": category(&slice.name),
                "ts": micros(slice.begin), "dur": micros(slice.length),
            });
            write!(out, ",\n{event}")?;
        }
        writeln!(out, "\n]}}")
    }
}

/// `wait` and `blocked` by themselves, so that viewers can hide them.
fn category(name: &str) -> &str {
    match name {
        WAIT | BLOCKED => "idle",
        _ => "work",
    }
}

/// A slice in which a worker had no input.
pub(crate) const WAIT: &str = "wait";
/// A slice in which nobody took a worker's output.
pub(crate) const BLOCKED: &str = "blocked";

/// The row of one worker.
#[derive(Clone, Debug)]
pub(crate) struct Lane {
    trace: Arc<Trace>,
    index: usize,
}

impl Lane {
    /// Records what was done from `begin` until now.
    pub(crate) fn slice(&self, name: impl Into<Cow<'static, str>>, begin: Instant) {
        if !self.trace.on.load(Ordering::Relaxed) {
            return;
        }
        let end = Instant::now();
        let mut recorded = self.trace.recorded();
        // What began before the recording is cut there.
        let begin = begin.max(recorded.start);
        if end <= begin {
            return;
        }
        if recorded.slices.len() >= MOST {
            self.trace.dropped.fetch_add(1, Ordering::Relaxed);
            return;
        }
        let begin_at = begin.duration_since(recorded.start);
        let slice = Slice { lane: self.index, name: name.into(), begin: begin_at, length: end.duration_since(begin) };
        recorded.slices.push(slice);
    }

    pub(crate) fn reached(&self, step: u64) {
        self.trace.reached(step);
    }
}
