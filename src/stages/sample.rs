//! `sample`: plans the clips of the run one by one, in order, without reading any pixel.

use super::{RunContext, items::*};
use crate::{
    data::plan::Planner,
    failure::{Failure, Result},
    flow::{Blueprint, Kind, Payload, Source, pack},
    settings::Section,
    train::itinerary::{Itinerary, Split, Visit},
};
use std::sync::Arc;

pub(super) const KIND: Kind<RunContext> = Kind {
    name: "sample",
    about: "plans clips: frames, windows and augmentations, before any pixel is read",
    input: None,
    output: Some(PLANNED_CLIPS),
    ordered: false,
    workers: 1,
    max_workers: 1,
    capacity: 16,
    parse: |_: &mut Section<'_>| Box::new(Sample),
};

struct Sample;

impl Blueprint<RunContext> for Sample {
    fn source(&self, context: &RunContext) -> Result<Box<dyn Source>> {
        Ok(Box::new(Sampler {
            train: context.train.clone(),
            val: context.val.clone(),
            itinerary: context.itinerary,
            batch_size: context.experiment.training.batch_size,
            position: context.position,
            steps_left: context.max_steps.unwrap_or(u64::MAX),
            open: None,
        }))
    }
}

struct Sampler {
    train: Arc<Planner>,
    val: Option<Arc<Planner>>,
    itinerary: Itinerary,
    batch_size: usize,
    position: u64,
    steps_left: u64,
    /// The batch that is being filled, with its next slot and its size.
    open: Option<(Visit, usize, usize)>,
}

impl Sampler {
    fn planner(&self, split: Split) -> Result<&Planner> {
        match (split, &self.val) {
            (Split::Train, _) => Ok(&self.train),
            (Split::Val, Some(val)) => Ok(val),
            (Split::Val, None) => Err(Failure::stage("a validation is due without validation data")),
        }
    }

    /// Opens the next batch; `None` at the end of the run or of the steps that were asked for.
    fn begin(&mut self) -> Result<Option<(Visit, usize, usize)>> {
        let Some(visit) = self.itinerary.visit(self.position) else { return Ok(None) };
        if visit.split == Split::Train {
            if self.steps_left == 0 {
                return Ok(None);
            }
            self.steps_left -= 1;
        }
        self.position += 1;
        let left = self.planner(visit.split)?.clips_per_epoch().saturating_sub(visit.batch * self.batch_size);
        Ok(Some((visit, 0, left.min(self.batch_size))))
    }
}

impl Source for Sampler {
    fn next(&mut self) -> Result<Option<Payload>> {
        let open = match self.open.take() {
            Some(open) => Some(open),
            None => self.begin()?,
        };
        let Some((visit, slot, of)) = open else { return Ok(None) };
        if slot + 1 < of {
            self.open = Some((visit, slot + 1, of));
        }
        let index = visit.batch * self.batch_size + slot;
        let plan = self.planner(visit.split)?.plan(visit.epoch as u64, index as u64, 0)?;
        Ok(Some(pack(PlannedClip { ticket: Ticket { visit, slot, of }, plan })))
    }
}
