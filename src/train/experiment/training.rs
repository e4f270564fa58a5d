//! `TRAIN`: losses, optimizer, schedule and phases.

use super::{
    at_least_one, below_one, fraction, not_negative,
    phases::{self, Phase, TwoStage},
    positive,
    saving::Saving,
    tasks::{self, ClassTargets, Lambda, MtlMode},
};
use crate::settings::Section;
use crate::train::{precision::Precision, tasks::TaskWeighting};

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

/// `TRAIN.SCHEDULER` and what belongs to it.
#[derive(Clone, Debug, PartialEq)]
pub struct Schedule {
    /// The curve after the warm-up.
    pub kind: ScheduleKind,
    /// Epochs of linear warm-up at the start of a phase; a fraction is fine.
    pub warmup_epochs: f64,
}

/// How the learning rate falls within a phase; epochs count from the phase's start.
#[derive(Clone, Debug, PartialEq)]
pub enum ScheduleKind {
    /// Multiplied by `rate` every `every` epochs.
    Step {
        /// Epochs between two drops.
        every: usize,
        /// Factor of a drop.
        rate: f64,
    },
    /// Multiplied by `rate` at each of the epochs.
    MultiStep {
        /// Epochs of the drops.
        milestones: Vec<usize>,
        /// Factor of a drop.
        rate: f64,
    },
    /// Half a cosine over the phase, down to `floor` × the first rate (Loshchilov and Hutter, 2017).
    Cosine {
        /// The last rate as a share of the first.
        floor: f64,
    },
}

impl Training {
    pub(super) fn read(mut section: Section<'_>, warnings: &mut Vec<String>) -> Self {
        let two_stage = TwoStage::read(&mut section);
        let epochs = section.checked("EPOCH", 500, at_least_one);
        let lr = section.checked("LR", 1e-4, positive);
        let class_weight = section.checked("CLS_WEIGHT", 0.1, not_negative);
        let joint = Phase {
            name: "joint".into(),
            epochs,
            lr,
            trains: frozen_backbone(&mut section),
            class_weight,
            box_weight: 1.0,
            keep_rate: None,
        };
        let phases = phases::read(&mut section, two_stage, joint);
        section.choice("OPTIMIZER", "ADAMW", &["ADAMW"]);
        let precision = Precision { autocast: section.value("AMP", false), tf32: section.value("TF32", false) };
        if section.optional::<usize>("NUM_WORKER").is_some() {
            warnings.push("TRAIN.NUM_WORKER: the pipeline file says how many workers each stage has".into());
        }
        let mtl = MtlMode::read(&mut section);
        let freeze_class = section.value("FREEZE_CLS_EPOCH", -1i64);
        let training = Self {
            batch_size: section.checked("BATCH_SIZE", 16, at_least_one),
            giou_weight: section.checked("GIOU_WEIGHT", 2.0, not_negative),
            l1_weight: section.checked("L1_WEIGHT", 5.0, not_negative),
            focal_weight: section.checked("FOCAL_WEIGHT", 1.0, not_negative),
            class_loss: section.choice("CLS_LOSS_TYPE", "CE", &["CE", "FOCAL", "LABEL_SMOOTH"]),
            class_focal_alpha: section.checked("CLS_FOCAL_ALPHA", 0.25, fraction),
            class_focal_gamma: section.checked("CLS_FOCAL_GAMMA", 2.0, not_negative),
            class_smoothing: section.checked("CLS_LABEL_SMOOTHING", 0.1, fraction),
            mtl,
            severity_weight: section
                .says("multilabel: weight of the severity's smooth L1 beside the conditions' cross-entropy")
                .checked("SEVERITY_WEIGHT", 1.0, not_negative),
            precision,
            freeze_class_epoch: usize::try_from(freeze_class).ok(),
            backbone_multiplier: section.checked("BACKBONE_MULTIPLIER", 0.1, not_negative),
            weight_decay: section.checked("WEIGHT_DECAY", 1e-4, not_negative),
            clip_norm: section.checked("GRAD_CLIP_NORM", 0.1, not_negative),
            drop_path: section.checked("DROP_PATH_RATE", 0.1, fraction),
            schedule: Schedule::read(&mut section),
            phases,
            elimination_start: section.value("CE_START_EPOCH", 20),
            elimination_warm: section.value("CE_WARM_EPOCH", 80),
            print_interval: section.checked("PRINT_INTERVAL", 50, at_least_one),
            val_interval: section.checked("VAL_EPOCH_INTERVAL", 20, at_least_one),
            val_before: section.value("VAL_BEFORE", false),
            saving: Saving::read(&mut section),
            lambda: Lambda::read(&mut section),
            weighting: tasks::weighting(&mut section),
            analysis_interval: section
                .says("steps between two comparisons of the tasks' gradients, block by block; 0: none")
                .value("GRAD_ANALYSIS_INTERVAL", 0usize),
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
        if mtl.targets != ClassTargets::Class && training.class_loss != "CE" {
            let message =
                format!("{} is a loss of classes; use CE, or one of MTL_MODE ce and film", training.class_loss);
            section.problem("CLS_LOSS_TYPE", message);
        }
        section.close();
        training
    }
}

impl Training {
    /// Threads for each operation of libtorch when all shards are at work.
    pub fn threads_per_shard(&self) -> i32 {
        i32::try_from((self.threads / self.shards.max(1)).max(1)).unwrap_or(1)
    }
}

/// What a joint phase trains, from `FREEZE_BACKBONE` and `FREEZE_LAYERS`.
fn frozen_backbone(section: &mut Section<'_>) -> Vec<String> {
    // In the reference FREEZE_LAYERS comes from an older tracker and is never read: its `[0]` freezes nothing.
    let layers = section.value("FREEZE_LAYERS", vec![0usize]);
    if layers.iter().any(|layer| *layer != 0) {
        section.problem("FREEZE_LAYERS", "only [] and the reference's [0] are supported; see FREEZE_BACKBONE");
    }
    if section.value("FREEZE_BACKBONE", false) { phases::HEADS.map(String::from).to_vec() } else { vec![String::new()] }
}

fn default_threads() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from).min(16)
}

impl Schedule {
    fn read(train: &mut Section<'_>) -> Self {
        let drop_epoch = train.checked("LR_DROP_EPOCH", 400, at_least_one);
        let mut section = train.section("SCHEDULER");
        let kind = section.choice("TYPE", "step", &["step", "Mstep", "cosine"]);
        let rate = section.checked("DECAY_RATE", 0.1, positive);
        let milestones = section.value("MILESTONES", Vec::<usize>::new());
        let floor = section.checked("MIN_LR_RATIO", 0.0, fraction);
        let warmup_epochs = section.checked("WARMUP_EPOCHS", 0.0, not_negative);
        section.close();
        let kind = match kind {
            "cosine" => ScheduleKind::Cosine { floor },
            "Mstep" => ScheduleKind::MultiStep { milestones, rate },
            _ => ScheduleKind::Step { every: drop_epoch, rate },
        };
        Self { kind, warmup_epochs }
    }

    /// The learning rate as a share of the phase's, at `progress` epochs (with fraction) into a phase of `epochs`.
    pub fn factor(&self, progress: f64, epochs: usize) -> f64 {
        if progress < self.warmup_epochs {
            return progress / self.warmup_epochs;
        }
        match &self.kind {
            ScheduleKind::Step { every, rate } => rate.powi((progress as usize / every) as i32),
            ScheduleKind::MultiStep { milestones, rate } => {
                rate.powi(milestones.iter().filter(|milestone| progress >= **milestone as f64).count() as i32)
            }
            ScheduleKind::Cosine { floor } => {
                let span = (epochs as f64 - self.warmup_epochs).max(f64::MIN_POSITIVE);
                let share = ((progress - self.warmup_epochs) / span).min(1.0);
                floor + (1.0 - floor) * 0.5 * (1.0 + (std::f64::consts::PI * share).cos())
            }
        }
    }
}
