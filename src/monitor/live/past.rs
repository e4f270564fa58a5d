//! What a run that goes on did before.

use super::Live;
use crate::train::{
    itinerary::Split,
    run_event::{RunEvent, RunLine},
};

impl Live {
    /// Takes in an event of an earlier call, which is in no counter of this process.
    pub fn recall(&self, line: &RunLine) {
        let mut shown = self.shown();
        match &line.event {
            RunEvent::Batch(batch) if batch.split == Split::Train => shown.batch(batch),
            RunEvent::Pass(pass) => shown.pass(pass),
            RunEvent::Checkpoint(saved) => shown.checkpoint(saved, line.time),
            _ => {}
        }
    }
}
