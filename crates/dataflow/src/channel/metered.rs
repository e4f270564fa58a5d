//! The one channel between stages: bounded, cancellable, and metered, so that no stage can forget a metric.
//!
//! Metering costs two uncontended atomic additions an item. The clock is read only when an operation has to wait. Who has
//! to wait tries again for a few microseconds before it asks to be woken: where items are cheap, waking costs more.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use crossbeam_channel::{TryRecvError, TrySendError, select};
use crossbeam_utils::Backoff;

use super::queue::{Offer, QueueReceiver, QueueSender, queue};
use crate::runtime::shutdown::{CancellationToken, Latch};

/// How often a waiting thread adds its time to the meter, so that a stalled flow shows while it is stalled.
const LAP: Duration = Duration::from_millis(500);

/// Why an operation did not happen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ended {
    /// The other side is gone and nothing is left.
    Closed,
    /// The run was cancelled.
    Cancelled,
}

/// The meter of one channel, to be read at any moment from any thread; [`crate::ChannelReport`] says what each number
/// means.
#[derive(Debug)]
pub(crate) struct ChannelStats {
    capacity: AtomicUsize,
    sent: Side,
    received: Side,
}

/// The numbers that one side writes, on cache lines of their own.
#[derive(Debug, Default)]
#[repr(align(128))]
struct Side {
    items: AtomicU64,
    waited: AtomicU64,
}

impl ChannelStats {
    pub(crate) fn capacity(&self) -> usize {
        self.capacity.load(Ordering::Relaxed)
    }

    pub(crate) fn depth(&self) -> usize {
        let received = self.received.items.load(Ordering::Acquire);
        let depth = self.sent.items.load(Ordering::Acquire).saturating_sub(received);
        usize::try_from(depth).map_or(self.capacity(), |depth| depth.min(self.capacity()))
    }

    pub(crate) fn items(&self) -> u64 {
        self.sent.items.load(Ordering::Acquire)
    }

    pub(crate) fn send_blocked(&self) -> Duration {
        Duration::from_nanos(self.sent.waited.load(Ordering::Relaxed))
    }

    pub(crate) fn receive_wait(&self) -> Duration {
        Duration::from_nanos(self.received.waited.load(Ordering::Relaxed))
    }
}

/// The sending side; the channel closes when its last clone is dropped.
pub(crate) struct Sender<T> {
    queue_sender: Arc<QueueSender<T>>,
    stats: Arc<ChannelStats>,
    cancellation: CancellationToken,
}

/// The receiving side.
pub(crate) struct Receiver<T> {
    queue_receiver: QueueReceiver<T>,
    stats: Arc<ChannelStats>,
    cancellation: CancellationToken,
    /// Closes the channel from this side.
    cut: Option<Latch>,
}

/// A channel that holds at most `capacity` items and wakes its users when `cancellation` fires.
pub(crate) fn channel<T>(
    capacity: usize,
    cancellation: &CancellationToken,
) -> (Sender<T>, Receiver<T>, Arc<ChannelStats>) {
    let (queue_sender, queue_receiver) = queue(capacity);
    let capacity = AtomicUsize::new(capacity);
    let stats = Arc::new(ChannelStats { capacity, sent: Side::default(), received: Side::default() });
    (
        Sender { queue_sender, stats: Arc::clone(&stats), cancellation: cancellation.clone() },
        Receiver { queue_receiver, stats: Arc::clone(&stats), cancellation: cancellation.clone(), cut: None },
        stats,
    )
}

/// Changes the capacity of a channel from outside; it keeps no channel open.
pub(crate) struct Resizer<T> {
    queue_sender: Weak<QueueSender<T>>,
    stats: Arc<ChannelStats>,
}

impl<T> Resizer<T> {
    /// From here on the channel holds at most `capacity` items, beside those that it held.
    pub(crate) fn resize(&self, capacity: usize) {
        if let Some(queue_sender) = self.queue_sender.upgrade() {
            queue_sender.resize(capacity);
            self.stats.capacity.store(capacity, Ordering::Relaxed);
        }
    }
}

impl<T> Sender<T> {
    pub(crate) fn resizer(&self) -> Resizer<T> {
        Resizer { queue_sender: Arc::downgrade(&self.queue_sender), stats: Arc::clone(&self.stats) }
    }

    /// Waits for a place and puts `item` there.
    ///
    /// Returns how long it was blocked.
    pub(crate) fn send(&self, item: T) -> Result<Duration, Ended> {
        let blocked = self.put(&self.queue_sender, item)?;
        self.stats.sent.items.fetch_add(1, Ordering::Release);
        Ok(blocked)
    }

    /// Waits for a place in `permits`; the time counts as time blocked on this channel.
    pub(crate) fn admit(&self, permits: &QueueSender<()>) -> Result<Duration, Ended> {
        self.put(permits, ())
    }

    fn put<U>(&self, queue_sender: &QueueSender<U>, item: U) -> Result<Duration, Ended> {
        if self.cancellation.is_cancelled() {
            return Err(Ended::Cancelled);
        }
        let (mut sender, mut item) = match queue_sender.offer(item) {
            Offer::Taken => return Ok(Duration::ZERO),
            Offer::Gone => return Err(ended(&self.cancellation)),
            Offer::Full(sender, item) => (sender, item),
        };
        let mut meter = Meter::start(&self.stats.sent.waited);
        let backoff = Backoff::new();
        while !backoff.is_completed() {
            backoff.snooze();
            item = match sender.try_send(item) {
                Ok(()) => return Ok(meter.stop()),
                Err(TrySendError::Disconnected(_)) => return Err(ended(&self.cancellation)),
                Err(TrySendError::Full(item)) => item,
            };
        }
        loop {
            select! {
                send(sender, item) -> sent => {
                    return sent.map(|()| meter.stop()).map_err(|_| ended(&self.cancellation));
                }
                recv(self.cancellation.ended()) -> _ => return Err(Ended::Cancelled),
                default(LAP) => {
                    meter.lap();
                    // The queue may have got more places meanwhile.
                    (sender, item) = match queue_sender.offer(item) {
                        Offer::Taken => return Ok(meter.stop()),
                        Offer::Gone => return Err(ended(&self.cancellation)),
                        Offer::Full(sender, item) => (sender, item),
                    };
                }
            }
        }
    }
}

impl<T> Clone for Sender<T> {
    fn clone(&self) -> Self {
        Self {
            queue_sender: Arc::clone(&self.queue_sender),
            stats: Arc::clone(&self.stats),
            cancellation: self.cancellation.clone(),
        }
    }
}

impl<T> Receiver<T> {
    /// The same channel for a receiver of another part of the run; it is closed for it once `cut` has fired.
    pub(crate) fn across(self, cancellation: &CancellationToken, cut: &Latch) -> Self {
        Self { cancellation: cancellation.clone(), cut: Some(cut.clone()), ..self }
    }

    fn is_cut(&self) -> bool {
        self.cut.as_ref().is_some_and(Latch::has_fired)
    }

    /// Waits for the next item; `Closed` is the natural end.
    pub(crate) fn recv(&mut self) -> Result<T, Ended> {
        if self.cancellation.is_cancelled() {
            return Err(Ended::Cancelled);
        }
        if self.is_cut() {
            return Err(Ended::Closed);
        }
        let item = match self.queue_receiver.try_recv() {
            Ok(item) => item,
            Err(TryRecvError::Disconnected) => return Err(ended(&self.cancellation)),
            Err(TryRecvError::Empty) => self.wait()?,
        };
        self.stats.received.items.fetch_add(1, Ordering::Release);
        Ok(item)
    }

    fn wait(&mut self) -> Result<T, Ended> {
        let mut meter = Meter::start(&self.stats.received.waited);
        let backoff = Backoff::new();
        while !backoff.is_completed() {
            backoff.snooze();
            match self.queue_receiver.try_recv() {
                Ok(item) => return Ok(item),
                Err(TryRecvError::Disconnected) => return Err(ended(&self.cancellation)),
                Err(TryRecvError::Empty) => {}
            }
        }
        let never = crossbeam_channel::never();
        loop {
            let cut = self.cut.as_ref().map_or(&never, Latch::ended);
            select! {
                recv(self.queue_receiver.receiver()) -> item => match item {
                    Ok(item) => return Ok(item),
                    Err(_) if self.queue_receiver.advance() => {}
                    Err(_) => return Err(ended(&self.cancellation)),
                },
                recv(self.cancellation.ended()) -> _ => return Err(Ended::Cancelled),
                recv(cut) -> _ => return Err(Ended::Closed),
                default(LAP) => meter.lap(),
            }
        }
    }
}

impl<T> Clone for Receiver<T> {
    fn clone(&self) -> Self {
        let (stats, cancellation, cut) = (Arc::clone(&self.stats), self.cancellation.clone(), self.cut.clone());
        Self { queue_receiver: self.queue_receiver.clone(), stats, cancellation, cut }
    }
}

/// What a disconnected channel means: whoever fails cancels before it lets go of its channels.
fn ended(cancellation: &CancellationToken) -> Ended {
    if cancellation.is_cancelled() { Ended::Cancelled } else { Ended::Closed }
}

/// Adds the time since its start to `total`, at every lap and when it is dropped.
struct Meter<'a> {
    start: Instant,
    since: Instant,
    total: &'a AtomicU64,
}

impl<'a> Meter<'a> {
    fn start(total: &'a AtomicU64) -> Self {
        let start = Instant::now();
        Self { start, since: start, total }
    }

    fn stop(mut self) -> Duration {
        self.lap();
        self.since - self.start
    }

    fn lap(&mut self) {
        let now = Instant::now();
        self.total.fetch_add(nanos(now - self.since), Ordering::Relaxed);
        self.since = now;
    }
}

impl Drop for Meter<'_> {
    fn drop(&mut self) {
        self.lap();
    }
}

/// Whole nanoseconds; a `u64` holds 584 years of them.
pub(crate) fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}
