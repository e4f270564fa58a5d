//! Files of weights: `.safetensors`, and PyTorch's checkpoints in zip form and in the form before 1.6. Reading them
//! runs nothing that a file contains, holds one tensor at a time, and takes no more memory than the file's size
//! warrants. Writing is all or nothing.
//!
//! Nothing here knows what the weights are for; names stay as the file has them, but for the wrappers of PyTorch's
//! data-parallel and compiled modules.

mod bytes;
mod choice;
mod element;
mod file;
mod foreign;
pub mod pickle;
mod safetensors;
mod torch;

pub use bytes::Bytes;
pub use choice::{Choice, Other};
pub use element::{dtype_name, storable};
pub use file::{Container, Note, TensorEntry, WeightsFile};
pub use torch::one_line;

use crate::failure::{Failure, Result};
use std::{collections::BTreeMap, path::Path};
use tch::Tensor;

/// A dictionary of tensors beside the weights in a PyTorch checkpoint, such as the optimizer's.
pub type Group<'a> = (&'a str, Vec<(&'a str, &'a Tensor)>);

/// What a file of weights is to hold.
#[derive(Debug, Default)]
pub struct Contents<'a> {
    /// The weights by name.
    pub tensors: Vec<(&'a str, &'a Tensor)>,
    /// Other groups; `.safetensors` has no groups and prefixes their names: `group.name`.
    pub groups: Vec<Group<'a>>,
    /// Texts that say what it is.
    pub texts: BTreeMap<String, String>,
    /// Numbers for who opens the file in Python; only a PyTorch checkpoint keeps them.
    pub numbers: Vec<(&'a str, i64)>,
}

/// The forms in which weights are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// `.safetensors`.
    Safetensors,
    /// A zip as `torch.save` writes it, with the weights under `net`.
    Torch,
}

impl Format {
    /// The form that a file's ending asks for.
    ///
    /// # Errors
    /// The ending is of neither form.
    pub fn of(path: &Path) -> Result<Self> {
        let name = path.file_name().map(|name| name.to_string_lossy().to_lowercase()).unwrap_or_default();
        if name.ends_with(".safetensors") {
            return Ok(Self::Safetensors);
        }
        if [".pth", ".pt", ".pth.tar", ".tar"].iter().any(|ending| name.ends_with(ending)) {
            return Ok(Self::Torch);
        }
        let remedy = "end it in .safetensors, or in .pth.tar, .pth or .pt for PyTorch";
        Err(Failure::usage(format!(
            "{}: the file extension does not decide which format to write; {remedy}",
            path.display()
        )))
    }
}

/// Writes `contents` to `path`, complete or not at all. Returns the file's size in bytes.
///
/// # Errors
/// The file cannot be written; what was there before is untouched.
pub fn write(path: &Path, format: Format, contents: &Contents<'_>) -> Result<u64> {
    crate::atomic_file::write_atomic(path, |file| match format {
        Format::Safetensors => safetensors::write(file, contents),
        Format::Torch => torch::write(file, contents),
    })
}

#[cfg(test)]
mod tests;
