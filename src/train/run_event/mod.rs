//! What a run reports, as one type: [`RunEvent`]. `run.jsonl` is written and read by it ([`mod@line`]), and whoever
//! shows or reports a run is given it. [`schema`] describes it for other programs.

mod data;
pub mod line;
mod metrics;
mod number;
pub mod read;
pub mod schema;
mod time;

pub use data::{DataSet, Machine, RunStart, SharedSequences};
pub use line::{RunLine, Unread};
pub use metrics::{ConditionScore, LossMetrics};
pub use number::Number;
pub use time::Timestamp;

use super::{confusion::Confusion, run_schedule::Split, tasks::Gradients};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What a run reports; `event` is its name.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "event", rename_all = "lowercase")]
pub enum RunEvent {
    /// A call of the program begins, or goes on with, the run.
    Run(Box<RunStart>),
    /// A batch is done.
    Batch(Batch),
    /// A pass over an epoch's batches of one split is done.
    Pass(Box<Pass>),
    /// A checkpoint was written.
    Checkpoint(Checkpoint),
    /// A training step was not finite, and changed nothing.
    Nonfinite(NonFinite),
    /// The gradients of both tasks were compared.
    Gradients(GradientComparison),
    /// Something that the numbers of the run suggest.
    Advice(Advice),
    /// A choice that the program made by itself and that a user may want to know.
    Note(Message),
    /// Something that a user should know and that does not end the run.
    Warning(Message),
    /// This call of the program ends; the last line, unless the program was killed.
    End(End),
}

/// A batch is done.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Batch {
    /// Number of the batch in the whole run, from 0.
    pub position: u64,
    /// What the batch is used for.
    pub split: Split,
    /// Epoch, from 1; 1 also for the validation before training.
    pub epoch: u64,
    /// Whether it belongs to the validation before training.
    pub before_training: bool,
    /// Number of the batch within its epoch and split, from 0.
    pub batch: u64,
    /// Batches of this epoch and split; 0 in logs of earlier versions.
    pub batches: u64,
    /// Training steps before this batch, in the whole run.
    pub step: u64,
    /// Clips in it.
    pub clips: u64,
    /// Its losses and metrics.
    #[serde(flatten)]
    pub metrics: LossMetrics,
    /// Learning rate of the heads; 0 in validation.
    pub lr: Number,
    /// Learning rate of the backbone; 0 in validation and while it is frozen.
    pub lr_backbone: Number,
    /// Seconds that the step waited for the batch.
    pub data_seconds: Number,
    /// Seconds of forward, backward and update.
    pub forward_seconds: Number,
}

impl Batch {
    /// The epoch as people count it: 0 is before training.
    pub fn shown_epoch(&self) -> u64 {
        if self.before_training { 0 } else { self.epoch }
    }
}

/// A pass over an epoch's batches of one split is done.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Pass {
    /// Number of its last batch in the whole run, from 0.
    pub position: u64,
    /// What its batches are used for.
    pub split: Split,
    /// Epoch, from 1; 0 for the validation before training.
    pub epoch: u64,
    /// Training steps before its last batch, in the whole run; absent in logs of earlier versions.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub step: Option<u64>,
    /// Means over its clips and labels, as of one batch.
    #[serde(flatten)]
    pub metrics: LossMetrics,
    /// In validation with a class head: labelled frames by ground truth (rows) and predicted condition (columns), in the
    /// order of the class index.
    #[serde(skip_serializing_if = "Confusion::is_empty")]
    pub confusion: Confusion,
    /// In validation: how the boxes of each condition's frames fared, by the condition's name.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub conditions: BTreeMap<String, ConditionScore>,
}

/// A checkpoint was written.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Checkpoint {
    /// The file.
    pub path: String,
    /// Its size.
    pub bytes: u64,
    /// Seconds that writing took.
    pub seconds: Number,
    /// Seconds that the step waited for the copy that was written.
    pub stall_seconds: Number,
    /// Batches of the run that are done in it.
    pub position: u64,
}

impl Checkpoint {
    /// The name of its file, without folders.
    pub fn file(&self) -> &str {
        self.path.rsplit('/').next().unwrap_or_default()
    }

    /// Whether it was written within an epoch: on request, by an interval of steps, or because the run stopped.
    pub fn is_within_epoch(&self) -> bool {
        self.file().contains("_mid.")
    }
}

/// A training step was not finite, and changed nothing.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct NonFinite {
    /// Number of the batch in the whole run, from 0.
    pub position: u64,
    /// Training steps before it, in the whole run.
    pub step: u64,
    /// What its clips are called.
    pub clips: Vec<String>,
    /// So many steps in a row, this one included.
    pub in_a_row: u64,
}

/// The gradients of both tasks were compared.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct GradientComparison {
    /// Number of the batch in the whole run, from 0.
    pub position: u64,
    /// Training steps before it, in the whole run.
    pub step: u64,
    /// The largest ‖∇L − (∇L_box + λ∇L_cls)‖ of a block, as a share of ‖∇L_box‖ + λ‖∇L_cls‖ there, which only rounding
    /// keeps from 0; null where one gradient was computed from the other two.
    pub identity_error: Option<Number>,
    /// Each block of the model in its order; `backbone` and `all` sum over their parts.
    pub blocks: Vec<BlockComparison>,
}

/// The gradients of both tasks in one block of the model; norms are those before clipping.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct BlockComparison {
    /// The block's name.
    pub block: String,
    /// ‖∇L_box‖.
    #[serde(rename = "box")]
    pub box_norm: Number,
    /// λ‖∇L_cls‖.
    #[serde(rename = "cls")]
    pub class_norm: Number,
    /// ‖∇L‖.
    #[serde(rename = "total")]
    pub norm: Number,
    /// The cosine between the tasks' gradients; null where one of them is 0.
    pub cosine: Option<Number>,
}

impl GradientComparison {
    /// What was found in the step at `position` after `step` others.
    pub fn new(position: u64, step: u64, gradients: &Gradients) -> Self {
        let block = |block: &super::tasks::BlockGradients| BlockComparison {
            block: block.name.clone(),
            box_norm: block.box_norm.into(),
            class_norm: block.class_norm.into(),
            norm: block.norm.into(),
            cosine: block.cosine().map(Number),
        };
        let blocks = gradients.blocks.iter().map(block).collect();
        Self { position, step, identity_error: gradients.identity_error().map(Number), blocks }
    }

    /// The block called `name`.
    pub fn block(&self, name: &str) -> Option<&BlockComparison> {
        self.blocks.iter().find(|block| block.block == name)
    }
}

/// What the numbers of a run suggest.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Advice {
    /// A short name.
    pub rule: String,
    /// What was found and what to do about it.
    pub message: String,
    /// The numbers that it rests on.
    pub numbers: BTreeMap<String, Number>,
}

impl Advice {
    /// What `rule` says, with the `numbers` that it rests on.
    pub fn new(rule: &str, message: String, numbers: &[(&str, f64)]) -> Self {
        let numbers = numbers.iter().map(|(name, value)| ((*name).to_string(), Number(*value))).collect();
        Self { rule: rule.into(), message, numbers }
    }
}

/// A note or a warning.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Message {
    /// What it says.
    pub message: String,
}

/// This call of the program ends.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct End {
    /// `complete`; `max_steps` or `time_limit` where these stopped it; `signal 15` and the like (its number); `failure`; or the goal
    /// that was reached.
    pub reason: String,
    /// The exit code of the program.
    pub exit_code: i32,
    /// After a failure, the error as the user saw it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
}

impl RunEvent {
    /// A note.
    pub fn note(message: impl Into<String>) -> Self {
        Self::Note(Message { message: message.into() })
    }

    /// A warning.
    pub fn warning(message: impl Into<String>) -> Self {
        Self::Warning(Message { message: message.into() })
    }

    /// The batches of the run that are done once this has happened; `None` for what belongs to no batch. A call that
    /// begins counts as done with its first batch.
    pub fn done(&self) -> Option<u64> {
        match self {
            Self::Batch(batch) => Some(batch.position.saturating_add(1)),
            Self::Pass(pass) => Some(pass.position.saturating_add(1)),
            Self::Nonfinite(step) => Some(step.position.saturating_add(1)),
            Self::Gradients(comparison) => Some(comparison.position.saturating_add(1)),
            Self::Run(start) => Some(start.position.saturating_add(1)),
            // Written after the batches that it holds.
            Self::Checkpoint(checkpoint) => Some(checkpoint.position),
            Self::Advice(_) | Self::Note(_) | Self::Warning(_) | Self::End(_) => None,
        }
    }
}

#[cfg(test)]
mod tests;
