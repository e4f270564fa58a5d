//! `TRAIN`: losses, optimizer, schedule and phases.

use super::{
    at_least_one, below_one,
    classes::ClassLoss,
    family::Kind,
    fraction, not_negative,
    phases::{self, Freezing, Phase},
    saving::Saving,
    schedule::Schedule,
    tasks::{self, Lambda, MtlMode},
};
use crate::settings::Section;
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
    /// Why keys of the condition head mean nothing.
    pub fn no_classes(&self) -> &'static str {
        match self.kind.no_classes {
            true => "there is no condition head (MODEL.CLS_HEAD.NUM_CLASSES: 0)",
            false => "there is no condition head (no MODEL.CLS_HEAD)",
        }
    }
}

/// `TRAIN`.
#[derive(Clone, Debug)]
pub struct Training {
    /// Clips in a batch.
    pub batch_size: usize,
    /// Weight of the GIoU loss.
    pub giou_weight: f64,
    /// Weight of the L1 loss.
    pub l1_weight: f64,
    /// Weight of the heat map's focal loss.
    pub focal_weight: f64,
    /// `CE`, `FOCAL` or `LABEL_SMOOTH`.
    pub class_loss: &'static str,
    /// α of the class loss `FOCAL`.
    pub class_focal_alpha: f64,
    /// γ of the class loss `FOCAL`.
    pub class_focal_gamma: f64,
    /// ε of the class loss `LABEL_SMOOTH`.
    pub class_smoothing: f64,
    /// What the condition head learns, and what learns from it.
    pub mtl: MtlMode,
    /// Weight of the severity's loss within the class loss of `multilabel`.
    pub severity_weight: f64,
    /// What the class task's gradients into shared features are multiplied by.
    pub class_gradient_scale: f64,
    /// Epoch (from 1) from which the class head no longer trains; `None`: never.
    pub freeze_class_epoch: Option<usize>,
    /// In what precision steps compute (`AMP`, `TF32`).
    pub precision: Precision,
    /// Factor on the learning rate of the backbone's group.
    pub backbone_multiplier: f64,
    /// AdamW's weight decay.
    pub weight_decay: f64,
    /// Largest norm of all gradients together; 0 switches clipping off.
    pub clip_norm: f64,
    /// Largest rate of stochastic depth, reached linearly at the last block.
    pub drop_path: f64,
    /// How the learning rate changes.
    pub schedule: Schedule,
    /// What trains, for how long, how fast.
    pub phases: Vec<Phase>,
    /// Epoch (from 1) at which candidate elimination begins.
    pub elimination_start: usize,
    /// Epochs over which the keep rate falls to its base.
    pub elimination_warm: usize,
    /// Steps between two lines of progress.
    pub print_interval: usize,
    /// Epochs between two validations.
    pub val_interval: usize,
    /// Whether to validate before the first step too.
    pub val_before: bool,
    /// When checkpoints are written, and which stay.
    pub saving: Saving,
    /// How λ changes within a phase.
    pub lambda: Lambda,
    /// How the tasks are weighted.
    pub weighting: TaskWeighting,
    /// Steps between two comparisons of the tasks' gradients; 0: none.
    pub analysis_interval: usize,
    /// Frames of a validation whose pooled features are kept for the report; 0: none.
    pub kept_features: usize,
    /// Clips of the first batch of each pass that people are shown; 0: none.
    pub shown_clips: usize,
    /// Decay of the averaged weights; 0: there are none.
    pub ema_decay: f64,
    /// Whether the backbone's blocks are computed again for the backward pass instead of being kept in memory.
    pub activation_checkpointing: bool,
    /// Parts of a batch that are computed one after the other, their gradients summed.
    pub accumulate: usize,
    /// Non-finite steps in a row that end the run.
    pub nonfinite_limit: usize,
    /// Parts of a batch that are computed side by side, each with its own batch statistics.
    pub shards: usize,
    /// Threads of libtorch on the CPU, shared out to the shards; results depend on it in their last bits, so resuming keeps it.
    pub threads: usize,
}

impl Training {
    pub(super) fn read(mut section: Section<'_>, context: &Context<'_>) -> (Self, Freezing) {
        let mtl = MtlMode::read(&mut section, context);
        let classes = ClassLoss::read(&mut section, context, mtl);
        let (phases, freezing) = phases::read(&mut section, context, classes.weight);
        section.choice("OPTIMIZER", "ADAMW", &["ADAMW"]);
        let precision = Precision { autocast: section.value("AMP", false), tf32: section.value("TF32", false) };
        section.idle("NUM_WORKER", 8usize, "the pipeline file says how many workers each stage has");
        let backbone_multiplier = section.checked("BACKBONE_MULTIPLIER", 0.1, not_negative);
        let drop_path = section.checked("DROP_PATH_RATE", 0.1, fraction);
        if freezing.always {
            section.without_effect("BACKBONE_MULTIPLIER", "the backbone is frozen");
            section.without_effect("DROP_PATH_RATE", "the backbone is frozen, and frozen is as in evaluation");
        }
        let [elimination_start, elimination_warm] =
            [("CE_START_EPOCH", 20usize), ("CE_WARM_EPOCH", 80)].map(|(key, default)| match context.eliminates {
                true => section.value(key, default),
                false => {
                    section.idle(key, default, "no block eliminates candidates (MODEL.BACKBONE.CE_LOC)");
                    default
                }
            });
        let training = Self {
            batch_size: section.checked("BATCH_SIZE", 16, at_least_one),
            giou_weight: section.checked("GIOU_WEIGHT", 2.0, not_negative),
            l1_weight: section.checked("L1_WEIGHT", 5.0, not_negative),
            focal_weight: section.checked("FOCAL_WEIGHT", 1.0, not_negative),
            class_loss: classes.name,
            class_focal_alpha: classes.focal_alpha,
            class_focal_gamma: classes.focal_gamma,
            class_smoothing: classes.smoothing,
            mtl,
            severity_weight: classes.severity_weight,
            precision,
            class_gradient_scale: classes.gradient_scale,
            freeze_class_epoch: classes.freeze_epoch,
            backbone_multiplier,
            weight_decay: section.checked("WEIGHT_DECAY", 1e-4, not_negative),
            clip_norm: section.checked("GRAD_CLIP_NORM", 0.1, not_negative),
            drop_path,
            schedule: Schedule::read(&mut section, context.compat),
            phases,
            elimination_start,
            elimination_warm,
            print_interval: section.checked("PRINT_INTERVAL", 50, at_least_one),
            val_interval: section.checked("VAL_EPOCH_INTERVAL", 20, at_least_one),
            val_before: section.value("VAL_BEFORE", false),
            saving: Saving::read(&mut section, context),
            lambda: Lambda::read(&mut section, context),
            weighting: tasks::weighting(&mut section, context),
            analysis_interval: section.reading_idly(!context.has_classes, |section| {
                section
                    .says("steps between two comparisons of the tasks' gradients, block by block; 0: none")
                    .value("GRAD_ANALYSIS_INTERVAL", 0usize)
            }),
            kept_features: section
                .says("frames of a validation whose pooled features are kept for the report; 0: none")
                .value("KEEP_FEATURES", 4096usize),
            shown_clips: section
                .says("clips of the first batch of each pass that the live page and the report show; 0: none")
                .value("SHOW_CLIPS", 3usize),
            ema_decay: section
                .says("decay of the weights averaged over the steps, which are then validated; 0: none")
                .checked("EMA_DECAY", 0.0, below_one),
            activation_checkpointing: section
                .says("the backbone's blocks are computed again for the backward pass: much less memory, a third more work")
                .value("ACTIVATION_CHECKPOINTING", false),
            accumulate: section
                .says("parts of a batch that are computed one after the other, so that a large one fits the memory")
                .checked("ACCUMULATE", 1, at_least_one),
            nonfinite_limit: section.checked("NONFINITE_LIMIT", 20, at_least_one),
            shards: section.checked("SHARDS", 1, at_least_one),
            threads: section.checked("THREADS", default_threads(), at_least_one),
        };
        if !context.has_classes {
            section.without_effect("GRAD_ANALYSIS_INTERVAL", context.no_classes());
        }
        section.close();
        (training, freezing)
    }
}

impl Training {
    /// Threads for each operation of libtorch when all shards are at work.
    pub fn threads_per_shard(&self) -> i32 {
        i32::try_from((self.threads / self.shards.max(1)).max(1)).unwrap_or(1)
    }
}

fn default_threads() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from).min(16)
}
