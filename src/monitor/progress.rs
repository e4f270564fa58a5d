//! Progress on a terminal (a bar with ETA and lines above it), in a pipe (plain lines), or as JSON.

use super::structured::{self, Pace};
use crate::{
    telemetry::log,
    text::printable,
    train::{
        events::Observer,
        means::{AverageMeter, BatchMetrics},
        metrics::StepMetrics,
        run_event::{Batch, RunEvent},
        run_schedule::{RunSchedule, Split},
    },
};
use indicatif::{ProgressBar, ProgressStyle};
use std::{
    io::IsTerminal,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

/// Prints the progress of a run.
#[derive(Debug)]
pub struct Progress {
    bar: Option<ProgressBar>,
    every: usize,
    classes: bool,
    window: Mutex<Window>,
}

/// What happened since the last line, and since the pass began.
#[derive(Debug, Default)]
struct Window {
    sums: AverageMeter,
    batches: usize,
    data: f64,
    forward: f64,
    began: Option<Instant>,
    pass_clips: u64,
    pass_began: Option<Instant>,
    last: Option<Batch>,
}

impl Progress {
    /// Progress of `schedule` from `position` on, one line every `every` batches; `classes`: whether conditions are
    /// predicted.
    pub fn new(schedule: &RunSchedule, position: u64, every: usize, classes: bool) -> Self {
        let bar = (std::io::stdout().is_terminal() && !log::is_json()).then(|| {
            let template = "{bar:30} {pos}/{len} batches, {elapsed_precise} passed, {eta_precise} to go {msg}";
            let style = ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar());
            let bar = ProgressBar::new(schedule.len()).with_style(style).with_position(position);
            bar.reset_eta();
            bar
        });
        Self { bar, every, classes, window: Mutex::default() }
    }

    /// Prints one line, above the bar when there is one.
    pub fn line(&self, text: &str) {
        match &self.bar {
            Some(bar) => bar.println(printable(text)),
            None => log::say(text),
        }
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
        let text = format!(
            "[{}: {}, {} / {}] FPS: {:.1} ({:.1}) , DataTime: {:.3} , ForwardTime: {:.3} , TotalTime: {:.3} , {}",
            last.split.name(),
            last.shown_epoch(),
            last.batch + 1,
            last.batches,
            rate(window.pass_clips as f64, window.pass_began),
            pace.clips_per_second,
            pace.data_seconds,
            pace.forward_seconds,
            pace.data_seconds + pace.forward_seconds,
            means
                .as_ref()
                .map_or("Loss/total: not finite".to_string(), |step_metrics| metrics_text(step_metrics, self.classes)),
        );
        let (pass_clips, pass_began) = (window.pass_clips, window.pass_began);
        *window = Window { pass_clips, pass_began, ..Window::default() };
        match log::is_json() {
            true => structured::batches(&last, &pace, means.as_ref()),
            false => self.line(&text),
        }
    }

    /// Prints what no line has told yet and takes the bar away, before the summary.
    pub fn finish(&self) {
        self.step_line(&mut self.window.lock().unwrap_or_else(PoisonError::into_inner));
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

/// `Loss/total: 3.21 , … , IoU: 0.51 , Accuracy: 0.60`.
fn metrics_text(step_metrics: &StepMetrics, classes: bool) -> String {
    let mut text = String::new();
    for (name, value) in step_metrics.losses() {
        text += &format!("{name}: {value:.5} , ");
    }
    text += &format!("IoU: {:.5}", step_metrics.iou);
    match step_metrics.accuracy() {
        Some(accuracy) => text + &format!(" , Accuracy: {accuracy:.5}"),
        None if classes => text + " , Accuracy: no labels",
        None => text,
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
        window.pass_began.get_or_insert(began);
        window.sums.add(&StepMetrics::from(&batch.metrics), metrics);
        window.batches += 1;
        window.pass_clips += batch.clips;
        window.data += data;
        window.forward += forward;
        if let Some(bar) = &self.bar {
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
            RunEvent::Pass(pass) => {
                let what = match (pass.split, pass.epoch) {
                    (Split::Val, 0) => "validation before training".to_string(),
                    (Split::Val, epoch) => format!("validation after epoch {epoch}"),
                    (Split::Train, epoch) => format!("epoch {epoch} trained"),
                };
                self.line(&format!("{what}: {}", metrics_text(&StepMetrics::from(&pass.metrics), self.classes)));
            }
            RunEvent::Checkpoint(saved) => {
                let (size, seconds) = (saved.bytes as f64 / 1e6, saved.seconds.0);
                self.line(&format!("checkpoint: {} ({size:.1} MB in {seconds:.2} s)", saved.path));
            }
            RunEvent::Nonfinite(bad) => {
                let first = bad.clips.first().map_or("", String::as_str);
                let more = bad.clips.len().saturating_sub(1);
                let (step, in_a_row) = (bad.step + 1, bad.in_a_row);
                self.line(&format!(
                    "warning: step {step} is not finite and changed nothing ({in_a_row} in a row); its clips: {first}, and \
                     {more} more in run.jsonl"
                ));
            }
            RunEvent::Advice(advice) => self.line(&format!("advice: {}", advice.message)),
            RunEvent::Note(note) => self.line(&note.message),
            RunEvent::Warning(warning) => self.line(&format!("warning: {}", warning.message)),
            RunEvent::Batch(_) | RunEvent::Gradients(_) | RunEvent::Run(_) | RunEvent::End(_) => {}
        }
    }
}
