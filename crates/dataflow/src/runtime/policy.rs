//! How a stage's workers are looked after: how one is built, when one is replaced, and how many there are to be.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use super::panics::guard;
use crate::failure::{Failure, FailureKind, Result};
use crate::stage::item_ops::ItemOps;
use crate::stage::traits::Stage;

/// The pause after the first failure in a row; it doubles with each, up to [`LONGEST_PAUSE`].
const FIRST_PAUSE: Duration = Duration::from_millis(5);

/// The longest pause between two attempts.
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// The pause after `failures` failures in a row.
pub(crate) fn pause(failures: u32) -> Duration {
    FIRST_PAUSE.saturating_mul(1 << failures.saturating_sub(1).min(12)).min(LONGEST_PAUSE)
}

/// Builds worker number n.
pub(crate) type Builder = Arc<dyn Fn(usize) -> Result<Box<dyn Stage>> + Send + Sync>;

/// How the workers of a stage are built; it can be replaced while the run goes on.
pub(crate) struct WorkerFactory {
    builder: Mutex<Builder>,
    generation: AtomicU64,
}

impl WorkerFactory {
    pub(crate) fn new(builder: Builder) -> Self {
        Self { builder: Mutex::new(builder), generation: AtomicU64::new(0) }
    }

    /// Grows with each replacement.
    pub(crate) fn generation(&self) -> u64 {
        self.generation.load(Ordering::Acquire)
    }

    pub(crate) fn replace(&self, builder: Builder) {
        *self.builder.lock().unwrap_or_else(PoisonError::into_inner) = builder;
        self.generation.fetch_add(1, Ordering::Release);
    }

    /// A new worker, or what is wrong; a panic is a failure of the stage.
    pub(crate) fn build(&self, index: usize) -> Result<Box<dyn Stage>> {
        let builder = Arc::clone(&self.builder.lock().unwrap_or_else(PoisonError::into_inner));
        guard(|| builder(index)).unwrap_or_else(|panic| Err(Failure::panicked(panic)))
    }
}

/// What the workers of one stage share.
pub(crate) struct WorkerPolicy {
    pub(crate) factory: WorkerFactory,
    /// What can be done with an item that a worker failed on.
    pub(crate) item_ops: ItemOps,
    /// How often workers may fail; `None` where the first failure ends the run.
    pub(crate) budget: Option<u64>,
    /// How many workers there are to be. Worker number n leaves when this is n or less.
    pub(crate) target: AtomicUsize,
}

impl WorkerPolicy {
    /// Whether a worker that failed with `failure` may be replaced. Only failures of a stage as such are about one item;
    /// a missing input, a full disk or a lost device will meet the next item as well.
    pub(crate) fn covers(&self, failure: &Failure) -> bool {
        self.budget.is_some() && matches!(failure.kind, FailureKind::Stage | FailureKind::Panic)
    }

    /// Whether worker `index` is one too many.
    pub(crate) fn is_scaled_down(&self, index: usize) -> bool {
        index >= self.target.load(Ordering::Acquire)
    }
}
