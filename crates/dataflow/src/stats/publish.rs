//! Copies the meters of a run to the metrics recorder.

use std::sync::Arc;
use std::time::Duration;

use metrics::{Counter, Gauge, counter, gauge};

use super::report::Board;
use crate::stats::{SecondsCounter, names};

/// The metrics of one run, registered once. Totals grow by what was added since the last time, so that a second run
/// with the same stages (each validation is one) adds to the first.
pub(crate) struct Publisher {
    board: Arc<Board>,
    stages: Vec<StageMetrics>,
    channels: Vec<ChannelMetrics>,
}

struct StageMetrics {
    items: Total,
    failures: Total,
    restarts: Total,
    skipped: Total,
    workers: Gauge,
    busy: TotalSeconds,
}

struct ChannelMetrics {
    items: Total,
    depth: Gauge,
    capacity: Gauge,
    send_blocked: TotalSeconds,
    receive_wait: TotalSeconds,
}

struct Total {
    counter: Counter,
    published: u64,
}

struct TotalSeconds {
    counter: SecondsCounter,
    published: Duration,
}

impl Publisher {
    pub(crate) fn new(board: Arc<Board>) -> Self {
        let stages = board.stages.iter().map(|meter| StageMetrics::new(&meter.id, meter.kind)).collect();
        let channels = board.channels.iter().map(|meter| ChannelMetrics::new(&meter.from, &meter.to)).collect();
        Self { board, stages, channels }
    }

    pub(crate) fn publish(&mut self) {
        for (meter, metrics) in self.board.stages.iter().zip(&mut self.stages) {
            metrics.items.reach(meter.stats.taken());
            metrics.failures.reach(meter.stats.failures());
            metrics.restarts.reach(meter.stats.restarts());
            metrics.skipped.reach(meter.stats.skipped());
            metrics.workers.set(meter.stats.workers() as f64);
            metrics.busy.reach(meter.stats.busy());
        }
        for (meter, metrics) in self.board.channels.iter().zip(&mut self.channels) {
            metrics.items.reach(meter.stats.items());
            metrics.depth.set(meter.stats.depth() as f64);
            metrics.capacity.set(meter.stats.capacity() as f64);
            metrics.send_blocked.reach(meter.stats.send_blocked());
            metrics.receive_wait.reach(meter.stats.receive_wait());
        }
    }
}

impl Total {
    fn new(counter: Counter) -> Self {
        Self { counter, published: 0 }
    }

    fn reach(&mut self, total: u64) {
        self.counter.increment(total.saturating_sub(self.published));
        self.published = total;
    }
}

impl TotalSeconds {
    fn new(name: &'static str, labels: &[(&str, &str)]) -> Self {
        Self { counter: SecondsCounter::new(name, labels), published: Duration::ZERO }
    }

    fn reach(&mut self, total: Duration) {
        self.counter.increment(total.saturating_sub(self.published));
        self.published = total;
    }
}

impl StageMetrics {
    fn new(id: &str, kind: &'static str) -> Self {
        let labels = [("stage", id.to_string()), ("kind", kind.to_string())];
        Self {
            items: Total::new(counter!(names::STAGE_ITEMS, &labels)),
            failures: Total::new(counter!(names::STAGE_FAILURES, &labels)),
            restarts: Total::new(counter!(names::STAGE_RESTARTS, &labels)),
            skipped: Total::new(counter!(names::STAGE_LEFT_OUT, &labels)),
            workers: gauge!(names::STAGE_WORKERS, &labels),
            busy: TotalSeconds::new(names::STAGE_BUSY, &[("stage", id), ("kind", kind)]),
        }
    }
}

impl ChannelMetrics {
    fn new(from: &str, to: &str) -> Self {
        let labels = [("from", from.to_string()), ("to", to.to_string())];
        let pair = [("from", from), ("to", to)];
        Self {
            items: Total::new(counter!(names::CHANNEL_ITEMS, &labels)),
            depth: gauge!(names::CHANNEL_DEPTH, &labels),
            capacity: gauge!(names::CHANNEL_CAPACITY, &labels),
            send_blocked: TotalSeconds::new(names::CHANNEL_SEND_BLOCKED, &pair),
            receive_wait: TotalSeconds::new(names::CHANNEL_RECEIVE_WAIT, &pair),
        }
    }
}
