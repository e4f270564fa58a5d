//! `step`: trains or evaluates on a batch. It never waits for the device: numbers leave it as tensors.

use super::{Facts, RunContext, SaveRequest, element_specs::small, items::*, step_ranks::StepRanks};
use crate::{
    failure::{Failure, FailureKind, Result},
    flow::{ElementSpec, Emitter, Kind, Payload, Stage, StageConfig, guard, pack, unpack},
    native::stream::{Download, Event, Stream},
    settings::Section,
    train::{
        checkpoint::Metadata,
        experiment::Training,
        run_schedule::{BatchInfo, EpochPosition, Split},
        step::Trainer,
    },
};
use std::{
    sync::{Arc, PoisonError},
    time::Instant,
};
use tch::{Device, Tensor};

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
            idle: Arc::new(Stream::current(context.device)?.record()?),
            device: context.device,
            ranks: context.ranks.as_ref().map(|ranks| StepRanks::new(ranks, context)),
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
    device: Device,
    /// The end of what the device was asked for so far.
    idle: Arc<Event>,
    /// The other processes that take the same steps.
    ranks: Option<StepRanks>,
}

impl StepStage {
    fn snapshot(&mut self, info: &BatchInfo, epoch_end: bool, out: &mut Emitter) -> Result<()> {
        self.saved = true;
        if !self.ranks.as_ref().is_none_or(StepRanks::writes) {
            return Ok(());
        }
        let start = Instant::now();
        let metadata = Metadata {
            position: info.position + 1,
            step: info.step + u64::from(info.split == Split::Train),
            epoch: info.epoch,
            phase: self.training.phase_at(info.epoch).0,
            epoch_position: Some(EpochPosition::from(info)),
            ..self.metadata.clone()
        };
        let state = Box::new(self.trainer.snapshot(metadata)?);
        let ready = Stream::current(self.device)?.record()?;
        out.emit(pack(StepOutput::Snapshot { state, epoch_end, ready, stall: start.elapsed().as_secs_f64() }));
        Ok(())
    }
}

impl StepStage {
    fn save(&mut self, out: &mut Emitter) -> Result<()> {
        match self.last {
            Some(info) if !self.saved => self.snapshot(&info, false, out),
            _ => Ok(()),
        }
    }
}

impl Stage for StepStage {
    fn process(&mut self, payload: Payload, out: &mut Emitter) -> Result<()> {
        // Batches that were prepared when the run was stopped are planned again when it resumes.
        if out.stopping() {
            return Ok(());
        }
        let there: DeviceBatch = unpack(payload)?;
        let mut names = Arc::clone(&there.batch.names);
        if let Some(ranks) = &mut self.ranks {
            match ranks.begin(&there.batch.info, &names, out)? {
                Some(all) => names = all,
                None => return Ok(()),
            }
        }
        let (start, stream) = (Instant::now(), Stream::current(self.device)?);
        out.reached(there.batch.info.step);
        stream.after(&there.ready)?;
        // Before the first kernel that reads them: the upload's stream must not use their memory again earlier.
        there.tensors().try_for_each(|tensor| stream.uses(tensor))?;
        let (batch, begin) = (&there.batch, stream.record()?);
        // Most calls into libtorch have no other way than a panic to say what is wrong.
        let outcome = guard(|| self.trainer.run(batch)).unwrap_or_else(|panic| Err(Failure::panicked(panic)));
        let outcome = outcome.map_err(out_of_memory)?;
        let clock = StepClock { idle: Arc::clone(&self.idle), begin, end: stream.record()? };
        let info = batch.info;
        (self.last, self.saved) = (Some(info), false);
        let split = if info.split == Split::Train { "training" } else { "validation" };
        out.slice(|| format!("{split} step {}", info.step).into(), start);
        // A GPU is busy when it says so, not while it is being asked.
        let meter = self.device.is_cuda().then(|| out.meter());
        let begin = |tensor: &Option<Tensor>| tensor.as_ref().map(Download::begin).transpose();
        let report = StepReport {
            info,
            names,
            step_metrics: Download::begin(&outcome.step_metrics)?,
            confusion: begin(&outcome.confusion)?,
            frames: begin(&outcome.frames)?,
            outcome,
            clock,
            meter,
        };
        out.emit(pack(StepOutput::Report(Box::new(report))));
        let display = self.training.preview_clips;
        let writes = self.ranks.as_ref().is_none_or(StepRanks::writes);
        if info.batch == 0 && display > 0 && writes && batch.input.batch() > 0 {
            let preview = self.trainer.preview(batch, i64::try_from(display).unwrap_or(i64::MAX))?;
            out.emit(pack(StepOutput::PreviewTensors { info, preview }));
        }
        let interval = self.training.saving.interval as u64;
        let due = info.split == Split::Train && interval > 0 && (info.step + 1).is_multiple_of(interval);
        let asked = self.save_request.take();
        if info.closes_epoch {
            self.snapshot(&info, true, out)?;
        } else if due || asked {
            self.snapshot(&info, false, out)?;
        }
        self.idle = Arc::new(stream.record()?);
        if let Some(ranks) = &mut self.ranks {
            ranks.end(&info);
        }
        if self.device.is_cuda() {
            out.leave_out(start.elapsed());
        }
        Ok(())
    }

    fn finish(&mut self, out: &mut Emitter) -> Result<()> {
        self.save(out)?;
        self.ranks.as_mut().map_or(Ok(()), StepRanks::part)
    }

    /// What the last step that went well has left.
    fn salvage(&mut self, out: &mut Emitter) -> Result<()> {
        if self.trainer.undo()? { self.save(out) } else { Ok(()) }
    }
}

/// What to do about a device that has no memory left.
pub(super) fn out_of_memory(failure: Failure) -> Failure {
    if failure.kind != FailureKind::Memory {
        return failure;
    }
    let remedy = "set TRAIN.ACTIVATION_CHECKPOINTING (less is kept, more computed), raise TRAIN.ACCUMULATE (the same batch \
                  in more parts), lower TRAIN.BATCH_SIZE or DATA.SEARCH.NUMBER, or set TRAIN.AMP";
    Failure { message: format!("the step needs more memory than there is; {remedy}\n  {}", failure.message), ..failure }
}
