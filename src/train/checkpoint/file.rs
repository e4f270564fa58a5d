//! The file of one checkpoint.

use super::{digest::Digest, download::Downloader, retention::Validation};
use crate::{
    data::dataset as data,
    failure::{Failure, Result},
    native::stream::Event,
    train::run_schedule::EpochPosition,
    weights::{self, Contents, Format, WeightsFile},
};
use serde::{Deserialize, Serialize};
use std::{collections::BTreeMap, path::Path};
use tch::Tensor;

/// Version of the header's contents. Format 1 had no checksum, and is read without one.
pub const FORMAT: u32 = 2;
const WITHOUT_CHECKSUM: u32 = 1;

/// The text in which a checkpoint says what it is, and the one with its checksum.
const HEADER: &str = "trackflow";
const CHECKSUM: &str = "xxh3";

/// Tensors whose names begin with this belong to the optimizer.
pub const OPTIMIZER: &str = "optimizer.";

/// Tensors whose names begin with this are the model's weights and buffers as averaged over the steps.
pub const EMA: &str = "ema.";

/// Tensors whose names begin with this belong to the weighting of the tasks.
pub const TASKS: &str = "tasks.";

/// Whether the tensor `name` of a checkpoint is the model's own, and not of what trains it.
pub fn is_weight(name: &str) -> bool {
    ![OPTIMIZER, EMA, TASKS].iter().any(|prefix| name.starts_with(prefix))
}

/// What a checkpoint says of itself, in its header.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Metadata {
    /// Version of this header.
    pub format: u32,
    /// Version of the program that wrote it.
    pub program: String,
    /// The script (`hiptrack`) and experiment (`demo`).
    pub experiment: String,
    /// Batches of the run that are done: where the run goes on.
    pub position: u64,
    /// Training steps that are done.
    pub step: u64,
    /// Epoch of the last batch, from 0.
    pub epoch: usize,
    /// Index of the phase of the last batch.
    pub phase: usize,
    /// Seed of the run.
    pub seed: u64,
    /// What decides the batches: another plan cannot be resumed.
    pub plan: String,
    /// Running sums of the unfinished epoch and the results so far.
    pub progress: serde_json::Value,
    /// The content of each data set, by what it is for and its name; absent in older checkpoints.
    #[serde(default)]
    pub data: Option<BTreeMap<String, data::Digest>>,
    /// The last batch, by which a run of another length finds its place; absent in older checkpoints.
    #[serde(default, rename = "place")]
    pub epoch_position: Option<EpochPosition>,
    /// What the validation that ends with the last batch said.
    #[serde(default)]
    pub validation: Option<Validation>,
    /// How many steps in a row were not finite when it was written; 0 in a sound one.
    #[serde(default)]
    pub nonfinite_in_a_row: u64,
}

impl Metadata {
    /// That of a run before its first batch.
    pub fn new(experiment: String, seed: u64, plan: String) -> Self {
        Self {
            format: FORMAT,
            program: env!("CARGO_PKG_VERSION").into(),
            experiment,
            position: 0,
            step: 0,
            epoch: 0,
            phase: 0,
            seed,
            plan,
            progress: serde_json::Value::Null,
            data: None,
            epoch_position: None,
            validation: None,
            nonfinite_in_a_row: 0,
        }
    }
}

/// A checkpoint in memory.
#[derive(Debug)]
pub struct State {
    /// The header.
    pub metadata: Metadata,
    /// Tensors by name: the model's PyTorch names, and others under [`OPTIMIZER`], [`EMA`] and [`TASKS`].
    pub tensors: Vec<(String, Tensor)>,
}

impl State {
    /// Brings the tensors to the host that are still on a device, where they are what they are to be once `ready` is over:
    /// piece by piece through page-locked memory, on a stream of its own, so that training goes on meanwhile.
    ///
    /// # Errors
    /// A copy that libtorch refuses.
    pub fn download(&mut self, ready: &Event) -> Result<()> {
        let Some(device) = self.tensors.iter().map(|(_, tensor)| tensor.device()).find(|device| device.is_cuda())
        else {
            return Ok(());
        };
        let mut downloader = Downloader::new(device, ready)?;
        for (_, tensor) in self.tensors.iter_mut().filter(|(_, tensor)| tensor.device().is_cuda()) {
            *tensor = downloader.bring(tensor)?;
        }
        downloader.finish()
    }

    /// The first tensor that holds a number that is none, of those that training goes on from.
    ///
    /// # Errors
    /// libtorch cannot look at it.
    pub fn not_finite(&self) -> Result<Option<&str>> {
        for (name, tensor) in self.tensors.iter().filter(|(_, tensor)| tensor.is_floating_point()) {
            if !bool::try_from(tensor.f_isfinite()?.f_all()?)? {
                return Ok(Some(name));
            }
        }
        Ok(None)
    }
}

/// Writes `state` to `path` so that the file is either complete or not there, in the form that the ending asks for.
/// Returns the size in bytes.
///
/// # Errors
/// The file cannot be written; what was there before is untouched.
pub fn write(path: &Path, state: &State) -> Result<u64> {
    let metadata = serde_json::to_string(&state.metadata)
        .map_err(|error| Failure::output(format!("{}: could not be written: {error}", path.display())))?;
    let mut digest = Digest::default();
    state.tensors.iter().try_for_each(|(name, tensor)| digest.add(name, tensor))?;
    let checksum = digest.finish(&metadata);
    let named = || state.tensors.iter().map(|(name, tensor)| (name.as_str(), tensor));
    let group = |prefix: &'static str| {
        let members: Vec<_> = named().filter_map(|(name, x)| Some((name.strip_prefix(prefix)?, x))).collect();
        (prefix.trim_end_matches('.'), members)
    };
    let contents = Contents {
        tensors: named().filter(|(name, _)| is_weight(name)).collect(),
        groups: [OPTIMIZER, EMA, TASKS].map(group).into_iter().filter(|(_, members)| !members.is_empty()).collect(),
        texts: BTreeMap::from([(HEADER.into(), metadata), (CHECKSUM.into(), checksum)]),
        numbers: vec![("epoch", state.metadata.epoch as i64 + 1)],
    };
    weights::write(path, Format::of(path)?, &contents)
}

/// Reads the checkpoint at `path`, tensors on the CPU.
///
/// # Errors
/// The file is missing, torn, damaged in any bit that matters, of another format, or not a trackflow checkpoint.
pub fn read(path: &Path) -> Result<State> {
    read_some(path, |_| true)
}

/// Reads the tensors of the checkpoint at `path` whose names `wanted` accepts; the others only for the checksum.
///
/// # Errors
/// As for [`read`].
pub fn read_some(path: &Path, wanted: impl Fn(&str) -> bool) -> Result<State> {
    let file = WeightsFile::open(path)?;
    let failed = |what: String| Failure::input(format!("{}: {what}", path.display()));
    let (text, metadata) = header(&file)?.ok_or_else(|| {
        failed("holds weights but no training state to resume; give it as MODEL.PRETRAIN_FILE".to_string())
    })?;
    let (mut tensors, mut digest) = (Vec::new(), Digest::default());
    for entry in file.entries() {
        let tensor = file.load(entry)?;
        digest.add(&entry.name, &tensor)?;
        if wanted(&entry.name) {
            tensors.push((entry.name.clone(), tensor));
        }
    }
    if metadata.format > WITHOUT_CHECKSUM {
        let given = file.texts().get(CHECKSUM).ok_or_else(|| failed("its checksum is missing".into()))?;
        if *given != digest.finish(text) {
            return Err(failed("its checksum does not match: the file is damaged".into()));
        }
    }
    Ok(State { metadata, tensors })
}

/// What `file` says of itself, as its text and read; `None` when it is not a checkpoint of ours.
///
/// # Errors
/// It is one, of another format or damaged.
pub fn header(file: &WeightsFile) -> Result<Option<(&str, Metadata)>> {
    let Some(text) = file.texts().get(HEADER) else { return Ok(None) };
    let failed = |what: String| Failure::input(format!("{}: {what}", file.path().display()));
    let metadata: Metadata =
        serde_json::from_str(text).map_err(|error| failed(format!("its training state cannot be read: {error}")))?;
    if !(WITHOUT_CHECKSUM..=FORMAT).contains(&metadata.format) {
        return Err(failed(format!("has format {}, this program reads formats up to {FORMAT}", metadata.format)));
    }
    Ok(Some((text, metadata)))
}
