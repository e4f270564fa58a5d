//! The file of one checkpoint.

use super::digest::Digest;
use crate::{
    failure::{Failure, Result},
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

/// Tensors whose names begin with this belong to the optimizer, all others to the model.
pub const OPTIMIZER: &str = "optimizer.";

/// What a checkpoint says of itself, in its header.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct About {
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
}

/// A checkpoint in memory.
#[derive(Debug)]
pub struct State {
    /// The header.
    pub about: About,
    /// Tensors by name: the model's PyTorch names, and the optimizer's under `optimizer.`.
    pub tensors: Vec<(String, Tensor)>,
}

/// Writes `state` to `path` so that the file is either complete or not there, in the form that the ending asks for.
/// Returns the size in bytes.
///
/// # Errors
/// The file cannot be written; what was there before is untouched.
pub fn write(path: &Path, state: &State) -> Result<u64> {
    let about = serde_json::to_string(&state.about)
        .map_err(|error| Failure::output(format!("{}: could not be written: {error}", path.display())))?;
    let mut digest = Digest::default();
    state.tensors.iter().try_for_each(|(name, tensor)| digest.add(name, tensor))?;
    let checksum = digest.finish(&about);
    let (optimizer, model): (Vec<_>, Vec<_>) = state
        .tensors
        .iter()
        .map(|(name, tensor)| (name.as_str(), tensor))
        .partition(|(name, _)| name.starts_with(OPTIMIZER));
    let optimizer = optimizer.into_iter().map(|(name, tensor)| (&name[OPTIMIZER.len()..], tensor)).collect();
    let contents = Contents {
        tensors: model,
        groups: vec![(OPTIMIZER.trim_end_matches('.'), optimizer)],
        texts: BTreeMap::from([(HEADER.into(), about), (CHECKSUM.into(), checksum)]),
        numbers: vec![("epoch", state.about.epoch as i64 + 1)],
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
    let (text, about) = header(&file)?.ok_or_else(|| {
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
    if about.format > WITHOUT_CHECKSUM {
        let given = file.texts().get(CHECKSUM).ok_or_else(|| failed("its checksum is missing".into()))?;
        if *given != digest.finish(text) {
            return Err(failed("its checksum does not match: the file is damaged".into()));
        }
    }
    Ok(State { about, tensors })
}

/// What `file` says of itself, as its text and read; `None` when it is not a checkpoint of ours.
///
/// # Errors
/// It is one, of another format or damaged.
pub fn header(file: &WeightsFile) -> Result<Option<(&str, About)>> {
    let Some(text) = file.texts().get(HEADER) else { return Ok(None) };
    let failed = |what: String| Failure::input(format!("{}: {what}", file.path().display()));
    let about: About =
        serde_json::from_str(text).map_err(|error| failed(format!("its training state cannot be read: {error}")))?;
    if !(WITHOUT_CHECKSUM..=FORMAT).contains(&about.format) {
        return Err(failed(format!("has format {}, this program reads formats up to {FORMAT}", about.format)));
    }
    Ok(Some((text, about)))
}
