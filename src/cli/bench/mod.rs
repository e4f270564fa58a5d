//! `trackflow bench …`: measurements on this machine, one file each.

mod data;
mod step;
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
    /// Clips/s of a pipeline that ends in a counter, and the share of each stage
    Data(data::DataBenchArgs),
    /// Time and peak memory of a training step, by phase
    Step(step::StepArgs),
    /// Frames/s of the online tracker: of HIPTrack with template prompt, short memory, full memory
    Track(track::TrackBenchArgs),
}

/// Does what `trackflow bench …` says.
///
/// # Errors
/// Whatever the bench reports.
pub fn bench(args: &BenchArgs) -> Result<()> {
    match &args.verb {
        BenchVerb::Data(args) => data::data(args),
        BenchVerb::Step(args) => step::step(args),
        BenchVerb::Track(args) => track::track(args),
    }
}
