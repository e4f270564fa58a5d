//! The live page of a run: what a browser, a Prometheus and a supervisor of processes see at the run's address.
//!
//! [`Live`] keeps what is shown, in bounded memory: it observes the events of a run and looks at its meters once a
//! second. [`serve`] answers requests with it; nothing that a request says changes the run or reaches a file.

mod curve;
mod looks;
mod page;
mod past;
pub(in crate::monitor) mod pictures;
mod server;
mod status;
mod view;

pub use server::{DEFAULT_ADDRESS, serve};

use crate::{
    flow::{Board, StopToken},
    telemetry::process::{Process, timestamp},
    train::{
        confusion::Confusion,
        events::{Event, Observer},
        itinerary::{Split, Visit},
        tally::Terms,
    },
};
use actix_web::web::Bytes;
use curve::Curve;
use looks::Looks;
use pictures::Pictures;
use status::short;
use std::{
    collections::{BTreeMap, VecDeque},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Instant, SystemTime},
};

/// Points of a curve, messages, validations and checkpoints that are kept at most.
const KEPT: usize = 240;

/// What a training run is about.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Plan {
    /// `hiptrack/demo`.
    pub experiment: String,
    /// `cpu` or `cuda:0`.
    pub device: String,
    /// Parameters of the model.
    pub parameters: usize,
    /// Epochs of the run.
    pub epochs: usize,
    /// Training steps of an epoch.
    pub epoch_steps: usize,
    /// Batches of the whole run, validation included.
    pub batches: u64,
    /// Batches that were done before this process began.
    pub position: u64,
    /// Name, epochs, weight of the box loss and λ of each phase.
    pub phases: Vec<(String, usize, [f64; 2])>,
}

/// Everything that the page shows.
#[derive(Debug)]
pub struct Live {
    verb: &'static str,
    began: Instant,
    started: f64,
    shown: Mutex<Shown>,
    view: Mutex<view::View>,
}

/// A run whose meters can be looked at.
#[derive(Debug)]
struct Running {
    board: Arc<Board>,
    /// The most workers of each stage.
    most: BTreeMap<String, usize>,
    stop: StopToken,
    since: Instant,
}

#[derive(Debug)]
struct Shown {
    plan: Option<Plan>,
    running: Option<Running>,
    looks: Looks,
    /// By training step: the columns of [`TRAIN`].
    train: Curve<{ TRAIN.len() }>,
    /// By seconds since the start: resident bytes.
    memory: Curve<1>,
    validations: Vec<Validation>,
    checkpoints: VecDeque<Saved>,
    messages: VecDeque<Message>,
    pictures: Pictures,
    /// The newest batch, and the newest training batch with its learning rates.
    last: Option<Visit>,
    newest: Option<(Visit, Terms, [f64; 2])>,
    nonfinite: u64,
}

/// The columns of the curve by training step.
const TRAIN: [&str; 9] =
    ["total", "box", "cls", "iou", "accuracy", "gradient_norm", "data_seconds", "step_seconds", "clips"];

#[derive(Clone, Debug)]
struct Validation {
    epoch: usize,
    step: u64,
    means: Terms,
    confusion: Confusion,
}

#[derive(Clone, Debug)]
struct Saved {
    file: String,
    bytes: u64,
    seconds: f64,
    position: u64,
    /// Seconds since 1970; unknown for what a run before this one wrote.
    at: Option<f64>,
}

#[derive(Clone, Debug)]
struct Message {
    at: f64,
    warning: bool,
    text: String,
}

impl Live {
    /// A page without a run yet; `verb` says what the process does.
    pub fn new(verb: &'static str) -> Arc<Self> {
        Arc::new(Self {
            verb,
            began: Instant::now(),
            started: timestamp(SystemTime::now()),
            shown: Mutex::new(Shown {
                plan: None,
                running: None,
                looks: Looks::default(),
                train: Curve::new(KEPT),
                memory: Curve::new(KEPT),
                validations: Vec::new(),
                checkpoints: VecDeque::new(),
                messages: VecDeque::new(),
                pictures: Pictures::default(),
                last: None,
                newest: None,
                nonfinite: 0,
            }),
            view: Mutex::default(),
        })
    }

    /// Says what the run is about.
    pub fn plan(&self, plan: Plan) {
        self.shown().plan = Some(plan);
    }

    /// From now on the run is under way: its meters are on `board`, its stages have at `most` so many workers.
    pub fn attach(&self, board: Arc<Board>, most: BTreeMap<String, usize>, stop: StopToken) {
        self.shown().running = Some(Running { board, most, stop, since: Instant::now() });
    }

    /// A picture of the newest clips as JPEG; none when there is no such.
    fn picture(&self, split: &str, number: usize) -> Option<Bytes> {
        self.shown().pictures.file(split, number)
    }

    /// Looks at meters and memory; the server calls it once a second.
    fn look(&self) {
        let now = Instant::now();
        let memory = Process::now().memory.map_or(f64::NAN, |bytes| bytes as f64);
        let mut shown = self.shown();
        shown.memory.push((now - self.began).as_secs_f64(), [memory]);
        if let Some(board) = shown.running.as_ref().map(|running| Arc::clone(&running.board)) {
            shown.looks.add(now, board.stages(), board.channels());
        }
    }

    fn shown(&self) -> MutexGuard<'_, Shown> {
        self.shown.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Shown {
    fn message(&mut self, warning: bool, text: &str) {
        push(&mut self.messages, Message { at: timestamp(SystemTime::now()), warning, text: text.to_string() });
    }

    fn batch(&mut self, visit: &Visit, terms: &Terms, clips: usize, lr: [f64; 2], [data, step]: [f64; 2]) {
        self.last = Some(*visit);
        if visit.split != Split::Train {
            return;
        }
        self.newest = Some((*visit, *terms, lr));
        if terms.applied == 0.0 || !terms.total.is_finite() {
            self.nonfinite += 1;
            return;
        }
        let values = [
            terms.total,
            terms.box_loss,
            terms.class,
            terms.iou,
            terms.accuracy().unwrap_or(f64::NAN),
            terms.gradient_norm,
            data,
            step,
            clips as f64,
        ];
        self.train.push((visit.step + 1) as f64, values);
    }

    fn validation(&mut self, validation: Validation) {
        self.validations.push(validation);
        if self.validations.len() > KEPT {
            // Every second one goes; the first and the newest stay.
            let mut index = 0;
            self.validations.retain(|_| {
                index += 1;
                index % 2 == 1
            });
        }
    }
}

fn push<T>(queue: &mut VecDeque<T>, item: T) {
    if queue.len() >= KEPT {
        queue.pop_front();
    }
    queue.push_back(item);
}

impl Observer for Live {
    fn observe(&self, event: &Event) {
        if let Event::Seen(seen) = event {
            // Pictures are encoded before anybody who asks has to wait.
            let pictures = pictures::Shown::new(seen);
            self.shown().pictures.show(pictures);
            return;
        }
        let mut shown = self.shown();
        match event {
            Event::Batch { visit, clips, terms, lr, time, .. } => {
                shown.batch(visit, terms, *clips, *lr, [time.data, time.forward]);
            }
            Event::Pass { visit, means, confusion, .. } if visit.split == Split::Val => {
                let epoch = if visit.before { 0 } else { visit.epoch + 1 };
                let (means, confusion) = (*means, confusion.clone());
                shown.validation(Validation { epoch, step: visit.step, means, confusion });
            }
            Event::Pass { .. } => {}
            Event::Saved { path, bytes, seconds, position, .. } => {
                let file = path.file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned());
                let at = Some(timestamp(SystemTime::now()));
                let saved = Saved { file, bytes: *bytes, seconds: *seconds, position: *position, at };
                push(&mut shown.checkpoints, saved);
            }
            Event::NonFinite { visit, clips, in_a_row } => {
                let first = clips.first().map_or("", String::as_str);
                let what = format!("step {} was not finite ({in_a_row} in a row), with {first}", visit.step + 1);
                shown.message(true, &what);
            }
            Event::Advice(advice) => shown.message(true, &format!("advice: {}", advice.message)),
            Event::Gradients { .. } | Event::Seen(_) | Event::Features(_) => {}
            Event::Note(text) => shown.message(false, text),
            Event::Warning(text) => shown.message(true, text),
        }
    }
}

#[cfg(test)]
mod tests;
