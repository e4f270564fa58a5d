//! A kind of stage: what its author declares about it, and how a pipeline's options become workers.

use super::element_spec::ElementSpec;
use super::port::Port;
use super::traits::{Source, Stage};
use crate::channel::merge::Turns;
use crate::failure::{Failure, Result};
use crate::settings::Section;

/// What a run gives to every stage that it builds.
pub trait StageContext: Send + Sync + 'static {
    /// What is known before a run about the items that will flow: enough to tell their shapes and sizes.
    type Facts;
}

/// The place of a kind in a pipeline, which follows from its ports.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// No input: where a flow begins.
    Source,
    /// In the middle.
    Stage,
    /// No output: where a flow ends.
    Sink,
}

/// One row of a table of kinds; `C` is what a run gives to every stage that it builds.
pub struct Kind<C: StageContext> {
    /// As `kind:` names it.
    pub name: &'static str,
    /// What it does, in one line.
    pub description: &'static str,
    /// What it takes; nothing for a source.
    pub input: Option<Port>,
    /// What it gives; nothing for a sink.
    pub output: Option<Port>,
    /// Its input arrives in order, and it may change the count. It has one worker.
    pub ordered: bool,
    /// Workers when the pipeline does not say.
    pub workers: usize,
    /// The most workers that make sense.
    pub max_workers: usize,
    /// Capacity of the output channel when the pipeline does not say.
    pub capacity: usize,
    /// Reads `options:`. Problems are reported to the section; what is returned then is never used.
    pub parse: fn(&mut Section<'_>) -> Box<dyn StageConfig<C>>,
}

impl<C: StageContext> Kind<C> {
    /// Where the kind stands in a pipeline.
    pub fn role(&self) -> Role {
        match (self.input, self.output) {
            (None, _) => Role::Source,
            (Some(_), Some(_)) => Role::Stage,
            (Some(_), None) => Role::Sink,
        }
    }

    /// The most workers that a stage of this kind may have.
    pub fn worker_limit(&self) -> usize {
        if self.ordered || self.role() == Role::Source { 1 } else { self.max_workers.max(1) }
    }
}

/// The parsed options of one stage, from which a run builds its workers. Of the first two methods a kind has the one
/// that its role calls for; the others have defaults that promise nothing.
pub trait StageConfig<C: StageContext>: Send + Sync {
    /// The source.
    ///
    /// # Errors
    /// Whatever keeps it from starting, for example a missing input.
    fn source(&self, _context: &C) -> Result<Box<dyn Source>> {
        Err(Failure::stage("this kind is declared as a source but builds none"))
    }

    /// Worker `index` of a stage or sink. It is called again where a worker is replaced or added during the run.
    ///
    /// # Errors
    /// Whatever keeps it from starting, for example a missing device.
    fn worker(&self, _context: &C, _index: usize) -> Result<Box<dyn Stage>> {
        Err(Failure::stage("this kind is declared as a stage but builds none"))
    }

    /// The shape of its input, where it insists on one.
    fn input_spec(&self, _facts: &C::Facts) -> Option<ElementSpec> {
        None
    }

    /// The shape of an emitted item, where that is known; `input` is the shape of what it takes.
    fn output_spec(&self, _facts: &C::Facts, _input: Option<&ElementSpec>) -> Option<ElementSpec> {
        None
    }

    /// Bytes that all workers together keep beyond the item that each has in its hands, for example a cache.
    fn keeps_bytes(&self, _facts: &C::Facts, _input: Option<&ElementSpec>) -> u64 {
        0
    }

    /// How several inputs take turns; `None` for a kind that has one.
    fn turns(&self) -> Option<Turns> {
        None
    }

    /// Whether the loss of a single item would falsify the run, so that a failure always ends it. Sources and ordered
    /// stages are vital by nature.
    fn is_vital(&self) -> bool {
        false
    }

    /// Whether its worker keeps what the run is for, to be saved however the run ends: when it stops, or fails further up,
    /// the input of this stage closes in time although others hang, [`Stage::finish`] is called, and what it emits is
    /// taken to the end by the stages behind.
    fn keeps_state(&self) -> bool {
        false
    }
}
