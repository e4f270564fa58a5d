//! `trackflow data synth`: making labelled scenes.

use crate::{
    data::{
        condition::Condition,
        synth::{SynthOptions, generate},
    },
    failure::Result,
};
use clap::Args;
use std::path::PathBuf;

/// `trackflow data synth`.
#[derive(Debug, Args)]
pub(super) struct SynthArgs {
    /// Folder to write: got10k/train, got10k/val and conditions
    #[arg(long)]
    out: PathBuf,
    /// Sequences to train on
    #[arg(long, default_value_t = 80)]
    sequences: usize,
    /// Held-out sequences
    #[arg(long, alias = "val_sequences", default_value_t = 30)]
    val_sequences: usize,
    /// Frames of each sequence
    #[arg(long, default_value_t = 30)]
    frames: usize,
    /// Seed of the scenes
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// Width of a frame in pixels
    #[arg(long, default_value_t = 320)]
    width: usize,
    /// Height of a frame in pixels
    #[arg(long, default_value_t = 240)]
    height: usize,
    /// Only this condition (default: all ten in turn)
    #[arg(long, value_parser = condition)]
    condition: Option<Condition>,
}

fn condition(name: &str) -> std::result::Result<Condition, String> {
    let known = Condition::ALL.map(Condition::name);
    Condition::ALL
        .into_iter()
        .find(|condition| condition.name() == name)
        .ok_or_else(|| format!("unknown condition{}", crate::settings::did_you_mean(name, known)))
}

/// Renders the scenes.
///
/// # Errors
/// The folder cannot be written, or holds something else.
pub(super) fn synth(args: &SynthArgs) -> Result<()> {
    let options = SynthOptions {
        train: args.sequences,
        val: args.val_sequences,
        frames: args.frames,
        seed: args.seed,
        width: args.width,
        height: args.height,
        condition: args.condition,
        ..SynthOptions::default()
    };
    let summary = generate(&args.out, &options)?;
    println!("train:      {} ({} sequences)", summary.train.display(), options.train);
    println!("val:        {} ({} sequences)", summary.val.display(), options.val);
    println!("conditions: {}", summary.conditions.display());
    println!(
        "{} sequences of {} frames rendered, {} were there already",
        summary.rendered, options.frames, summary.reused
    );
    Ok(())
}
