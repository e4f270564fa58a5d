//! The pipeline in a [`Status`](super::Status).

use super::Short;
use serde::{Deserialize, Serialize};

/// The stages and the channels between them; shares and rates are those of the last `window_seconds`.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Pipeline {
    /// In the order of the pipeline.
    pub stages: Vec<StageStatus>,
    /// In the order of the pipeline.
    pub channels: Vec<ChannelStatus>,
    /// How far shares and rates look back.
    pub window_seconds: Short,
    /// A sentence on who holds the others up; null before the first items are through.
    pub bottleneck: Option<String>,
    /// The stage that it is about.
    pub busiest: Option<String>,
}

/// A stage.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct StageStatus {
    /// Its name in the pipeline.
    pub id: String,
    /// Its kind.
    pub kind: String,
    /// The stages that it takes items from.
    pub inputs: Vec<String>,
    /// Workers that run.
    pub workers: usize,
    /// The most workers that it can have.
    pub most_workers: usize,
    /// Share of its workers' time in its own work, from 0 to 1.
    pub busy: Short,
    /// Share of it waiting for input.
    pub waiting: Short,
    /// Share of it blocked by who comes next.
    pub blocked: Short,
    /// Items a second.
    pub rate: Short,
    /// Items that it took.
    pub items: u64,
    /// Failures of its workers.
    pub failures: u64,
    /// Items that it left out.
    pub skipped: u64,
}

/// A channel.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct ChannelStatus {
    /// From this stage.
    pub from: String,
    /// To this stage.
    pub to: String,
    /// Items that wait in it.
    pub depth: usize,
    /// The most that can.
    pub capacity: usize,
    /// Items a second.
    pub rate: Short,
    /// Items that went through.
    pub items: u64,
}
