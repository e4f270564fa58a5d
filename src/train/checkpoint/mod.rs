//! Checkpoints: one safetensors file with the model under its PyTorch names, the optimizer beside it, in the header
//! everything a resumed run needs, and a checksum over all of it.

pub mod benchmark;
mod digest;
mod download;
mod file;
mod folder;
mod retention;

pub use file::{EMA, FORMAT, Metadata, OPTIMIZER, State, TASKS, header, is_weight, read, read_some, write};
pub use folder::{Folder, Saved};
pub use retention::{Candidate, Metric, Retention, Validation, obsolete};

#[cfg(test)]
mod tests;
