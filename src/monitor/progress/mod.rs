//! Progress of a run: on a terminal a bar, and a line for each epoch above it; in a pipe the lines alone; or JSON.
//!
//! With [`Progress::verbose`] every printing interval and pass has a line with all loss components.

mod table;
mod verbose;

use super::structured::{self, Pace};
use crate::{
    telemetry::{
        log,
        terminal::{self, Paint},
    },
    train::{
        events::Observer,
        means::{AverageMeter, BatchMetrics},
        metrics::StepMetrics,
        run_event::{Batch, Pass, RunEvent},
        run_schedule::{RunSchedule, Split},
    },
};
use indicatif::ProgressBar;
use std::{
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};
use table::{Columns, Row, brief};

/// Where there is no bar, an epoch that takes longer has a line now and then.
const QUIET: Duration = Duration::from_secs(60);

/// Prints the progress of a run.
#[derive(Debug)]
pub struct Progress {
    bar: Option<ProgressBar>,
    every: usize,
    columns: Columns,
    schedule: RunSchedule,
    verbose: bool,
    window: Mutex<Window>,
    epochs: Mutex<Epochs>,
}

/// What happened since the last line, and since the pass began.
#[derive(Debug, Default)]
struct Window {
    sums: AverageMeter,
    batches: usize,
    data: f64,
    forward: f64,
    began: Option<Instant>,
    pass: PassTime,
    last: Option<Batch>,
}

/// Clips and seconds of the pass that is under way.
#[derive(Clone, Copy, Debug, Default)]
struct PassTime {
    clips: u64,
    /// Of its steps and their waits for data.
    seconds: f64,
    began: Option<Instant>,
}

/// The rows so far.
#[derive(Debug)]
struct Epochs {
    heading: bool,
    /// An epoch whose validation is still to come.
    open: Option<Row>,
    best: f64,
    last_line: Instant,
}

impl Progress {
    /// Progress of `schedule` from `position` on; a line of `--verbose` every `every` batches; `classes`: whether
    /// conditions are predicted.
    pub fn new(schedule: &RunSchedule, position: u64, every: usize, classes: bool) -> Self {
        let bar = terminal::show_bar(schedule.len(), "{prefix} {wide_bar} {percent:>3} % ETA {eta}  {msg}");
        if let Some(bar) = &bar {
            bar.set_position(position);
            bar.reset_eta();
        }
        let epochs = Epochs { heading: false, open: None, best: f64::NEG_INFINITY, last_line: Instant::now() };
        Self {
            bar,
            every,
            columns: Columns { epochs: schedule.epochs, classes },
            schedule: *schedule,
            verbose: false,
            window: Mutex::default(),
            epochs: Mutex::new(epochs),
        }
    }

    /// With a line for every printing interval, pass and checkpoint, and all loss components in it.
    #[must_use]
    pub fn verbose(self, verbose: bool) -> Self {
        Self { verbose, ..self }
    }

    /// The line of the batches since the last line, when there are any.
    fn step_line(&self, window: &mut Window) {
        let Some(last) = window.last.take() else { return };
        let now = Instant::now();
        let n = window.batches as f64;
        let rate = |clips: f64, since: Option<Instant>| {
            clips / since.map_or(0.0, |since| (now - since).as_secs_f64()).max(1e-9)
        };
        let means = window.sums.means();
        let pace = Pace {
            clips_per_second: rate(window.sums.clips, window.began),
            data_seconds: window.data / n,
            forward_seconds: window.forward / n,
        };
        let pass_rate = rate(window.pass.clips as f64, window.pass.began);
        *window = Window { pass: window.pass, ..Window::default() };
        if log::is_json() {
            structured::batches(&last, &pace, means.as_ref());
        } else if self.verbose {
            log::say(&verbose::batches(&last, &pace, pass_rate, means.as_ref(), self.columns.classes));
        } else if let Some(means) = &means {
            self.brief_line(&last, means);
        }
    }

    /// Loss, IoU and accuracy of the newest batches: in the bar, or now and then as a line.
    fn brief_line(&self, last: &Batch, means: &StepMetrics) {
        let text = brief(means);
        if let Some(bar) = &self.bar {
            return bar.set_message(text);
        }
        let mut epochs = self.epochs.lock().unwrap_or_else(PoisonError::into_inner);
        if epochs.last_line.elapsed() >= QUIET && last.batch + 1 < last.batches {
            epochs.last_line = Instant::now();
            let (what, step) = (self.place(last), last.batch + 1);
            log::say(&format!("{what}: batch {step}/{}, {text}", last.batches));
        }
    }

    /// `epoch 3/60`, and `validation` where it is one.
    fn place(&self, batch: &Batch) -> String {
        let epoch = format!("epoch {}/{}", batch.shown_epoch(), self.columns.epochs);
        match batch.split {
            Split::Train => epoch,
            Split::Val => format!("{epoch} validation"),
        }
    }

    /// A pass is done: its epoch's row, once its validation is done too where there is one.
    fn pass(&self, pass: &Pass) {
        let means = StepMetrics::from(&pass.metrics);
        let time = self.window.lock().unwrap_or_else(PoisonError::into_inner).pass;
        let mut epochs = self.epochs.lock().unwrap_or_else(PoisonError::into_inner);
        match pass.split {
            Split::Train => {
                let row = Row {
                    epoch: pass.epoch,
                    train: Some(means),
                    clips_per_second: (time.seconds > 0.0).then(|| time.clips as f64 / time.seconds),
                    seconds: time.began.map(|began| began.elapsed().as_secs_f64()),
                    val: None,
                };
                epochs.print_open(self.columns);
                epochs.open = Some(row);
                let index = usize::try_from(pass.epoch).unwrap_or(usize::MAX).saturating_sub(1);
                if !self.schedule.validates_after(index) {
                    epochs.print_open(self.columns);
                }
            }
            Split::Val => {
                let open = epochs.open.take().filter(|open| open.epoch == pass.epoch);
                let row = open.unwrap_or(Row { epoch: pass.epoch, ..Row::default() });
                epochs.open = Some(Row { val: Some(means), ..row });
                epochs.print_open(self.columns);
            }
        }
    }

    /// Prints what no line has shown yet and takes the bar away, before the summary.
    pub fn finish(&self) {
        self.step_line(&mut self.window.lock().unwrap_or_else(PoisonError::into_inner));
        self.epochs.lock().unwrap_or_else(PoisonError::into_inner).print_open(self.columns);
        if let Some(bar) = &self.bar {
            terminal::hide_bar(bar);
        }
    }
}

impl Epochs {
    /// Prints the row that is open.
    fn print_open(&mut self, columns: Columns) {
        let Some(row) = self.open.take() else { return };
        if !self.heading {
            self.heading = true;
            log::painted(&Paint::Faint.out(&columns.heading()));
        }
        let iou = row.val.as_ref().map(|val| val.iou).filter(|iou| *iou > self.best);
        let best = iou.is_some() && self.best.is_finite();
        self.best = iou.unwrap_or(self.best);
        self.last_line = Instant::now();
        log::painted(&columns.row(&row, best));
    }
}

impl Observer for Progress {
    fn batch(&self, event: &RunEvent, metrics: &BatchMetrics) {
        let RunEvent::Batch(batch) = event else { return };
        let mut window = self.window.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        if batch.batch == 0 {
            *window = Window::default();
        }
        let (data, forward) = (batch.data_seconds.0, batch.forward_seconds.0);
        let own = Duration::try_from_secs_f64(data + forward).unwrap_or_default();
        let began = now.checked_sub(own).unwrap_or(now);
        window.began.get_or_insert(began);
        window.pass.began.get_or_insert(began);
        window.sums.add(&StepMetrics::from(&batch.metrics), metrics);
        window.batches += 1;
        window.pass.clips += batch.clips;
        window.pass.seconds += own.as_secs_f64();
        window.data += data;
        window.forward += forward;
        if let Some(bar) = &self.bar {
            bar.set_prefix(self.place(batch));
            bar.set_position(batch.position + 1);
        }
        let number = batch.batch + 1;
        window.last = Some(batch.clone());
        if number.is_multiple_of(self.every as u64) || number == batch.batches {
            self.step_line(&mut window);
        }
    }

    fn observe(&self, event: &RunEvent) {
        if log::is_json() {
            return structured::event(event);
        }
        match event {
            RunEvent::Pass(pass) if self.verbose => log::say(&verbose::pass(pass, self.columns.classes)),
            RunEvent::Pass(pass) => self.pass(pass),
            RunEvent::Checkpoint(saved) if self.verbose => log::say(&verbose::checkpoint(saved)),
            // Those at the end of an epoch are what everybody expects.
            RunEvent::Checkpoint(saved) if saved.is_within_epoch() => {
                log::say(&format!("checkpoint: {} ({:.1} MB)", saved.file(), saved.bytes as f64 / 1e6));
            }
            RunEvent::Nonfinite(bad) => {
                let first = bad.clips.first().map_or("", String::as_str);
                let more = bad.clips.len().saturating_sub(1);
                let (step, in_a_row) = (bad.step + 1, bad.in_a_row);
                warning(&format!(
                    "warning: step {step} is not finite and was skipped ({in_a_row} in a row); its clips: {first}, and \
                     {more} more in run.jsonl"
                ));
            }
            RunEvent::Advice(advice) => warning(&format!("advice: {}", advice.message)),
            RunEvent::Note(note) => log::say(&note.message),
            RunEvent::Warning(message) => warning(&format!("warning: {}", message.message)),
            RunEvent::Checkpoint(_)
            | RunEvent::Batch(_)
            | RunEvent::Gradients(_)
            | RunEvent::Run(_)
            | RunEvent::End(_) => {}
        }
    }
}

/// A line whose first word is in the colour of warnings.
fn warning(text: &str) {
    log::say_headed(text, Paint::Warning);
}

#[cfg(test)]
mod tests;
