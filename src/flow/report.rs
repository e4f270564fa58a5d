//! The numbers of a run, while it runs and when it is over.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use super::channel::{ChannelStats, nanos};
use super::token::StopReason;
use crate::failure::Result;

/// The meter of one stage; [`StageReport`] says what each number means.
#[derive(Debug, Default)]
pub(crate) struct StageStats {
    taken: AtomicU64,
    emitted: AtomicU64,
    busy: AtomicU64,
    workers: AtomicUsize,
    failures: AtomicU64,
}

impl StageStats {
    pub(crate) fn taken(&self) -> u64 {
        self.taken.load(Ordering::Acquire)
    }

    pub(crate) fn emitted(&self) -> u64 {
        self.emitted.load(Ordering::Acquire)
    }

    pub(crate) fn busy(&self) -> Duration {
        Duration::from_nanos(self.busy.load(Ordering::Relaxed))
    }

    /// Workers that are running.
    pub(crate) fn workers(&self) -> usize {
        self.workers.load(Ordering::Acquire)
    }

    pub(crate) fn failures(&self) -> u64 {
        self.failures.load(Ordering::Acquire)
    }

    pub(crate) fn count_in(&self) {
        self.taken.fetch_add(1, Ordering::Release);
    }

    pub(crate) fn count_out(&self) {
        self.emitted.fetch_add(1, Ordering::Release);
    }

    pub(crate) fn count_failure(&self) {
        self.failures.fetch_add(1, Ordering::Release);
    }

    pub(crate) fn add_busy(&self, busy: Duration) {
        self.busy.fetch_add(nanos(busy), Ordering::Relaxed);
    }

    pub(crate) fn enter(&self) {
        self.workers.fetch_add(1, Ordering::Release);
    }

    pub(crate) fn leave(&self) {
        self.workers.fetch_sub(1, Ordering::Release);
    }
}

/// The meters of a run, readable at any moment.
#[derive(Debug, Default)]
pub struct Board {
    pub(crate) stages: Vec<StageMeter>,
    pub(crate) channels: Vec<ChannelMeter>,
}

/// A stage and its meter.
#[derive(Debug)]
pub(crate) struct StageMeter {
    pub(crate) id: String,
    pub(crate) kind: &'static str,
    pub(crate) workers: usize,
    pub(crate) stats: Arc<StageStats>,
}

/// A channel and its meter.
#[derive(Debug)]
pub(crate) struct ChannelMeter {
    pub(crate) from: String,
    pub(crate) to: String,
    pub(crate) stats: Arc<ChannelStats>,
}

/// What a stage has done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StageReport {
    /// Its name in the pipeline.
    pub id: String,
    /// Its kind.
    pub kind: &'static str,
    /// Declared workers.
    pub workers: usize,
    /// Items that a worker has begun to process; for a source, the payloads that `next` has returned. Tombstones do
    /// not count.
    pub taken: u64,
    /// Items that were sent on.
    pub emitted: u64,
    /// Time spent inside the stage's own code, summed over workers, without the time blocked on sends.
    pub busy: Duration,
    /// Workers that ended with an error or a panic.
    pub failures: u64,
}

/// What went through a channel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChannelReport {
    /// The stage that fills it.
    pub from: String,
    /// The stage that empties it.
    pub to: String,
    /// The most items that can wait in it.
    pub capacity: usize,
    /// Items that wait in it, give or take those that are being moved at this moment.
    pub depth: usize,
    /// Items that were put in, tombstones included.
    pub items: u64,
    /// Time that senders spent blocked, summed over them; also for admission to their segment.
    pub send_blocked: Duration,
    /// Time that receivers spent waiting, summed over them.
    pub receive_wait: Duration,
}

impl Board {
    /// Every stage as of now, in the order of the pipeline.
    pub fn stages(&self) -> Vec<StageReport> {
        self.stages
            .iter()
            .map(|meter| StageReport {
                id: meter.id.clone(),
                kind: meter.kind,
                workers: meter.workers,
                taken: meter.stats.taken(),
                emitted: meter.stats.emitted(),
                busy: meter.stats.busy(),
                failures: meter.stats.failures(),
            })
            .collect()
    }

    /// Every channel as of now, in the order of the pipeline.
    pub fn channels(&self) -> Vec<ChannelReport> {
        self.channels
            .iter()
            .map(|meter| ChannelReport {
                from: meter.from.clone(),
                to: meter.to.clone(),
                capacity: meter.stats.capacity(),
                depth: meter.stats.depth(),
                items: meter.stats.items(),
                send_blocked: meter.stats.send_blocked(),
                receive_wait: meter.stats.receive_wait(),
            })
            .collect()
    }
}

/// How a run ended.
#[derive(Debug)]
pub struct RunOutcome {
    /// The first failure, if any. A stop is no failure.
    pub result: Result<()>,
    /// Why the run was asked to stop, if it was.
    pub stopped: Option<StopReason>,
    /// Every stage, in the order of the pipeline.
    pub stages: Vec<StageReport>,
    /// Every channel, in the order of the pipeline.
    pub channels: Vec<ChannelReport>,
    /// From the start of the first worker to the end of the last.
    pub wall: Duration,
}
