//! `TRAIN`: losses, optimizer, schedule and phases.

use super::{
    family::Kind,
    phases::{self, Phase},
    saving::Saving,
    schedule::{Schedule, ScheduleKeys},
    tasks::{ClassTargets, Lambda, MtlMode, WeightingKeys},
};
use crate::settings::{Config, FromNode, Section};
use crate::telemetry::machine;
use crate::train::{precision::Precision, tasks::TaskWeighting};

/// What the keys of other sections say about those of `TRAIN`.
pub(super) struct Context<'a> {
    /// Whose experiment it is.
    pub kind: &'a Kind,
    /// Whether there is a condition head.
    pub has_classes: bool,
    /// Whether any block eliminates candidates.
    pub eliminates: bool,
    /// `COMPAT: reference`.
    pub compat: bool,
}

impl Context<'_> {
    /// Why keys of the condition head mean nothing, where they do.
    pub fn lacks_classes(&self) -> Option<&'static str> {
        match (self.has_classes, self.kind.no_classes) {
            (true, _) => None,
            (false, true) => Some("there is no condition head (MODEL.CLS_HEAD.NUM_CLASSES: 0)"),
            (false, false) => Some("there is no condition head (no MODEL.CLS_HEAD)"),
        }
    }
}

/// `TRAIN`.
#[derive(Clone, Debug, Config)]
#[config(context = Context<'_>, check = Training::check)]
pub struct Training {
    /// What the condition head learns. ce: the class; soft: probabilities (KL); multilabel: each condition and the severity
    /// (BCE); film: the predicted conditions modulate the features of the box head.
    #[config(
        key = "MTL_MODE", choices = MtlMode::NAMES, default = "ce", map = MtlMode::named,
        check = |mode| context.lacks_classes().filter(|_| *mode != "ce").map(|why| format!("{why}; leave the key out"))
    )]
    pub mtl: MtlMode,
    /// λ, the weight of the class loss beside that of the box.
    #[config(key = "CLS_WEIGHT", default = 1.0, min = 0, inactive = context.lacks_classes())]
    pub class_weight: f64,
    /// The class loss: cross-entropy, focal, or cross-entropy of smoothed labels.
    #[config(
        key = "CLS_LOSS_TYPE", choices = ["CE", "FOCAL", "LABEL_SMOOTH"], default = "CE",
        inactive = context.lacks_classes(), check = |name| other_loss(name, mtl)
    )]
    pub class_loss: &'static str,
    /// α of the class loss FOCAL.
    #[config(
        key = "CLS_FOCAL_ALPHA", default = 0.25, min = 0, max = 1, inactive = of_loss(class_loss, "FOCAL", context)
    )]
    pub class_focal_alpha: f64,
    /// γ of the class loss FOCAL.
    #[config(key = "CLS_FOCAL_GAMMA", default = 2.0, min = 0, inactive = of_loss(class_loss, "FOCAL", context))]
    pub class_focal_gamma: f64,
    /// ε of the class loss LABEL_SMOOTH.
    #[config(
        key = "CLS_LABEL_SMOOTHING", default = 0.1, min = 0, max = 1,
        inactive = of_loss(class_loss, "LABEL_SMOOTH", context)
    )]
    pub class_smoothing: f64,
    /// MTL_MODE multilabel: weight of the severity's smooth L1 beside the conditions' cross-entropy.
    #[config(
        key = "SEVERITY_WEIGHT", default = 1.0, min = 0,
        inactive = (mtl.targets != ClassTargets::MultiLabel).then_some("it belongs to MTL_MODE multilabel")
    )]
    pub severity_weight: f64,
    /// What the class task's gradients into shared features are multiplied by; 0: none pass.
    #[config(key = "CLS_GRADIENT_SCALE", default = 1.0, min = 0, inactive = context.lacks_classes())]
    pub class_gradient_scale: f64,
    /// The epoch (from 1) from which the condition head no longer trains; -1: never.
    #[config(
        key = "FREEZE_CLS_EPOCH", as = i64, default = -1, min = -1.0,
        refused = freezes_nothing(section, context), inactive = context.lacks_classes(),
        map = |epoch| usize::try_from(epoch).ok()
    )]
    pub freeze_class_epoch: Option<usize>,
    /// A key of an older tracker that nothing reads: only `[0]` is accepted.
    #[config(
        key = "FREEZE_LAYERS", as = Option<Vec<usize>>, map = |_| (), refused = other_layers(section),
        inactive = Some("nothing reads it; FREEZE_BACKBONE freezes")
    )]
    _freeze_layers: (),
    /// Whether the backbone stands still.
    #[config(
        key = "FREEZE_BACKBONE", default = phases::frozen_by_default(context),
        absent = "True for a HIPTrack without condition head, or with one under COMPAT: reference; else False"
    )]
    pub(super) freeze_backbone: bool,
    /// What trains, for how long, how fast.
    #[config(value = phases::read(section, context, class_weight, freeze_backbone))]
    pub phases: Vec<Phase>,
    /// The optimizer; AdamW is the one there is.
    #[config(key = "OPTIMIZER", choices = ["ADAMW"], default = "ADAMW", map = |_| ())]
    _optimizer: (),
    /// In what precision steps compute.
    #[config(flatten = &())]
    pub precision: Precision,
    /// A key of the reference without effect: the pipeline file sets how many workers each stage has.
    #[config(
        key = "NUM_WORKER", as = usize, default = 8, map = |_| (),
        inactive = Some("the pipeline file sets how many workers each stage has")
    )]
    _workers: (),
    /// Factor on the learning rate for the backbone.
    #[config(
        key = "BACKBONE_MULTIPLIER", default = 0.1, min = 0,
        unused = (!touch_backbone(&phases)).then_some("the backbone is frozen")
    )]
    pub backbone_multiplier: f64,
    /// Largest rate of stochastic depth, which grows linearly up to the last block.
    #[config(
        key = "DROP_PATH_RATE", default = 0.1, min = 0, max = 1,
        unused = (!touch_backbone(&phases)).then_some("the backbone is frozen, and frozen is as in evaluation")
    )]
    pub drop_path: f64,
    /// The epoch (from 1) at which candidate elimination begins.
    #[config(key = "CE_START_EPOCH", default = 20, inactive = no_elimination(context))]
    pub elimination_start: usize,
    /// Epochs over which the share of kept tokens then falls to that of MODEL.BACKBONE.CE_KEEP_RATIO.
    #[config(key = "CE_WARM_EPOCH", default = 80, inactive = no_elimination(context))]
    pub elimination_warm: usize,
    /// Clips in a batch.
    #[config(key = "BATCH_SIZE", default = 16, min = 1)]
    pub batch_size: usize,
    /// Weight of the GIoU loss.
    #[config(key = "GIOU_WEIGHT", default = 2.0, min = 0)]
    pub giou_weight: f64,
    /// Weight of the L1 loss.
    #[config(key = "L1_WEIGHT", default = 5.0, min = 0)]
    pub l1_weight: f64,
    /// Weight of the heat map's focal loss.
    #[config(key = "FOCAL_WEIGHT", default = 1.0, min = 0)]
    pub focal_weight: f64,
    /// AdamW's weight decay.
    #[config(key = "WEIGHT_DECAY", default = 1e-4, min = 0)]
    pub weight_decay: f64,
    /// Largest norm of all gradients together; 0: they are not clipped.
    #[config(key = "GRAD_CLIP_NORM", default = 0.1, min = 0)]
    pub clip_norm: f64,
    /// How the learning rate changes.
    #[config(flatten, as = ScheduleKeys, map = Schedule::from)]
    pub schedule: Schedule,
    /// Steps between two updates of the progress bar's numbers, and between two lines of `--verbose` and `--log json`.
    #[config(key = "PRINT_INTERVAL", default = 50, min = 1, resume = free)]
    pub print_interval: usize,
    /// Epochs between two validations.
    #[config(
        key = "VAL_EPOCH_INTERVAL", default = 20, min = 1, resume = noted("validations change, training does not")
    )]
    pub val_interval: usize,
    /// Whether to validate before the first step too.
    #[config(key = "VAL_BEFORE", default = false, resume = noted("validations change, training does not"))]
    pub val_before: bool,
    /// When checkpoints are written, and which stay.
    #[config(flatten)]
    pub saving: Saving,
    /// λ over a phase: from START to the phase's own within EPOCHS.
    #[config(key = "CLS_WEIGHT_SCHEDULE", nested, inactive = context.lacks_classes())]
    pub lambda: Lambda,
    /// How the tasks are weighted.
    #[config(flatten, as = WeightingKeys, map = TaskWeighting::from)]
    pub weighting: TaskWeighting,
    /// Steps between two comparisons of the tasks' gradients, block by block; 0: none.
    #[config(key = "GRAD_ANALYSIS_INTERVAL", default = 0, resume = free, inactive = context.lacks_classes())]
    pub analysis_interval: usize,
    /// Frames of a validation whose pooled features are kept for the report; 0: none.
    #[config(key = "KEEP_FEATURES", default = 4096, resume = free)]
    pub kept_features: usize,
    /// Clips of the first batch of each pass that the live page and the report show; 0: none.
    #[config(key = "SHOW_CLIPS", default = 3, resume = free)]
    pub preview_clips: usize,
    /// Decay of the weights averaged over the steps, which are then validated; 0: there are none.
    #[config(key = "EMA_DECAY", default = 0.0, min = 0, below = 1)]
    pub ema_decay: f64,
    /// Whether the backbone's blocks are computed again for the backward pass instead of being kept: much less memory, a
    /// third more work.
    #[config(key = "ACTIVATION_CHECKPOINTING", default = false, resume = free)]
    pub activation_checkpointing: bool,
    /// Parts of a batch that are computed one after the other, their gradients summed, so that a large batch fits the
    /// memory.
    #[config(key = "ACCUMULATE", default = 1, min = 1)]
    pub accumulate: usize,
    /// So many steps in a row whose loss is not finite end the run.
    #[config(key = "NONFINITE_LIMIT", default = 20, min = 1, resume = free)]
    pub nonfinite_limit: usize,
    /// Parts of a batch that are computed side by side, each with its own batch statistics.
    #[config(key = "REPLICAS", alias = "SHARDS", default = 1, min = 1)]
    pub replicas: usize,
    /// Threads of libtorch on the CPU, shared out to the parts of REPLICAS. The last bits of results depend on it.
    #[config(
        key = "THREADS", default = default_threads(), absent = "as many as there are cores, at most 16", min = 1,
        resume = noted("losses may differ in their last bits")
    )]
    pub threads: usize,
}

impl Training {
    fn check(&self, section: &mut Section<'_>, _: &Context<'_>) {
        for (key, parts) in [("ACCUMULATE", self.accumulate), ("REPLICAS", self.replicas)] {
            if parts > self.batch_size && self.batch_size > 0 {
                let message = format!("a batch has {0} clips (BATCH_SIZE), and at most {0} parts", self.batch_size);
                section.warning(key, message);
            }
        }
    }

    /// Whether no phase trains anything of the backbone.
    pub(super) fn leaves_backbone(&self) -> bool {
        !touch_backbone(&self.phases)
    }

    /// Threads for each operation of libtorch when all shards are at work.
    pub fn threads_per_replica(&self) -> i32 {
        i32::try_from((self.threads / self.replicas.max(1)).max(1)).unwrap_or(1)
    }
}

fn touch_backbone(phases: &[Phase]) -> bool {
    phases.iter().any(Phase::touches_backbone)
}

/// Why a key of the class loss `of` says nothing.
fn of_loss(chosen: &str, of: &str, context: &Context<'_>) -> Option<String> {
    let other = || (chosen != of).then(|| format!("it belongs to CLS_LOSS_TYPE {of}"));
    context.lacks_classes().map(str::to_string).or_else(other)
}

fn other_loss(name: &str, mtl: MtlMode) -> Option<String> {
    let is_other = mtl.targets != ClassTargets::Class && name != "CE";
    is_other.then(|| format!("{name} is a loss of classes; use CE, or one of MTL_MODE ce and film"))
}

fn freezes_nothing(section: &mut Section<'_>, context: &Context<'_>) -> Option<String> {
    let why = context.lacks_classes()?;
    let epoch = section.node("FREEZE_CLS_EPOCH").and_then(i64::from_node)?;
    (epoch >= 0).then(|| format!("{why}; leave the key out"))
}

/// In the reference FREEZE_LAYERS comes from an older tracker and is never read: its `[0]` freezes nothing.
fn other_layers(section: &mut Section<'_>) -> Option<&'static str> {
    let layers = section.node("FREEZE_LAYERS").and_then(Vec::<usize>::from_node)?;
    let message = "no layers are frozen one by one; use FREEZE_BACKBONE, or PHASES with TRAINS";
    (!matches!(layers.as_slice(), [] | [0])).then_some(message)
}

fn no_elimination(context: &Context<'_>) -> Option<&'static str> {
    (!context.eliminates).then_some("no block eliminates candidates (MODEL.BACKBONE.CE_LOC)")
}

fn default_threads() -> usize {
    machine::cores().min(16)
}
