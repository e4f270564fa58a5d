//! `/status.json`: everything that the page draws, for other programs too. [`Status`] is what it holds; numbers are
//! rounded to the five digits that a drawing needs, and null where there is none.

mod pipeline;

pub use pipeline::{ChannelStatus, Pipeline, StageStatus};

use crate::train::{run_event::RunStart, run_schedule::Split};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Value;
use std::collections::BTreeMap;

/// A number of five digits; null in JSON, and NaN here, where it is none.
#[derive(Clone, Copy, Debug)]
pub struct Short(pub f64);

impl Default for Short {
    fn default() -> Self {
        Self(f64::NAN)
    }
}

impl Serialize for Short {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match format!("{:.4e}", self.0).parse::<f64>() {
            Ok(value) if value.is_finite() => serializer.serialize_f64(value),
            _ => serializer.serialize_none(),
        }
    }
}

impl<'de> Deserialize<'de> for Short {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Self(Option::deserialize(deserializer)?.unwrap_or(f64::NAN)))
    }
}

/// The whole state of a process as of now. Times are seconds since 1970.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Status {
    /// What serves it.
    pub program: Program,
    /// `starting` before the pipeline runs, `running`, or `stopping` once it drains after a signal or the last step.
    pub state: String,
    /// Now.
    pub time: f64,
    /// When the process began.
    pub started: f64,
    /// Since the pipeline runs.
    pub elapsed_seconds: Short,
    /// What is trained and how far it is; null for a process that trains nothing.
    pub run: Option<Run>,
    /// What is being done before the first step, and how far it is; null when nothing is.
    pub preparing: Option<PreparingStatus>,
    /// The stages and the channels between them; null before the pipeline runs.
    pub pipeline: Option<Pipeline>,
    /// Curves.
    pub curves: Curves,
    /// Validations, oldest first.
    pub validations: Vec<ValidationStatus>,
    /// The names of all conditions, in the order of their class index.
    pub conditions: Vec<String>,
    /// The newest clips as the model sees them, validation first.
    pub clips: Value,
    /// Checkpoints, the newest first.
    pub checkpoints: Vec<CheckpointStatus>,
    /// Messages, the newest first.
    pub messages: Vec<MessageStatus>,
    /// The process.
    pub process: ProcessStatus,
    /// The newest call of the run: command, machine, data; null before it is known.
    pub call: Option<Box<RunStart>>,
    /// Whether `runs.json` lists other runs.
    pub has_runs: bool,
}

/// A run among others, as `runs.json` lists it.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct RunSummary {
    /// Its number, under which `/runs/NUMBER/status.json` shows it.
    pub number: usize,
    /// Its folder, below the one that is looked into.
    pub name: String,
    /// `running`, `finished`, `stopped`, `failed`, or `ended without a last line`.
    pub state: String,
    /// `script/config` of the experiment.
    pub experiment: String,
    /// When it began.
    pub started: Option<f64>,
    /// When it was last heard of.
    pub time: Option<f64>,
    /// Its newest epoch, and all of them; 0 where that is not known.
    pub epoch: u64,
    /// Epochs in all.
    pub epochs: usize,
    /// Training steps that are done.
    pub step: u64,
    /// Mean IoU of its last validation, and its best.
    pub iou: Short,
    /// The best of all validations.
    pub best_iou: Short,
    /// Accuracy of its last validation.
    pub accuracy: Option<Short>,
    /// λ of the newest step.
    pub lambda: Short,
    /// Settings that are not the defaults, as `KEY=VALUE`.
    pub settings: Vec<String>,
}

/// Work before the first step.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct PreparingStatus {
    /// What is done: `rendering synthetic scenes`.
    pub what: String,
    /// What is counted: `sequences`.
    pub unit: String,
    /// So many are done.
    pub done: u64,
    /// Of so many.
    pub total: u64,
}

/// What serves a [`Status`].
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Program {
    /// Its version.
    pub version: String,
    /// `train` or `simulate`.
    pub verb: String,
    /// The number of the process.
    pub pid: u32,
}

/// What is trained and how far it is.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Run {
    /// `script/config` of the experiment.
    pub experiment: String,
    /// What it computes on.
    pub device: String,
    /// Parameters of the model.
    pub parameters: usize,
    /// Epoch of the newest batch, from 1; 0 before training.
    pub epoch: Option<u64>,
    /// Epochs of the run.
    pub epochs: usize,
    /// What the newest batch is used for.
    pub split: Option<Split>,
    /// Training steps that are done.
    pub step: u64,
    /// Training steps of the run.
    pub steps: usize,
    /// Clips that this process trained on.
    pub clips: u64,
    /// Share of the run's batches that are done, from 0 to 1.
    pub progress: f64,
    /// To the end, at the pace of this process so far.
    pub eta_seconds: Short,
    /// The present phase.
    pub phase: Option<String>,
    /// All phases.
    pub phases: Vec<String>,
    /// Weights of the tasks in the present phase.
    pub weights: Option<TaskWeights>,
    /// Learning rates of the newest step.
    pub lr: Option<LearningRates>,
    /// Losses and metrics of the newest step.
    pub last: Option<Numbers>,
    /// Steps that were not finite.
    pub nonfinite_steps: u64,
}

/// Weights of the tasks.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct TaskWeights {
    /// Of the box task.
    pub r#box: f64,
    /// λ.
    pub cls: f64,
}

/// Learning rates.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct LearningRates {
    /// Of the heads.
    pub heads: Short,
    /// Of the backbone.
    pub backbone: Short,
}

/// Losses and metrics.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Numbers {
    /// What training minimises.
    pub total: Short,
    /// Box loss.
    pub r#box: Short,
    /// Class loss.
    pub cls: Short,
    /// λ · class loss.
    pub cls_weighted: Short,
    /// Mean IoU.
    pub iou: Short,
    /// Accuracy of conditions, from 0 to 1.
    pub accuracy: Option<Short>,
    /// Norm of the gradients.
    pub gradient_norm: Short,
}

/// Curves, each point the mean of its neighbours.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Curves {
    /// By training step.
    pub train: TrainCurves,
    /// Resident memory.
    pub memory: MemoryCurve,
}

/// Losses and metrics by training step.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct TrainCurves {
    /// The steps.
    pub step: Vec<u64>,
    /// The values there, by name.
    #[serde(flatten)]
    pub columns: BTreeMap<String, Vec<Short>>,
}

/// Memory by seconds since the start.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct MemoryCurve {
    /// When.
    pub seconds: Vec<Short>,
    /// How much.
    pub bytes: Vec<Short>,
}

/// A validation. What is by condition stands in the order of `conditions`.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct ValidationStatus {
    /// After this epoch; 0 before training.
    pub epoch: u64,
    /// After so many training steps.
    pub step: u64,
    /// Its losses and metrics.
    pub numbers: Numbers,
    /// Accuracy by condition; null where there was no frame of one.
    pub accuracy: Vec<Option<Short>>,
    /// Labelled frames by condition.
    pub frames: Vec<u64>,
}

/// A checkpoint.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct CheckpointStatus {
    /// The name of its file.
    pub file: String,
    /// Its size.
    pub bytes: u64,
    /// How long writing took.
    pub seconds: Short,
    /// Batches of the run that are done in it.
    pub position: u64,
    /// When it was written; null where that is not known.
    pub time: Option<f64>,
}

/// A message.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct MessageStatus {
    /// When it was given.
    pub time: f64,
    /// Whether it is a warning or advice.
    pub warning: bool,
    /// What it says.
    pub text: String,
}

/// The process and its machine.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct ProcessStatus {
    /// Resident memory.
    pub memory_bytes: Option<u64>,
    /// The most that it was.
    pub peak_memory_bytes: Option<u64>,
    /// Memory of the machine.
    pub machine_memory_bytes: Option<u64>,
    /// Threads.
    pub threads: Option<u64>,
    /// Processor time so far.
    pub cpu_seconds: Option<Short>,
    /// The GPUs.
    pub gpus: Vec<GpuStatus>,
}

/// A GPU. What it does not tell is null.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct GpuStatus {
    /// Its number.
    pub index: u32,
    /// Share of the time in which a kernel ran.
    pub utilisation: Option<Short>,
    /// Memory in use.
    pub memory_used_bytes: Option<u64>,
    /// All of its memory.
    pub memory_bytes: Option<u64>,
    /// Power that it draws.
    pub watts: Option<Short>,
}
