//! A run of several processes: how they meet, take turns where files are made, and begin with the same state.

use super::{Session, changes, resume};
use crate::{
    failure::{Failure, Result},
    stages,
    telemetry::log,
    train::{
        checkpoint::{Metadata, State},
        events::Observer,
        experiment::Experiment,
        metrics::Progress,
        ranks::{Card, Patience, RankInfo, World},
        run_event::RunEvent,
        step::Trainer,
    },
};
use serde::{Deserialize, Serialize};
use std::{collections::BTreeMap, sync::Arc};
use tch::{Device, Kind, Tensor};

/// Keys that may differ between machines without another result than in last bits.
const OF_MACHINES: [&str; 1] = ["TRAIN.THREADS"];

/// Gives `experiment` the number of ranks of `place`.
///
/// # Errors
/// A batch has fewer clips than there are ranks.
pub(super) fn prepare(experiment: &mut Experiment, place: &RankInfo) -> Result<()> {
    experiment.training.ranks = place.size;
    let clips = experiment.training.clips_per_step();
    if clips < place.size {
        return Err(Failure::config(format!(
            "TRAIN.GLOBAL_BATCH: {clips} clips cannot be shared out to {} ranks; let it be at least as large",
            place.size
        )));
    }
    Ok(())
}

impl Session {
    /// Meets the other ranks, where there are any.
    ///
    /// # Errors
    /// They do not come, or are about to train something else.
    pub(super) fn meet(&self) -> Result<Option<Arc<World>>> {
        let Some(place) = &self.request.place else { return Ok(None) };
        let plan = changes::plan(self.experiment());
        let of_machine = |line: &&str| OF_MACHINES.iter().any(|key| line.starts_with(&format!("{key}: ")));
        let mut lines: Vec<String> = plan.lines().filter(|line| !of_machine(line)).map(String::from).collect();
        let steps = self.request.max_steps.map_or("none".to_string(), |steps| steps.to_string());
        lines.push(format!("--seed: {}", self.request.seed));
        lines.push(format!("--max_steps: {steps}"));
        lines.push(format!("the device: {}", if self.device.is_cuda() { "a GPU" } else { "the CPU" }));
        let card = Card { version: env!("CARGO_PKG_VERSION").into(), lines };
        let patience = Patience::of(self.experiment().training.rank_timeout);
        let world = World::join(place, &card, patience)?;
        log::say(&format!("{} ranks have met at {} (by {})", place.size, place.address(), place.launcher));
        world.use_device(self.device)?.iter().for_each(|why| log::warn(why));
        Ok(Some(world))
    }

    /// What the stages know of the ranks.
    pub(super) fn ranks(&self, world: Option<&Arc<World>>) -> Option<stages::Ranks> {
        world.map(|world| stages::Ranks { world: world.clone(), stop: self.request.stop.clone() })
    }
}

/// Runs `work`, which makes files that others then find: rank 0 first, then one process of each machine, then the others.
///
/// # Errors
/// Those of `work`, and lost ranks.
pub(super) fn in_turns<T>(world: Option<&Arc<World>>, work: impl FnOnce() -> Result<T>) -> Result<T> {
    let Some(world) = world else { return work() };
    let turn = match (world.rank(), world.place().local_rank) {
        (0, _) => 0,
        (_, 0) => 1,
        _ => 2,
    };
    let mut work = Some(work);
    let mut done = None;
    for now in 0..3 {
        if now == turn {
            done = work.take().map(|work| work()).transpose()?;
        }
        world.barrier()?;
    }
    done.ok_or_else(|| Failure::stage("a rank has missed its turn"))
}

/// What rank 0 tells the others of where the run goes on.
#[derive(Serialize, Deserialize)]
struct Begin {
    progress: Progress,
    position: u64,
    logged: u64,
    /// Names and shapes, whether they are whole numbers and how wide, and whether they are on the device.
    tensors: Vec<(String, Vec<i64>, String, bool)>,
}

/// Kinds of tensors in checkpoints, by the names that they have here.
fn kinds() -> BTreeMap<&'static str, Kind> {
    BTreeMap::from([("f32", Kind::Float), ("f64", Kind::Double), ("i64", Kind::Int64), ("bf16", Kind::BFloat16)])
}

/// Lets all ranks begin with what rank 0 has: where it goes on, and every tensor. Others than rank 0 give none.
///
/// # Errors
/// Rank 0 has failed, or the ranks have lost each other.
pub(super) fn begin_alike(
    world: &Arc<World>,
    start: Option<resume::Start>,
    spare: impl FnOnce() -> Result<Trainer>,
    device: Device,
) -> Result<resume::Start> {
    let unknown = || Failure::stage("a tensor of a kind that no checkpoint has");
    let dummy = || Metadata::new(String::new(), 0, String::new());
    let state = start.as_ref().map(|start| start.trainer.snapshot(dummy())).transpose()?;
    let text = match (&start, &state) {
        (Some(start), Some(state)) => {
            let mut tensors = Vec::new();
            for (name, tensor) in &state.tensors {
                let kinds = kinds();
                let kind = kinds.iter().find(|(_, kind)| **kind == tensor.kind()).ok_or_else(unknown)?;
                tensors.push((name.clone(), tensor.size(), kind.0.to_string(), tensor.device().is_cuda()));
            }
            let begin =
                Begin { progress: start.progress.clone(), position: start.position, logged: start.logged, tensors };
            serde_json::to_vec(&begin).map_err(|error| Failure::stage(error.to_string()))?
        }
        _ => Vec::new(),
    };
    let all = world.gather_bytes(&text)?;
    let first = all.first().map(Vec::as_slice).unwrap_or_default();
    let begin: Begin = serde_json::from_slice(first)
        .map_err(|error| Failure::stage(format!("what rank 0 says of the beginning is not understood: {error}")))?;
    let state = match state {
        Some(state) => state,
        None => {
            let blank = |(name, shape, kind, there): &(String, Vec<i64>, String, bool)| {
                let kind = *kinds().get(kind.as_str()).ok_or_else(unknown)?;
                let place = if *there { device } else { Device::Cpu };
                Ok((name.clone(), Tensor::f_zeros(shape, (kind, place))?))
            };
            State { metadata: dummy(), tensors: begin.tensors.iter().map(blank).collect::<Result<_>>()? }
        }
    };
    let tensors: Vec<Tensor> = state.tensors.iter().map(|(_, tensor)| tensor.shallow_clone()).collect();
    world.broadcast(&tensors, 0)?;
    if let Some(start) = start {
        return Ok(start);
    }
    let mut trainer = spare()?;
    trainer.restore(&state, false)?;
    let Begin { progress, position, logged, .. } = begin;
    Ok(resume::Start { trainer, progress, position, logged, history: crate::monitor::run_log::History::Other })
}

/// Who watches a rank that writes no log: what it warns of is said, under its number.
pub(super) struct Warnings;

impl Observer for Warnings {
    fn observe(&self, event: &RunEvent) {
        if let RunEvent::Warning(text) = event {
            log::warn(&text.message);
        }
    }
}
