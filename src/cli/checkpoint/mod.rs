//! `trackflow checkpoint`: what files of weights hold, and from one form to another.

/// A line for people.
macro_rules! say {
    () => { say!("") };
    ($($text:tt)*) => { $crate::telemetry::log::line(&format!($($text)*)) };
}

mod compare;
mod convert;
mod diff;
mod inspect;

use crate::failure::Result;
use clap::{Args, Subcommand};

/// `trackflow checkpoint …`.
#[derive(Debug, Args)]
pub struct CheckpointArgs {
    #[command(subcommand)]
    verb: CheckpointVerb,
}

#[derive(Debug, Subcommand)]
enum CheckpointVerb {
    /// Say what a file of weights holds (exit code 1 when --config is given and its model cannot be loaded from it)
    Inspect(inspect::InspectArgs),
    /// Write weights in the form that OUT's ending asks for: .safetensors, or .pth.tar, .pth, .pt for PyTorch
    Convert(convert::ConvertArgs),
    /// Compare two files of weights (exit code 0 when they are the same, 1 when they differ)
    Diff(diff::DiffArgs),
    /// Keep what tracking needs: without class head, optimizer and training state
    Strip(convert::ConvertArgs),
}

/// Does what `trackflow checkpoint …` says. The value is the exit code.
///
/// # Errors
/// A file cannot be read (66) or written (74).
pub fn checkpoint(args: &CheckpointArgs) -> Result<i32> {
    match &args.verb {
        CheckpointVerb::Inspect(args) => inspect::inspect(args),
        CheckpointVerb::Convert(args) => convert::convert(args).map(|()| 0),
        CheckpointVerb::Diff(args) => diff::diff(args),
        CheckpointVerb::Strip(args) => convert::strip(args).map(|()| 0),
    }
}

/// The module that a tensor belongs to: the first part of its name.
fn module(name: &str) -> &str {
    name.split_once('.').map_or("(top)", |(module, _)| module)
}

/// `[768, 3, 16, 16]`; `[]` for a scalar.
fn shape(sides: &[i64]) -> String {
    format!("{sides:?}")
}

/// A file's size for people.
fn size(bytes: u64) -> String {
    match bytes {
        0..1_000_000 => format!("{:.1} kB", bytes as f64 / 1e3),
        1_000_000..1_000_000_000 => format!("{:.1} MB", bytes as f64 / 1e6),
        _ => format!("{:.2} GB", bytes as f64 / 1e9),
    }
}
