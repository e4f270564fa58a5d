//! One stage at a time: what each stage costs when no other disturbs it, with the input that it has in the run.
//!
//! Stages that work at the same time share cores, caches and memory, and the time that one is busy then says little of
//! what it costs. Behind a turnstile every call into a stage's code waits until no other is inside.

use std::sync::{Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::stats::process::processor_time;

/// Lets one worker of all stages into its stage's code.
#[derive(Debug, Default)]
pub(crate) struct Isolation {
    inside: Mutex<Option<Entered>>,
    left: Condvar,
}

#[derive(Debug)]
struct Entered {
    at: Instant,
    processor: Duration,
}

/// What a stage costs alone.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct IsolatedCost {
    /// Time inside its code.
    pub wall: Duration,
    /// Processor time of the process meanwhile, so with the threads that the stage's code has of its own.
    pub processor: Duration,
}

impl Isolation {
    /// Waits until nobody is inside.
    pub(crate) fn enter(&self) {
        let inside = self.inside.lock().unwrap_or_else(PoisonError::into_inner);
        let mut inside =
            self.left.wait_while(inside, |inside| inside.is_some()).unwrap_or_else(PoisonError::into_inner);
        *inside = Some(Entered { at: Instant::now(), processor: processor_time().unwrap_or_default() });
    }

    /// Lets the next one in; what the stay has cost.
    pub(crate) fn leave(&self) -> IsolatedCost {
        let processor = processor_time().unwrap_or_default();
        let mut inside = self.inside.lock().unwrap_or_else(PoisonError::into_inner);
        // Measured while nobody else can come in, so that stays never overlap.
        let isolated_cost = inside.take().map_or(IsolatedCost::default(), |entry| IsolatedCost {
            wall: entry.at.elapsed(),
            processor: processor.saturating_sub(entry.processor),
        });
        drop(inside);
        self.left.notify_one();
        isolated_cost
    }
}
