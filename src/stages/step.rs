//! `step`: trains or evaluates on a batch. It never waits for the device: numbers leave it as tensors.

use super::{Facts, RunContext, SaveRequest, element_specs::small, items::*};
use crate::{
    failure::{Failure, FailureKind, Result},
    flow::{ElementSpec, Emitter, Kind, Payload, Stage, StageConfig, guard, pack, unpack},
    settings::Section,
    train::{
        checkpoint::Metadata,
        events::StepTime,
        experiment::Training,
        run_schedule::{BatchInfo, EpochPosition, Split},
        step::Trainer,
    },
};
use std::{
    sync::{Arc, PoisonError},
    time::Instant,
};

pub(super) const KIND: Kind<RunContext> = Kind {
    name: "step",
    description: "forward, loss, backward and update; evaluation for validation batches",
    input: Some(DEVICE_BATCHES),
    output: Some(STEP_REPORTS),
    ordered: true,
    workers: 1,
    max_workers: 1,
    capacity: 4,
    parse: |_: &mut Section<'_>| Box::new(Step),
};

struct Step;

impl StageConfig<RunContext> for Step {
    fn worker(&self, context: &RunContext, _index: usize) -> Result<Box<dyn Stage>> {
        let trainer = context.trainer.lock().unwrap_or_else(PoisonError::into_inner).take();
        let trainer = trainer.ok_or_else(|| Failure::config("a pipeline has one step stage"))?;
        Ok(Box::new(StepStage {
            trainer,
            training: context.experiment.training.clone(),
            metadata: context.metadata.clone(),
            save_request: context.save_request.clone(),
            last: None,
            saved: true,
            idle_since: Instant::now(),
        }))
    }

    fn keeps_state(&self) -> bool {
        true
    }

    fn input_spec(&self, facts: &Facts) -> Option<ElementSpec> {
        Some(facts.device_batch())
    }

    fn output_spec(&self, _facts: &Facts, _input: Option<&ElementSpec>) -> Option<ElementSpec> {
        Some(small())
    }
}

struct StepStage {
    trainer: Trainer,
    training: Training,
    metadata: Metadata,
    save_request: SaveRequest,
    last: Option<BatchInfo>,
    /// Whether what was done so far is in a snapshot.
    saved: bool,
    idle_since: Instant,
}

impl StepStage {
    fn snapshot(&mut self, info: &BatchInfo, epoch_end: bool, out: &mut Emitter) {
        let start = Instant::now();
        let metadata = Metadata {
            position: info.position + 1,
            step: info.step + u64::from(info.split == Split::Train),
            epoch: info.epoch,
            phase: self.training.phase_at(info.epoch).0,
            epoch_position: Some(EpochPosition::from(info)),
            ..self.metadata.clone()
        };
        let state = Box::new(self.trainer.snapshot(metadata));
        self.saved = true;
        out.emit(pack(StepOutput::Snapshot { state, epoch_end, stall: start.elapsed().as_secs_f64() }));
    }
}

impl Stage for StepStage {
    fn process(&mut self, payload: Payload, out: &mut Emitter) -> Result<()> {
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
        let info = batch.info;
        (self.last, self.saved) = (Some(info), false);
        out.emit(pack(StepOutput::Report(StepReport { info, names: Arc::clone(&batch.names), outcome, time })));
        let display = self.training.preview_clips;
        if info.batch == 0 && display > 0 {
            let preview = self.trainer.preview(&batch, i64::try_from(display).unwrap_or(i64::MAX))?;
            out.emit(pack(StepOutput::PreviewTensors { info, preview }));
        }
        let interval = self.training.saving.interval as u64;
        let due = info.split == Split::Train && interval > 0 && (info.step + 1).is_multiple_of(interval);
        let asked = self.save_request.take();
        if info.closes_epoch {
            self.snapshot(&info, true, out);
        } else if due || asked {
            self.snapshot(&info, false, out);
        }
        self.idle_since = Instant::now();
        Ok(())
    }

    fn finish(&mut self, out: &mut Emitter) -> Result<()> {
        match self.last {
            Some(info) if !self.saved => self.snapshot(&info, false, out),
            _ => {}
        }
        Ok(())
    }

    /// What the last step that went well has left.
    fn salvage(&mut self, out: &mut Emitter) -> Result<()> {
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
