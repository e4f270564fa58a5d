//! Checkpoints: one safetensors file with the model under its PyTorch names, the optimizer beside it, in the header
//! everything a resumed run needs, and a checksum over all of it.

mod digest;
mod file;
mod folder;

pub use file::{About, FORMAT, OPTIMIZER, State, header, read, read_some, write};
pub use folder::{Folder, Saved, obsolete};

#[cfg(test)]
mod tests;
