//! One measurement: the pipeline in this process for a while.

use super::DataBenchArgs;
use crate::{
    data::{
        dataset::Roots,
        outage::Outage,
        rejects::{Budget, Rejects},
        retry::Quarantine,
    },
    failure::{Failure, Result},
    flow::{Graph, Run, Settings, Shutdown, StopReason, compile_all, sentence},
    reads,
    session::{find, load, sets},
    settings::Diagnostics,
    stages::{EXPECTED_BOTTLENECK, Facts, KINDS, RunContext, SaveRequest},
    telemetry::machine,
    train::{
        checkpoint::{Folder, Metadata},
        device,
        events::Observer,
        experiment::Experiment,
        metrics::Progress,
        run_event::RunEvent,
        run_schedule::{RunSchedule, Split, batches},
    },
    vision::pool,
};
use serde::{Deserialize, Serialize};
use std::{
    path::PathBuf,
    sync::{Arc, Mutex},
    thread,
    time::{Duration, Instant},
};
use tch::Device;

/// How long what is on its way at the end is waited for.
const GRACE: Duration = Duration::from_secs(5);

/// Windows that rates are taken over.
const WINDOW: Duration = Duration::from_secs(10);

/// What was measured.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Measured {
    pub experiment: String,
    pub pipeline: String,
    /// Workers of the decoding stages.
    pub workers: String,
    /// Clips in a batch, frames in a clip.
    pub batch: usize,
    pub frames: usize,
    /// Clips a second: the median over windows, and the lowest and highest of them.
    pub clips_per_second: f64,
    pub slowest: f64,
    pub fastest: f64,
    pub windows: usize,
    pub seconds: f64,
    /// Stages with the share of the time in which their workers were busy, waited, and were blocked.
    pub stages: Vec<StageShare>,
    pub bottleneck: String,
    /// Most resident memory of the process, and how much of it is from before the run.
    pub peak_bytes: u64,
    pub before_bytes: u64,
    /// What the plan allows items to take.
    pub ceiling_bytes: u64,
    /// Buffers for pixels and files that were allocated after warming up, by frame.
    pub allocated_per_frame: f64,
    /// Clips that were planned again.
    pub redrawn: u64,
}

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct StageShare {
    pub stage: String,
    pub workers: usize,
    pub busy: f64,
    pub waiting: f64,
    pub blocked: f64,
    /// Milliseconds of work an item.
    pub milliseconds: f64,
}

/// Runs the pipeline for the time asked for.
///
/// # Errors
/// Whatever is wrong with experiment, pipeline or data, or ends the run.
pub(super) fn measure(args: &DataBenchArgs) -> Result<Measured> {
    let experiment = find::read(&args.script, &args.config, &args.set)?;
    let graph = graph(args, &experiment)?;
    let roots = Roots::open(args.data_dir.as_deref())?;
    if experiment.data.synth.is_some() && args.data_dir.is_none() {
        let text = format!("--config {} makes its scenes when it trains; name them with --data_dir", args.config);
        return Err(Failure::input(text));
    }
    let planners = sets::open(&experiment, &roots, args.seed, false)?;
    let scratch = Scratch::new()?;
    let rejects =
        Rejects::new(Budget { floor: experiment.data.max_rejected as u64, share: experiment.data.max_rejected_share });
    let observer: Arc<dyn Observer> = Arc::new(Warnings { quiet: args.json });
    let batch = experiment.training.batch_size;
    let schedule = RunSchedule {
        // Never reached.
        epochs: 1 << 40,
        train_batches: batches(planners.train.clips_per_epoch(), batch, Split::Train),
        val_batches: 0,
        val_interval: usize::MAX,
        val_before: false,
    };
    let facts = Facts { experiment: experiment.clone(), on_accelerator: false };
    let cores = machine::cores();
    let ceiling = graph.memory(&facts, cores).host();
    let frames = experiment.data.search_frames + 1;
    let quarantine = Quarantine::new(experiment.data.quarantine_after as u64);
    let context = Arc::new(RunContext {
        save_request: SaveRequest::default(),
        train: planners.train,
        val: None,
        rejects: rejects.clone(),
        quarantine,
        outage: Outage::new(Duration::from_secs_f64(experiment.data.patience)),
        schedule,
        position: 0,
        max_steps: None,
        metadata: Metadata::new(args.config.clone(), args.seed, String::new()),
        experiment,
        device: Device::Cpu,
        trainer: Mutex::new(None),
        progress: Arc::new(Mutex::new(Progress::default())),
        folder: scratch.folder.clone(),
        observer,
    });

    let before = device::peak_memory(Device::Cpu)?;
    let stop = Shutdown::new();
    let settings = Settings { grace: Some(GRACE), waiting_for: reads::waiting, ..Settings::default() };
    let run = Run::build_with(&graph, &context, stop.clone(), settings)?;
    let board = run.board();
    // Batches that reached the sink.
    let arrived = move || {
        let stages = board.stages();
        let sinks = stages.iter().filter(|stage| stages.iter().all(|other| !other.inputs.contains(&stage.id)));
        sinks.map(|stage| stage.taken).sum::<u64>()
    };
    let seconds = Duration::from_secs(args.seconds);
    let watch = thread::spawn({
        let stop = stop.clone();
        move || windows(seconds, arrived, &stop)
    });
    let outcome = run.join();
    // The run may have ended by itself, with a failure.
    stop.stop(StopReason::Reached("the time of the bench".into()));
    let marks = watch.join().map_err(|_| Failure::stage("the clock of the bench died"))?;
    outcome.result.clone()?;
    let limits = load::limits(&graph);
    let loads = load::loads(&outcome, &limits);
    let mut rates: Vec<f64> = marks.windows(2).map(|pair| rate(pair) * batch as f64).collect();
    rates.sort_by(f64::total_cmp);
    let stages = loads.iter().zip(&outcome.stages).map(|(load, stage)| StageShare {
        stage: load.id.clone(),
        workers: load.workers,
        busy: load.share(load.busy),
        waiting: load.share(load.waited),
        blocked: load.share(load.blocked),
        milliseconds: 1e3 * load.busy.as_secs_f64() / stage.taken.max(1) as f64,
    });
    Ok(Measured {
        experiment: format!("{}/{}", args.script, args.config),
        pipeline: graph.name().to_string(),
        workers: match args.workers.as_slice() {
            [workers] => workers.to_string(),
            _ => "as in the pipeline".into(),
        },
        batch,
        frames,
        clips_per_second: rates.get(rates.len() / 2).copied().unwrap_or(0.0),
        slowest: rates.first().copied().unwrap_or(0.0),
        fastest: rates.last().copied().unwrap_or(0.0),
        windows: rates.len(),
        seconds: marks.last().zip(marks.first()).map_or(0.0, |(last, first)| (last.at - first.at).as_secs_f64()),
        stages: stages.collect(),
        bottleneck: sentence(&loads, EXPECTED_BOTTLENECK).unwrap_or_default(),
        peak_bytes: device::peak_memory(Device::Cpu)?,
        before_bytes: before,
        ceiling_bytes: ceiling,
        allocated_per_frame: marks.first().zip(marks.last()).map_or(0.0, |(first, last)| {
            let made = (last.arrived - first.arrived) as f64 * (batch * frames) as f64;
            (last.allocated - first.allocated) as f64 / made.max(1.0)
        }),
        redrawn: rejects.rejected(),
    })
}

/// The pipeline with the asked-for workers, checked against the experiment.
fn graph(args: &DataBenchArgs, experiment: &Experiment) -> Result<Graph<RunContext>> {
    let mut node = find::pipeline(&args.pipeline)?;
    if let [workers] = args.workers.as_slice() {
        let draft = compile_all(&Diagnostics::new(), &node, &KINDS);
        let decoders: Vec<String> = draft
            .iter()
            .flat_map(|graph| graph.nodes().iter())
            .filter(|node| node.kind.name.starts_with("decode"))
            .map(|node| node.id.clone())
            .collect();
        for id in decoders {
            node.set(&format!("stages.{id}.workers={workers}"))?;
        }
    }
    let diagnostics = Diagnostics::new();
    let graph = find::graph(&diagnostics, &args.pipeline, &node, &KINDS)?;
    graph.check_element_specs(&diagnostics, &Facts { experiment: experiment.clone(), on_accelerator: false });
    find::finish(&diagnostics)?;
    let has = |kind: &str| graph.nodes().iter().any(|node| node.kind.name == kind);
    match !has("step") && has("count") {
        true => Ok(graph),
        false => {
            let text = format!("{}: a pipeline for this bench ends in a `count`, not in a `step`", args.pipeline);
            Err(Failure::config(format!("{text}; pipelines/bench-data.yaml does")))
        }
    }
}

/// What had happened at a time.
struct Mark {
    at: Duration,
    /// Batches at the sink.
    arrived: u64,
    /// Buffers allocated.
    allocated: u64,
}

/// Marks after warming up and then at the end of each window; stops the run.
fn windows(seconds: Duration, arrived: impl Fn() -> u64, stop: &Shutdown) -> Vec<Mark> {
    let begin = Instant::now();
    let warm = (seconds / 4).clamp(Duration::from_secs(1), WINDOW);
    let count = (seconds.as_secs_f64() / WINDOW.as_secs_f64()).round().max(1.0);
    let window = seconds.div_f64(count);
    let mut marks = Vec::new();
    let mut due = warm;
    while marks.len() <= count as usize && !stop.wait(due.saturating_sub(begin.elapsed())) {
        marks.push(Mark { at: begin.elapsed(), arrived: arrived(), allocated: pool::allocated() });
        due += window;
    }
    stop.stop(StopReason::Reached("the time of the bench".into()));
    marks
}

/// Batches a second between two marks.
fn rate(pair: &[Mark]) -> f64 {
    match pair {
        [from, to] => (to.arrived - from.arrived) as f64 / (to.at - from.at).as_secs_f64().max(1e-9),
        _ => 0.0,
    }
}

/// Tells of what goes wrong with clips.
struct Warnings {
    quiet: bool,
}

impl Observer for Warnings {
    fn observe(&self, event: &RunEvent) {
        if let (RunEvent::Warning(warning), false) = (event, self.quiet) {
            eprintln!("warning: {}", warning.message);
        }
    }
}

/// A folder for checkpoints that are never written, gone afterwards.
struct Scratch {
    path: PathBuf,
    folder: Folder,
}

impl Scratch {
    fn new() -> Result<Self> {
        let path = std::env::temp_dir().join(format!("trackflow-bench-{}", std::process::id()));
        let folder = Folder::open(&path)?;
        Ok(Self { path, folder })
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.path);
    }
}
