//! The file of one checkpoint.

use crate::failure::{Failure, Result};
use safetensors::{Dtype, SafeTensors, View};
use serde::{Deserialize, Serialize};
use std::{borrow::Cow, collections::HashMap, fs::File, path::Path};
use tch::{Kind, Tensor};

/// Version of the header's contents.
pub const FORMAT: u32 = 1;

const HEADER: &str = "trackflow";

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

struct Bytes<'a> {
    tensor: &'a Tensor,
    dtype: Dtype,
    shape: Vec<usize>,
    bytes: usize,
}

impl<'a> Bytes<'a> {
    fn of(name: &str, tensor: &'a Tensor) -> Result<Self> {
        let dtype = match tensor.kind() {
            Kind::Float => Dtype::F32,
            Kind::Double => Dtype::F64,
            Kind::Int64 => Dtype::I64,
            other => return Err(Failure::output(format!("checkpoint: {name}: cannot store {other:?}"))),
        };
        let shape: Vec<usize> = tensor.size().iter().map(|side| *side as usize).collect();
        let bytes = tensor.numel() * tensor.kind().elt_size_in_bytes();
        Ok(Self { tensor, dtype, shape, bytes })
    }
}

impl View for Bytes<'_> {
    fn dtype(&self) -> Dtype {
        self.dtype
    }

    fn shape(&self) -> &[usize] {
        &self.shape
    }

    fn data(&self) -> Cow<'_, [u8]> {
        let mut bytes = vec![0; self.bytes];
        self.tensor.copy_data_u8(&mut bytes, self.tensor.numel());
        Cow::Owned(bytes)
    }

    fn data_len(&self) -> usize {
        self.bytes
    }
}

/// Writes `state` to `path` so that the file is either complete or not there: a temporary file beside it is written,
/// synced and renamed, then the folder is synced. Returns the size in bytes.
///
/// # Errors
/// The file cannot be written; what was there before is untouched.
pub fn write(path: &Path, state: &State) -> Result<u64> {
    let temporary = path.with_extension("tmp");
    let failed = |error: &dyn std::fmt::Display| {
        // Removing is a courtesy; the error that matters is the first one.
        let _ = std::fs::remove_file(&temporary);
        Failure::output(format!("{}: the checkpoint could not be written: {error}", path.display()))
    };
    let about = serde_json::to_string(&state.about).map_err(|error| failed(&error))?;
    let header = HashMap::from([(HEADER.to_string(), about)]);
    let views = state
        .tensors
        .iter()
        .map(|(name, tensor)| Ok((name.as_str(), Bytes::of(name, tensor)?)))
        .collect::<Result<Vec<_>>>()?;
    safetensors::serialize_to_file(views, Some(header), &temporary).map_err(|error| failed(&error))?;
    let sync = || -> std::io::Result<u64> {
        let file = File::open(&temporary)?;
        file.sync_all()?;
        let bytes = file.metadata()?.len();
        std::fs::rename(&temporary, path)?;
        if let Some(folder) = path.parent() {
            File::open(folder)?.sync_all()?;
        }
        Ok(bytes)
    };
    sync().map_err(|error| failed(&error))
}

/// Reads the checkpoint at `path`, tensors on the CPU.
///
/// # Errors
/// The file is missing, torn, of another format, or not a trackflow checkpoint.
pub fn read(path: &Path) -> Result<State> {
    let failed = |what: String| Failure::input(format!("{}: {what}", path.display()));
    let bytes = std::fs::read(path).map_err(|error| failed(error.to_string()))?;
    let torn = |error: safetensors::SafeTensorError| failed(format!("not a complete safetensors file: {error}"));
    let (_, header) = SafeTensors::read_metadata(&bytes).map_err(torn)?;
    let text = header
        .metadata()
        .as_ref()
        .and_then(|pairs| pairs.get(HEADER))
        .ok_or_else(|| failed("holds weights but no training state; give it as MODEL.PRETRAIN_FILE".into()))?;
    let about: About =
        serde_json::from_str(text).map_err(|error| failed(format!("its training state cannot be read: {error}")))?;
    if about.format != FORMAT {
        return Err(failed(format!("has format {}, this program reads format {FORMAT}", about.format)));
    }
    Ok(State { about, tensors: tensors(&bytes).map_err(failed)? })
}

/// Reads all tensors of a safetensors file, whoever wrote it.
///
/// # Errors
/// The file is missing, torn, or holds a type that no weights have.
pub fn read_tensors(path: &Path) -> Result<Vec<(String, Tensor)>> {
    let failed = |what: String| Failure::input(format!("{}: {what}", path.display()));
    let bytes = std::fs::read(path).map_err(|error| failed(error.to_string()))?;
    tensors(&bytes).map_err(failed)
}

fn tensors(bytes: &[u8]) -> std::result::Result<Vec<(String, Tensor)>, String> {
    let file = SafeTensors::deserialize(bytes).map_err(|error| format!("not a complete safetensors file: {error}"))?;
    file.iter()
        .map(|(name, view)| {
            let kind = match view.dtype() {
                Dtype::F32 => Kind::Float,
                Dtype::F64 => Kind::Double,
                Dtype::F16 => Kind::Half,
                Dtype::BF16 => Kind::BFloat16,
                Dtype::I64 => Kind::Int64,
                other => return Err(format!("{name}: cannot read {other:?}")),
            };
            let shape: Vec<i64> = view.shape().iter().map(|side| *side as i64).collect();
            let tensor = Tensor::f_from_data_size(view.data(), &shape, kind).map_err(|error| error.to_string())?;
            Ok((name.to_string(), tensor))
        })
        .collect()
}
