//! What a run gives to every stage that it builds.

use super::element_specs::Facts;
use crate::{
    data::{outage::Outage, plan::Planner, rejects::Rejects, retry::Quarantine},
    flow::{Shutdown, StageContext},
    train::{
        checkpoint::{Folder, Metadata},
        events::Observer,
        experiment::Experiment,
        metrics::Progress,
        ranks::{Shares, World},
        run_schedule::{BatchInfo, RunSchedule, Split},
        step::Trainer,
    },
};
use std::sync::{
    Arc, Mutex,
    atomic::{AtomicBool, Ordering},
};
use tch::Device;

impl StageContext for RunContext {
    type Facts = Facts;
}

/// Asks for a checkpoint after the step that is under way; the run goes on. Clones are one request.
#[derive(Clone, Debug, Default)]
pub struct SaveRequest(Arc<AtomicBool>);

impl SaveRequest {
    /// Asks.
    pub fn ask(&self) {
        self.0.store(true, Ordering::Release);
    }

    /// Whether anyone has asked since it was last taken.
    pub fn take(&self) -> bool {
        self.0.swap(false, Ordering::AcqRel)
    }
}

/// Everything that stages share in one training run.
pub struct RunContext {
    /// Plans training clips.
    pub train: Arc<Planner>,
    /// Plans validation clips; absent when the run never validates.
    pub val: Option<Arc<Planner>>,
    /// Counts clips that could not be used.
    pub rejects: Rejects,
    /// Files that are not read again.
    pub quarantine: Quarantine,
    /// Data that is away for a while.
    pub outage: Outage,
    /// The run as a sequence of batches.
    pub schedule: RunSchedule,
    /// The first batch to do.
    pub position: u64,
    /// The most training steps of this call.
    pub max_steps: Option<u64>,
    /// The experiment.
    pub experiment: Experiment,
    /// Where batches go.
    pub device: Device,
    /// The trainer, taken by the step stage.
    pub trainer: Mutex<Option<Trainer>>,
    /// Running sums and results so far.
    pub progress: Arc<Mutex<Progress>>,
    /// Header of the checkpoints to come.
    pub metadata: Metadata,
    /// Where checkpoints go.
    pub folder: Folder,
    /// Whether somebody wants a checkpoint now.
    pub save_request: SaveRequest,
    /// Watches the run.
    pub observer: Arc<dyn Observer>,
    /// The other processes that train the same model, where there are any.
    pub ranks: Option<Ranks>,
}

/// All processes that train one model, and this one's own end.
#[derive(Clone)]
pub struct Ranks {
    /// All of them.
    pub world: Arc<World>,
    /// Stops this one.
    pub stop: Shutdown,
}

impl RunContext {
    /// Which clips of each batch are this process's.
    pub(super) fn own_clips(&self) -> OwnClips {
        let training = &self.experiment.training;
        let rank = self.ranks.as_ref().map_or((0, 1), |ranks| (ranks.world.rank(), ranks.world.size()));
        OwnClips {
            batch: training.clips_per_step(),
            replicas: training.replicas,
            rounds: training.accumulate,
            rank,
            train: self.train.clips_per_epoch(),
            val: self.val.as_ref().map_or(0, |val| val.clips_per_epoch()),
        }
    }
}

/// Which clips of each batch are this process's.
#[derive(Clone, Copy, Debug)]
pub(super) struct OwnClips {
    /// Clips of a whole batch.
    pub batch: usize,
    replicas: usize,
    rounds: usize,
    /// The number of this process, and of how many.
    rank: (usize, usize),
    /// Clips of a pass.
    train: usize,
    val: usize,
}

impl OwnClips {
    /// Their places in the batch `info`, in order.
    pub fn places(&self, info: &BatchInfo) -> Vec<usize> {
        let all = if info.split == Split::Train { self.train } else { self.val };
        let clips = all.saturating_sub(info.batch * self.batch).min(self.batch);
        match self.rank {
            (_, 1) => (0..clips).collect(),
            (rank, size) => Shares::of(clips, size, self.replicas, self.rounds).places(rank),
        }
    }
}
