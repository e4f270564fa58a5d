//! The parts of a run, one method each.

use super::{
    Metrics, Outcome, Resume, Session, check, find, ranks,
    request::{Request, Source},
    signals::Signals,
    start::Start,
};
use crate::{
    failure::{Failure, Result},
    flow::{Kind, Kinds, Shutdown, Trace},
    monitor::health::Baseline,
    settings::{Diagnostics, Node},
    stages::{Facts, KINDS, RunContext, SaveRequest},
    telemetry::log,
    train::{
        device::{DeviceChoice, gpu_left_out},
        events::Observer,
        ranks::RankInfo,
    },
};
use std::{
    ops::Range,
    path::PathBuf,
    time::{Duration, Instant},
};

/// Puts a run together. Without a call of the method in question everything is as `trackflow train` has it by default.
#[must_use]
pub struct SessionBuilder {
    request: Request,
    /// What went wrong while the parts were named.
    failures: Vec<Failure>,
}

impl SessionBuilder {
    pub(super) fn new() -> Self {
        let request = Request {
            begin: Instant::now(),
            script: "hiptrack".into(),
            experiment: Source::Named("demo".into()),
            set: Vec::new(),
            pipeline: Source::Named("train".into()),
            kinds: Kinds::from(&KINDS),
            save_dir: "./output".into(),
            data_dir: None,
            device: DeviceChoice::Auto,
            seed: 42,
            max_steps: None,
            resume: Resume::Auto,
            allow_changes: false,
            time_limit: None,
            metrics: Metrics::Off,
            baseline: None,
            one_at_a_time: false,
            trace: None,
            verbose: false,
            owns_process: false,
            program: None,
            stop: Shutdown::new(),
            save_request: SaveRequest::default(),
            observers: Vec::new(),
            place: None,
        };
        Self { request, failures: Vec::new() }
    }

    /// The family of experiments, `hiptrack` or `ostrack`: the folder below `configs/` in which experiments are looked for.
    pub fn script(mut self, script: impl Into<String>) -> Self {
        self.request.script = script.into();
        self
    }

    /// The experiment by name, or by the path of its file, which ends in `.yaml` (default: `demo`).
    pub fn experiment(mut self, experiment: impl Into<String>) -> Self {
        self.request.experiment = Source::Named(experiment.into());
        self
    }

    /// The experiment `node`, read already, which is to be called `name`.
    pub fn parsed_experiment(mut self, name: impl Into<String>, node: Node) -> Self {
        self.request.experiment = Source::Parsed(name.into(), node);
        self
    }

    /// Sets a key of the experiment: `KEY.PATH=VALUE`.
    pub fn set(mut self, assignment: impl Into<String>) -> Self {
        self.request.set.push(assignment.into());
        self
    }

    /// Sets several keys, as [`set`](Self::set) does one.
    pub fn set_all(mut self, assignments: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.request.set.extend(assignments.into_iter().map(Into::into));
        self
    }

    /// The pipeline by name, or by the path of its file, which ends in `.yaml`.
    pub fn pipeline(mut self, pipeline: impl Into<String>) -> Self {
        self.request.pipeline = Source::Named(pipeline.into());
        self
    }

    /// The pipeline `node`, read already, which messages call `name`.
    pub fn parsed_pipeline(mut self, name: impl Into<String>, node: Node) -> Self {
        self.request.pipeline = Source::Parsed(name.into(), node);
        self
    }

    /// A kind of stage that the pipeline can name, beside those of [`KINDS`].
    pub fn kind(mut self, kind: &'static Kind<RunContext>) -> Self {
        self.failures.extend(self.request.kinds.add(kind).err());
        self
    }

    /// Someone else who watches the run.
    pub fn observer(mut self, observer: impl Observer + 'static) -> Self {
        self.request.observers.push(Box::new(observer));
        self
    }

    /// Where checkpoints, logs and results go.
    pub fn save_dir(mut self, folder: impl Into<PathBuf>) -> Self {
        self.request.save_dir = folder.into();
        self
    }

    /// Where the data sets are; `None`: where `configs/paths.yaml` says, else in `./data`.
    pub fn data_dir(mut self, folder: impl Into<Option<PathBuf>>) -> Self {
        self.request.data_dir = folder.into();
        self
    }

    /// Where to compute.
    pub fn device(mut self, device: DeviceChoice) -> Self {
        self.request.device = device;
        self
    }

    /// The seed of all draws.
    pub fn seed(mut self, seed: u64) -> Self {
        self.request.seed = seed;
        self
    }

    /// The most training steps of this call; then it saves.
    pub fn max_steps(mut self, steps: impl Into<Option<u64>>) -> Self {
        self.request.max_steps = steps.into();
        self
    }

    /// Where the run goes on.
    pub fn resume(mut self, resume: Resume) -> Self {
        self.request.resume = resume;
        self
    }

    /// Whether it goes on although the experiment has changed in ways that matter.
    pub fn allow_changes(mut self, allow: bool) -> Self {
        self.request.allow_changes = allow;
        self
    }

    /// Stops the run early enough to have saved when this time is over, counted from [`Session::builder`] on.
    pub fn time_limit(mut self, limit: impl Into<Option<Duration>>) -> Self {
        self.request.time_limit = limit.into();
        self
    }

    /// Whether and where the live page and `/metrics` are served; by default they are not.
    pub fn metrics(mut self, metrics: Metrics) -> Self {
        self.request.metrics = metrics;
        self
    }

    /// The folder of a finished run with which validations are compared.
    pub fn baseline(mut self, folder: impl Into<Option<PathBuf>>) -> Self {
        self.request.baseline = folder.into();
        self
    }

    /// Whether one stage works at a time: slower, for measuring what each costs.
    pub fn one_at_a_time(mut self, one: bool) -> Self {
        self.request.one_at_a_time = one;
        self
    }

    /// Records what every worker does while the training steps `steps` (counted from 0) are done, and writes it to `file` as
    /// trace events, which Perfetto opens.
    pub fn trace(mut self, trace: impl Into<Option<(PathBuf, Range<u64>)>>) -> Self {
        self.request.trace = trace.into().map(|(file, steps)| (file, Trace::of_steps(steps)));
        self
    }

    /// Whether every printing interval has a line with all loss components, instead of one line an epoch.
    pub fn verbose(mut self, verbose: bool) -> Self {
        self.request.verbose = verbose;
        self
    }

    /// Stops the run, which saves, when `stop` is used.
    pub fn stop(mut self, stop: Shutdown) -> Self {
        self.request.stop = stop;
        self
    }

    /// Saves after the step that is under way whenever `save` is asked.
    pub fn save_request(mut self, save: SaveRequest) -> Self {
        self.request.save_request = save;
        self
    }

    /// Makes this process one of several that train together, each with a session like this one; rank 0 writes.
    pub fn place(mut self, place: impl Into<Option<RankInfo>>) -> Self {
        self.request.place = place.into();
        self
    }

    /// Whether this process is for the run alone. Then it listens to signals, from the building of the session on: SIGINT,
    /// SIGTERM, SIGUSR2 and SIGXCPU stop the run, SIGUSR1 saves, SIGHUP reads the pipeline again; and it ends the process
    /// where it is to stop while a file that is read before the first step does not answer.
    pub fn owns_process(mut self, owns: bool) -> Self {
        self.request.owns_process = owns;
        self
    }

    /// The trackflow program, which scores checkpoints in a process of its own where the experiment has `TEST.BENCHMARK`.
    pub fn program(mut self, program: impl Into<Option<PathBuf>>) -> Self {
        self.request.program = program.into();
        self
    }

    /// Reads and checks everything that does not take the data or the model.
    ///
    /// # Errors
    /// Everything that is wrong with the experiment, the pipeline, the device and what else was named, all at once.
    pub fn build(self) -> Result<Session> {
        let Self { request, failures } = self;
        let signals = match request.owns_process {
            true => Some(Signals::listen(&request.stop, &request.save_request)?),
            false => None,
        };
        let limit = request.time_limit;
        let start = Start::begin(request.owns_process.then_some(&request.stop), request.begin, limit)?;
        let mut problems = failures;
        let node = kept(request.experiment_node(), &mut problems);
        let checked = node.as_ref().map(|node| {
            let mut checked = check::experiment(node);
            if request.place.as_ref().is_some_and(|place| place.rank > 0) {
                // The weights come from rank 0.
                checked.missing = None;
            }
            checked.sound()
        });
        let mut experiment = checked.and_then(|experiment| kept(experiment, &mut problems));
        if let (Some(place), Some(experiment)) = (&request.place, &mut experiment) {
            kept(ranks::prepare(experiment, place), &mut problems);
        }
        let diagnostics = Diagnostics::new();
        let file = kept(request.pipeline_node(), &mut problems);
        let graph = file.as_ref().and_then(|file| kept(request.graph(&diagnostics, file), &mut problems));
        let baseline = kept(request.baseline.as_deref().map(Baseline::read).transpose(), &mut problems);
        let device = match &request.place {
            Some(place) => request.device.open_for_rank(place.local_rank, place.local_size),
            None => request.device.open(),
        };
        let device = kept(device, &mut problems);
        let on_accelerator = device.is_some_and(|device| device.is_cuda());
        let facts = experiment.map(|experiment| Facts { experiment, on_accelerator });
        if let Some(graph) = &graph {
            check::pipeline(&diagnostics, graph, facts.as_ref());
            kept(find::finish(&diagnostics), &mut problems);
        }
        if let Some(failure) = check::merged(problems) {
            return Err(failure);
        }
        let found = (node, file, facts, graph, baseline, device);
        let (Some(node), Some(file), Some(facts), Some(graph), Some(baseline), Some(device)) = found else {
            return Err(Failure::stage("a part of the run is missing, and nothing says why"));
        };
        gpu_left_out(request.device, device).iter().for_each(|why| log::warn(why));
        let sources = [&node, &file].map(|node| find::taken(&node.origin.source));
        let resolved = diagnostics.resolved();
        Ok(Session { request, facts, sources, graph, resolved, device, baseline, signals, start })
    }

    /// Builds and runs.
    ///
    /// # Errors
    /// As for [`build`](Self::build) and [`Session::run`].
    pub fn run(self) -> Result<Outcome> {
        self.build()?.run()
    }
}

/// What there is; what keeps it from being there is one of the `problems`.
fn kept<T>(part: Result<T>, problems: &mut Vec<Failure>) -> Option<T> {
    part.map_err(|failure| problems.push(failure)).ok()
}
