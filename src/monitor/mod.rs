//! What a user sees of a run and its data: the log of events, progress, the live page, charts.

pub mod artifacts;
pub mod health;
pub mod live;
pub mod progress;
pub mod replay;
pub mod report;
pub mod run_log;
mod structured;
pub mod tensorboard;
