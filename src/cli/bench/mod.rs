//! `trackflow bench …`: measurements, one file each.

mod step;

use crate::failure::Result;
use clap::{Args, Subcommand};

/// `trackflow bench`.
#[derive(Debug, Args)]
pub struct BenchArgs {
    #[command(subcommand)]
    verb: BenchVerb,
}

#[derive(Debug, Subcommand)]
enum BenchVerb {
    /// Time and peak memory of a training step, by phase
    Step(step::StepArgs),
}

/// Does what `trackflow bench …` says.
///
/// # Errors
/// Whatever the verb reports.
pub fn bench(args: &BenchArgs) -> Result<()> {
    match &args.verb {
        BenchVerb::Step(args) => step::step(args),
    }
}
