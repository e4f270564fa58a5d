//! What a session is asked to do.

use super::Resume;
use crate::{
    flow::{Kinds, Shutdown, Trace},
    settings::Node,
    stages::{RunContext, SaveRequest},
    train::{device::DeviceChoice, events::Observer},
};
use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, Instant},
};

/// Whether the live page and `/metrics` are served, and where.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Metrics {
    /// Nowhere.
    #[default]
    Off,
    /// At 127.0.0.1:9187, or a free port when that one is used.
    Usual,
    /// Here.
    At(SocketAddr),
}

/// An experiment or a pipeline.
pub(super) enum Source {
    /// By its name, or the path of its file.
    Named(String),
    /// As it was read already, and what it is called.
    Parsed(String, Node),
}

impl Source {
    /// What it is called: the name of its file, without the ending.
    pub fn name(&self) -> PathBuf {
        let (Self::Named(name) | Self::Parsed(name, _)) = self;
        Path::new(name).file_stem().map_or_else(|| PathBuf::from(name), PathBuf::from)
    }
}

pub(super) struct Request {
    /// When the process, or what it is asked for, began: time limits count from here.
    pub begin: Instant,
    pub script: String,
    pub experiment: Source,
    pub set: Vec<String>,
    pub pipeline: Source,
    pub kinds: Kinds<RunContext>,
    pub save_dir: PathBuf,
    pub data_dir: Option<PathBuf>,
    pub device: DeviceChoice,
    pub seed: u64,
    pub max_steps: Option<u64>,
    pub resume: Resume,
    pub allow_changes: bool,
    pub time_limit: Option<Duration>,
    pub metrics: Metrics,
    pub baseline: Option<PathBuf>,
    pub one_at_a_time: bool,
    /// What workers do when, and the file that tells it.
    pub trace: Option<(PathBuf, Arc<Trace>)>,
    pub owns_process: bool,
    /// The trackflow program, which scores checkpoints in a process of its own.
    pub program: Option<PathBuf>,
    pub stop: Shutdown,
    pub save_request: SaveRequest,
    pub observers: Vec<Box<dyn Observer>>,
}

impl Request {
    /// Where its checkpoints go.
    pub fn folder(&self) -> PathBuf {
        self.save_dir.join("checkpoints/train").join(&self.script).join(self.experiment.name())
    }

    /// What the run is called.
    pub fn name(&self) -> String {
        format!("{}/{}", self.script, self.experiment.name().display())
    }
}
