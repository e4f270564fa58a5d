//! The phases of training: what trains, for how long, how fast.

use super::{Training, at_least_one, not_negative, positive};
use crate::settings::Section;

/// One phase of training. The reference's two-stage training is a list of two.
#[derive(Clone, Debug, PartialEq)]
pub struct Phase {
    /// Its name in logs and metrics.
    pub name: String,
    /// Epochs it lasts.
    pub epochs: usize,
    /// Learning rate at its start.
    pub lr: f64,
    /// Parameters that train: a name trains when it begins with one of these (`""`: all).
    pub trains: Vec<String>,
    /// λ, the weight of the class loss.
    pub class_weight: f64,
    /// Weight of the box loss; 0 leaves the box head alone.
    pub box_weight: f64,
}

impl Phase {
    /// Whether the parameter `name` trains in this phase.
    pub fn trains(&self, name: &str) -> bool {
        self.trains.iter().any(|prefix| name.starts_with(prefix.as_str()))
    }
}

/// What the reference's two-stage keys say.
pub(super) struct TwoStage {
    stage1: (usize, f64),
    stage2: (usize, f64),
    freeze: bool,
}

impl TwoStage {
    pub(super) fn read(section: &mut Section<'_>) -> Option<Self> {
        let on = section.value("TWO_STAGE", false);
        let stages = Self {
            stage1: (section.checked("STAGE1_EPOCHS", 30, at_least_one), section.checked("STAGE1_LR", 1e-3, positive)),
            stage2: (section.checked("STAGE2_EPOCHS", 20, at_least_one), section.checked("STAGE2_LR", 1e-5, positive)),
            freeze: section.value("FREEZE_BACKBONE_STAGE1", true),
        };
        on.then_some(stages)
    }
}

/// The phases: `TRAIN.PHASES` when given, else the two stages, else one joint phase of `EPOCH` epochs.
pub(super) fn read(section: &mut Section<'_>, two_stage: Option<TwoStage>, joint: Phase) -> Vec<Phase> {
    let listed = section.section("PHASES");
    if !listed.entries().is_empty() {
        if two_stage.is_some() {
            listed.reading().report(listed.origin(), listed.path(), "phases are listed and TWO_STAGE is on; keep one");
        }
        return listed
            .entries()
            .iter()
            .map(|entry| {
                let path = format!("{}.{}", listed.path(), entry.key);
                let mut section = Section::at(listed.reading(), &path, Some(&entry.node), &entry.origin);
                let phase = Phase {
                    name: entry.key.clone(),
                    epochs: section.checked("EPOCHS", 1, at_least_one),
                    lr: section.checked("LR", joint.lr, positive),
                    trains: section.value("TRAINS", joint.trains.clone()),
                    class_weight: section.checked("CLS_WEIGHT", joint.class_weight, not_negative),
                    box_weight: section.checked("BOX_WEIGHT", joint.box_weight, not_negative),
                };
                section.close();
                phase
            })
            .collect();
    }
    let Some(stages) = two_stage else { return vec![joint] };
    let everything = if stages.freeze { vec!["cls_head.".to_string()] } else { vec![String::new()] };
    vec![
        Phase {
            name: "stage1".into(),
            epochs: stages.stage1.0,
            lr: stages.stage1.1,
            trains: everything,
            ..joint.clone()
        },
        Phase { name: "stage2".into(), epochs: stages.stage2.0, lr: stages.stage2.1, ..joint },
    ]
}

impl Training {
    /// Epochs of all phases together.
    pub fn epochs(&self) -> usize {
        self.phases.iter().map(|phase| phase.epochs).sum()
    }

    /// The phase of `epoch` (from 0) and the epoch's number within it; the last phase beyond the end.
    pub fn phase_at(&self, epoch: usize) -> (usize, usize) {
        let mut first = 0;
        for (index, phase) in self.phases.iter().enumerate() {
            if epoch < first + phase.epochs || index + 1 == self.phases.len() {
                return (index, epoch - first);
            }
            first += phase.epochs;
        }
        (0, epoch)
    }
}
