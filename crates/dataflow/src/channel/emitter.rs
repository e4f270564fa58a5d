//! What a stage sees of the world: where its results go, and whether the run is ending.

use std::borrow::Cow;
use std::mem;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crossbeam_channel::select;

use super::metered::{Ended, Sender};
use super::queue::QueueSender;
use crate::failure::{Failure, Result};
use crate::runtime::shutdown::{CancellationToken, Shutdown, StopReason};
use crate::stage::item::{Item, Payload};
use crate::stage::item_ops::ItemOps;
use crate::stats::report::StageStats;
use crate::stats::trace::{BLOCKED, Lane};

/// The sending end of a worker, and its view of the run.
pub struct Emitter {
    route: Route,
    /// The first thing that the stage did against its contract.
    misuse: Option<&'static str>,
    /// Set when the run ended under a send; what is emitted after that is dropped.
    ended: Option<Ended>,
    /// Time blocked on sends since [`Emitter::take_blocked`].
    blocked: Duration,
    stop: Shutdown,
    cancellation: CancellationToken,
    stats: Arc<StageStats>,
    /// The worker's row, where the run is traced.
    lane: Option<Lane>,
}

/// How emitted payloads leave.
pub(crate) enum Route {
    /// A sink: not at all.
    Nowhere,
    /// A head of segments: at once, numbered by itself, admitted by the permits of each segment.
    Head { fanout: Fanout, next: u64, permits: Vec<Arc<QueueSender<()>>> },
    /// Inside a segment: after `process`, under the number of the input.
    Inner { fanout: Fanout, slot: Option<Payload> },
}

/// The channels to the consumers of a stage.
#[derive(Clone)]
pub(crate) struct Fanout {
    /// Each with whether a tail behind it waits for every number.
    pub(crate) senders: Vec<(Sender<Item>, bool)>,
    pub(crate) item_ops: ItemOps,
}

impl Fanout {
    /// Sends `payload`, or a tombstone, to every consumer. Returns how long that was blocked.
    fn send(&self, seq: u64, payload: Option<Payload>) -> std::result::Result<Duration, Refused> {
        let mut blocked = Duration::ZERO;
        let Some(mut payload) = payload else {
            for (sender, _) in self.senders.iter().filter(|(_, tombstones)| *tombstones) {
                blocked += sender.send(Item { seq, payload: None }).map_err(Refused::Ended)?;
            }
            return Ok(blocked);
        };
        let Some(((last, _), others)) = self.senders.split_last() else { return Ok(blocked) };
        for (sender, _) in others {
            // The copy goes on to the next consumer, so that the last one gets what the others had a copy of.
            let copy = self.item_ops.copy(&payload).ok_or(Refused::NoCopy)?;
            blocked +=
                sender.send(Item { seq, payload: Some(mem::replace(&mut payload, copy)) }).map_err(Refused::Ended)?;
        }
        blocked += last.send(Item { seq, payload: Some(payload) }).map_err(Refused::Ended)?;
        Ok(blocked)
    }
}

/// Why an item did not get to all consumers.
enum Refused {
    Ended(Ended),
    NoCopy,
}

/// Counts work for a stage that is done outside of its calls, as on a device that nobody waits for.
#[derive(Clone, Debug)]
pub struct Meter(Arc<StageStats>);

impl Meter {
    /// Counts `time` as busy.
    pub fn add_busy(&self, time: Duration) {
        self.0.add_busy(time);
    }
}

/// Ends the run from outside of a stage's calls, such as from a thread that watches other processes.
#[derive(Clone)]
pub struct RunEnd(CancellationToken);

impl RunEnd {
    /// As [`Emitter::fail_after_saving`].
    pub fn after_saving(&self, failure: Failure) {
        self.0.cancel_after_saving(failure);
    }
}

impl Emitter {
    pub(crate) fn new(
        route: Route,
        stop: Shutdown,
        cancellation: CancellationToken,
        stats: Arc<StageStats>,
        lane: Option<Lane>,
    ) -> Self {
        Self { route, misuse: None, ended: None, blocked: Duration::ZERO, stop, cancellation, stats, lane }
    }

    /// Records what the stage has done since `begin`, where the run is traced.
    pub fn slice(&self, name: impl FnOnce() -> Cow<'static, str>, begin: Instant) {
        if let Some(lane) = &self.lane {
            lane.slice(name(), begin);
        }
    }

    /// The run has done `step` steps, by which a trace begins and ends.
    pub fn reached(&self, step: u64) {
        if let Some(lane) = &self.lane {
            lane.reached(step);
        }
    }

    pub(crate) fn lane(&self) -> Option<&Lane> {
        self.lane.as_ref()
    }

    /// Sends `payload` on; blocks while the flow downstream is full.
    ///
    /// When the run is cancelled meanwhile, the payload is dropped and the engine ends the worker after this call of
    /// [`crate::Stage::process`].
    pub fn emit(&mut self, payload: Payload) {
        match &mut self.route {
            Route::Nowhere => self.misuse = Some("a sink emitted an item"),
            Route::Inner { slot: Some(_), .. } => self.misuse = Some("a stage that is not ordered emitted two items"),
            Route::Inner { slot, .. } => *slot = Some(payload),
            Route::Head { fanout, next, permits } => {
                if self.ended.is_some() {
                    return;
                }
                self.stats.leave_code();
                let sent = admit(fanout, permits).and_then(|waited| Ok(waited + fanout.send(*next, Some(payload))?));
                self.stats.enter_code();
                *next += 1;
                self.note(sent, true);
            }
        }
    }

    /// `time` of the present call was no work of this stage's own, such as waiting for a device: it is not counted as
    /// busy.
    pub fn leave_out(&mut self, time: Duration) {
        self.blocked += time;
    }

    /// Where work for this stage is counted that is done outside of its calls.
    pub fn meter(&self) -> Meter {
        Meter(Arc::clone(&self.stats))
    }

    fn note(&mut self, sent: std::result::Result<Duration, Refused>, full: bool) {
        match sent {
            Ok(blocked) => {
                self.blocked += blocked;
                if let Some(lane) = self.lane.as_ref().filter(|_| !blocked.is_zero()) {
                    let now = Instant::now();
                    lane.slice(BLOCKED, now.checked_sub(blocked).unwrap_or(now));
                }
                if full {
                    self.stats.count_out();
                }
            }
            Err(Refused::Ended(ended)) => self.ended = Some(ended),
            Err(Refused::NoCopy) => self.misuse = Some("a stage with several consumers emitted another type"),
        }
    }

    /// Whether the run is ending, by a stop (what was taken still drains) or by a failure elsewhere.
    pub fn stopping(&self) -> bool {
        self.stop.is_stopping() || self.cancellation.is_cancelled()
    }

    /// Whether another stage has failed: nothing that this stage does from here on will be used.
    pub fn cancelled(&self) -> bool {
        self.cancellation.is_cancelled()
    }

    /// Waits for `time`, or until [`stopping`](Self::stopping); whether it is.
    pub fn wait_stopping(&self, time: Duration) -> bool {
        // Nothing is ever sent: each is ready when it has happened.
        select! {
            recv(self.stop.ended()) -> _ => {}
            recv(self.cancellation.ended()) -> _ => {}
            default(time) => {}
        }
        self.stopping()
    }

    /// Waits for `time`, or until [`cancelled`](Self::cancelled); whether it is.
    pub fn wait_cancelled(&self, time: Duration) -> bool {
        let _ = self.cancellation.ended().recv_timeout(time);
        self.cancelled()
    }

    /// Ends the run with `failure`, but not at once: the stages that keep state finish and what they emit goes through
    /// to the end, as far as this stage and those behind it go on working.
    pub fn fail_after_saving(&self, failure: Failure) {
        self.cancellation.cancel_after_saving(failure);
    }

    /// What ends the run while this stage is not called.
    pub fn run_end(&self) -> RunEnd {
        RunEnd(self.cancellation.clone())
    }

    /// Asks the run to stop because `goal` is reached; the sources take nothing more.
    pub fn request_stop(&self, goal: impl Into<String>) {
        self.stop.stop(StopReason::Reached(goal.into()));
    }

    /// Closes the turn of input `seq`: an inner stage's result goes out, or a tombstone in its place.
    pub(crate) fn complete(&mut self, seq: u64) {
        if let Route::Inner { fanout, slot } = &mut self.route {
            let payload = slot.take();
            let full = payload.is_some();
            let sent = fanout.send(seq, payload);
            self.note(sent, full);
        }
    }

    /// Forgets what a failed attempt has put up for sending.
    pub(crate) fn discard(&mut self) {
        if let Route::Inner { slot, .. } = &mut self.route {
            slot.take();
        }
    }

    /// Ends `finish`: an inner stage has no input then whose number a result could take.
    pub(crate) fn complete_finish(&mut self) {
        if let Route::Inner { slot: Some(_), .. } = &self.route {
            self.misuse = Some("a stage that is not ordered emitted an item in `finish`");
        }
    }

    /// What is to be done after a call into the stage: an error for a broken contract, `Some` when the run has ended.
    pub(crate) fn verdict(&self) -> Result<Option<Ended>> {
        match self.misuse {
            Some(misuse) => Err(Failure::stage(format!("{misuse}; its kind is declared wrongly"))),
            None => Ok(self.ended),
        }
    }

    pub(crate) fn take_blocked(&mut self) -> Duration {
        mem::take(&mut self.blocked)
    }
}

/// Waits for a permit of each segment.
fn admit(fanout: &Fanout, permits: &[Arc<QueueSender<()>>]) -> std::result::Result<Duration, Refused> {
    let Some((sender, _)) = fanout.senders.first() else { return Ok(Duration::ZERO) };
    let mut waited = Duration::ZERO;
    for permits in permits {
        waited += sender.admit(permits).map_err(Refused::Ended)?;
    }
    Ok(waited)
}
