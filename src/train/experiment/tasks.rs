//! How the two tasks share the backbone.

use super::{not_negative, positive, training::Context};
use crate::{settings::Section, train::tasks::TaskWeighting};

/// λ over a phase (`TRAIN.CLS_WEIGHT_SCHEDULE`): from `start` to the phase's own within so many epochs.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Lambda {
    /// How it gets there.
    pub curve: Curve,
    /// λ at the start of a phase.
    pub start: f64,
    /// Epochs until the phase's own λ is reached; a fraction is fine.
    pub epochs: f64,
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

    pub(super) fn read(train: &mut Section<'_>, context: &Context<'_>) -> Self {
        train.says("λ over a phase: from START to the phase's own within EPOCHS");
        let mut section = train.section("CLS_WEIGHT_SCHEDULE").idle_if(!context.has_classes);
        if !context.has_classes {
            train.without_effect("CLS_WEIGHT_SCHEDULE", context.no_classes());
        }
        let curve = match section.says("constant: the phase's own λ from the start").choice(
            "TYPE",
            "constant",
            &["constant", "linear", "cosine"],
        ) {
            "linear" => Curve::Linear,
            "cosine" => Curve::Cosine,
            _ => Curve::Constant,
        };
        let constant = curve == Curve::Constant;
        let mut section = section.idle_if(constant);
        let start = section.says("λ at the start of a phase").checked("START", 0.0, not_negative);
        let epochs =
            section.says("epochs until λ has its full value; a fraction is fine").checked("EPOCHS", 1.0, positive);
        if constant && context.has_classes {
            for key in ["START", "EPOCHS"] {
                section.without_effect(key, "with TYPE constant λ is the phase's own from the start");
            }
        }
        section.close();
        Self { curve, start, epochs }
    }
}

/// What the condition head learns, and what learns from it (`TRAIN.MTL_MODE`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MtlMode {
    /// What the condition head learns.
    pub targets: ClassTargets,
    /// Whether the told conditions modulate the features that the box head sees (`film`).
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

    pub(super) fn read(train: &mut Section<'_>, context: &Context<'_>) -> Self {
        let modes = ["ce", "soft", "multilabel", "film", "soft+film", "multilabel+film"];
        let mode = train
            .says(
                "what the condition head learns: ce: the class; soft: probabilities (KL); multilabel: each condition and \
                 the severity (BCE); film: the told conditions modulate the features of the box head",
            )
            .choice("MTL_MODE", "ce", &modes);
        let targets = match mode {
            "soft" | "soft+film" => ClassTargets::Soft,
            "multilabel" | "multilabel+film" => ClassTargets::MultiLabel,
            _ => ClassTargets::Class,
        };
        let mode = Self { targets, film: mode.ends_with("film") };
        if !context.has_classes && mode != Self::default() {
            train.problem("MTL_MODE", format!("{}; leave the key out", context.no_classes()));
        }
        mode
    }
}

pub(super) fn weighting(train: &mut Section<'_>, context: &Context<'_>) -> TaskWeighting {
    let kind = train
        .says(
            "fixed: 1 and λ; uncertainty: learnt (Kendall 2018); gradnorm: by gradient norms (Chen 2018); pcgrad: without \
             the parts of gradients that oppose each other (Yu 2020)",
        )
        .choice("TASK_WEIGHTING", "fixed", &["fixed", "uncertainty", "gradnorm", "pcgrad"]);
    if !context.has_classes && kind != "fixed" {
        train.problem(
            "TASK_WEIGHTING",
            format!("{}, so there are no tasks to weigh; leave the key out", context.no_classes()),
        );
    }
    let others = kind != "gradnorm";
    let [alpha, lr] = train.reading_idly(others, |train| {
        let alpha = train.says("α of GradNorm: how strongly a task that lags is pulled along");
        let alpha = alpha.checked("GRADNORM_ALPHA", 1.5, not_negative);
        [alpha, train.says("learning rate of GradNorm's weights").checked("GRADNORM_LR", 0.025, positive)]
    });
    for key in ["GRADNORM_ALPHA", "GRADNORM_LR"] {
        if others {
            train.without_effect(key, "it belongs to TASK_WEIGHTING gradnorm");
        }
    }
    match kind {
        "uncertainty" => TaskWeighting::Uncertainty,
        "gradnorm" => TaskWeighting::GradNorm { alpha, lr },
        "pcgrad" => TaskWeighting::PcGrad,
        _ => TaskWeighting::Fixed,
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
