//! What a stage sees of the world: where its results go, and whether the run is ending.

use std::mem;
use std::sync::Arc;
use std::time::Duration;

use crossbeam_channel as crossbeam;

use super::channel::{Ended, Sender};
use super::item::{Item, Payload};
use super::report::StageStats;
use super::token::{Cancel, StopReason, StopToken};
use crate::failure::{Failure, Result};

/// The sending end of a worker, and its view of the run.
pub struct Outbox {
    route: Route,
    /// The first thing that the stage did against its contract.
    misuse: Option<&'static str>,
    /// Set when the run ended under a send; what is emitted after that is dropped.
    ended: Option<Ended>,
    /// Time blocked on sends since [`Outbox::take_blocked`].
    blocked: Duration,
    stop: StopToken,
    cancel: Cancel,
    stats: Arc<StageStats>,
}

/// How emitted payloads leave.
pub(crate) enum Route {
    /// A sink: not at all.
    Nowhere,
    /// A head of a segment: at once, numbered by itself, admitted by `permits` when the segment has a tail.
    Head { sender: Sender<Item>, next: u64, permits: Option<crossbeam::Sender<()>> },
    /// Inside a segment: after `process`, under the number of the input. With a tail behind it, tombstones are sent.
    Inner { sender: Sender<Item>, slot: Option<Payload>, tombstones: bool },
}

impl Outbox {
    pub(crate) fn new(route: Route, stop: StopToken, cancel: Cancel, stats: Arc<StageStats>) -> Self {
        Self { route, misuse: None, ended: None, blocked: Duration::ZERO, stop, cancel, stats }
    }

    /// Sends `payload` on; blocks while the flow downstream is full.
    ///
    /// When the run is cancelled meanwhile, the payload is dropped and the engine ends the worker after this call of
    /// [`crate::flow::Stage::process`].
    pub fn emit(&mut self, payload: Payload) {
        match &mut self.route {
            Route::Nowhere => self.misuse = Some("a sink emitted an item"),
            Route::Inner { slot: Some(_), .. } => self.misuse = Some("a stage that is not ordered emitted two items"),
            Route::Inner { slot, .. } => *slot = Some(payload),
            Route::Head { sender, next, permits } => {
                if self.ended.is_some() {
                    return;
                }
                let item = Item { seq: *next, payload: Some(payload) };
                let admitted = permits.as_ref().map_or(Ok(Duration::ZERO), |permits| sender.admit(permits));
                let sent = admitted.and_then(|waited| Ok(waited + sender.send(item)?));
                *next += 1;
                match sent {
                    Ok(blocked) => {
                        self.blocked += blocked;
                        self.stats.count_out();
                    }
                    Err(ended) => self.ended = Some(ended),
                }
            }
        }
    }

    /// Whether the run is ending, by a stop (what was taken still drains) or by a failure elsewhere.
    pub fn stopping(&self) -> bool {
        self.stop.is_stopping() || self.cancel.is_cancelled()
    }

    /// Whether another stage has failed: nothing that this stage does from here on will be used.
    pub fn cancelled(&self) -> bool {
        self.cancel.is_cancelled()
    }

    /// Asks the run to stop because `goal` is reached; the source takes nothing more.
    pub fn request_stop(&self, goal: impl Into<String>) {
        self.stop.stop(StopReason::Reached(goal.into()));
    }

    /// Closes the turn of input `seq`: an inner stage's result goes out, or a tombstone in its place.
    pub(crate) fn settle(&mut self, seq: u64) {
        if let Route::Inner { sender, slot, tombstones } = &mut self.route {
            let payload = slot.take();
            let full = payload.is_some();
            if full || *tombstones {
                match sender.send(Item { seq, payload }) {
                    Ok(_) if full => self.stats.count_out(),
                    Ok(_) => {}
                    Err(ended) => self.ended = Some(ended),
                }
            }
        }
    }

    /// Ends `finish`: an inner stage has no input then whose number a result could take.
    pub(crate) fn settle_finish(&mut self) {
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
