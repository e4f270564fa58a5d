//! What a user sees of a run: the log of events, progress and the closing summary.

pub mod progress;
pub mod run_log;
