//! `trackflow data pack`: a data set in shards, of which windows are decoded without what lies beside them.

use crate::{
    data::{
        dataset::{
            self, Roots,
            packed::{FOLDER, How, Summary},
        },
        pack::{self, Loss},
    },
    failure::{Failure, Result},
    lock::FolderLock,
    session::find,
    train::experiment::Crop,
};
use clap::Args;
use indicatif::{HumanBytes, ProgressBar, ProgressStyle};
use std::{path::PathBuf, time::Instant};

/// `trackflow data pack`.
#[derive(Debug, Args)]
pub(super) struct PackArgs {
    /// The data set by its name in an experiment, or folder:PATH
    name: String,
    /// Folder that holds the data sets (default: what configs/paths.yaml says, else ./data)
    #[arg(long = "data_dir", alias = "data-dir")]
    data_dir: Option<PathBuf>,
    /// Folder to write to (default: packed/NAME in the data folder, where a set without files of its own is looked for)
    #[arg(long)]
    out: Option<PathBuf>,
    /// Scale frames down to what the experiment's crops need and compress them again (the pixels change)
    #[arg(long)]
    scaled: bool,
    /// JPEG quality of scaled frames
    #[arg(long, default_value_t = 90, requires = "scaled", value_parser = clap::value_parser!(u8).range(1..=100))]
    quality: u8,
    /// Family of experiments: configs/<SCRIPT>/
    #[arg(long, default_value = "hiptrack")]
    script: String,
    /// Experiment whose crops decide how far frames are scaled
    #[arg(long, default_value = "hiptrack_cls")]
    config: String,
    /// Width of a tile in minimum coded units (16 pixels with chroma at half size)
    #[arg(long, default_value_t = 6, value_parser = clap::value_parser!(u32).range(1..=1024))]
    tile: u32,
    /// Megabytes of source files that make a shard
    #[arg(long = "shard_mb", alias = "shard-mb", default_value_t = 512, value_parser = clap::value_parser!(u64).range(1..))]
    shard_mb: u64,
}

/// Packs the data set and says what came of it.
///
/// # Errors
/// Whatever is wrong with the data set or the folder to write to.
pub(super) fn pack(args: &PackArgs) -> Result<()> {
    let roots = Roots::open(args.data_dir.as_deref())?;
    let how = how(args)?;
    let folder = match &args.out {
        Some(out) => out.clone(),
        None if args.name.contains(':') => return Err(Failure::usage("name the folder to write to with --out")),
        None => roots.base.join(FOLDER).join(&args.name),
    };
    let scan = dataset::scan(&args.name, &roots)?;
    scan.notes.iter().for_each(|note| println!("note: {note}"));
    let _lock = FolderLock::take(&folder, "data pack")?;
    let frames: usize = scan.sequences.iter().map(|found| found.sequence.len()).sum();
    let bar = ProgressBar::new(frames as u64);
    if let Ok(style) = ProgressStyle::with_template("{prefix} {bar:30} {pos}/{len} frames {per_sec} {eta}") {
        bar.set_style(style);
    }
    bar.set_prefix(args.name.clone());
    let start = Instant::now();
    let packed = pack::pack(&scan, &folder, &how, args.shard_mb << 20, |done| bar.inc(done as u64));
    bar.finish_and_clear();
    let packed = packed?;
    report(&packed.summary, packed.kept, &packed.loss, start.elapsed().as_secs_f64());
    println!("packed   {}", folder.display());
    match args.out {
        None => {
            println!("used     where {}'s own files are not at hand; by name: packed:{FOLDER}/{}", args.name, args.name)
        }
        Some(_) => println!("used     as packed:PATH in DATASETS_NAME, PATH absolute or below --data_dir"),
    }
    Ok(())
}

fn how(args: &PackArgs) -> Result<How> {
    if !args.scaled {
        return Ok(How::Lossless { tile: args.tile });
    }
    let data = find::read(&args.script, &args.config, &[])?.data;
    let object = |crop: &Crop| crop.size as f64 / crop.factor;
    let object = object(&data.template).max(object(&data.search));
    Ok(How::Scaled { tile: args.tile, quality: args.quality, object })
}

fn report(summary: &Summary, kept: usize, loss: &Loss, seconds: f64) {
    let sum = |of: fn(&dataset::packed::Shard) -> u64| summary.shards.iter().map(of).sum::<u64>();
    let (sequences, frames) = (sum(|s| s.sequences as u64), sum(|s| s.frames as u64));
    let (bytes, source) = (sum(|s| s.bytes), summary.source_bytes);
    let share = 100.0 * bytes as f64 / source.max(1) as f64;
    println!(
        "{}: {sequences} sequences, {frames} frames in {} shards ({seconds:.1} s)",
        summary.name,
        summary.shards.len()
    );
    if kept > 0 {
        println!("kept     {kept} shards that were complete already");
    }
    println!("size     {} of {} ({share:.1} %)", HumanBytes(bytes), HumanBytes(source));
    match &summary.how {
        How::Lossless { .. } => println!("pixels   the same as in the original files"),
        How::Scaled { quality, object, .. } => {
            println!("pixels   scaled until sqrt(w*h) of the object is {object:.0} px, JPEG quality {quality}");
            if let Some(psnr) = loss.psnr() {
                println!("loss     compression: {psnr:.1} dB PSNR at the scaled size, {} frames scaled", loss.scaled);
            }
        }
    }
}
