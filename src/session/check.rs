//! What is wrong with an experiment and a pipeline, as far as their files decide it: `train`, `sweep` and `validate` ask
//! here, so that what one refuses none of them takes.

use super::find;
use crate::{
    failure::Failure,
    flow::Graph,
    model::Hiptrack,
    settings::{Diagnostics, Node},
    stages::{self, Facts, RunContext},
    train::{experiment::Experiment, network, step::check_phases},
};

/// An experiment, and all that was found about it.
#[derive(Debug)]
pub struct Checked {
    /// As far as it could be read.
    pub experiment: Experiment,
    /// Whether all its keys and values could be; otherwise what it says means nothing.
    pub is_read: bool,
    /// What keeps it from being trained.
    pub problems: Vec<Failure>,
    /// What somebody should know.
    pub warnings: Vec<String>,
    /// Weights that it begins with and that are not on this machine; they may be where the run will be.
    pub missing: Option<Failure>,
}

impl Checked {
    /// The experiment, where it can be trained on this machine.
    ///
    /// # Errors
    /// Everything that is wrong.
    pub fn sound(self) -> crate::failure::Result<Experiment> {
        let problems = self.problems.into_iter().chain(self.missing).collect();
        merged(problems).map_or(Ok(self.experiment), Err)
    }
}

/// Checks the experiment in `node`: its keys and values, the sizes of the model, what each phase trains, and the weights
/// that it begins with.
pub fn experiment(node: &Node) -> Checked {
    let diagnostics = Diagnostics::new();
    let experiment = Experiment::draft(&diagnostics, node);
    let warnings = diagnostics.warnings().iter().map(find::show).collect();
    let is_read = diagnostics.is_clean();
    let mut checked = Checked { experiment, is_read, problems: Vec::new(), warnings, missing: None };
    if let Err(failure) = find::finish(&diagnostics) {
        checked.problems.push(failure);
        return checked;
    }
    let Checked { experiment, problems, missing, .. } = &mut checked;
    let sizes = network::config(experiment);
    let phases = Hiptrack::sketch(&sizes).and_then(|params| check_phases(&experiment.training, &params));
    problems.extend(phases.err());
    match network::find_pretrained(experiment) {
        Err(failure) => *missing = Some(failure),
        Ok(_) => problems.extend(network::check_pretrained(experiment).err()),
    }
    checked
}

/// Reports what is wrong with `graph` although each of its stages is right; with `facts` also where shapes, types and places
/// do not fit.
pub fn pipeline(diagnostics: &Diagnostics, graph: &Graph<RunContext>, facts: Option<&Facts>) {
    stages::check(diagnostics, graph, facts);
}

/// All of `problems` as one, of the kind of the first.
pub fn merged(problems: Vec<Failure>) -> Option<Failure> {
    let kind = problems.first()?.kind;
    let lines: Vec<String> = problems.into_iter().map(|failure| failure.message).collect();
    Some(Failure::new(kind, lines.join("\n")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::failure::FailureKind;

    fn of(text: &str) -> Checked {
        experiment(&Node::parse("x.yaml", text).unwrap())
    }

    #[test]
    fn keys_sizes_phases_and_weights_are_looked_at() {
        let fine = of("MODEL: {NEW_HIP: True, PRETRAIN_FILE: none}");
        assert!(fine.problems.is_empty() && fine.missing.is_none(), "{fine:?}");
        let key = of("TRAIN: {EPOHC: 3}").sound().unwrap_err();
        assert!(key.message.contains("did you mean EPOCH?"), "{key}");
        let sizes = of("MODEL: {PRETRAIN_FILE: none, BACKBONE: {EMBED_DIM: 31, NUM_HEADS: 2}}").sound().unwrap_err();
        assert_eq!(sizes.kind, FailureKind::Config);
        let phases = of("MODEL: {PRETRAIN_FILE: none}\nTRAIN: {PHASES: {one: {EPOCHS: 1, TRAINS: [nothing.]}}}");
        assert!(phases.sound().unwrap_err().message.contains("TRAIN.PHASES.one.TRAINS"));
        let weights = of("MODEL: {PRETRAIN_FILE: gone.safetensors}");
        assert!(weights.problems.is_empty(), "they may be on another machine");
        let weights = weights.sound().unwrap_err();
        assert_eq!(weights.kind, FailureKind::Input);
        assert!(weights.message.contains("gone.safetensors"), "{weights}");
    }
}
