//! The live page of a run: what a browser, a Prometheus and a supervisor of processes see at the run's address.
//!
//! [`Live`] keeps what is shown, in bounded memory: it observes the events of a run and looks at its meters once a
//! second. [`serve`] answers requests with it; nothing that a request says changes the run or reaches a file.

mod clients;
mod curve;
mod meter_history;
mod now;
mod page;
pub(in crate::monitor) mod previews;
mod replay;
pub mod runs;
mod server;
mod state;
pub mod status;
mod view;

pub use server::{DEFAULT_ADDRESS, serve};

use crate::{
    flow::{Board, Shutdown},
    telemetry::process::{Process, timestamp},
    train::{
        confusion::Confusion,
        events::{Observer, Preview},
        experiment::{Experiment, defaults::Setting},
        run_event::{Batch, Checkpoint, LossMetrics, Number, Pass, RunEvent, RunStart, Timestamp},
        run_schedule::Split,
    },
};
use actix_web::web::Bytes;
use curve::Curve;
use meter_history::MeterHistory;
use previews::Previews;
use runs::Runs;
use std::{
    collections::{BTreeMap, VecDeque},
    sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError},
    time::{Duration, Instant, SystemTime},
};

/// Points of a curve, messages, validations and checkpoints that are kept at most.
const KEPT: usize = 240;

/// The verb of a process that only shows runs.
pub const SERVE: &str = "serve";

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
    pub phases: Vec<Phase>,
}

/// Name, epochs, weight of the box loss and λ of a phase.
pub type Phase = (String, usize, [f64; 2]);

/// The phases of `experiment`.
pub fn phases(experiment: &Experiment) -> Vec<Phase> {
    let phases = experiment.training.phases.iter();
    phases.map(|phase| (phase.name.clone(), phase.epochs, [phase.box_weight, phase.class_weight])).collect()
}

/// Everything that the page shows.
#[derive(Debug)]
pub struct Live {
    verb: &'static str,
    began: Instant,
    started: f64,
    state: Mutex<LiveState>,
    view: Mutex<view::View>,
    /// Other runs, to compare with or to be looked at.
    runs: OnceLock<Arc<Runs>>,
}

/// A run whose meters can be looked at.
#[derive(Debug)]
struct Running {
    board: Arc<Board>,
    /// The most workers of each stage.
    most: BTreeMap<String, usize>,
    stop: Shutdown,
    since: Instant,
}

#[derive(Debug)]
struct LiveState {
    plan: Option<Plan>,
    running: Option<Running>,
    meter_history: MeterHistory,
    /// By training step: the columns of [`TRAIN`].
    train: Curve<{ TRAIN.len() }>,
    /// By seconds since the start: resident bytes.
    memory: Curve<1>,
    validations: Vec<Validation>,
    checkpoints: VecDeque<Saved>,
    messages: VecDeque<Message>,
    previews: Previews,
    /// The newest batch, and the newest training batch with its learning rates.
    last: Option<Batch>,
    newest: Option<Batch>,
    /// Clips that this process trained on.
    trained: u64,
    nonfinite: u64,
    /// The settings of the experiment, and what they make of the terms of the box loss: factors of GIoU, L1 and
    /// location loss.
    settings: Vec<Setting>,
    loss_weights: Option<[f64; 3]>,
    /// Of a run that is known by its log alone: what its experiment says.
    phases: Option<Vec<Phase>>,
    epochs: usize,
    /// When it was first and last heard of, and with what.
    first_time: Option<f64>,
    last_time: Option<f64>,
    last_event: Option<RunEvent>,
    /// Whether a process writes to its folder.
    in_use: bool,
    /// Its newest call.
    call: Option<Box<RunStart>>,
}

/// The columns of the curve by training step. Those that end in `_weighted` are the terms as they are summed: together
/// they are the total.
const TRAIN: [&str; 15] = [
    "total",
    "box",
    "cls",
    "iou",
    "accuracy",
    "gradient_norm",
    "data_seconds",
    "step_seconds",
    "clips",
    "giou_weighted",
    "l1_weighted",
    "location_weighted",
    "cls_weighted",
    "lr",
    "lr_backbone",
];

#[derive(Clone, Debug)]
struct Validation {
    epoch: u64,
    step: u64,
    means: LossMetrics,
    confusion: Confusion,
}

#[derive(Clone, Debug)]
struct Saved {
    file: String,
    bytes: u64,
    seconds: f64,
    position: u64,
    /// Seconds since 1970; unknown for what earlier versions wrote.
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
            state: Mutex::new(LiveState::new()),
            view: Mutex::default(),
            runs: OnceLock::new(),
        })
    }

    /// Shows `runs` too, and looks for new ones and for news of them every `period`.
    pub fn show_runs(&self, runs: Arc<Runs>, period: Duration) {
        self.runs.get_or_init(|| {
            runs.watch(period);
            runs
        });
    }

    /// Says what the run is about.
    pub fn plan(&self, plan: Plan) {
        self.locked().plan = Some(plan);
    }

    /// From now on the run is under way: its meters are on `board`, its stages have at `most` so many workers.
    pub fn attach(&self, board: Arc<Board>, most: BTreeMap<String, usize>, stop: Shutdown) {
        self.locked().running = Some(Running { board, most, stop, since: Instant::now() });
    }

    /// A picture of the newest clips as JPEG; none when there is no such.
    fn picture(&self, split: &str, number: usize) -> Option<Bytes> {
        self.locked().previews.file(split, number)
    }

    /// Looks at meters and memory; the server calls it once a second.
    fn snapshot(&self) {
        let now = Instant::now();
        let memory = Process::now().memory.map_or(f64::NAN, |bytes| bytes as f64);
        let mut state = self.locked();
        state.memory.push((now - self.began).as_secs_f64(), [memory]);
        if let Some(board) = state.running.as_ref().map(|running| Arc::clone(&running.board)) {
            state.meter_history.add(now, board.stages(), board.channels());
        }
    }

    fn locked(&self) -> MutexGuard<'_, LiveState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Observer for Live {
    fn preview(&self, clips: &Preview) {
        // Pictures are encoded before anybody who asks has to wait.
        let previews = previews::PreviewFiles::new(clips);
        self.locked().previews.show(previews);
    }

    fn observe(&self, event: &RunEvent) {
        let mut state = self.locked();
        match event {
            RunEvent::Batch(batch) => {
                state.trained += if batch.split == Split::Train { batch.clips } else { 0 };
                state.batch(batch);
            }
            RunEvent::Pass(pass) => state.pass(pass),
            RunEvent::Checkpoint(saved) => state.checkpoint(saved, Some(Timestamp::now())),
            RunEvent::Nonfinite(bad) => {
                let first = bad.clips.first().map_or("", String::as_str);
                let what = format!("step {} was not finite ({} in a row), with {first}", bad.step + 1, bad.in_a_row);
                state.message(true, &what);
            }
            RunEvent::Advice(advice) => state.message(true, &format!("advice: {}", advice.message)),
            RunEvent::Note(note) => state.message(false, &note.message),
            RunEvent::Warning(warning) => state.message(true, &warning.message),
            RunEvent::Run(start) => state.call = Some(start.clone()),
            RunEvent::Gradients(_) | RunEvent::End(_) => {}
        }
    }
}

#[cfg(test)]
mod tests;
