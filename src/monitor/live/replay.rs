//! What a run that goes on did before.

use super::Live;
use crate::train::{
    run_event::{RunEvent, RunLine},
    run_schedule::Split,
};

impl Live {
    /// Takes in an event of an earlier call, which is in no counter of this process.
    pub fn recall(&self, line: &RunLine) {
        let mut state = self.locked();
        match &line.event {
            RunEvent::Batch(batch) if batch.split == Split::Train => state.batch(batch),
            RunEvent::Pass(pass) => state.pass(pass),
            RunEvent::Checkpoint(saved) => state.checkpoint(saved, line.time),
            _ => {}
        }
    }
}
