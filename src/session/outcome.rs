//! What became of a run.

use super::Ended;
use crate::train::metrics::Progress;
use std::{path::PathBuf, time::Duration};

/// What became of a run that did not fail.
#[derive(Debug)]
pub struct Outcome {
    /// Why it ended.
    pub ended: Ended,
    /// Where its checkpoints are.
    pub folder: PathBuf,
    /// The newest of them.
    pub checkpoint: Option<PathBuf>,
    /// The numbers so far: of all calls of the run, this one included.
    pub progress: Progress,
    /// How long the pipeline ran; nothing where the run was stopped before.
    pub wall: Duration,
}

impl Outcome {
    /// The exit code of a process that did this run: 0, 128 + the signal that stopped it, or 75 (try again) at a time
    /// limit.
    pub fn exit_code(&self) -> i32 {
        self.ended.exit_code()
    }
}
