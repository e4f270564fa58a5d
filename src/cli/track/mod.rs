//! `trackflow track`: a trained tracker over data sets, to result files.

mod devices;
mod existing;
mod progress;
mod video;
mod view;
mod weights;

use crate::{
    data::dataset::Roots,
    failure::{Failure, Result},
    lock::FolderLock,
    model::online::Online,
    monitor::live::Live,
    session::{find, watch},
    telemetry::{log, machine},
    track::{self, Jobs, NamedSet, Options, Video, provenance, results},
    train::{device::gpu_left_out, experiment::Experiment, network},
    weights::Choice,
};
use clap::Args;
pub(in crate::cli) use devices::Devices;
use devices::Workers;
use progress::Progress;
use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
};
use video::GivenBox;
use view::{Page, View, is_film};

/// `trackflow track`.
#[derive(Debug, Default, Args)]
#[command(args_override_self = true)]
pub struct TrackArgs {
    /// Family of experiments: configs/<SCRIPT>/
    #[arg(long, default_value = "hiptrack")]
    pub(in crate::cli) script: String,
    /// Experiment: configs/<script>/<CONFIG>.yaml, or a path that ends in .yaml
    #[arg(long)]
    pub(in crate::cli) config: String,
    /// Checkpoint or weights (default: the one of TEST.EPOCH, or the newest before it, below --save_dir)
    #[arg(long, value_name = "FILE")]
    pub(in crate::cli) weights: Option<PathBuf>,
    /// The key of the weights in that file, for example teacher or model_ema (default: the usual one)
    #[arg(long, requires = "weights")]
    pub(in crate::cli) key: Option<String>,
    /// Data set, or a folder below --data_dir: one sequence or several (repeatable)
    #[arg(long, required_unless_present = "video", value_name = "NAME")]
    pub(in crate::cli) dataset: Vec<String>,
    /// Only this sequence (repeatable)
    #[arg(long, value_name = "NAME")]
    pub(in crate::cli) sequence: Vec<String>,
    /// Folder that holds the data sets (default: what configs/paths.yaml says, else ./data)
    #[arg(long = "data_dir", alias = "data-dir")]
    pub(in crate::cli) data_dir: Option<PathBuf>,
    /// Results go to <SAVE_DIR>/test/tracking_results/<script>/<config>/<data set>/
    #[arg(long = "save_dir", alias = "save-dir", default_value = "./output")]
    pub(in crate::cli) save_dir: PathBuf,
    /// Leave out sequences whose results are there (those of other weights are refused)
    #[arg(long = "skip_existing", alias = "skip-existing")]
    pub(in crate::cli) skip_existing: bool,
    /// auto, cpu, cuda:N, or several with commas: cuda:0,cuda:1
    #[arg(long, default_value = "auto")]
    pub(in crate::cli) device: Devices,
    /// Sequences that are tracked side by side (default: one on each device); results are the same for any number
    #[arg(long, value_parser = clap::value_parser!(u16).range(1..))]
    pub(in crate::cli) jobs: Option<u16>,
    /// Threads of the CPU that one frame is computed with; last bits depend on it (default: 1 with --jobs, else all cores)
    #[arg(long, value_parser = clap::value_parser!(u16).range(1..))]
    pub(in crate::cli) threads: Option<u16>,
    /// Set a key of the experiment (repeatable)
    #[arg(long = "set", value_name = "KEY.PATH=VALUE")]
    pub(in crate::cli) set: Vec<String>,
    /// A film, a camera (/dev/video0) or a stream (rtsp://…) instead of a data set
    #[arg(long, value_name = "FILE|DEVICE|URL", requires = "given_box", conflicts_with_all = ["dataset", "sequence", "jobs", "skip_existing"])]
    pub(in crate::cli) video: Option<String>,
    /// With --video: where the object is in the first frame
    #[arg(long = "box", id = "given_box", value_name = "x,y,w,h", requires = "video", allow_hyphen_values = true)]
    pub(in crate::cli) given_box: Option<GivenBox>,
    /// With --video: drop frames that come while one is tracked, as of a camera (default: of devices and streams)
    #[arg(long, requires = "video")]
    pub(in crate::cli) live: bool,
    /// Draw what is found: a film (.mp4, .mkv, …) of --video, or a folder for pictures of every frame
    #[arg(long, value_name = "FILE|DIR")]
    pub(in crate::cli) draw: Option<PathBuf>,
    /// Show what is found on the live page
    #[arg(long)]
    pub(in crate::cli) show: bool,
    /// Address of the live page (default: 127.0.0.1:9187, or a free port when that one is used)
    #[arg(long, value_name = "HOST:PORT", requires = "show")]
    pub(in crate::cli) metrics: Option<SocketAddr>,
    /// Results go to this folder instead; those of other weights in it are tracked again.
    #[arg(skip)]
    pub(in crate::cli) folder: Option<PathBuf>,
}

pub(in crate::cli) use weights::epoch_checkpoints;

/// The name of an experiment that may be given by its path.
pub(super) fn stem(config: &str) -> PathBuf {
    Path::new(config).file_stem().map_or_else(|| PathBuf::from(config), PathBuf::from)
}

/// Tracks. The value is the exit code: 0, or 128 + the signal that ended a film.
///
/// # Errors
/// Whatever keeps the tracker from starting; and, after all others are done, the sequences that could not be tracked.
pub fn track(args: &TrackArgs) -> Result<i32> {
    let experiment = find::read(&args.script, &args.config, &args.set)?;
    crate::cli::note(&experiment);
    let sizes = network::config(&experiment);
    sizes.check()?;
    let options = Options::of(&experiment, &sizes)?;
    let workers = Workers::new(args.jobs, args.threads, args.device.0.len(), machine::cores())?;
    if args.video.is_some() {
        return film(args, &experiment, &options, workers);
    }
    if let Some(film) = args.draw.as_deref().filter(|path| is_film(path)) {
        let what = "of data sets every frame is a picture of its own; name a folder";
        return Err(Failure::usage(format!("--draw {}: {what}", film.display())));
    }
    let sets = track::named_sets(&args.dataset)?;
    let mut videos = track::videos(&sets, &args.sequence, &Roots::open(args.data_dir.as_deref())?)?;
    let folder = results_folder(args);
    let (weights, made_by) = weights(args, &experiment, &options)?;
    let all = videos.len();
    if args.skip_existing {
        existing::skip(&mut videos, &folder, &made_by, args.folder.is_some())?;
        if videos.is_empty() {
            println!("all {all} sequences have results already in {}", folder.display());
            return Ok(0);
        }
    }
    let (online, conditions) = trackers(args, &experiment, &weights, workers)?;
    announce(&sets, &videos, all, &folder);
    if workers.jobs > 1 {
        let Workers { jobs, threads } = workers;
        println!(
            "{jobs} sequences at once, {threads} threads each; seconds a frame are those of {jobs} beside each other"
        );
    }
    let _lock = FolderLock::take(&folder, "track")?;
    let jobs = Jobs {
        online: &online,
        count: workers.jobs,
        threads: Some(i32::try_from(workers.threads).unwrap_or(i32::MAX)),
        options: &options,
    };
    let progress = Progress::new(&videos);
    let (mut failures, mut seconds) = (Vec::new(), 0.0);
    let page = page(args)?;
    let with_memory = sizes.prompts.is_some();
    let folder_of = |video: &Video| args.draw.as_ref().map(|draw| draw.join(&video.set).join(&video.name));
    let views = videos
        .iter()
        .map(|video| View::of_folder(&video.name, with_memory, folder_of(video), page.as_ref()).map(Mutex::new));
    let views = views.collect::<Result<Vec<_>>>()?;
    let seen = |at: usize, step: &track::Step<'_>| {
        progress.frame();
        let video = &videos[at];
        let mut view = views[at].lock().unwrap_or_else(PoisonError::into_inner);
        view.frame(video.omitted + step.index, step, video.boxes.get(step.index))
    };
    jobs.run(&videos, seen, |at, outcome| {
        let video = &videos[at];
        match outcome {
            Ok(mut record) => {
                if !conditions {
                    record.conditions.clear();
                }
                let name = video.family.names(&video.name).written;
                let folder = track::written_to(&folder, &video.set);
                results::write(&folder, &name, &record, experiment.compat)?;
                provenance::note(&folder, &name, &made_by)?;
                let took: f64 = record.seconds.iter().sum();
                progress.sequence(video, record.seconds.len() as f64 / took.max(1e-9));
                seconds += took;
            }
            Err(failure) => failures.push((at, failure.within(&video.name))),
        }
        Ok(())
    })?;
    let (tracked, passed) = progress.finish();
    println!(
        "{tracked} frames in {passed:.1} s: {:.2} frames/s; {seconds:.1} s of tracking in all jobs, {:.2} frames/s each",
        tracked as f64 / passed.max(1e-9),
        tracked as f64 / f64::max(seconds, 1e-9)
    );
    failures.sort_by_key(|(at, _)| *at);
    match failures.first() {
        None => Ok(0),
        Some((_, first)) => {
            let lines: Vec<_> = failures.iter().map(|(_, failure)| failure.message.as_str()).collect();
            Err(Failure::new(first.kind, lines.join("\n")))
        }
    }
}

/// Where results go.
fn results_folder(args: &TrackArgs) -> PathBuf {
    let usual = || results::folder(&args.save_dir, &args.script, &stem(&args.config));
    args.folder.clone().unwrap_or_else(usual)
}

/// The live page, where it is asked for.
fn page(args: &TrackArgs) -> Result<Option<Page>> {
    if !args.show {
        return Ok(None);
    }
    let live = Live::new("track");
    watch::serve(args.metrics, &live)?.iter().for_each(|line| println!("{line}"));
    Ok(Some(Page::new(live)))
}

/// One object through a film.
fn film(args: &TrackArgs, experiment: &Experiment, options: &Options, workers: Workers) -> Result<i32> {
    let (Some(name), Some(GivenBox(start))) = (&args.video, args.given_box) else {
        return Err(Failure::usage("--video needs --box x,y,w,h: where the object is in the first frame"));
    };
    if args.device.0.len() > 1 {
        return Err(Failure::usage("--video: one film is tracked on one device; name one"));
    }
    let source = track::film::Source::open(name, args.live)?;
    let (weights, made_by) = weights(args, experiment, options)?;
    let (online, conditions) = trackers(args, experiment, &weights, workers)?;
    let page = page(args)?;
    let asked = video::Asked {
        args,
        source: &source,
        start,
        options,
        folder: &results_folder(args).join("video"),
        made_by: &made_by,
        conditions,
        whole: experiment.compat,
        page: page.as_ref(),
    };
    online.first().map_or(Ok(0), |online| video::video(online, &asked))
}

/// The file of weights that is asked for, and what results with it are known by.
fn weights(args: &TrackArgs, experiment: &Experiment, options: &Options) -> Result<(PathBuf, provenance::MadeBy)> {
    let file = match &args.weights {
        Some(path) => path.clone(),
        None => {
            let checkpoints = args.save_dir.join("checkpoints/train").join(&args.script).join(stem(&args.config));
            weights::of_epoch(&checkpoints, experiment.test.epoch)?
        }
    };
    // Whatever of the experiment decides about boxes.
    let settings = format!("{:?} {options:?} {}", network::config(experiment), experiment.compat);
    let made_by = provenance::MadeBy::of(&file, args.key.as_deref(), &settings)?;
    Ok((file, made_by))
}

/// The weights on each device, and whether conditions are predicted.
fn trackers(
    args: &TrackArgs,
    experiment: &Experiment,
    weights: &Path,
    workers: Workers,
) -> Result<(Vec<Online>, bool)> {
    tch::set_num_threads(i32::try_from(workers.threads).unwrap_or(i32::MAX));
    let (mut all, mut predicted) = (Vec::new(), false);
    for (at, choice) in args.device.0.iter().enumerate() {
        let device = choice.open()?;
        gpu_left_out(*choice, device).iter().for_each(|why| log::warn(why));
        let (model, loaded) =
            network::build_for_tracking(experiment, weights, Choice::option(args.key.as_deref()), device)?;
        predicted = loaded.conditions && weights::condition_head_is_trained(&model);
        if at == 0 {
            loaded.lines.iter().for_each(|line| println!("{line}"));
            if network::config(experiment).class_head.is_some() && loaded.conditions && !predicted {
                println!("the condition head of these weights was not trained: conditions are not predicted");
            }
        }
        all.push(Online::new(&model)?);
    }
    Ok((all, predicted))
}

/// What is tracked, and what of it is not as one may think.
fn announce(sets: &[NamedSet], videos: &[Video], all: usize, folder: &Path) {
    if all > videos.len() {
        println!("{} of {all} sequences have results already", all - videos.len());
    }
    let frames: usize = videos.iter().map(|video| video.frames.len()).sum();
    let folders: Vec<String> = sets.iter().map(|set| folder.join(&set.folder).display().to_string()).collect();
    println!("{} sequences, {frames} frames; results go to {}", videos.len(), folders.join(", "));
    for set in sets.iter().filter(|set| set.name != set.given) {
        println!("{} is the data set {}", set.given, set.name);
    }
    for video in videos.iter().filter(|video| video.omitted > 0) {
        println!("{}: starts after {} frames, as in the benchmark's toolkits", video.name, video.omitted);
    }
}
