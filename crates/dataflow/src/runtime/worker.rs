//! The loop of one worker: receive, process, send, on a thread of its own.

use std::sync::Arc;
use std::time::Instant;

use super::care::{Care, pause};
use super::notice::{Notice, Tell};
use super::panics::guard;
use super::token::{Cancel, StopToken};
use crate::channel::metered::Ended;
use crate::channel::order::Inlet;
use crate::channel::outbox::Outbox;
use crate::failure::{Failure, FailureKind, Result};
use crate::stage::item::Payload;
use crate::stage::traits::{Source, Stage};
use crate::stats::report::StageStats;

/// The work of one thread.
pub(crate) enum Work {
    Source(Box<dyn Source>),
    Stage(Box<dyn Stage>, Inlet),
}

/// One worker with all its ends.
pub(crate) struct Worker {
    /// The stage's name.
    pub(crate) id: String,
    pub(crate) kind: &'static str,
    pub(crate) index: usize,
    pub(crate) work: Work,
    pub(crate) outbox: Outbox,
    pub(crate) stop: StopToken,
    pub(crate) cancel: Cancel,
    /// Whether what it knows is to be saved after a failure of its own.
    pub(crate) keeps_state: bool,
    pub(crate) stats: Arc<StageStats>,
    pub(crate) care: Arc<Care>,
    pub(crate) tell: Tell,
}

/// Why a worker is gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exit {
    /// Nothing is left to do, or the run has failed.
    Done,
    /// The stage was to have fewer workers.
    TooMany,
}

impl Worker {
    /// Runs to the end. On a failure the run is cancelled *before* the channel ends are dropped, so that no other
    /// worker takes the closed channel for a natural end.
    pub(crate) fn run(self) -> Exit {
        let Self { id, kind, index, mut work, mut outbox, stop, cancel, keeps_state, stats, care, tell } = self;
        stats.enter();
        let born = Instant::now();
        let outbox = &mut outbox;
        let mut drive = Drive {
            id: &id,
            kind,
            index,
            stats: &stats,
            stop: &stop,
            cancel: &cancel,
            care: &care,
            tell: &tell,
            outbox,
            in_a_row: 0,
        };
        let ran = match &mut work {
            Work::Source(source) => drive.source(source.as_mut()),
            Work::Stage(stage, inlet) => drive.stage(stage, inlet),
        };
        let end_run = |failure: &Failure| {
            if !cancel.cancel(failure.clone()) {
                tell(Notice::Warning(format!("while the run was ending: {failure}")));
            }
        };
        if let Err(failure) = &ran {
            match (&mut work, keeps_state && !cancel.is_cancelled()) {
                (Work::Stage(stage, _), true) => {
                    if !cancel.cancel_after_saving(failure.clone()) {
                        tell(Notice::Warning(format!("while the run was ending: {failure}")));
                    }
                    drive.outbox.discard();
                    let salvaged = drive.guarded(|outbox| stage.salvage(outbox));
                    if let Err(failure) = salvaged.and_then(|()| drive.verdict().map(drop)) {
                        end_run(&failure);
                    }
                }
                _ => end_run(failure),
            }
        }
        let dropped = drive.guarded(|_| {
            drop(work);
            Ok(())
        });
        if let Err(failure) = &dropped {
            end_run(failure);
        }
        if ran.is_err() || dropped.is_err() {
            stats.count_failure();
        }
        stats.leave(born.elapsed());
        ran.unwrap_or(Exit::Done)
    }
}

/// The calls into one stage's code.
struct Drive<'a> {
    id: &'a str,
    kind: &'static str,
    index: usize,
    stats: &'a StageStats,
    stop: &'a StopToken,
    cancel: &'a Cancel,
    care: &'a Care,
    tell: &'a Tell,
    outbox: &'a mut Outbox,
    /// Failures since the last item that went well.
    in_a_row: u32,
}

impl Drive<'_> {
    fn source(&mut self, source: &mut dyn Source) -> Result<Exit> {
        while !self.stop.is_stopping() {
            let Some(payload) = self.guarded(|_| source.next())? else { break };
            self.stats.count_in();
            // `emit` takes it that it is called from inside the stage.
            self.stats.enter_code();
            self.outbox.emit(payload);
            self.stats.leave_code();
            if self.verdict()?.is_some() {
                break;
            }
        }
        Ok(Exit::Done)
    }

    fn stage(&mut self, stage: &mut Box<dyn Stage>, inlet: &mut Inlet) -> Result<Exit> {
        let mut edition = self.care.recipe.edition();
        let mut exit = Exit::Done;
        loop {
            let item = match inlet.next() {
                Ok(item) => item,
                Err(Ended::Closed) => break,
                Err(Ended::Cancelled) => return Ok(Exit::Done),
            };
            if edition != self.care.recipe.edition() {
                edition = self.care.recipe.edition();
                self.rebuild(stage)?;
            }
            if let Some(payload) = item.payload {
                self.stats.count_in();
                self.process(stage, payload, item.seq)?;
            }
            self.outbox.settle(item.seq);
            if self.verdict()?.is_some() {
                return Ok(Exit::Done);
            }
            if self.care.is_too_many(self.index) {
                exit = Exit::TooMany;
                break;
            }
        }
        self.guarded(|outbox| stage.finish(outbox))?;
        self.outbox.settle_finish();
        self.verdict()?;
        Ok(exit)
    }

    /// Processes an item; where the stage is supervised, a second time by a new worker when the first attempt fails, and
    /// then the item is left out.
    fn process(&mut self, stage: &mut Box<dyn Stage>, payload: Payload, seq: u64) -> Result<()> {
        if self.care.budget.is_none() {
            return self.guarded(|outbox| stage.process(payload, outbox));
        }
        let spare = self.care.handling.copy(&payload);
        let Err(failure) = self.guarded(|outbox| stage.process(payload, outbox)) else {
            self.in_a_row = 0;
            return Ok(());
        };
        self.recover(stage, failure.clone())?;
        let identity = spare.as_ref().and_then(|spare| self.care.handling.identity(spare));
        let identity = identity.unwrap_or_else(|| format!("item {seq}"));
        let mut last = failure;
        if let Some(spare) = spare {
            match self.guarded(|outbox| stage.process(spare, outbox)) {
                Ok(()) => {
                    self.in_a_row = 0;
                    let text = format!("{identity} went through at the second attempt; the first: {last}");
                    (self.tell)(Notice::Warning(text));
                    return Ok(());
                }
                Err(failure) => {
                    self.recover(stage, failure.clone())?;
                    last = failure;
                }
            }
        }
        (self.tell)(Notice::Warning(format!("{identity} is left out: {last}")));
        self.stats.quarantine(identity, last.message);
        Ok(())
    }

    /// Replaces the worker's stage after `failure`, unless that is to end the run.
    fn recover(&mut self, stage: &mut Box<dyn Stage>, failure: Failure) -> Result<()> {
        self.outbox.discard();
        if !self.care.covers(&failure) {
            return Err(failure);
        }
        let budget = self.care.budget.unwrap_or(0);
        if self.stats.failures() >= budget {
            let message = format!("{}; {budget} failures were allowed (max_failures)", failure.message);
            return Err(Failure { message, ..failure });
        }
        self.stats.count_failure();
        self.in_a_row += 1;
        // Nothing is ever sent here: this sleeps until the time is over or the run is cancelled.
        let _ = self.cancel.ended().recv_timeout(pause(self.in_a_row));
        self.rebuild(stage)?;
        self.stats.count_restart();
        Ok(())
    }

    fn rebuild(&mut self, stage: &mut Box<dyn Stage>) -> Result<()> {
        let (recipe, index) = (&self.care.recipe, self.index);
        let new = recipe.build(index).map_err(|failure| of_stage(self.id, self.kind, failure))?;
        let old = std::mem::replace(stage, new);
        // What a broken worker does in its last moments is no news.
        let _ = guard(|| drop(old));
        Ok(())
    }

    /// Calls into the stage, timed; an error or a panic comes back with the stage's name.
    fn guarded<T>(&mut self, body: impl FnOnce(&mut Outbox) -> Result<T>) -> Result<T> {
        self.outbox.take_blocked();
        self.stats.enter_code();
        let begin = Instant::now();
        let result = guard(|| body(self.outbox));
        self.stats.add_busy(begin.elapsed().saturating_sub(self.outbox.take_blocked()));
        self.stats.leave_code();
        match result {
            Ok(result) => result.map_err(|failure| of_stage(self.id, self.kind, failure)),
            Err(panic) => Err(panicked(self.id, self.kind, &panic)),
        }
    }

    fn verdict(&self) -> Result<Option<Ended>> {
        self.outbox.verdict().map_err(|failure| failure.within(format!("stage `{}` (kind {})", self.id, self.kind)))
    }
}

/// What a run reports about a stage that panicked with `message`.
pub(crate) fn panicked(id: &str, kind: &str, message: &str) -> Failure {
    of_stage(id, kind, Failure::panicked(message))
}

/// `failure` with the name of the stage that it happened in.
pub(crate) fn of_stage(id: &str, kind: &str, failure: Failure) -> Failure {
    match failure.kind {
        FailureKind::Panic => failure.within(format!("stage `{id}` (kind {kind}) panicked")),
        _ => failure.within(format!("stage `{id}`")),
    }
}
