//! The experiment: `configs/<script>/<config>.yaml` in the reference's own upper-case schema, so that a HIPTrack
//! user's file loads unchanged. Every key acts or is refused; keys of our own have defaults that keep the reference's
//! behaviour.

mod data;
mod model;
mod phases;
mod saving;
mod tasks;
mod test;
mod training;

pub use data::{Crop, Data, Sets, Synth};
pub use model::Model;
pub use phases::{HEADS, Phase};
pub use saving::Saving;
pub use tasks::{ClassTargets, Curve, Lambda, MtlMode};
pub use test::Test;
pub use training::{Schedule, ScheduleKind, Training};

use crate::{
    failure::Result,
    settings::{Node, Reading, Section},
};
use std::path::Path;

/// Everything that one experiment file says, with defaults filled in.
#[derive(Clone, Debug)]
pub struct Experiment {
    /// Data sets, sampling and crops.
    pub data: Data,
    /// The network.
    pub model: Model,
    /// Losses, optimizer, schedule and phases.
    pub training: Training,
    /// The online tracker.
    pub test: Test,
    /// `COMPAT: reference`: repeat the reference's numbers where trackflow would differ by default.
    pub compat: bool,
    /// The file with all defaults filled in, as YAML that loads to the same experiment.
    pub resolved: String,
    /// Keys that are accepted but have no effect here, each with the reason.
    pub warnings: Vec<String>,
}

impl Experiment {
    /// Reads the experiment at `path` and applies `KEY.PATH=VALUE` overrides of the command line.
    ///
    /// # Errors
    /// The file is missing (66), or anything in it is wrong (78): all mistakes at once.
    pub fn read(path: &Path, overrides: &[String]) -> Result<Self> {
        let mut node = Node::read(path)?;
        for argument in overrides {
            node.set(argument)?;
        }
        Self::from_node(&node)
    }

    /// The experiment that a parsed file describes.
    ///
    /// # Errors
    /// Anything in it is wrong: all mistakes at once.
    pub fn from_node(node: &Node) -> Result<Self> {
        let reading = Reading::new();
        let experiment = Self::draft(&reading, node);
        reading.finish()?;
        Ok(experiment)
    }

    /// The same, leaving it to the caller to ask `reading` whether anything is wrong; then the value means nothing.
    pub fn draft(reading: &Reading, node: &Node) -> Self {
        let mut root = Section::root(reading, node);
        let mut warnings = Vec::new();
        let compat = root.choice("COMPAT", "none", &["none", "reference"]) == "reference";
        let data = Data::read(root.section("DATA"));
        let model = Model::read(root.section("MODEL"));
        let training = Training::read(root.section("TRAIN"), &mut warnings);
        let eliminates = !model.elimination_blocks.is_empty();
        if let Some(phase) = training.phases.iter().find(|p| !eliminates && p.keep_rate.is_some_and(|rate| rate < 1.0))
        {
            let message = "no block eliminates candidates; name some in MODEL.BACKBONE.CE_LOC, or leave KEEP_RATE out";
            root.problem("TRAIN", format!("PHASES.{}.KEEP_RATE: {message}", phase.name));
        }
        if model.classes == 0 && training.mtl != MtlMode::default() {
            let message = "there is no condition head (MODEL.CLS_HEAD.NUM_CLASSES: 0); leave the key out";
            root.problem("TRAIN", format!("MTL_MODE: {message}"));
        }
        let test = Test::read(root.section("TEST"), &data);
        root.close();
        Self { data, model, training, test, compat, resolved: reading.resolved(), warnings }
    }
}

/// A complaint about a number that must be above zero.
fn positive(value: &f64) -> Option<String> {
    (*value <= 0.0).then(|| format!("must be above 0, found {value}"))
}

/// A complaint about a number that must not be below zero.
fn not_negative(value: &f64) -> Option<String> {
    (*value < 0.0).then(|| format!("must not be below 0, found {value}"))
}

/// A complaint about a number outside `0..=1`.
fn fraction(value: &f64) -> Option<String> {
    (!(0.0..=1.0).contains(value)).then(|| format!("must lie between 0 and 1, found {value}"))
}

/// A complaint about a share that must leave something.
fn below_one(value: &f64) -> Option<String> {
    (!(0.0..1.0).contains(value)).then(|| format!("must be from 0 to below 1, found {value}"))
}

/// A complaint about a count of zero.
fn at_least_one(value: &usize) -> Option<String> {
    (*value == 0).then(|| "must be at least 1".to_string())
}

#[cfg(test)]
mod tests;
