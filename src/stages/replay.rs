//! `replay`: the first batches again and again, to the end of the run. It shows how fast the step is when data costs
//! nothing. `sample` with the option `batches` makes the input end, and then the repetition begins.

use super::{RunContext, element_specs::Facts, items::*};
use crate::{
    failure::{Failure, Result},
    flow::{ElementSpec, Emitter, Kind, Payload, Stage, StageConfig, pack, unpack},
    loss::Target,
    model::ClipInput,
    settings::Section,
    train::{
        run_schedule::{BatchInfo, RunSchedule, Split},
        step::Batch,
    },
};

pub(super) const KIND: Kind<RunContext> = Kind {
    name: "replay",
    description: "repeats the batches that it was given, when there are no more, up to the end of the run",
    input: Some(DEVICE_BATCHES),
    output: Some(DEVICE_BATCHES),
    ordered: true,
    workers: 1,
    max_workers: 1,
    capacity: 1,
    parse: |_: &mut Section<'_>| Box::new(Replay),
};

struct Replay;

impl StageConfig<RunContext> for Replay {
    fn worker(&self, context: &RunContext, _index: usize) -> Result<Box<dyn Stage>> {
        Ok(Box::new(ReplayStage {
            schedule: context.schedule,
            next: context.position,
            steps_left: context.max_steps.unwrap_or(u64::MAX),
            kept: Vec::new(),
        }))
    }

    fn output_spec(&self, _facts: &Facts, input: Option<&ElementSpec>) -> Option<ElementSpec> {
        input.cloned()
    }
}

struct ReplayStage {
    schedule: RunSchedule,
    /// The position of the next batch.
    next: u64,
    steps_left: u64,
    kept: Vec<DeviceBatch>,
}

impl ReplayStage {
    fn count(&mut self, info: &BatchInfo) {
        self.next = info.position + 1;
        if info.split == Split::Train {
            self.steps_left = self.steps_left.saturating_sub(1);
        }
    }
}

/// The same tensors as the batch of another visit.
fn again(batch: &DeviceBatch, info: BatchInfo) -> DeviceBatch {
    let DeviceBatch { batch, ready } = batch;
    let ClipInput { template, search, template_boxes } = &batch.input;
    let input = ClipInput {
        template: template.shallow_clone(),
        search: search.shallow_clone(),
        template_boxes: template_boxes.shallow_clone(),
    };
    let Target { boxes, labels, soft } = &batch.target;
    let soft = soft.as_ref().map(|soft| soft.shallow_clone());
    let target = Target { boxes: boxes.shallow_clone(), labels: labels.shallow_clone(), soft };
    DeviceBatch { batch: Batch { info, input, target, names: batch.names.clone() }, ready: ready.clone() }
}

impl Stage for ReplayStage {
    fn process(&mut self, payload: Payload, out: &mut Emitter) -> Result<()> {
        let batch: DeviceBatch = unpack(payload)?;
        self.count(&batch.batch.info);
        let copy = again(&batch, batch.batch.info);
        self.kept.push(batch);
        out.emit(pack(copy));
        Ok(())
    }

    fn finish(&mut self, out: &mut Emitter) -> Result<()> {
        if self.kept.is_empty() && !out.stopping() && self.next < self.schedule.len() {
            return Err(Failure::stage("no batch arrived that could be repeated"));
        }
        while let Some(info) = self.schedule.batch_info(self.next).filter(|_| !out.stopping()) {
            if info.split == Split::Train && self.steps_left == 0 {
                break;
            }
            let index = (info.position % self.kept.len() as u64) as usize;
            self.count(&info);
            out.emit(pack(again(&self.kept[index], info)));
        }
        Ok(())
    }
}
