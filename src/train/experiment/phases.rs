//! The phases of training: what trains, for how long, how fast.

use super::{Training, family::Family, training::Context};
use crate::settings::{Config, Key, KeyValue, Section, Value};

/// Patterns of all parameters but the backbone's.
pub const HEADS: [&str; 7] =
    ["HIP.", "key_proj.", "key_comp.", "searchRegionFusion.", "box_head.", "cls_head.", "film."];

/// One phase of training. The reference's two-stage training is a list of two.
#[derive(Clone, Debug, PartialEq, Config)]
#[config(context = Listed<'_>)]
pub struct Phase {
    /// Its name in logs and metrics.
    #[config(value = context.name.to_string())]
    pub name: String,
    /// Epochs that the phase lasts.
    #[config(key = "EPOCHS", default = 1, min = 1, resume = length)]
    pub epochs: usize,
    /// Learning rate at the start of the phase.
    #[config(key = "LR", default = context.joint.lr, absent = "TRAIN.LR", above = 0)]
    pub lr: f64,
    /// Parameters that train, by patterns of their names: `box_head.` is whatever begins so, `*` is any text, an empty
    /// pattern is everything, and `!` in front takes back what an earlier pattern gave.
    #[config(
        key = "TRAINS", default = context.joint.trains.clone(),
        absent = "everything; without the backbone where TRAIN.FREEZE_BACKBONE is True"
    )]
    pub trains: Vec<String>,
    /// λ, the weight of the class loss beside that of the box.
    #[config(
        key = "CLS_WEIGHT", default = context.joint.class_weight, absent = "TRAIN.CLS_WEIGHT", min = 0,
        inactive = context.context.lacks_classes()
    )]
    pub class_weight: f64,
    /// Weight of the box loss; 0 leaves the box head alone.
    #[config(key = "BOX_WEIGHT", default = 1.0, min = 0)]
    pub box_weight: f64,
    /// Share of search tokens that the blocks of MODEL.BACKBONE.CE_LOC keep.
    #[config(
        key = "KEEP_RATE", absent = "as TRAIN.CE_START_EPOCH and CE_WARM_EPOCH say", above = 0, max = 1,
        check = |rate| (rate.is_some_and(|rate| rate < 1.0) && !context.context.eliminates).then(|| NOTHING_ELIMINATES.into())
    )]
    pub keep_rate: Option<f64>,
}

const NOTHING_ELIMINATES: &str = "no block eliminates candidates; name some in MODEL.BACKBONE.CE_LOC, or leave it out";

/// What a listed phase takes over.
pub(super) struct Listed<'a> {
    name: &'a str,
    joint: &'a Phase,
    context: &'a Context<'a>,
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

/// How long and how fast, as the keys of `TRAIN` say it.
#[derive(Config)]
#[config(context = Context<'_>, check = Lengths::check)]
struct Lengths {
    /// Whether there are two stages: STAGE1_EPOCHS in which the condition head alone trains, then STAGE2_EPOCHS.
    #[config(key = "TWO_STAGE", default = false)]
    two_stage: bool,
    /// Epochs of the first stage.
    #[config(key = "STAGE1_EPOCHS", default = 30, min = 1, resume = length, inactive = one_stage(two_stage))]
    stage1_epochs: usize,
    /// Learning rate of the first stage.
    #[config(key = "STAGE1_LR", default = 1e-3, above = 0, inactive = one_stage(two_stage))]
    stage1_lr: f64,
    /// Epochs of the second stage.
    #[config(key = "STAGE2_EPOCHS", default = 20, min = 1, resume = length, inactive = one_stage(two_stage))]
    stage2_epochs: usize,
    /// Learning rate of the second stage.
    #[config(key = "STAGE2_LR", default = 1e-5, above = 0, inactive = one_stage(two_stage))]
    stage2_lr: f64,
    /// Whether the condition head trains alone in the first stage; False: everything trains in both.
    #[config(key = "FREEZE_BACKBONE_STAGE1", default = true, inactive = one_stage(two_stage))]
    stage1_frozen: bool,
    #[config(value = is_listed(section))]
    is_listed: bool,
    /// Epochs, where there are neither two stages nor PHASES.
    #[config(
        key = "EPOCH", default = 500, min = 1, resume = length,
        inactive = is_listed.then_some("TRAIN.PHASES sets how long each is")
            .or(two_stage.then_some("TRAIN.TWO_STAGE has its own"))
    )]
    epochs: usize,
    /// Learning rate of everything but the backbone, whose is BACKBONE_MULTIPLIER times this.
    #[config(
        key = "LR", default = 1e-4, above = 0,
        inactive = two_stage.then_some("TRAIN.TWO_STAGE has STAGE1_LR and STAGE2_LR")
    )]
    lr: f64,
}

fn one_stage(two_stage: bool) -> Option<&'static str> {
    (!two_stage).then_some("TRAIN.TWO_STAGE is not True")
}

fn is_listed(train: &mut Section<'_>) -> bool {
    matches!(train.node("PHASES").map(|node| &node.value), Some(Value::Map(list)) if !list.is_empty())
}

impl Lengths {
    fn check(&self, section: &mut Section<'_>, context: &Context<'_>) {
        if let Some(why) = context.lacks_classes().filter(|_| self.two_stage && self.stage1_frozen) {
            section.problem("TWO_STAGE", format!("the first stage trains only the condition head, and {why}"));
        }
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

/// What an absent `FREEZE_BACKBONE` means. Of a HIPTrack the reference trains everything but the backbone, of an OSTrack
/// everything; a multi-task tracker is there to share its backbone, though the reference never trains that one's either.
pub(super) fn frozen_by_default(context: &Context<'_>) -> bool {
    match context.kind.family() {
        Family::HipTrack => true,
        Family::OsTrack => false,
        Family::MultiTask => context.compat && context.kind.new_hip,
    }
}

const PHASES: Key = Key::new("PHASES")
    .description("Phases of training, one after the other, each under a name of your choice.")
    .absent("one phase of EPOCH epochs, or the two of TWO_STAGE")
    .absent_acts();

/// The phases: `TRAIN.PHASES` when given, else the two stages, else one joint phase of `EPOCH` epochs.
pub(super) fn read(section: &mut Section<'_>, context: &Context<'_>, class_weight: f64, frozen: bool) -> Vec<Phase> {
    let lengths = Lengths::read(section, context);
    let joint = Phase {
        name: "joint".into(),
        epochs: lengths.epochs,
        lr: lengths.lr,
        trains: if frozen { HEADS.map(String::from).to_vec() } else { vec![String::new()] },
        class_weight: if context.has_classes { class_weight } else { 0.0 },
        box_weight: 1.0,
        keep_rate: None,
    };
    let listed = section.section(PHASES);
    if !lengths.is_listed {
        return match lengths.two_stage {
            false => vec![joint],
            true => stages(&lengths, &joint),
        };
    }
    if lengths.two_stage {
        section.conflict("PHASES", &["TWO_STAGE"], "phases are listed and TWO_STAGE is on; keep one");
    }
    let of_each = |key: &str| listed.entries().iter().all(|entry| entry.node.get(key).is_some());
    if of_each("LR") {
        section.without_effect("LR", "each of TRAIN.PHASES has its own");
    }
    if of_each("TRAINS") {
        section.without_effect("FREEZE_BACKBONE", "each of TRAIN.PHASES lists what it TRAINS");
    }
    listed.entries().iter().map(|entry| listed_phase(&listed, entry, &joint, context)).collect()
}

fn stages(lengths: &Lengths, joint: &Phase) -> Vec<Phase> {
    let first = if lengths.stage1_frozen { "cls_head." } else { "" };
    let phase = |name: &str, epochs, lr, trains| Phase { name: name.into(), epochs, lr, trains, ..joint.clone() };
    vec![
        phase("stage1", lengths.stage1_epochs, lengths.stage1_lr, vec![first.to_string()]),
        phase("stage2", lengths.stage2_epochs, lengths.stage2_lr, joint.trains.clone()),
    ]
}

fn listed_phase<'a>(listed: &Section<'a>, entry: &'a KeyValue, joint: &Phase, context: &Context<'_>) -> Phase {
    let mut section = listed.named(entry);
    let phase = Phase::read(&mut section, &Listed { name: &entry.key, joint, context });
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
