//! The experiment: `configs/<script>/<config>.yaml` in the reference's own upper-case schema, so that a HIPTrack
//! user's file loads unchanged. Every key acts or is refused; keys of our own have defaults that keep the reference's
//! behaviour.

mod classes;
mod data;
mod family;
mod model;
mod phases;
mod saving;
mod schedule;
mod tasks;
mod test;
mod training;
mod trains;

pub use data::{Crop, Data, Sets, Synth};
pub use family::{BY_SCRIPT, Family};
pub use model::Model;
pub use phases::{HEADS, Phase};
pub use saving::Saving;
pub use schedule::{Schedule, ScheduleKind};
pub use tasks::{ClassTargets, Curve, Lambda, MtlMode};
pub use test::Test;
pub use training::Training;

use crate::{
    failure::Result,
    settings::{Node, Reading, Section},
};
use family::Kind;
use std::path::Path;
use training::Context;

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
    /// Whose experiment it is, which decides what absent keys mean.
    pub family: Family,
    /// The file with all defaults filled in, as YAML that loads to the same experiment.
    pub resolved: String,
    /// `trains: …`: what trains, with which heads and learning rates, and which key decides.
    pub trains: String,
    /// What was concluded from absent keys, a line each.
    pub notes: Vec<String>,
    /// Keys that are accepted but have no effect here, each with its place and the reason.
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
        let kind = Kind::of(node);
        let mut notes: Vec<String> = kind.note().into_iter().collect();
        let compat = root.choice("COMPAT", "none", &["none", "reference"]) == "reference";
        let data = Data::read(root.section("DATA"), &kind, &mut notes);
        let model = Model::read(root.section("MODEL"), &kind);
        let context = Context {
            kind: &kind,
            has_classes: model.classes > 0,
            eliminates: !model.elimination_blocks.is_empty(),
            compat,
        };
        let (training, freezing) = Training::read(root.section("TRAIN"), &context);
        for phase in &training.phases {
            if phase.keep_rate.is_some_and(|rate| rate < 1.0) && !context.eliminates {
                let message = "no block eliminates candidates; name some in MODEL.BACKBONE.CE_LOC, or leave it out";
                root.problem("TRAIN", format!("PHASES.{}.KEEP_RATE: {message}", phase.name));
            }
        }
        if freezing.always && model.pretrain_file.is_none() {
            let message = "starts from scratch, and the backbone is frozen: it stays as it was drawn";
            root.section("MODEL").warning("PRETRAIN_FILE", message);
        }
        let test = Test::read(root.section("TEST"), &data, &kind, &mut notes);
        root.close();
        let warnings = reading.warnings().iter().map(ToString::to_string).collect();
        let (family, resolved) = (kind.family(), reading.resolved());
        let mut experiment =
            Self { data, model, training, test, compat, family, resolved, trains: String::new(), notes, warnings };
        experiment.trains = trains::line(&experiment, &kind, freezing);
        experiment
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
mod published;
#[cfg(test)]
mod tests;
