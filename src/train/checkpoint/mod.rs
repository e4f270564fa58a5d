//! Checkpoints: one safetensors file with the model under its PyTorch names, the optimizer beside it, and in the
//! header everything a resumed run needs.

mod file;
mod folder;

pub use file::{About, FORMAT, OPTIMIZER, State, read, read_tensors, write};
pub use folder::{Folder, Saved, obsolete};

#[cfg(test)]
mod tests;
