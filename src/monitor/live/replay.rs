//! What runs did before: the past of one that goes on, and runs of which there is nothing but what they wrote down.

use super::{Live, Plan, previews::Previews, runs};
use crate::{
    settings::{Diagnostics, Node},
    train::{
        experiment::{Experiment, defaults::settings},
        run_event::{RunEvent, RunLine},
        run_schedule::Split,
    },
};

impl Live {
    /// Takes in an event of an earlier call, which is in no counter of this process.
    pub fn recall(&self, line: &RunLine) {
        let mut state = self.locked();
        match &line.event {
            RunEvent::Batch(batch) if batch.split == Split::Train => state.batch(batch),
            RunEvent::Pass(pass) => state.pass(pass),
            RunEvent::Checkpoint(saved) => state.checkpoint(saved, line.time),
            _ => {}
        }
    }

    /// The resolved experiment of the run.
    pub fn experiment(&self, resolved: &str) {
        let Ok(node) = Node::parse("experiment.yaml", resolved) else { return };
        let experiment = Experiment::draft(&Diagnostics::new(), &node);
        let training = &experiment.training;
        let mut state = self.locked();
        state.settings = settings(&node);
        state.loss_weights = Some([training.giou_weight, training.l1_weight, training.focal_weight]);
        state.phases = Some(super::phases(&experiment));
        state.epochs = training.epochs();
    }

    /// Takes in an event of a run that is known by its log alone.
    pub(super) fn replay(&self, line: &RunLine) {
        self.recall(line);
        let mut state = self.locked();
        let time = runs::time(line);
        state.last_time = time.or(state.last_time);
        let at = time.unwrap_or(f64::NAN);
        match &line.event {
            RunEvent::Run(start) => {
                state.first_time = state.first_time.or(time);
                let epochs = state.epochs;
                state.plan = Some(Plan {
                    experiment: start.experiment.clone(),
                    device: start.device.clone(),
                    epochs,
                    phases: state.phases.clone().unwrap_or_default(),
                    ..Plan::default()
                });
                state.call = Some(start.clone());
            }
            RunEvent::Batch(batch) => {
                state.last = Some(batch.clone());
                state.trained += if batch.split == Split::Train { batch.clips } else { 0 };
                if let (Split::Train, Some(plan)) = (batch.split, &mut state.plan) {
                    plan.epoch_steps = batch.batches as usize;
                    plan.batches = (plan.epochs * plan.epoch_steps) as u64;
                }
            }
            RunEvent::Advice(advice) => state.message_at(at, true, &format!("advice: {}", advice.message)),
            RunEvent::Note(note) => state.message_at(at, false, &note.message),
            RunEvent::Warning(warning) => state.message_at(at, true, &warning.message),
            RunEvent::End(end) => {
                if let Some(message) = &end.message {
                    state.message_at(at, true, &format!("failed: {message}"));
                }
            }
            RunEvent::Pass(_) | RunEvent::Checkpoint(_) | RunEvent::Nonfinite(_) | RunEvent::Gradients(_) => {}
        }
        state.last_event = Some(match &line.event {
            RunEvent::End(end) => RunEvent::End(end.clone()),
            // What kind it is does not matter.
            _ => RunEvent::note(""),
        });
    }

    /// Whether a process writes to the run's folder.
    pub(super) fn set_in_use(&self, in_use: bool) {
        self.locked().in_use = in_use;
    }

    pub(super) fn show_previews(&self, previews: Previews) {
        self.locked().previews = previews;
    }

    /// Begins anew, as if nothing had been read.
    pub(super) fn forget(&self) {
        *self.locked() = super::LiveState::new();
    }
}
