//! The experiment: `configs/<script>/<config>.yaml` in the reference's own upper-case schema, so that a HIPTrack
//! user's file loads unchanged. Every key acts or is refused; keys of our own have defaults that keep the reference's
//! behaviour.

mod data;
pub mod defaults;
mod family;
mod keys;
mod model;
mod parts;
mod phases;
mod saving;
mod schedule;
mod sets;
mod tasks;
mod test;
mod training;
mod trains;

pub use data::{Crop, Data, Synth};
pub use family::{BY_SCRIPT, Family};
pub use keys::{Keys, by_family};
pub use model::Model;
pub use phases::{HEADS, Phase};
pub use saving::Saving;
pub use schedule::{Schedule, ScheduleKind};
pub use sets::Sets;
pub use tasks::{ClassTargets, Curve, Lambda, MtlMode};
pub use test::Test;
pub use training::Training;

use crate::{
    failure::Result,
    settings::{Config, Diagnostics, Key, Node, Resume, Section},
};
use family::Kind;
use phases::Freezing;
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
    /// What the keys of that file are, as YAML under their dotted paths.
    pub values: Vec<(String, String)>,
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
        let diagnostics = Diagnostics::new();
        let experiment = Self::draft(&diagnostics, node);
        diagnostics.finish()?;
        Ok(experiment)
    }

    /// The same, leaving it to the caller to ask `diagnostics` whether anything is wrong; then the value means nothing.
    pub fn draft(diagnostics: &Diagnostics, node: &Node) -> Self {
        let mut root = Section::root(diagnostics, node);
        let kind = Kind::of(node);
        let mut notes: Vec<String> = kind.note().into_iter().collect();
        let compat = root.choice(COMPAT, "none", &["none", "reference"]) == "reference";
        let data = Data::read_noting(root.section(DATA), &kind, &mut notes);
        let model = Model::read(root.section(MODEL), &kind);
        let context = Context {
            kind: &kind,
            has_classes: model.classes > 0,
            eliminates: !model.elimination_blocks.is_empty(),
            compat,
        };
        let mut train = root.section(TRAIN);
        let training = Training::read(&mut train, &context);
        let written = train.has("FREEZE_BACKBONE");
        let freezing = Freezing { frozen: training.freeze_backbone, written, always: training.leaves_backbone() };
        train.close();
        if freezing.always && model.pretrain_file.is_none() {
            let message = "starts from scratch, and the backbone is frozen: it stays as it was drawn";
            let file = node.get("MODEL").and_then(|model| model.get("PRETRAIN_FILE"));
            diagnostics.warn(file.map_or(&node.origin, |file| &file.origin), "MODEL.PRETRAIN_FILE", message);
        }
        let context = test::Context { data: &data, kind: &kind };
        let test = Test::read_noting(root.section(TEST), &context, &mut notes);
        root.close();
        let warnings = diagnostics.warnings().iter().map(ToString::to_string).collect();
        let (family, resolved, values) = (kind.family(), diagnostics.resolved(), diagnostics.values());
        let trains = String::new();
        let mut experiment =
            Self { data, model, training, test, compat, family, resolved, values, trains, notes, warnings };
        experiment.trains = trains::line(&experiment, &kind, freezing);
        experiment
    }
}

const COMPAT: Key = Key::new("COMPAT")
    .description("reference: repeat the numbers of the reference where trackflow differs by default.");
const DATA: Key = Key::new("DATA").description("Data sets, sampling and crops.");
const MODEL: Key = Key::new("MODEL").description("The network.");
const TRAIN: Key = Key::new("TRAIN").description("Losses, optimizer, schedule, phases and checkpoints.");
const TEST: Key = Key::new("TEST").description("The online tracker.").resume(Resume::Free);

#[cfg(test)]
mod published;
#[cfg(test)]
mod tests;
