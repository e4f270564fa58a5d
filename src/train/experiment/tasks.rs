//! How the two tasks share the backbone.

use super::training::Context;
use crate::{settings::Config, train::tasks::TaskWeighting};

/// λ over a phase (`TRAIN.CLS_WEIGHT_SCHEDULE`): from `start` to the phase's own within so many epochs.
#[derive(Clone, Copy, Debug, PartialEq, Config)]
#[config(context = Context<'_>)]
pub struct Lambda {
    /// How λ gets from START to the phase's own; constant: it is the phase's own from the start.
    #[config(key = "TYPE", choices = ["constant", "linear", "cosine"], default = "constant", map = Curve::named)]
    pub curve: Curve,
    /// λ at the start of a phase.
    #[config(key = "START", default = 0.0, min = 0, inactive = constant(curve, context))]
    pub start: f64,
    /// Epochs until the phase's own λ is reached; a fraction is fine.
    #[config(key = "EPOCHS", default = 1.0, above = 0, inactive = constant(curve, context))]
    pub epochs: f64,
}

fn constant(curve: Curve, context: &Context<'_>) -> Option<&'static str> {
    let why = "with TYPE constant λ is the phase's own from the start";
    (curve == Curve::Constant && context.has_classes).then_some(why)
}

/// The way from one λ to the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Curve {
    /// The phase's own from the start.
    Constant,
    /// In a straight line.
    Linear,
    /// In half a cosine.
    Cosine,
}

impl Lambda {
    /// λ at `progress` epochs into a phase whose own is `target`.
    pub fn at(&self, progress: f64, target: f64) -> f64 {
        let share = if self.epochs > 0.0 { (progress / self.epochs).clamp(0.0, 1.0) } else { 1.0 };
        let share = match self.curve {
            Curve::Constant => return target,
            Curve::Linear => share,
            Curve::Cosine => 0.5 * (1.0 - (std::f64::consts::PI * share).cos()),
        };
        self.start + share * (target - self.start)
    }
}

impl Curve {
    fn named(name: &str) -> Self {
        match name {
            "linear" => Self::Linear,
            "cosine" => Self::Cosine,
            _ => Self::Constant,
        }
    }
}

/// What the condition head learns, and what learns from it (`TRAIN.MTL_MODE`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MtlMode {
    /// What the condition head learns.
    pub targets: ClassTargets,
    /// Whether the predicted conditions modulate the features that the box head sees (`film`).
    pub film: bool,
}

/// What the condition head learns of a frame.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ClassTargets {
    /// Its class (`ce`), by `TRAIN.CLS_LOSS_TYPE`.
    #[default]
    Class,
    /// How probable each condition is, together 1 (`soft`).
    Soft,
    /// Each condition for itself, and how much they disturb (`multilabel`).
    MultiLabel,
}

impl MtlMode {
    /// Whether more than the class of a frame is needed.
    pub fn needs_soft(self) -> bool {
        self.targets != ClassTargets::Class
    }

    /// What `TRAIN.MTL_MODE` can be.
    pub(super) const NAMES: [&str; 6] = ["ce", "soft", "multilabel", "film", "soft+film", "multilabel+film"];

    pub(super) fn named(name: &str) -> Self {
        let targets = match name {
            "soft" | "soft+film" => ClassTargets::Soft,
            "multilabel" | "multilabel+film" => ClassTargets::MultiLabel,
            _ => ClassTargets::Class,
        };
        Self { targets, film: name.ends_with("film") }
    }
}

/// What `TRAIN` says about the weights of the tasks.
#[derive(Config)]
#[config(context = Context<'_>)]
pub(super) struct WeightingKeys {
    /// How the losses of box and conditions are weighted. fixed: 1 and λ; uncertainty: learnt (Kendall 2018); gradnorm: by
    /// gradient norms (Chen 2018); pcgrad: without the parts of gradients that oppose each other (Yu 2020).
    #[config(
        key = "TASK_WEIGHTING", choices = ["fixed", "uncertainty", "gradnorm", "pcgrad"], default = "fixed",
        check = |kind| context.lacks_classes().filter(|_| *kind != "fixed")
            .map(|why| format!("{why}, so there are no tasks to weigh; leave the key out"))
    )]
    kind: &'static str,
    /// α of GradNorm: how strongly a task that lags is pulled along.
    #[config(key = "GRADNORM_ALPHA", default = 1.5, min = 0, inactive = not_gradnorm(kind))]
    alpha: f64,
    /// Learning rate of GradNorm's weights.
    #[config(key = "GRADNORM_LR", default = 0.025, above = 0, inactive = not_gradnorm(kind))]
    lr: f64,
}

fn not_gradnorm(kind: &str) -> Option<&'static str> {
    (kind != "gradnorm").then_some("it belongs to TASK_WEIGHTING gradnorm")
}

impl From<WeightingKeys> for TaskWeighting {
    fn from(keys: WeightingKeys) -> Self {
        let WeightingKeys { kind, alpha, lr } = keys;
        match kind {
            "uncertainty" => Self::Uncertainty,
            "gradnorm" => Self::GradNorm { alpha, lr },
            "pcgrad" => Self::PcGrad,
            _ => Self::Fixed,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lambda_grows_or_falls_to_the_phases_own() {
        let linear = Lambda { curve: Curve::Linear, start: 0.0, epochs: 4.0 };
        assert_eq!([0.0, 1.0, 4.0, 9.0].map(|at| linear.at(at, 0.2)), [0.0, 0.05, 0.2, 0.2]);
        let cosine = Lambda { curve: Curve::Cosine, start: 1.0, epochs: 2.0 };
        assert_eq!([0.0, 2.0].map(|at| cosine.at(at, 0.5)), [1.0, 0.5]);
        assert!((cosine.at(1.0, 0.5) - 0.75).abs() < 1e-12);
        assert_eq!(Lambda { curve: Curve::Constant, ..linear }.at(0.0, 0.3), 0.3);
    }
}
