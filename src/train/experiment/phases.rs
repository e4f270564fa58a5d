//! The phases of training: what trains, for how long, how fast.

use super::{Training, at_least_one, fraction, not_negative, positive};
use crate::settings::Section;

/// Patterns of all parameters but the backbone's.
pub const HEADS: [&str; 7] =
    ["HIP.", "key_proj.", "key_comp.", "searchRegionFusion.", "box_head.", "cls_head.", "film."];

/// One phase of training. The reference's two-stage training is a list of two.
#[derive(Clone, Debug, PartialEq)]
pub struct Phase {
    /// Its name in logs and metrics.
    pub name: String,
    /// Epochs it lasts.
    pub epochs: usize,
    /// Learning rate at its start.
    pub lr: f64,
    /// Parameters that train, by patterns of their names: `box_head.` is whatever begins so, `*` is any text, `""` is
    /// everything, and `!` in front takes back what an earlier pattern gave.
    pub trains: Vec<String>,
    /// λ, the weight of the class loss.
    pub class_weight: f64,
    /// Weight of the box loss; 0 leaves the box head alone.
    pub box_weight: f64,
    /// Share of search tokens that eliminating blocks keep; none: as the schedule of candidate elimination says.
    pub keep_rate: Option<f64>,
}

impl Phase {
    /// Whether the parameter `name` trains in this phase.
    pub fn trains(&self, name: &str) -> bool {
        self.trains.iter().fold(false, |trains, pattern| match pattern.strip_prefix('!') {
            Some(pattern) => trains && !begins(name, pattern),
            None => trains || begins(name, pattern),
        })
    }
}

/// Whether `name` begins as `pattern` says, in which `*` is any text.
fn begins(name: &str, pattern: &str) -> bool {
    match pattern.split_once('*') {
        None => name.starts_with(pattern),
        Some((head, rest)) => name
            .strip_prefix(head)
            .is_some_and(|left| (0..=left.len()).any(|at| left.get(at..).is_some_and(|left| begins(left, rest)))),
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
                    keep_rate: section.optional::<f64>("KEEP_RATE"),
                };
                if let Some(rate) = phase.keep_rate.filter(|rate| *rate == 0.0 || fraction(rate).is_some()) {
                    section.problem("KEEP_RATE", format!("must be above 0 and at most 1, found {rate}"));
                }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_match_by_their_beginning_and_stars() {
        let trains = |patterns: &[&str], name: &str| {
            let trains = patterns.iter().map(ToString::to_string).collect();
            let phase = Phase {
                name: "p".into(),
                epochs: 1,
                lr: 1.0,
                trains,
                class_weight: 0.1,
                box_weight: 1.0,
                keep_rate: None,
            };
            phase.trains(name)
        };
        let qkv = "backbone.blocks.11.attn.qkv.weight";
        assert!(trains(&[""], qkv) && trains(&["backbone."], qkv) && !trains(&["box_head."], qkv));
        assert!(trains(&["backbone.*.attn."], qkv) && trains(&["*qkv"], qkv) && !trains(&["*.mlp."], qkv));
        assert!(!trains(&["", "!backbone."], qkv) && trains(&["", "!backbone.", "backbone.blocks.11"], qkv));
        assert!(!trains(&[], qkv));
    }
}
