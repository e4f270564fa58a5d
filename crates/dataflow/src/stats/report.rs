//! The numbers of a run, while it runs and when it is over.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::channel::metered::{ChannelStats, nanos};
use crate::failure::Result;
use crate::runtime::isolate::{IsolatedCost, Isolation};
use crate::runtime::shutdown::StopReason;

/// The meter of one stage, on cache lines of its own; [`StageReport`] says what each number means.
#[derive(Debug, Default)]
#[repr(align(128))]
pub(crate) struct StageStats {
    taken: AtomicU64,
    emitted: AtomicU64,
    busy: AtomicU64,
    /// The lives of the workers that have ended.
    alive: AtomicU64,
    workers: AtomicUsize,
    /// The most workers that were there at a time.
    most: AtomicUsize,
    /// When the first worker came, and when the last one left so far.
    span: Mutex<Option<(Instant, Instant)>>,
    /// Workers that are inside the stage's own code.
    inside: AtomicUsize,
    failures: AtomicU64,
    restarts: AtomicU64,
    skipped: AtomicU64,
    /// The first of those that were left out.
    skipped_items: Mutex<Vec<SkippedItem>>,
    /// Where one stage works at a time.
    isolation: Option<Arc<Isolation>>,
    isolated_cost: Mutex<IsolatedCost>,
}

/// How many items that were left out are kept by name.
const MOST_SKIPPED_ITEMS: usize = 100;

/// An item that failed twice, and that the run went on without.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SkippedItem {
    /// What it was.
    pub identity: String,
    /// Why.
    pub reason: String,
}

impl StageStats {
    pub(crate) fn new(isolation: Option<Arc<Isolation>>) -> Self {
        Self { isolation, ..Self::default() }
    }

    pub(crate) fn taken(&self) -> u64 {
        self.taken.load(Ordering::Acquire)
    }

    pub(crate) fn emitted(&self) -> u64 {
        self.emitted.load(Ordering::Acquire)
    }

    pub(crate) fn busy(&self) -> Duration {
        Duration::from_nanos(self.busy.load(Ordering::Relaxed))
    }

    pub(crate) fn alive(&self) -> Duration {
        Duration::from_nanos(self.alive.load(Ordering::Relaxed))
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

    /// Workers that are inside the stage's own code, neither waiting for input nor blocked on output.
    pub(crate) fn inside(&self) -> usize {
        self.inside.load(Ordering::Relaxed)
    }

    pub(crate) fn restarts(&self) -> u64 {
        self.restarts.load(Ordering::Acquire)
    }

    pub(crate) fn skipped(&self) -> u64 {
        self.skipped.load(Ordering::Acquire)
    }

    pub(crate) fn enter_code(&self) {
        if let Some(isolation) = &self.isolation {
            isolation.enter();
        }
        self.inside.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn leave_code(&self) {
        self.inside.fetch_sub(1, Ordering::Relaxed);
        if let Some(isolation) = &self.isolation {
            let stay = isolation.leave();
            let mut isolated_cost = self.isolated_cost.lock().unwrap_or_else(PoisonError::into_inner);
            isolated_cost.wall += stay.wall;
            isolated_cost.processor += stay.processor;
        }
    }

    fn isolated_cost(&self) -> Option<IsolatedCost> {
        self.isolation.as_ref().map(|_| *self.isolated_cost.lock().unwrap_or_else(PoisonError::into_inner))
    }

    pub(crate) fn count_restart(&self) {
        self.restarts.fetch_add(1, Ordering::Release);
    }

    pub(crate) fn quarantine(&self, identity: String, reason: String) {
        self.skipped.fetch_add(1, Ordering::Release);
        let mut skipped_items = self.skipped_items.lock().unwrap_or_else(PoisonError::into_inner);
        if skipped_items.len() < MOST_SKIPPED_ITEMS {
            skipped_items.push(SkippedItem { identity, reason });
        }
    }

    fn skipped_items(&self) -> Vec<SkippedItem> {
        self.skipped_items.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(crate) fn enter(&self) {
        let now = self.workers.fetch_add(1, Ordering::Release) + 1;
        self.most.fetch_max(now, Ordering::Relaxed);
        self.extend_span();
    }

    fn extend_span(&self) {
        let now = Instant::now();
        let mut span = self.span.lock().unwrap_or_else(PoisonError::into_inner);
        *span = Some((span.map_or(now, |(first, _)| first), now));
    }

    fn span(&self) -> Duration {
        let span = *self.span.lock().unwrap_or_else(PoisonError::into_inner);
        span.map_or(Duration::ZERO, |(first, last)| last.saturating_duration_since(first))
    }

    pub(crate) fn leave(&self, lived: Duration) {
        self.alive.fetch_add(nanos(lived), Ordering::Relaxed);
        self.extend_span();
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
    pub(crate) inputs: Vec<String>,
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
    /// Workers that are running.
    pub running: usize,
    /// The most workers that ran at a time.
    pub most: usize,
    /// From the coming of the first worker to the leaving of the last one so far.
    pub span: Duration,
    /// The stages that it takes its input from.
    pub inputs: Vec<String>,
    /// Workers that are inside the stage's own code at this moment.
    pub inside: usize,
    /// Items that a worker has begun to process; for a source, the payloads that `next` has returned. Tombstones do
    /// not count.
    pub taken: u64,
    /// Items that were sent on.
    pub emitted: u64,
    /// Time spent inside the stage's own code, summed over workers, without the time blocked on sends.
    pub busy: Duration,
    /// How long workers lived, summed over those that have ended; when the run is over, all of them.
    pub alive: Duration,
    /// How often a worker failed with an error or a panic.
    pub failures: u64,
    /// How often a worker that had failed was replaced.
    pub restarts: u64,
    /// Items that failed twice and that the run went on without.
    pub skipped: u64,
    /// The first of them.
    pub skipped_items: Vec<SkippedItem>,
    /// What it has cost alone, where one stage worked at a time.
    pub isolated_cost: Option<IsolatedCost>,
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
                running: meter.stats.workers(),
                most: meter.stats.most.load(Ordering::Relaxed),
                span: meter.stats.span(),
                inputs: meter.inputs.clone(),
                inside: meter.stats.inside(),
                taken: meter.stats.taken(),
                emitted: meter.stats.emitted(),
                busy: meter.stats.busy(),
                alive: meter.stats.alive(),
                failures: meter.stats.failures(),
                restarts: meter.stats.restarts(),
                skipped: meter.stats.skipped(),
                skipped_items: meter.stats.skipped_items(),
                isolated_cost: meter.stats.isolated_cost(),
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
