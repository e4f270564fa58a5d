//! `trackflow bench`: measurements on this machine, one file each.

mod track;

use crate::failure::Result;
use clap::{Args, Subcommand};

/// `trackflow bench …`.
#[derive(Debug, Args)]
pub struct BenchArgs {
    #[command(subcommand)]
    verb: BenchVerb,
}

#[derive(Debug, Subcommand)]
enum BenchVerb {
    /// Frames/s of the online tracker: template prompt, short memory, full memory
    Track(track::TrackBenchArgs),
}

/// Measures what the command line says.
///
/// # Errors
/// Whatever the bench reports.
pub fn bench(args: &BenchArgs) -> Result<()> {
    match &args.verb {
        BenchVerb::Track(args) => track::track(args),
    }
}
