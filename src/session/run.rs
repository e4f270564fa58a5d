//! The run itself: from a session that was checked to what became of it.

use super::{
    Ended, Metrics, Outcome, Session, begin, changes, load, memory,
    observers::{Observers, RunSetup},
    ranks, resume, sets, start, summary, watch,
};
use crate::{
    atomic_file::write_atomic,
    data::{
        dataset::Roots,
        outage::Outage,
        rejects::{Budget, Rejects},
        retry::Quarantine,
    },
    failure::{Failure, Result},
    flow::{Notice, Notify, Run, RunOutcome, Settings, StopReason},
    lock::FolderLock,
    monitor::{
        live::{Live, Plan, phases, runs::Runs},
        run_log::RunLog,
    },
    reads,
    stages::RunContext,
    telemetry::{log, machine, names},
    train::{
        checkpoint::{Folder, Metadata},
        events::Observer,
        experiment::Experiment,
        metrics::Progress,
        network,
        ranks::World,
        run_event::RunEvent,
        run_schedule::{RunSchedule, Split, batches},
        step::Trainer,
    },
};
use std::{
    io::Write,
    ops::ControlFlow,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, OnceLock, PoisonError},
    time::Duration,
};

/// How often the logs of runs beside this one are read, while somebody looks at them.
const RUNS: Duration = Duration::from_secs(5);

/// How long a run that is to end waits for what is on its way to the step, of which the step takes nothing any more.
const GRACE: Duration = Duration::from_secs(2);

impl Session {
    /// Opens the data, trains, and saves. What the run found out is said at its end, whether or not it failed.
    ///
    /// # Errors
    /// Everything that keeps the run from starting, and whatever ends it.
    pub fn run(self) -> Result<Outcome> {
        let world = self.meet()?;
        let outcome = self.run_in(world.as_ref());
        if let Some(world) = &world {
            match &outcome {
                Err(failure) => world.fail(failure),
                // A rank that stopped before the first step has not parted from the others.
                Ok(_) => world.fail(&Failure::stage(start::STOPPED)),
            }
        }
        outcome
    }

    fn run_in(mut self, world: Option<&Arc<World>>) -> Result<Outcome> {
        let memory = memory::warning(&self.facts.experiment, &self.graph, &self.facts);
        let writes = world.is_none_or(|world| world.is_first());
        let folder = match writes {
            true => {
                self.start.hold(FolderLock::take(&self.request.save_dir, "train")?);
                Folder::open(&self.request.folder())?
            }
            false => Folder::at(&self.request.folder()),
        };
        let live = Live::new("train");
        if writes
            && self.request.metrics != Metrics::Off
            && let Some(beside) = Runs::beside(&self.request.save_dir)
        {
            live.show_runs(beside, RUNS);
        }
        let addresses = match self.request.metrics.of_rank(world.map_or(0, |world| world.place().local_rank)) {
            Metrics::Off => Vec::new(),
            Metrics::Usual => watch::serve(None, &live)?,
            Metrics::At(address) => watch::serve(Some(address), &live)?,
        };
        let [experiment_file, pipeline_file] = &self.sources;
        log::say(&format!("experiment: {experiment_file}"));
        log::say(&format!("pipeline: {pipeline_file}"));
        let experiment = self.experiment();
        experiment.notes.iter().for_each(|note| log::say(note));
        log::say(&experiment.trains);
        for warning in experiment.warnings.iter().chain(&memory).filter(|_| writes) {
            log::warn(warning);
        }
        addresses.iter().for_each(|line| log::say(line));
        if let Some(baseline) = &self.baseline {
            log::say(&baseline.to_string());
        }
        let opened = self.start.log();
        let outcome = self.launch(&folder, &live, &opened, world);
        self.start.is_over();
        if let Some(log) = opened.get() {
            let ended = outcome.as_ref().map(|outcome| outcome.ended.clone()).map_err(Clone::clone);
            log.end(&ended);
        }
        self.start.release();
        outcome
    }

    /// The log of a run in `save_dir`.
    pub(super) fn log_of(save_dir: &Path) -> PathBuf {
        save_dir.join("run.jsonl")
    }

    fn launch(
        &mut self,
        folder: &Folder,
        live: &Arc<Live>,
        opened: &OnceLock<Arc<RunLog>>,
        world: Option<&Arc<World>>,
    ) -> Result<Outcome> {
        let writes = world.is_none_or(|world| world.is_first());
        let (stop, save_dir) = (self.request.stop.clone(), self.request.save_dir.clone());
        let experiment = self.facts.experiment.clone();
        let roots = ranks::in_turns(world, || self.roots())?;
        let planners = match sets::open_patiently(&experiment, &roots, self.request.seed, &stop)? {
            ControlFlow::Continue(planners) => planners,
            ControlFlow::Break(reason) => {
                log::say(start::STOPPED);
                return Ok(outcome(Ended::Stopped(reason), folder, Progress::default(), Duration::ZERO));
            }
        };
        planners.notes.iter().for_each(|note| log::say(note));
        let schedule = schedule(&experiment, &planners);
        if let Some(world) = world {
            let lines: Vec<String> =
                planners.digests.iter().map(|(name, digest)| format!("{name}: {digest}")).collect();
            world.check_same("data", &lines)?;
        }

        tch::set_num_threads(experiment.training.threads_per_replica());
        experiment.training.precision.apply_tf32()?;
        let new_trainer = || {
            // The others get all tensors from rank 0.
            let experiment = if writes { experiment.clone() } else { without_weights(&experiment) };
            let (model, loaded) = network::build(&experiment, self.request.seed, self.device)?;
            loaded.iter().for_each(|line| log::say(line));
            Trainer::new(&experiment, model, self.request.seed, schedule.train_batches)
        };
        let plan = changes::plan(&experiment);
        let metadata = Metadata {
            data: Some(planners.digests.clone()),
            ..Metadata::new(self.request.name(), self.request.seed, plan)
        };
        let run = resume::Run {
            experiment: &experiment,
            schedule: &schedule,
            seed: self.request.seed,
            data: &planners.digests,
            allow_changes: self.request.allow_changes,
        };
        let begin = match writes {
            true => Some(resume::resume(&self.request.resume, folder, new_trainer()?, &run)?),
            false => None,
        };
        let begin = match (world, begin) {
            (Some(world), begin) => ranks::begin_alike(world, begin, new_trainer, self.device)?,
            (None, Some(begin)) => begin,
            (None, None) => return Err(Failure::stage("a run without a beginning")),
        };
        let resume::Start { mut trainer, progress, position, logged, history } = begin;
        if let Some(world) = world {
            trainer.join(world.clone());
        }
        let device_name = summary::device_name(self.device);
        log::say(&format!(
            "model: {:.2} M parameters on {}; {} epochs of {} steps of {} clips{}",
            trainer.parameters() as f64 / 1e6,
            device_name,
            schedule.epochs,
            schedule.train_batches,
            experiment.training.clips_per_step(),
            world.map_or_else(String::new, |world| format!(" on {} ranks", world.size())),
        ));
        if writes {
            write(&save_dir.join("experiment.yaml"), &experiment.resolved)?;
            write(&save_dir.join("pipeline.yaml"), &self.resolved)?;
        }
        let name = metadata.experiment.clone();
        metrics::gauge!(names::TRAIN_INFO, "experiment" => name.clone(), "device" => device_name.clone()).set(1.0);
        live.experiment(&experiment.resolved);
        live.plan(Plan {
            experiment: name.clone(),
            device: device_name.clone(),
            parameters: trainer.parameters(),
            epochs: schedule.epochs,
            epoch_steps: schedule.train_batches,
            batches: schedule.len(),
            position,
            phases: phases(&experiment),
        });
        let Observers { all: observer, progress: watcher, scorer } = match writes {
            true => {
                let run_log = Arc::new(RunLog::open(&Self::log_of(&save_dir), logged, history, Some(&name))?);
                let run_log = opened.get_or_init(|| run_log);
                let run_start = begin::run_start(&name, self.request.seed, &device_name, logged, &planners);
                run_log.observe(&RunEvent::Run(Box::new(run_start)));
                let parameters = trainer.parameters();
                let setup =
                    RunSetup { experiment: &experiment, schedule: &schedule, position, parameters, roots: &roots };
                Observers::start(&mut self.request, &setup, run_log, live, self.baseline.take())?
            }
            false => Observers::of_other_rank(),
        };
        let rejects = Rejects::new(Budget {
            floor: experiment.data.max_rejected as u64,
            share: experiment.data.max_rejected_share,
        });
        let quarantine = Quarantine::new(experiment.data.quarantine_after as u64);
        let quarantine_after = quarantine.after();
        let progress = Arc::new(Mutex::new(progress));
        let shared = planners.shared;
        if let Some(shared) = shared.as_ref().filter(|_| writes) {
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
            max_steps: self.request.max_steps,
            experiment,
            device: self.device,
            trainer: Mutex::new(Some(trainer)),
            progress: progress.clone(),
            metadata,
            folder: folder.clone(),
            save_request: self.request.save_request.clone(),
            observer: observer.clone(),
            ranks: self.ranks(world),
        });
        let batches_in_all = context.schedule.len();
        let complete = position >= batches_in_all;
        let limits = load::limits(&self.graph);
        let outcome_of_flow = self.flow(&context, observer, |run| live.attach(run.board(), limits.clone(), stop))?;
        if let (Some(world), Err(failure)) = (world, &outcome_of_flow.result) {
            // Before anything else: the others wait for this rank.
            world.fail(failure);
        }
        watcher.iter().for_each(|watcher| watcher.finish());
        if let Some(scorer) = scorer {
            let asked = matches!(outcome_of_flow.stopped, Some(StopReason::Signal(_) | StopReason::TimeLimit));
            scorer.finish(asked || outcome_of_flow.result.is_err());
        }
        let json = format!("{:#}\n", load::json(&outcome_of_flow, &limits));
        let written = if writes { write(&save_dir.join("load.json"), &json) } else { Ok(()) };
        let traced = if writes { self.write_trace() } else { Ok(()) };
        let progress = progress.lock().unwrap_or_else(PoisonError::into_inner).clone();
        summary::print(&summary::Summary {
            limits: &limits,
            outcome: &outcome_of_flow,
            progress: &progress,
            rejects: &rejects,
            shared: shared.as_ref(),
            quarantine_after,
            folder,
            save_dir: &save_dir,
            complete,
        });
        outcome_of_flow.result?;
        written?;
        traced?;
        let ended = match outcome_of_flow.stopped {
            Some(reason) => {
                if reason == StopReason::TimeLimit {
                    log::say("stopped for the time limit; the same command goes on");
                }
                Ended::Stopped(reason)
            }
            // What another rank writes, this one does not look for.
            None if writes && folder.list().last().map_or(0, |newest| newest.position) < batches_in_all => {
                Ended::MaxSteps
            }
            None => Ended::Complete,
        };
        Ok(outcome(ended, folder, progress, outcome_of_flow.wall))
    }

    /// Runs the pipeline to its end; `begins` is told of it just before.
    fn flow(
        &self,
        context: &Arc<RunContext>,
        observer: Arc<dyn Observer>,
        begins: impl FnOnce(&Run),
    ) -> Result<RunOutcome> {
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
            one_at_a_time: self.request.one_at_a_time,
            grace: Some(GRACE),
            trace: self.request.trace.as_ref().map(|(_, trace)| Arc::clone(trace)),
            waiting_for: reads::waiting,
            ..Settings::default()
        };
        let run = Run::build_with(&self.graph, context, self.request.stop.clone(), settings)?;
        begins(&run);
        if let Some(signals) = &self.signals {
            let file = (&self.request.pipeline, &self.request.kinds);
            signals.hangups.reload(file, &self.graph, run.control(), context, notify);
        }
        self.start.is_over();
        Ok(run.join())
    }

    /// Writes what was recorded of workers, where that was asked for, and says what it is.
    fn write_trace(&self) -> Result<()> {
        let Some((file, trace)) = &self.request.trace else { return Ok(()) };
        let steps = trace.steps();
        if trace.is_empty() {
            log::warn(&format!("--trace: none of the steps {}:{} was done in this call", steps.start, steps.end));
        }
        write_atomic(file, |out| {
            let mut out = std::io::BufWriter::new(out);
            trace.write(&mut out).and_then(|()| out.flush()).map_err(|error| Failure::output(error.to_string()))
        })?;
        log::say(&format!(
            "trace       {} ({} slices; open it at https://ui.perfetto.dev)",
            file.display(),
            trace.len()
        ));
        Ok(())
    }

    /// Where the data is; scenes of its own are made first.
    fn roots(&self) -> Result<Roots> {
        match (&self.experiment().data.synth, &self.request.data_dir) {
            (Some(synth), None) => {
                let made = self.request.save_dir.join("data").join(self.request.experiment.name());
                log::say(&sets::synthesise(synth, &made)?);
                Ok(Roots::below(&made))
            }
            (synth, data_dir) => {
                if synth.is_some() {
                    log::say("DATA.SYNTH is not made, as --data_dir names data");
                }
                Roots::open(data_dir.as_deref())
            }
        }
    }
}

/// The experiment of a rank that gets its weights from another.
fn without_weights(experiment: &Experiment) -> Experiment {
    let mut experiment = experiment.clone();
    (experiment.model.pretrain_file, experiment.model.encoder_pretrain_file) = (None, None);
    experiment
}

fn outcome(ended: Ended, folder: &Folder, progress: Progress, wall: Duration) -> Outcome {
    let newest = folder.list().pop().map(|newest| newest.path);
    Outcome { ended, folder: folder.path().to_path_buf(), checkpoint: newest, progress, wall }
}

fn write(path: &Path, text: &str) -> Result<()> {
    write_atomic(path, |file| file.write_all(text.as_bytes()).map_err(|error| Failure::output(error.to_string())))
        .map(drop)
        .map_err(|failure| Failure { message: format!("{failure}; choose another --save_dir"), ..failure })
}

fn schedule(experiment: &Experiment, planners: &sets::Planners) -> RunSchedule {
    let training = &experiment.training;
    let batch = training.clips_per_step();
    let val_batches = planners.val.as_ref().map_or(0, |val| batches(val.clips_per_epoch(), batch, Split::Val));
    RunSchedule {
        epochs: training.epochs(),
        train_batches: batches(planners.train.clips_per_epoch(), batch, Split::Train),
        val_batches,
        val_interval: training.val_interval,
        val_before: training.val_before && val_batches > 0,
    }
}
