//! `trackflow train`: from the command line to a trained tracker.

mod args;
mod begin;
mod benchmark;
mod changes;
mod data_changes;
mod limit;
mod reload;
mod resume;
pub(in crate::cli) mod sets;
mod start;
mod summary;

pub use args::{LogFormat, Mode, Resume, TrainArgs};

use super::{find, load, watch};
use crate::{
    atomic_file::write_atomic,
    data::{
        dataset::Roots,
        outage::Outage,
        rejects::{Budget, Rejects},
        retry::Quarantine,
    },
    failure::{Failure, Result},
    flow::{
        Graph, Notice, Notify, Run, Settings, Shutdown, SignalWatch, StopReason, survive_file_limits,
        watch_save_requests, watch_signals,
    },
    lock::FolderLock,
    monitor::{
        artifacts::Artifacts,
        health::{Baseline, Health},
        live::{Live, Plan},
        progress::Progress,
        replay,
        run_log::{Ended, RunLog},
        tensorboard::TensorBoard,
    },
    reads,
    settings::Diagnostics,
    stages::{self, Facts, KINDS, RunContext, SaveRequest},
    telemetry::{log, machine, names},
    train::{
        checkpoint::{Folder, Metadata},
        device::gpu_left_out,
        events::Observer,
        experiment::Experiment,
        network,
        run_event::RunEvent,
        run_schedule::{RunSchedule, Split, batches},
        step::Trainer,
    },
};
use start::Start;
use std::{
    io::Write,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, OnceLock, PoisonError},
    time::{Duration, Instant},
};
use tch::Device;

/// How long a run that is to end waits for what is on its way to the step, of which the step takes nothing any more.
const GRACE: Duration = Duration::from_secs(2);

/// Trains. The value is the exit code: 0, or 128 + the signal that stopped the run after saving.
///
/// # Errors
/// Everything that keeps the run from starting, and whatever ends it.
pub fn train(args: &TrainArgs) -> Result<i32> {
    let begin = Instant::now();
    if args.log == LogFormat::Json {
        log::use_json();
    }
    survive_file_limits()?;
    let signals = Signals::listen()?;
    let start = Start::begin(&signals.stop, begin, args.time_limit)?;
    let node = find::experiment(&args.script, &args.config, &args.set)?;
    let diagnostics = Diagnostics::new();
    let experiment = Experiment::draft(&diagnostics, &node);
    find::finish(&diagnostics)?;
    let diagnostics = Diagnostics::new();
    let graph = find::graph(&diagnostics, &args.pipeline, &find::pipeline(&args.pipeline)?, &KINDS)?;
    network::config(&experiment).check()?;
    network::check_pretrained(&experiment)?;
    let baseline = args.baseline.as_deref().map(Baseline::read).transpose()?;
    let device = args.device.open()?;
    gpu_left_out(args.device, device).iter().for_each(|why| log::warn(why));
    let facts = Facts { experiment: experiment.clone(), on_accelerator: device.is_cuda() };
    stages::check(&diagnostics, &graph, Some(&facts));
    find::finish(&diagnostics)?;
    let memory = super::validate::memory_warning(&experiment, &graph, &facts);
    start.hold(FolderLock::take(&args.save_dir, "train")?);
    let folder = Folder::open(&args.save_dir.join("checkpoints/train").join(&args.script).join(stem(&args.config)))?;
    let live = Live::new("train");
    let addresses = watch::serve(args.metrics, &live)?;
    log::say(&format!("experiment: {}", node.origin.source));
    experiment.notes.iter().for_each(|note| log::say(note));
    log::say(&experiment.trains);
    for warning in experiment.warnings.iter().chain(&memory) {
        log::warn(warning);
    }
    addresses.iter().for_each(|line| log::say(line));
    if let Some(baseline) = &baseline {
        log::say(&baseline.to_string());
    }
    let pipeline = Pipeline { graph: &graph, resolved: diagnostics.resolved() };
    let outside = Outside { folder, log: start.log(), live, signals, start };
    let ended = launch(args, begin, experiment, pipeline, device, baseline, &outside);
    outside.start.is_over();
    if let Some(log) = outside.log.get() {
        log.end(&ended);
    }
    outside.start.release();
    ended.map(|ended| ended.exit_code())
}

/// The signals that a run hears from its first moment on.
struct Signals {
    stop: Shutdown,
    save_request: SaveRequest,
    hangups: reload::Hangups,
    _watches: [SignalWatch; 2],
}

impl Signals {
    fn listen() -> Result<Self> {
        let (stop, save_request) = (Shutdown::new(), SaveRequest::default());
        let hangups = reload::Hangups::listen()?;
        let stops = watch_signals(stop.clone())?;
        let asked = save_request.clone();
        let saves = watch_save_requests(move || {
            log::say("SIGUSR1: saving after the step that is under way; the run goes on");
            asked.ask();
        })?;
        Ok(Self { stop, save_request, hangups, _watches: [stops, saves] })
    }
}

/// What connects a run with those outside.
struct Outside {
    /// Where its checkpoints go.
    folder: Folder,
    /// Its log, once that is open.
    log: Arc<OnceLock<Arc<RunLog>>>,
    live: Arc<Live>,
    signals: Signals,
    start: Start,
}

/// Opens the data sets of `experiment` below `data_dir` and checks them, and gives what a user should know about them:
/// notes, and warnings.
///
/// # Errors
/// Anything that is missing, contradictory or damaged, all at once.
pub fn check_data(experiment: &Experiment, data_dir: &Path) -> Result<[Vec<String>; 2]> {
    let validates = experiment.training.val_interval <= experiment.training.epochs() || experiment.training.val_before;
    let opened = sets::open(experiment, &Roots::open(Some(data_dir))?, 0, validates)?;
    Ok([opened.notes, opened.shared.iter().map(ToString::to_string).collect()])
}

/// The name of an experiment that may be given by its path.
fn stem(config: &str) -> PathBuf {
    Path::new(config).file_stem().map_or_else(|| PathBuf::from(config), PathBuf::from)
}

fn write(path: &Path, text: &str) -> Result<()> {
    write_atomic(path, |file| file.write_all(text.as_bytes()).map_err(|error| Failure::output(error.to_string())))
        .map(drop)
        .map_err(|failure| Failure { message: format!("{failure}; choose another --save_dir"), ..failure })
}

/// A pipeline, and its file with all defaults filled in.
struct Pipeline<'a> {
    graph: &'a Graph<RunContext>,
    resolved: String,
}

fn launch(
    args: &TrainArgs,
    begin: Instant,
    experiment: Experiment,
    pipeline: Pipeline<'_>,
    device: Device,
    baseline: Option<Baseline>,
    outside: &Outside,
) -> Result<Ended> {
    let Outside { folder, log: opened, live, signals, start } = outside;
    let stop = signals.stop.clone();
    let roots = match (&experiment.data.synth, &args.data_dir) {
        (Some(synth), None) => {
            let made = args.save_dir.join("data").join(stem(&args.config));
            log::say(&sets::synthesise(synth, &made)?);
            Roots::below(&made)
        }
        (synth, data_dir) => {
            if synth.is_some() {
                log::say("DATA.SYNTH is not made, as --data_dir names data");
            }
            Roots::open(data_dir.as_deref())?
        }
    };
    let validates = experiment.training.val_interval <= experiment.training.epochs() || experiment.training.val_before;
    let planners = sets::open(&experiment, &roots, args.seed, validates)?;
    planners.notes.iter().for_each(|note| log::say(note));
    if let Some(reason) = stop.reason() {
        log::say(start::STOPPED);
        return Ok(Ended::Stopped(reason.clone()));
    }
    let schedule = schedule(&experiment, &planners);

    tch::set_num_threads(experiment.training.threads_per_replica());
    experiment.training.precision.apply_tf32()?;
    let (model, loaded) = network::build(&experiment, args.seed, device)?;
    loaded.iter().for_each(|line| log::say(line));
    let trainer = Trainer::new(&experiment, model, args.seed, schedule.train_batches)?;
    let name = format!("{}/{}", args.script, stem(&args.config).display());
    let metadata =
        Metadata { data: Some(planners.digests.clone()), ..Metadata::new(name, args.seed, changes::plan(&experiment)) };
    let run = resume::Run {
        experiment: &experiment,
        schedule: &schedule,
        seed: args.seed,
        data: &planners.digests,
        allow_changes: args.allow_changes,
    };
    let resume::Start { trainer, progress, position, logged, history } =
        resume::resume(&args.resume, folder, trainer, &run)?;
    let device_name = summary::device_name(device);
    log::say(&format!(
        "model: {:.2} M parameters on {}; {} epochs of {} steps of {} clips",
        trainer.parameters() as f64 / 1e6,
        device_name,
        schedule.epochs,
        schedule.train_batches,
        experiment.training.batch_size,
    ));
    write(&args.save_dir.join("experiment.yaml"), &experiment.resolved)?;
    write(&args.save_dir.join("pipeline.yaml"), &pipeline.resolved)?;
    let experiment_name = metadata.experiment.clone();
    metrics::gauge!(names::TRAIN_INFO, "experiment" => experiment_name.clone(), "device" => device_name.clone())
        .set(1.0);
    live.plan(Plan {
        experiment: experiment_name.clone(),
        device: device_name.clone(),
        parameters: trainer.parameters(),
        epochs: schedule.epochs,
        epoch_steps: schedule.train_batches,
        batches: schedule.len(),
        position,
        phases: phases(&experiment),
    });
    let log_path = args.save_dir.join("run.jsonl");
    let run_log = Arc::new(RunLog::open(&log_path, logged, history, Some(&experiment_name))?);
    let run_log = opened.get_or_init(|| run_log);
    let run_start = begin::run_start(&experiment_name, args.seed, &device_name, logged, &planners);
    run_log.observe(&RunEvent::Run(Box::new(run_start)));
    let classes = experiment.model.classes > 0;
    let watcher = Arc::new(Progress::new(&schedule, position, experiment.training.print_interval, classes));
    let mut observers: Vec<Box<dyn Observer>> =
        vec![Box::new(Arc::clone(run_log)), Box::new(watcher.clone()), Box::new(live.clone())];
    let board = args.save_dir.join("tensorboard/train").join(&args.script).join(stem(&args.config));
    observers.push(Box::new(TensorBoard::new(&board, experiment.training.print_interval)));
    let data_dir = args.data_dir.as_deref().or_else(|| experiment.data.synth.as_ref().map(|_| roots.base.as_path()));
    let scorer = benchmark::Scorer::of(args, &experiment, data_dir)?;
    if let Some(scorer) = &scorer {
        observers.push(Box::new(Arc::clone(scorer)));
    }
    observers.push(Box::new(Artifacts::new(&args.save_dir, position == 0)));
    let before = if position > 0 { replay::events(&log_path) } else { Vec::new() };
    if let Some(limit) = args.time_limit {
        // Weights and two moments, of 4 bytes each.
        let bytes = 12 * trainer.parameters();
        let longest = before.iter().filter_map(|line| limit::step_seconds(&line.event));
        let needs = limit::Needs::new(longest.fold(0.0, f64::max), bytes);
        observers.push(Box::new(limit::TimeLimit::watch(limit, begin, needs, stop.clone())?));
    }
    let rejects =
        Rejects::new(Budget { floor: experiment.data.max_rejected as u64, share: experiment.data.max_rejected_share });
    let quarantine = Quarantine::new(experiment.data.quarantine_after as u64);
    let quarantine_after = quarantine.after();
    let progress = Arc::new(Mutex::new(progress));
    let health = Health::new(&experiment, Arc::new(observers)).beside(baseline);
    before.iter().for_each(|line| live.recall(line));
    health.recall(before.into_iter().map(|line| line.event));
    let observer: Arc<dyn Observer> = Arc::new(health);
    let shared = planners.shared;
    if let Some(shared) = &shared {
        observer.observe(&RunEvent::warning(shared.to_string()));
    }
    let context = Arc::new(RunContext {
        train: planners.train,
        val: planners.val,
        rejects: rejects.clone(),
        quarantine,
        outage: Outage::new(Duration::from_secs_f64(experiment.data.patience)),
        schedule,
        position,
        max_steps: args.max_steps,
        experiment,
        device,
        trainer: Mutex::new(Some(trainer)),
        progress: progress.clone(),
        metadata,
        folder: folder.clone(),
        save_request: signals.save_request.clone(),
        observer: observer.clone(),
    });
    let notify: Notify = Arc::new(move |notice| {
        observer.observe(&match notice {
            Notice::Note(text) => RunEvent::note(text),
            Notice::Warning(text) => RunEvent::warning(text),
        });
    });
    // What the step computes on is not for others.
    let cores = machine::cores();
    let cores = cores.saturating_sub(context.experiment.training.threads).max(1);
    let settings = Settings {
        notify: notify.clone(),
        cores,
        one_at_a_time: args.one_at_a_time,
        grace: Some(GRACE),
        waiting_for: reads::waiting,
        ..Settings::default()
    };
    let batches_in_all = context.schedule.len();
    let complete = position >= batches_in_all;
    let run = Run::build_with(pipeline.graph, &context, stop.clone(), settings)?;
    let limits = load::limits(pipeline.graph);
    live.attach(run.board(), limits.clone(), stop);
    signals.hangups.reload(&args.pipeline, pipeline.graph, run.control(), &context, notify);
    start.is_over();
    let outcome = run.join();
    watcher.finish();
    if let Some(scorer) = scorer {
        let asked = matches!(outcome.stopped, Some(StopReason::Signal(_) | StopReason::TimeLimit));
        scorer.finish(asked || outcome.result.is_err());
    }
    let written = write(&args.save_dir.join("load.json"), &format!("{:#}\n", load::json(&outcome, &limits)));
    let progress = progress.lock().unwrap_or_else(PoisonError::into_inner).clone();
    summary::print(&summary::Facts {
        limits: &limits,
        outcome: &outcome,
        progress: &progress,
        rejects: &rejects,
        shared: shared.as_ref(),
        quarantine_after,
        folder,
        save_dir: &args.save_dir,
        complete,
    });
    outcome.result?;
    written?;
    let done = folder.list().last().map_or(0, |newest| newest.position);
    Ok(match outcome.stopped {
        Some(reason) => {
            if reason == StopReason::TimeLimit {
                log::say("stopped for the time limit; the same command goes on");
            }
            Ended::Stopped(reason)
        }
        None if done < batches_in_all => Ended::MaxSteps,
        None => Ended::Complete,
    })
}

/// What the live page says of the phases.
fn phases(experiment: &Experiment) -> Vec<(String, usize, [f64; 2])> {
    let phases = experiment.training.phases.iter();
    phases.map(|phase| (phase.name.clone(), phase.epochs, [phase.box_weight, phase.class_weight])).collect()
}

fn schedule(experiment: &Experiment, planners: &sets::Planners) -> RunSchedule {
    let training = &experiment.training;
    let batch = training.batch_size;
    let val_batches = planners.val.as_ref().map_or(0, |val| batches(val.clips_per_epoch(), batch, Split::Val));
    RunSchedule {
        epochs: training.epochs(),
        train_batches: batches(planners.train.clips_per_epoch(), batch, Split::Train),
        val_batches,
        val_interval: training.val_interval,
        val_before: training.val_before && val_batches > 0,
    }
}
