//! `disturb`: panics and waits now and then, to rehearse what a run survives: a worker that dies, a disk that is slow.
//! Clips go through as they are.

use super::{RunContext, items::*};
use crate::{
    failure::Result,
    flow::{ElementSpec, Emitter, Kind, Payload, Stage, StageConfig},
    settings::Config,
};
use std::{thread, time::Duration};

pub(super) const KIND: Kind<RunContext> = Kind {
    name: "disturb",
    description: "panics and waits now and then, to rehearse what a run survives",
    input: Some(CROPPED_CLIPS),
    output: Some(CROPPED_CLIPS),
    ordered: false,
    workers: 1,
    max_workers: 256,
    capacity: 8,
    parse: |options| Box::new(Disturb::read(options, &())),
};

#[derive(Clone, Config)]
struct Disturb {
    /// A worker panics at every clip of this number; 0: never.
    #[config(key = "panic_every", default = 0)]
    panic_every: u64,
    /// A worker waits at every clip of this number; 0: never.
    #[config(key = "wait_every", default = 0)]
    wait_every: u64,
    /// How many milliseconds it waits.
    #[config(key = "wait_ms", default = 0)]
    wait_ms: u64,
}

struct Worker {
    options: Disturb,
    /// Clips that this worker has taken; the one that takes a dead one's place begins anew.
    taken: u64,
}

impl StageConfig<RunContext> for Disturb {
    fn worker(&self, _context: &RunContext, _index: usize) -> Result<Box<dyn Stage>> {
        Ok(Box::new(Worker { options: self.clone(), taken: 0 }))
    }

    fn output_spec(&self, _facts: &super::Facts, input: Option<&ElementSpec>) -> Option<ElementSpec> {
        input.cloned()
    }
}

impl Stage for Worker {
    fn process(&mut self, payload: Payload, out: &mut Emitter) -> Result<()> {
        self.taken += 1;
        let is_due = |every: u64| every > 0 && self.taken.is_multiple_of(every);
        if is_due(self.options.wait_every) {
            thread::sleep(Duration::from_millis(self.options.wait_ms));
        }
        assert!(!is_due(self.options.panic_every), "disturbed, as panic_every: {} asks for", self.options.panic_every);
        out.emit(payload);
        Ok(())
    }
}
