//! `sample`: plans the clips of the run one by one, in order, without reading any pixel.

use super::{Facts, RunContext, element_specs::small, items::*};
use crate::{
    data::plan::Planner,
    failure::{Failure, Result},
    flow::{ElementSpec, Kind, Payload, Source, StageConfig, pack},
    settings::Config,
    train::run_schedule::{BatchInfo, RunSchedule, Split},
};
use std::sync::Arc;

pub(super) const KIND: Kind<RunContext> = Kind {
    name: "sample",
    description: "plans clips: frames, windows and augmentations, before any pixel is read",
    input: None,
    output: Some(PLANNED_CLIPS),
    ordered: false,
    workers: 1,
    max_workers: 1,
    capacity: 16,
    parse: |section| Box::new(Sample::read(section, &())),
};

#[derive(Clone, Config)]
struct Sample {
    /// The flow ends after so many batches; 0: at the end of the run.
    #[config(key = "batches", default = 0)]
    batches: u64,
    /// Only the clips of these data sets, the others are for another sample; []: all.
    #[config(key = "only", default = Vec::new())]
    only: Vec<String>,
    /// All clips but those of these data sets.
    #[config(key = "except", default = Vec::new())]
    except: Vec<String>,
}

impl Sample {
    fn takes(&self, dataset: &str) -> bool {
        let named = |names: &[String]| names.iter().any(|name| name == dataset);
        (self.only.is_empty() || named(&self.only)) && !named(&self.except)
    }

    fn takes_any(&self, planner: &Planner) -> bool {
        planner.datasets().iter().any(|set| self.takes(&set.name))
    }
}

impl StageConfig<RunContext> for Sample {
    fn source(&self, context: &RunContext) -> Result<Box<dyn Source>> {
        let mut planners = std::iter::once(&context.train).chain(&context.val);
        Ok(Box::new(Sampler {
            idle: !planners.any(|planner| self.takes_any(planner)),
            choice: self.clone(),
            batches_left: if self.batches == 0 { u64::MAX } else { self.batches },
            train: context.train.clone(),
            val: context.val.clone(),
            schedule: context.schedule,
            batch_size: context.experiment.training.batch_size,
            position: context.position,
            steps_left: context.max_steps.unwrap_or(u64::MAX),
            open: None,
        }))
    }

    fn output_spec(&self, _facts: &Facts, _input: Option<&ElementSpec>) -> Option<ElementSpec> {
        Some(small())
    }
}

struct Sampler {
    /// Whether no data set of the run is for this stage.
    idle: bool,
    choice: Sample,
    batches_left: u64,
    train: Arc<Planner>,
    val: Option<Arc<Planner>>,
    schedule: RunSchedule,
    batch_size: usize,
    position: u64,
    steps_left: u64,
    /// The batch that is being filled, with its next slot and its size.
    open: Option<(BatchInfo, usize, usize)>,
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
    fn begin(&mut self) -> Result<Option<(BatchInfo, usize, usize)>> {
        let Some(info) = self.schedule.batch_info(self.position).filter(|_| self.batches_left > 0) else {
            return Ok(None);
        };
        if info.split == Split::Train {
            if self.steps_left == 0 {
                return Ok(None);
            }
            self.steps_left -= 1;
        }
        self.position += 1;
        self.batches_left -= 1;
        let left = self.planner(info.split)?.clips_per_epoch().saturating_sub(info.batch * self.batch_size);
        Ok(Some((info, 0, left.min(self.batch_size))))
    }
}

impl Source for Sampler {
    fn next(&mut self) -> Result<Option<Payload>> {
        while !self.idle {
            let Some(clip) = self.next_clip()? else { return Ok(None) };
            if self.choice.takes(&clip.plan.dataset) {
                return Ok(Some(pack(clip)));
            }
        }
        Ok(None)
    }
}

impl Sampler {
    /// The next clip of the run, whatever its data set.
    fn next_clip(&mut self) -> Result<Option<PlannedClip>> {
        let open = match self.open.take() {
            Some(open) => Some(open),
            None => self.begin()?,
        };
        let Some((info, slot, of)) = open else { return Ok(None) };
        if slot + 1 < of {
            self.open = Some((info, slot + 1, of));
        }
        let index = info.batch * self.batch_size + slot;
        let plan = self.planner(info.split)?.plan(info.epoch as u64, index as u64, 0)?;
        Ok(Some(PlannedClip { ticket: Ticket { info, slot, of }, plan }))
    }
}
