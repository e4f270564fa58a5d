//! What a session is asked to do.

use super::{Resume, find};
use crate::{
    failure::Result,
    flow::{Graph, Kinds, Shutdown, Trace},
    settings::{Diagnostics, Node},
    stages::{RunContext, SaveRequest},
    train::{device::DeviceChoice, events::Observer, ranks::RankInfo},
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

impl Metrics {
    /// The same for the rank of this number on its machine: each has an address of its own.
    pub(super) fn of_rank(self, local_rank: usize) -> Self {
        match self {
            Self::At(mut address) if address.port() > 0 => {
                address.set_port(address.port().saturating_add(u16::try_from(local_rank).unwrap_or(u16::MAX)));
                Self::At(address)
            }
            same => same,
        }
    }
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
    /// Whether every printing interval has a line with all loss components.
    pub verbose: bool,
    pub owns_process: bool,
    /// The trackflow program, which scores checkpoints in a process of its own.
    pub program: Option<PathBuf>,
    pub stop: Shutdown,
    pub save_request: SaveRequest,
    pub observers: Vec<Box<dyn Observer>>,
    /// Which of several processes this one is.
    pub place: Option<RankInfo>,
}

impl Request {
    /// What the experiment's file says, with the keys changed that are set.
    ///
    /// # Errors
    /// There is no such file, it is not YAML, or a key cannot be set.
    pub fn experiment_node(&self) -> Result<Node> {
        match &self.experiment {
            Source::Named(config) => find::experiment(&self.script, config, &self.set),
            Source::Parsed(_, node) => find::changed(node.clone(), &self.script, &self.set),
        }
    }

    /// What the pipeline's file says.
    ///
    /// # Errors
    /// There is no such file, or it is not YAML.
    pub fn pipeline_node(&self) -> Result<Node> {
        match &self.pipeline {
            Source::Named(name) => find::pipeline(name),
            Source::Parsed(_, file) => Ok(file.clone()),
        }
    }

    /// The pipeline of `file`, which `diagnostics` knows with all defaults then.
    ///
    /// # Errors
    /// Everything that is wrong in its file.
    pub fn graph(&self, diagnostics: &Diagnostics, file: &Node) -> Result<Graph<RunContext>> {
        let (Source::Named(name) | Source::Parsed(name, _)) = &self.pipeline;
        find::graph(diagnostics, name, file, &self.kinds)
    }

    /// Where its checkpoints go.
    pub fn folder(&self) -> PathBuf {
        self.save_dir.join("checkpoints/train").join(&self.script).join(self.experiment.name())
    }

    /// What the run is called.
    pub fn name(&self) -> String {
        format!("{}/{}", self.script, self.experiment.name().display())
    }
}
