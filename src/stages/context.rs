//! What a run gives to every stage that it builds.

use super::element_specs::Facts;
use crate::{
    data::{outage::Outage, plan::Planner, rejects::Rejects, retry::Quarantine},
    flow::StageContext,
    train::{
        checkpoint::{Folder, Metadata},
        events::Observer,
        experiment::Experiment,
        metrics::Progress,
        run_schedule::RunSchedule,
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
}
