//! Who watches a run: its log, progress, the live page, event files, scores, artifacts, the time limit, and whoever else
//! was asked for; health stands before them all.

use super::{Session, benchmark::Scorer, limit, request::Request};
use crate::{
    data::dataset::Roots,
    failure::Result,
    monitor::{
        artifacts::Artifacts, health::Baseline, health::Health, live::Live, progress::Progress, replay,
        run_log::RunLog, tensorboard::TensorBoard,
    },
    train::{events::Observer, experiment::Experiment, run_schedule::RunSchedule},
};
use std::sync::Arc;

/// What the observers need to know of the run.
pub(super) struct RunSetup<'a> {
    pub experiment: &'a Experiment,
    pub schedule: &'a RunSchedule,
    pub position: u64,
    pub parameters: usize,
    pub roots: &'a Roots,
}

/// All of them.
pub(super) struct Observers {
    /// Hears everything, and passes it on to the others.
    pub all: Arc<dyn Observer>,
    pub progress: Arc<Progress>,
    pub scorer: Option<Arc<Scorer>>,
}

impl Observers {
    /// Those that `request` asks for. Where the run goes on they are told first what its log holds.
    ///
    /// # Errors
    /// A benchmark cannot be opened, or the time limit is too short.
    pub fn start(
        request: &mut Request,
        setup: &RunSetup<'_>,
        run_log: &Arc<RunLog>,
        live: &Arc<Live>,
        baseline: Option<Baseline>,
    ) -> Result<Self> {
        let RunSetup { experiment, schedule, position, parameters, roots } = *setup;
        let (interval, classes) = (experiment.training.print_interval, experiment.model.classes > 0);
        let progress = Arc::new(Progress::new(schedule, position, interval, classes).verbose(request.verbose));
        let mut observers: Vec<Box<dyn Observer>> =
            vec![Box::new(Arc::clone(run_log)), Box::new(progress.clone()), Box::new(live.clone())];
        let board = request.save_dir.join("tensorboard/train").join(&request.script).join(request.experiment.name());
        observers.push(Box::new(TensorBoard::new(&board, interval)));
        let synthetic = experiment.data.synth.as_ref().map(|_| roots.base.as_path());
        let scorer = Scorer::of(request, experiment, request.data_dir.as_deref().or(synthetic))?;
        if let Some(scorer) = &scorer {
            observers.push(Box::new(Arc::clone(scorer)));
        }
        observers.push(Box::new(Artifacts::new(&request.save_dir, position == 0)));
        let before = if position > 0 { replay::events(&Session::log_of(&request.save_dir)) } else { Vec::new() };
        if let Some(limit) = request.time_limit {
            // Weights and two moments, of 4 bytes each.
            let bytes = 12 * parameters;
            let longest = before.iter().filter_map(|line| limit::step_seconds(&line.event));
            let needs = limit::Needs::new(longest.fold(0.0, f64::max), bytes);
            let stop = request.stop.clone();
            observers.push(Box::new(limit::TimeLimit::watch(limit, request.begin, needs, stop)?));
        }
        observers.append(&mut request.observers);
        let health = Health::new(experiment, Arc::new(observers)).beside(baseline);
        before.iter().for_each(|line| live.recall(line));
        health.recall(before.into_iter().map(|line| line.event));
        Ok(Self { all: Arc::new(health), progress, scorer })
    }
}
