//! `trackflow track`: a trained tracker over data sets, to result files.

mod weights;

use super::find;
use crate::{
    data::dataset::Roots,
    failure::{Failure, Result},
    lock::FolderLock,
    model::online::Online,
    text,
    track::{self, Options, results},
    train::{device::DeviceChoice, network},
    weights::Choice,
};
use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};
use std::{
    io::IsTerminal,
    path::{Path, PathBuf},
};

/// `trackflow track`.
#[derive(Debug, Args)]
#[command(args_override_self = true)]
pub struct TrackArgs {
    /// Family of experiments: configs/<SCRIPT>/
    #[arg(long, default_value = "hiptrack")]
    script: String,
    /// Experiment: configs/<script>/<CONFIG>.yaml, or a path that ends in .yaml
    #[arg(long)]
    config: String,
    /// Checkpoint or weights (default: the one of TEST.EPOCH, or the newest before it, below --save_dir)
    #[arg(long, value_name = "FILE")]
    weights: Option<PathBuf>,
    /// The key of the weights in that file, for example teacher or model_ema (default: the usual one)
    #[arg(long, requires = "weights")]
    key: Option<String>,
    /// Data set, or a folder below --data_dir: one sequence or several (repeatable)
    #[arg(long, required = true, value_name = "NAME")]
    dataset: Vec<String>,
    /// Only this sequence (repeatable)
    #[arg(long, value_name = "NAME")]
    sequence: Vec<String>,
    /// Folder that holds the data sets (default: what configs/paths.yaml says, else ./data)
    #[arg(long = "data_dir", alias = "data-dir")]
    data_dir: Option<PathBuf>,
    /// Results go to <SAVE_DIR>/test/tracking_results/<script>/<config>/
    #[arg(long = "save_dir", alias = "save-dir", default_value = "./output")]
    save_dir: PathBuf,
    /// Leave out sequences whose results are there
    #[arg(long = "skip_existing", alias = "skip-existing")]
    skip_existing: bool,
    /// auto, cpu or cuda:N
    #[arg(long, default_value = "auto")]
    device: DeviceChoice,
    /// Threads of the CPU that one frame is computed with (default: all cores)
    #[arg(long, value_parser = clap::value_parser!(u16).range(1..))]
    threads: Option<u16>,
    /// Set a key of the experiment (repeatable)
    #[arg(long = "set", value_name = "KEY.PATH=VALUE")]
    set: Vec<String>,
}

/// The name of an experiment that may be given by its path.
pub(super) fn stem(config: &str) -> PathBuf {
    Path::new(config).file_stem().map_or_else(|| PathBuf::from(config), PathBuf::from)
}

/// Tracks.
///
/// # Errors
/// Whatever keeps the tracker from starting; and, after all others are done, the sequences that could not be tracked.
pub fn track(args: &TrackArgs) -> Result<()> {
    let experiment = find::read(&args.script, &args.config, &args.set)?;
    find::note(&experiment);
    let sizes = network::config(&experiment);
    sizes.check()?;
    let options = Options::of(&experiment, &sizes)?;
    let mut videos = track::videos(&args.dataset, &args.sequence, &Roots::open(args.data_dir.as_deref())?)?;
    let folder = results::folder(&args.save_dir, &args.script, &stem(&args.config));
    let all = videos.len();
    if args.skip_existing {
        videos.retain(|video| match track::find(&folder, video.family, &video.name) {
            None => true,
            // A file that was cut short, or of other frames, is no result.
            Some(files) => {
                let lines = |file: &PathBuf| {
                    let text = text::read(file).unwrap_or_default();
                    text.lines().filter(|line| !line.trim().is_empty()).count()
                };
                let partial = files.runs.iter().find(|file| lines(file) != video.frames.len());
                if let Some(file) = partial {
                    let (lines, frames) = (lines(file), video.frames.len());
                    println!("{}: {lines} lines for {frames} frames: tracked again", file.display());
                }
                partial.is_some()
            }
        });
    }
    let weights = match &args.weights {
        Some(path) => path.clone(),
        None => {
            let checkpoints = args.save_dir.join("checkpoints/train").join(&args.script).join(stem(&args.config));
            weights::of_epoch(&checkpoints, experiment.test.epoch)?
        }
    };
    let device = args.device.open()?;
    if let Some(threads) = args.threads {
        tch::set_num_threads(i32::from(threads));
    }
    let choice = Choice::option(args.key.as_deref());
    let (model, loaded) = network::build_for_tracking(&experiment, &weights, choice, device)?;
    loaded.lines.iter().for_each(|line| println!("{line}"));
    let conditions = loaded.conditions && weights::condition_head_is_trained(&model);
    if sizes.class_head.is_some() && loaded.conditions && !conditions {
        println!("the condition head of these weights was not trained: conditions are not predicted");
    }
    let online = Online::new(&model)?;
    drop(model);
    if all > videos.len() {
        println!("{} of {all} sequences have results already", all - videos.len());
    }
    let frames: usize = videos.iter().map(|video| video.frames.len()).sum();
    println!("{} sequences, {frames} frames; results go to {}", videos.len(), folder.display());
    for (set, ours) in args.dataset.iter().filter_map(|set| Some((set, track::by_reference_name(set)?))) {
        println!("{set} is the data set {ours}");
    }
    for video in videos.iter().filter(|video| video.omitted > 0) {
        println!("{}: starts after {} frames, as in the benchmark's toolkits", video.name, video.omitted);
    }

    let bar = std::io::stdout().is_terminal().then(|| {
        let template = "{bar:30} {pos}/{len} frames, {elapsed_precise} passed, {eta_precise} to go";
        let style = ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar());
        ProgressBar::new(frames as u64).with_style(style)
    });
    let say = |line: String| match &bar {
        Some(bar) => bar.println(crate::text::printable(&line)),
        None => println!("{line}"),
    };
    let _lock = FolderLock::take(&folder, "track")?;
    let (mut failures, mut tracked, mut seconds) = (Vec::new(), 0, 0.0);
    for (at, video) in videos.iter().enumerate() {
        let outcome = track::run(&online, &options, video, || {
            if let Some(bar) = &bar {
                bar.inc(1);
            }
        });
        match outcome {
            Ok(mut record) => {
                if !conditions {
                    record.conditions.clear();
                }
                let name = video.family.names(&video.name).written;
                results::write(&track::written_to(&folder, video.family), &name, &record, experiment.compat)?;
                let took: f64 = record.seconds.iter().sum();
                let speed = record.seconds.len() as f64 / took.max(1e-9);
                say(format!("{:>4}/{}  {:<32} {speed:6.1} frames/s", at + 1, videos.len(), video.name));
                (tracked, seconds) = (tracked + record.seconds.len(), seconds + took);
            }
            Err(failure) => failures.push(failure.within(&video.name)),
        }
    }
    if let Some(bar) = bar {
        bar.finish_and_clear();
    }
    println!(
        "{tracked} frames in {seconds:.1} s of tracking: {:.2} frames/s",
        tracked as f64 / f64::max(seconds, 1e-9)
    );
    match failures.first() {
        None => Ok(()),
        Some(first) => {
            let lines: Vec<_> = failures.iter().map(|failure| failure.message.as_str()).collect();
            Err(Failure::new(first.kind, lines.join("\n")))
        }
    }
}
