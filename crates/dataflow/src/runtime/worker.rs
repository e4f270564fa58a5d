//! The loop of one worker: receive, process, send, on a thread of its own.

use std::sync::Arc;
use std::time::Instant;

use super::notice::{Notice, Notify};
use super::panics::guard;
use super::policy::{WorkerPolicy, pause};
use super::shutdown::{CancellationToken, Shutdown};
use crate::channel::emitter::Emitter;
use crate::channel::metered::Ended;
use crate::channel::order::StageInput;
use crate::failure::{Failure, FailureKind, Result};
use crate::stage::item::Payload;
use crate::stage::traits::{Source, Stage};
use crate::stats::report::StageStats;
use crate::stats::trace::WAIT;

/// The work of one thread.
pub(crate) enum Work {
    Source(Box<dyn Source>),
    Stage(Box<dyn Stage>, StageInput),
}

/// One worker with all its ends.
pub(crate) struct Worker {
    /// The stage's name.
    pub(crate) id: String,
    pub(crate) kind: &'static str,
    pub(crate) index: usize,
    pub(crate) work: Work,
    pub(crate) emitter: Emitter,
    pub(crate) stop: Shutdown,
    pub(crate) cancellation: CancellationToken,
    /// Whether what it knows is to be saved after a failure of its own.
    pub(crate) keeps_state: bool,
    pub(crate) stats: Arc<StageStats>,
    pub(crate) policy: Arc<WorkerPolicy>,
    pub(crate) notify: Notify,
}

/// Why a worker is gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exit {
    /// Nothing is left to do, or the run has failed.
    Done,
    /// The stage was to have fewer workers.
    ScaledDown,
}

impl Worker {
    /// Runs to the end. On a failure the run is cancelled *before* the channel ends are dropped, so that no other
    /// worker takes the closed channel for a natural end.
    pub(crate) fn run(self) -> Exit {
        let Self { id, kind, index, mut work, mut emitter, stop, cancellation, keeps_state, stats, policy, notify } =
            self;
        stats.enter();
        let born = Instant::now();
        let emitter = &mut emitter;
        let mut drive = Drive {
            id: &id,
            kind,
            index,
            stats: &stats,
            stop: &stop,
            cancellation: &cancellation,
            policy: &policy,
            notify: &notify,
            emitter,
            in_a_row: 0,
        };
        let ran = match &mut work {
            Work::Source(source) => drive.source(source.as_mut()),
            Work::Stage(stage, stage_input) => drive.stage(stage, stage_input),
        };
        let end_run = |failure: &Failure| {
            if !cancellation.cancel(failure.clone()) {
                notify(Notice::Warning(format!("while the run was ending: {failure}")));
            }
        };
        if let Err(failure) = &ran {
            match (&mut work, keeps_state && !cancellation.is_cancelled()) {
                (Work::Stage(stage, _), true) => {
                    if !cancellation.cancel_after_saving(failure.clone()) {
                        notify(Notice::Warning(format!("while the run was ending: {failure}")));
                    }
                    drive.emitter.discard();
                    let salvaged = drive.guarded(|emitter| stage.salvage(emitter));
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
    stop: &'a Shutdown,
    cancellation: &'a CancellationToken,
    policy: &'a WorkerPolicy,
    notify: &'a Notify,
    emitter: &'a mut Emitter,
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
            self.emitter.emit(payload);
            self.stats.leave_code();
            if self.verdict()?.is_some() {
                break;
            }
        }
        Ok(Exit::Done)
    }

    fn stage(&mut self, stage: &mut Box<dyn Stage>, stage_input: &mut StageInput) -> Result<Exit> {
        let mut generation = self.policy.factory.generation();
        let mut exit = Exit::Done;
        loop {
            let begin = self.emitter.lane().map(|_| Instant::now());
            let next = stage_input.next();
            if let (Some(lane), Some(begin)) = (self.emitter.lane(), begin) {
                lane.slice(WAIT, begin);
            }
            let item = match next {
                Ok(item) => item,
                Err(Ended::Closed) => break,
                Err(Ended::Cancelled) => return Ok(Exit::Done),
            };
            if generation != self.policy.factory.generation() {
                generation = self.policy.factory.generation();
                self.rebuild(stage)?;
            }
            if let Some(payload) = item.payload {
                self.stats.count_in();
                self.process(stage, payload, item.seq)?;
            }
            self.emitter.complete(item.seq);
            if self.verdict()?.is_some() {
                return Ok(Exit::Done);
            }
            if self.policy.is_scaled_down(self.index) {
                exit = Exit::ScaledDown;
                break;
            }
        }
        self.guarded(|emitter| stage.finish(emitter))?;
        self.emitter.complete_finish();
        self.verdict()?;
        Ok(exit)
    }

    /// Processes an item; where the stage is supervised, a second time by a new worker when the first attempt fails, and
    /// then the item is left out.
    fn process(&mut self, stage: &mut Box<dyn Stage>, payload: Payload, seq: u64) -> Result<()> {
        if self.policy.budget.is_none() {
            return self.guarded(|emitter| stage.process(payload, emitter));
        }
        let spare = self.policy.item_ops.copy(&payload);
        let Err(failure) = self.guarded(|emitter| stage.process(payload, emitter)) else {
            self.in_a_row = 0;
            return Ok(());
        };
        self.recover(stage, failure.clone())?;
        let identity = spare.as_ref().and_then(|spare| self.policy.item_ops.identity(spare));
        let identity = identity.unwrap_or_else(|| format!("item {seq}"));
        let mut last = failure;
        if let Some(spare) = spare {
            match self.guarded(|emitter| stage.process(spare, emitter)) {
                Ok(()) => {
                    self.in_a_row = 0;
                    let text = format!("{identity} went through at the second attempt; the first: {last}");
                    (self.notify)(Notice::Warning(text));
                    return Ok(());
                }
                Err(failure) => {
                    self.recover(stage, failure.clone())?;
                    last = failure;
                }
            }
        }
        (self.notify)(Notice::Warning(format!("{identity} is skipped: {last}")));
        self.stats.quarantine(identity, last.message);
        Ok(())
    }

    /// Replaces the worker's stage after `failure`, unless that is to end the run.
    fn recover(&mut self, stage: &mut Box<dyn Stage>, failure: Failure) -> Result<()> {
        self.emitter.discard();
        if !self.policy.covers(&failure) {
            return Err(failure);
        }
        let budget = self.policy.budget.unwrap_or(0);
        if self.stats.failures() >= budget {
            let message = format!("{}; {budget} failures were allowed (max_failures)", failure.message);
            return Err(Failure { message, ..failure });
        }
        self.stats.count_failure();
        self.in_a_row += 1;
        // Nothing is ever sent here: this sleeps until the time is over or the run is cancelled.
        let _ = self.cancellation.ended().recv_timeout(pause(self.in_a_row));
        self.rebuild(stage)?;
        self.stats.count_restart();
        Ok(())
    }

    fn rebuild(&mut self, stage: &mut Box<dyn Stage>) -> Result<()> {
        let (factory, index) = (&self.policy.factory, self.index);
        let new = factory.build(index).map_err(|failure| of_stage(self.id, self.kind, failure))?;
        let old = std::mem::replace(stage, new);
        // What a broken worker does in its last moments is no news.
        let _ = guard(|| drop(old));
        Ok(())
    }

    /// Calls into the stage, timed; an error or a panic comes back with the stage's name.
    fn guarded<T>(&mut self, body: impl FnOnce(&mut Emitter) -> Result<T>) -> Result<T> {
        self.emitter.take_blocked();
        self.stats.enter_code();
        let begin = Instant::now();
        let result = guard(|| body(self.emitter));
        self.stats.add_busy(begin.elapsed().saturating_sub(self.emitter.take_blocked()));
        self.stats.leave_code();
        if let Some(lane) = self.emitter.lane() {
            lane.slice(self.id.to_string(), begin);
        }
        match result {
            Ok(result) => result.map_err(|failure| of_stage(self.id, self.kind, failure)),
            Err(panic) => Err(panicked(self.id, self.kind, &panic)),
        }
    }

    fn verdict(&self) -> Result<Option<Ended>> {
        self.emitter.verdict().map_err(|failure| failure.within(format!("stage `{}` (kind {})", self.id, self.kind)))
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
