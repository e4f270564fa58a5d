//! What a run is: the first event of each call.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A call of the program begins, or goes on with, the run. What logs of earlier versions do not say is empty or null.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct RunStart {
    /// `script/config` of the experiment.
    pub experiment: String,
    /// Seed of all draws.
    pub seed: Option<u64>,
    /// What it computes on: `cpu` or `cuda:0`.
    pub device: String,
    /// Version of trackflow.
    pub version: String,
    /// Commit of its source, where that was known when it was built.
    pub commit: Option<String>,
    /// Version of libtorch.
    pub torch: String,
    /// The command line, word by word.
    pub command: Vec<String>,
    /// The folder that it was called in.
    pub folder: String,
    /// The name of the machine.
    pub host: String,
    /// The number of the process there.
    pub pid: u32,
    /// The machine.
    pub machine: Machine,
    /// Batches of the run that were done before.
    pub position: u64,
    /// The data sets.
    pub data: Vec<DataSet>,
    /// What validation has in common with training; null where that is nothing.
    pub validation: Option<SharedSequences>,
}

/// The machine.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Machine {
    /// Operating system and processor family: `linux x86_64`.
    pub system: String,
    /// The processor's name, where it is known.
    pub processor: Option<String>,
    /// Cores that the program may use.
    pub cores: u64,
    /// Memory that the program may use.
    pub memory_bytes: Option<u64>,
    /// The names of its GPUs, as far as their driver tells.
    pub gpus: Vec<String>,
}

/// A data set of the run.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct DataSet {
    /// What it is for and its name: `training data GOT10K_vottrain`.
    pub name: String,
    /// Its sequences.
    pub sequences: u64,
    /// Its annotated frames.
    pub frames: u64,
    /// Checksums over names, files, boxes and labels: the same for the same content, wherever it lies.
    pub digest: String,
}

/// Sequences of validation that are also trained on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct SharedSequences {
    /// How many.
    pub shared: u64,
    /// Of so many.
    pub sequences: u64,
}
