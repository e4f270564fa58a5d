//! A kind of stage: what its author declares about it, and how a pipeline's options become workers.

use super::stage::{Source, Stage};
use crate::failure::{Failure, Result};
use crate::settings::Section;

/// What a stage takes or gives. Two stages fit together when the names are equal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Port {
    /// The items in the plural, as messages say it: `cropped clips`.
    pub name: &'static str,
}

/// The place of a kind in a pipeline, which follows from its ports.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// No input: the first stage.
    Source,
    /// In the middle.
    Stage,
    /// No output: the last stage.
    Sink,
}

/// One row of a table of kinds; `C` is what a run gives to every stage that it builds.
pub struct Kind<C: 'static> {
    /// As `kind:` names it.
    pub name: &'static str,
    /// What it does, in one line.
    pub about: &'static str,
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
    pub parse: fn(&mut Section<'_>) -> Box<dyn Blueprint<C>>,
}

impl<C> Kind<C> {
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

/// The parsed options of one stage, from which a run builds its workers. Of the two methods a kind has the one that
/// its role calls for.
pub trait Blueprint<C> {
    /// The source.
    ///
    /// # Errors
    /// Whatever keeps it from starting, for example a missing input.
    fn source(&self, _context: &C) -> Result<Box<dyn Source>> {
        Err(Failure::stage("this kind is declared as a source but builds none"))
    }

    /// Worker `index` of a stage or sink.
    ///
    /// # Errors
    /// Whatever keeps it from starting, for example a missing device.
    fn worker(&self, _context: &C, _index: usize) -> Result<Box<dyn Stage>> {
        Err(Failure::stage("this kind is declared as a stage but builds none"))
    }
}
