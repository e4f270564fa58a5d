//! `replay`: the first batches again and again, to the end of the run. It shows how fast the step is when data costs
//! nothing. `sample` with the option `batches` makes the input end, and then the repetition begins.

use super::{RunContext, forms::Facts, items::*};
use crate::{
    failure::{Failure, Result},
    flow::{Blueprint, Form, Kind, Outbox, Payload, Stage, pack, unpack},
    loss::Target,
    model::ClipInput,
    settings::Section,
    train::itinerary::{Itinerary, Split, Visit},
};

pub(super) const KIND: Kind<RunContext> = Kind {
    name: "replay",
    about: "repeats the batches that it was given, when there are no more, up to the end of the run",
    input: Some(DEVICE_BATCHES),
    output: Some(DEVICE_BATCHES),
    ordered: true,
    workers: 1,
    max_workers: 1,
    capacity: 1,
    parse: |_: &mut Section<'_>| Box::new(Replay),
};

struct Replay;

impl Blueprint<RunContext> for Replay {
    fn worker(&self, context: &RunContext, _index: usize) -> Result<Box<dyn Stage>> {
        Ok(Box::new(ReplayStage {
            itinerary: context.itinerary,
            next: context.position,
            steps_left: context.max_steps.unwrap_or(u64::MAX),
            kept: Vec::new(),
        }))
    }

    fn gives_form(&self, _facts: &Facts, input: Option<&Form>) -> Option<Form> {
        input.cloned()
    }
}

struct ReplayStage {
    itinerary: Itinerary,
    /// The position of the next batch.
    next: u64,
    steps_left: u64,
    kept: Vec<DeviceBatch>,
}

impl ReplayStage {
    fn count(&mut self, visit: &Visit) {
        self.next = visit.position + 1;
        if visit.split == Split::Train {
            self.steps_left = self.steps_left.saturating_sub(1);
        }
    }
}

/// The same tensors as the batch of another visit.
fn again(batch: &DeviceBatch, visit: Visit) -> DeviceBatch {
    let ClipInput { template, search, template_boxes } = &batch.input;
    let input = ClipInput {
        template: template.shallow_clone(),
        search: search.shallow_clone(),
        template_boxes: template_boxes.shallow_clone(),
    };
    let Target { boxes, labels, soft } = &batch.target;
    let soft = soft.as_ref().map(|soft| soft.shallow_clone());
    let target = Target { boxes: boxes.shallow_clone(), labels: labels.shallow_clone(), soft };
    DeviceBatch { visit, input, target, names: batch.names.clone() }
}

impl Stage for ReplayStage {
    fn process(&mut self, payload: Payload, out: &mut Outbox) -> Result<()> {
        let batch: DeviceBatch = unpack(payload)?;
        self.count(&batch.visit);
        let copy = again(&batch, batch.visit);
        self.kept.push(batch);
        out.emit(pack(copy));
        Ok(())
    }

    fn finish(&mut self, out: &mut Outbox) -> Result<()> {
        if self.kept.is_empty() && !out.stopping() && self.next < self.itinerary.len() {
            return Err(Failure::stage("no batch arrived that could be repeated"));
        }
        while let Some(visit) = self.itinerary.visit(self.next).filter(|_| !out.stopping()) {
            if visit.split == Split::Train && self.steps_left == 0 {
                break;
            }
            let index = (visit.position % self.kept.len() as u64) as usize;
            self.count(&visit);
            out.emit(pack(again(&self.kept[index], visit)));
        }
        Ok(())
    }
}
