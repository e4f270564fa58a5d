//! The phases of training: what trains, for how long, how fast.

use super::{Training, at_least_one, family::Family, fraction, not_negative, positive, training::Context};
use crate::settings::{Entry, Section, Value};

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

impl Phase {
    /// Whether anything of the backbone may train.
    pub fn touches_backbone(&self) -> bool {
        let all = "backbone.";
        self.trains.iter().fold(false, |touches, pattern| match pattern.strip_prefix('!') {
            Some(pattern) => touches && !all.starts_with(pattern),
            None => {
                let fixed = pattern.split('*').next().unwrap_or_default();
                touches
                    || fixed.starts_with(all)
                    || all.starts_with(fixed) && (fixed.len() < pattern.len() || all.starts_with(pattern.as_str()))
            }
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
struct TwoStage {
    stage1: (usize, f64),
    stage2: (usize, f64),
    freeze: bool,
}

impl TwoStage {
    fn read(section: &mut Section<'_>, context: &Context<'_>) -> Option<Self> {
        let on = section.value("TWO_STAGE", false);
        let stages = section.reading_idly(!on, |section| Self {
            stage1: (section.checked("STAGE1_EPOCHS", 30, at_least_one), section.checked("STAGE1_LR", 1e-3, positive)),
            stage2: (section.checked("STAGE2_EPOCHS", 20, at_least_one), section.checked("STAGE2_LR", 1e-5, positive)),
            freeze: section.value("FREEZE_BACKBONE_STAGE1", true),
        });
        if !on {
            for key in ["STAGE1_EPOCHS", "STAGE1_LR", "STAGE2_EPOCHS", "STAGE2_LR", "FREEZE_BACKBONE_STAGE1"] {
                section.without_effect(key, "TRAIN.TWO_STAGE is not True");
            }
        } else if stages.freeze && !context.has_classes {
            let why = context.no_classes();
            section.problem("TWO_STAGE", format!("the first stage trains the condition head alone, and {why}"));
        }
        on.then_some(stages)
    }
}

/// What was decided about the backbone, and by whom.
#[derive(Clone, Copy, Debug)]
pub(super) struct Freezing {
    /// `TRAIN.FREEZE_BACKBONE`, or what it means when it is absent.
    pub frozen: bool,
    /// Whether it is written.
    pub written: bool,
    /// Whether no phase trains anything of the backbone.
    pub always: bool,
}

impl Freezing {
    /// Of a HIPTrack the reference trains everything but the backbone, of an OSTrack everything; a multi-task tracker is
    /// there to share its backbone, though the reference never trains that one's either.
    fn read(section: &mut Section<'_>, context: &Context<'_>) -> Self {
        // In the reference FREEZE_LAYERS comes from an older tracker and is never read: its `[0]` freezes nothing.
        let layers = section.reading_idly(true, |section| section.optional::<Vec<usize>>("FREEZE_LAYERS"));
        match layers.unwrap_or_default().as_slice() {
            [] | [0] => section.without_effect("FREEZE_LAYERS", "nothing reads it; FREEZE_BACKBONE freezes"),
            _ => section.problem(
                "FREEZE_LAYERS",
                "no layers are frozen one by one; use FREEZE_BACKBONE, or PHASES with TRAINS",
            ),
        }
        let default = match context.kind.family() {
            Family::HipTrack => true,
            Family::OsTrack => false,
            Family::MultiTask => context.compat && context.kind.new_hip,
        };
        let written = section.has("FREEZE_BACKBONE");
        let frozen = section
            .says("whether the backbone stands still (absent: True for a HIPTrack without condition head)")
            .value("FREEZE_BACKBONE", default);
        Self { frozen, written, always: false }
    }
}

/// The phases: `TRAIN.PHASES` when given, else the two stages, else one joint phase of `EPOCH` epochs.
pub(super) fn read(section: &mut Section<'_>, context: &Context<'_>, class_weight: f64) -> (Vec<Phase>, Freezing) {
    let two_stage = TwoStage::read(section, context);
    let is_listed =
        matches!(section.node("PHASES").map(|node| &node.value), Some(Value::Map(list)) if !list.is_empty());
    let idle = two_stage.is_some() || is_listed;
    let instead = if is_listed { "TRAIN.PHASES says how long each is" } else { "TRAIN.TWO_STAGE has its own" };
    let epochs = section.reading_idly(idle, |section| section.checked("EPOCH", 500, at_least_one));
    let lr = section.reading_idly(two_stage.is_some(), |section| section.checked("LR", 1e-4, positive));
    if idle {
        section.without_effect("EPOCH", instead);
    }
    if two_stage.is_some() {
        section.without_effect("LR", "TRAIN.TWO_STAGE has STAGE1_LR and STAGE2_LR");
    }
    let mut freezing = Freezing::read(section, context);
    let joint = Phase {
        name: "joint".into(),
        epochs,
        lr,
        trains: if freezing.frozen { HEADS.map(String::from).to_vec() } else { vec![String::new()] },
        class_weight,
        box_weight: 1.0,
        keep_rate: None,
    };
    let listed = section.section("PHASES");
    let phases = if is_listed {
        if two_stage.is_some() {
            listed.reading().report(listed.origin(), listed.path(), "phases are listed and TWO_STAGE is on; keep one");
        }
        let of_each = |key: &str| listed.entries().iter().all(|entry| entry.node.get(key).is_some());
        if of_each("LR") {
            section.without_effect("LR", "each of TRAIN.PHASES has its own");
        }
        if of_each("TRAINS") {
            section.without_effect("FREEZE_BACKBONE", "each of TRAIN.PHASES says what it TRAINS");
        }
        listed.entries().iter().map(|entry| listed_phase(&listed, entry, &joint, context)).collect()
    } else {
        match two_stage {
            None => vec![joint],
            Some(stages) => {
                let first = if stages.freeze { "cls_head." } else { "" };
                let phase = |name: &str, (epochs, lr): (usize, f64), trains| Phase {
                    name: name.into(),
                    epochs,
                    lr,
                    trains,
                    ..joint.clone()
                };
                let second = phase("stage2", stages.stage2, joint.trains.clone());
                vec![phase("stage1", stages.stage1, vec![first.to_string()]), second]
            }
        }
    };
    freezing.always = !phases.iter().any(Phase::touches_backbone);
    (phases, freezing)
}

fn listed_phase(listed: &Section<'_>, entry: &Entry, joint: &Phase, context: &Context<'_>) -> Phase {
    let path = format!("{}.{}", listed.path(), entry.key);
    let mut section = Section::at(listed.reading(), &path, Some(&entry.node), &entry.origin);
    let phase = Phase {
        name: entry.key.clone(),
        epochs: section.checked("EPOCHS", 1, at_least_one),
        lr: section.checked("LR", joint.lr, positive),
        trains: section.value("TRAINS", joint.trains.clone()),
        class_weight: section.reading_idly(!context.has_classes, |section| {
            section.checked("CLS_WEIGHT", joint.class_weight, not_negative)
        }),
        box_weight: section.checked("BOX_WEIGHT", joint.box_weight, not_negative),
        keep_rate: section.optional::<f64>("KEEP_RATE"),
    };
    if !context.has_classes {
        section.without_effect("CLS_WEIGHT", context.no_classes());
    }
    if let Some(rate) = phase.keep_rate.filter(|rate| *rate == 0.0 || fraction(rate).is_some()) {
        section.problem("KEEP_RATE", format!("must be above 0 and at most 1, found {rate}"));
    }
    section.close();
    phase
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
        let phase = |patterns: &[&str]| Phase {
            name: "p".into(),
            epochs: 1,
            lr: 1.0,
            trains: patterns.iter().map(ToString::to_string).collect(),
            class_weight: 0.1,
            box_weight: 1.0,
            keep_rate: None,
        };
        let trains = |patterns: &[&str], name: &str| phase(patterns).trains(name);
        let qkv = "backbone.blocks.11.attn.qkv.weight";
        assert!(trains(&[""], qkv) && trains(&["backbone."], qkv) && !trains(&["box_head."], qkv));
        assert!(trains(&["backbone.*.attn."], qkv) && trains(&["*qkv"], qkv) && !trains(&["*.mlp."], qkv));
        assert!(!trains(&["", "!backbone."], qkv) && trains(&["", "!backbone.", "backbone.blocks.11"], qkv));
        assert!(!trains(&[], qkv));
        let touches = |patterns: &[&str]| phase(patterns).touches_backbone();
        for patterns in
            [&[""][..], &["backbone.blocks.3"], &["*qkv"], &["b*norm"], &["backbone"], &["", "!backbone.blocks"]]
        {
            assert!(touches(patterns), "{patterns:?}");
        }
        for patterns in [&[][..], &["box_head."], &["HIP.*"], &["", "!backbone."], &HEADS] {
            assert!(!touches(patterns), "{patterns:?}");
        }
    }
}
