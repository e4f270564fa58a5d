//! `step`: trains or evaluates on a batch. It never waits for the device: numbers leave it as tensors.

use super::{Facts, RunContext, SaveRequest, forms::small, items::*};
use crate::{
    failure::{Failure, FailureKind, Result},
    flow::{Blueprint, Form, Kind, Outbox, Payload, Stage, guard, pack, unpack},
    settings::Section,
    train::{
        checkpoint::About,
        events::StepTime,
        experiment::Training,
        itinerary::{Place, Split, Visit},
        step::Trainer,
    },
};
use std::{
    sync::{Arc, PoisonError},
    time::Instant,
};

pub(super) const KIND: Kind<RunContext> = Kind {
    name: "step",
    about: "forward, loss, backward and update; evaluation for validation batches",
    input: Some(DEVICE_BATCHES),
    output: Some(STEP_REPORTS),
    ordered: true,
    workers: 1,
    max_workers: 1,
    capacity: 4,
    parse: |_: &mut Section<'_>| Box::new(Step),
};

struct Step;

impl Blueprint<RunContext> for Step {
    fn worker(&self, context: &RunContext, _index: usize) -> Result<Box<dyn Stage>> {
        let trainer = context.trainer.lock().unwrap_or_else(PoisonError::into_inner).take();
        let trainer = trainer.ok_or_else(|| Failure::config("a pipeline has one step stage"))?;
        Ok(Box::new(StepStage {
            trainer,
            training: context.experiment.training.clone(),
            about: context.about.clone(),
            save_request: context.save_request.clone(),
            last: None,
            saved: true,
            idle_since: Instant::now(),
        }))
    }

    fn keeps_state(&self) -> bool {
        true
    }

    fn takes_form(&self, facts: &Facts) -> Option<Form> {
        Some(facts.device_batch())
    }

    fn gives_form(&self, _facts: &Facts, _input: Option<&Form>) -> Option<Form> {
        Some(small())
    }
}

struct StepStage {
    trainer: Trainer,
    training: Training,
    about: About,
    save_request: SaveRequest,
    last: Option<Visit>,
    /// Whether what was done so far is in a snapshot.
    saved: bool,
    idle_since: Instant,
}

impl StepStage {
    fn snapshot(&mut self, visit: &Visit, epoch_end: bool, out: &mut Outbox) {
        let start = Instant::now();
        let about = About {
            position: visit.position + 1,
            step: visit.step + u64::from(visit.split == Split::Train),
            epoch: visit.epoch,
            phase: self.training.phase_at(visit.epoch).0,
            place: Some(Place::from(visit)),
            ..self.about.clone()
        };
        let state = Box::new(self.trainer.snapshot(about));
        self.saved = true;
        out.emit(pack(StepOutput::Snapshot { state, epoch_end, stall: start.elapsed().as_secs_f64() }));
    }
}

impl Stage for StepStage {
    fn process(&mut self, payload: Payload, out: &mut Outbox) -> Result<()> {
        // Batches that were prepared when the run was stopped are planned again when it resumes.
        if out.stopping() {
            return Ok(());
        }
        let batch: DeviceBatch = unpack(payload)?;
        let start = Instant::now();
        let data = (start - self.idle_since).as_secs_f64();
        // Most calls into libtorch have no other way than a panic to say what is wrong.
        let outcome = guard(|| self.trainer.run(&batch)).unwrap_or_else(|panic| Err(Failure::panicked(panic)));
        let outcome = outcome.map_err(out_of_memory)?;
        let time = StepTime { data, forward: start.elapsed().as_secs_f64() };
        let visit = batch.visit;
        (self.last, self.saved) = (Some(visit), false);
        out.emit(pack(StepOutput::Report(StepReport { visit, names: Arc::clone(&batch.names), outcome, time })));
        let shown = self.training.shown_clips;
        if visit.batch == 0 && shown > 0 {
            let look = self.trainer.look(&batch, i64::try_from(shown).unwrap_or(i64::MAX))?;
            out.emit(pack(StepOutput::Look { visit, look }));
        }
        let interval = self.training.saving.interval as u64;
        let due = visit.split == Split::Train && interval > 0 && (visit.step + 1).is_multiple_of(interval);
        let asked = self.save_request.take();
        if visit.closes_epoch {
            self.snapshot(&visit, true, out);
        } else if due || asked {
            self.snapshot(&visit, false, out);
        }
        self.idle_since = Instant::now();
        Ok(())
    }

    fn finish(&mut self, out: &mut Outbox) -> Result<()> {
        match self.last {
            Some(visit) if !self.saved => self.snapshot(&visit, false, out),
            _ => {}
        }
        Ok(())
    }

    /// What the last step that went well has left.
    fn salvage(&mut self, out: &mut Outbox) -> Result<()> {
        if self.trainer.undo()? { self.finish(out) } else { Ok(()) }
    }
}

/// What to do about a device that has no memory left.
fn out_of_memory(failure: Failure) -> Failure {
    if failure.kind != FailureKind::Memory {
        return failure;
    }
    let remedy = "set TRAIN.ACTIVATION_CHECKPOINTING (less is kept, more computed), raise TRAIN.ACCUMULATE (the same batch \
                  in more parts), lower TRAIN.BATCH_SIZE or DATA.SEARCH.NUMBER, or set TRAIN.AMP";
    Failure { message: format!("the step needs more memory than there is; {remedy}\n  {}", failure.message), ..failure }
}
