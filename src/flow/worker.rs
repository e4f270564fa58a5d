//! The loop of one worker: receive, process, send, on a thread of its own.

use std::sync::Arc;
use std::time::Instant;

use super::channel::Ended;
use super::order::Inlet;
use super::outbox::Outbox;
use super::panics::guard;
use super::report::StageStats;
use super::stage::{Source, Stage};
use super::token::{Cancel, StopToken};
use crate::failure::{Failure, Result};

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
    pub(crate) stats: Arc<StageStats>,
}

impl Worker {
    /// Runs to the end. On a failure the run is cancelled *before* the channel ends are dropped, so that no other
    /// worker takes the closed channel for a natural end.
    pub(crate) fn run(self) {
        let Self { id, kind, mut work, mut outbox, stop, cancel, stats, .. } = self;
        stats.enter();
        let mut drive = Drive { id: &id, kind, stats: &stats, stop: &stop, outbox: &mut outbox };
        let ran = match &mut work {
            Work::Source(source) => drive.source(source.as_mut()),
            Work::Stage(stage, inlet) => drive.stage(stage.as_mut(), inlet),
        };
        if let Err(failure) = &ran {
            cancel.cancel(failure.clone());
        }
        let dropped = drive.guarded(|_| {
            drop(work);
            Ok(())
        });
        if let Err(failure) = &dropped {
            cancel.cancel(failure.clone());
        }
        if ran.is_err() || dropped.is_err() {
            stats.count_failure();
        }
        stats.leave();
    }
}

/// The calls into one stage's code.
struct Drive<'a> {
    id: &'a str,
    kind: &'static str,
    stats: &'a StageStats,
    stop: &'a StopToken,
    outbox: &'a mut Outbox,
}

impl Drive<'_> {
    /// `None` at the natural end.
    fn source(&mut self, source: &mut dyn Source) -> Result<Option<Ended>> {
        while !self.stop.is_stopping() {
            let Some(payload) = self.guarded(|_| source.next())? else { break };
            self.stats.count_in();
            self.outbox.emit(payload);
            if let Some(ended) = self.verdict()? {
                return Ok(Some(ended));
            }
        }
        Ok(None)
    }

    /// `None` at the natural end.
    fn stage(&mut self, stage: &mut dyn Stage, inlet: &mut Inlet) -> Result<Option<Ended>> {
        loop {
            let item = match inlet.next() {
                Ok(item) => item,
                Err(Ended::Closed) => break,
                Err(Ended::Cancelled) => return Ok(Some(Ended::Cancelled)),
            };
            if let Some(payload) = item.payload {
                self.stats.count_in();
                self.guarded(|outbox| stage.process(payload, outbox))?;
            }
            self.outbox.settle(item.seq);
            if let Some(ended) = self.verdict()? {
                return Ok(Some(ended));
            }
        }
        self.guarded(|outbox| stage.finish(outbox))?;
        self.outbox.settle_finish();
        self.verdict()
    }

    /// Calls into the stage, timed; an error or a panic comes back with the stage's name.
    fn guarded<T>(&mut self, body: impl FnOnce(&mut Outbox) -> Result<T>) -> Result<T> {
        self.outbox.take_blocked();
        let begin = Instant::now();
        let result = guard(|| body(self.outbox));
        self.stats.add_busy(begin.elapsed().saturating_sub(self.outbox.take_blocked()));
        match result {
            Ok(result) => result.map_err(|failure| failure.within(format!("stage `{}`", self.id))),
            Err(panic) => Err(panicked(self.id, self.kind, &panic)),
        }
    }

    fn verdict(&self) -> Result<Option<Ended>> {
        self.outbox.verdict().map_err(|failure| failure.within(format!("stage `{}` (kind {})", self.id, self.kind)))
    }
}

/// What a run reports about a stage that panicked with `message`.
pub(crate) fn panicked(id: &str, kind: &str, message: &str) -> Failure {
    Failure::stage(format!("stage `{id}` (kind {kind}) panicked: {message}"))
}
