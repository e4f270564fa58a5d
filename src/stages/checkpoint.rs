//! `checkpoint`: writes checkpoints, each whole or not at all, and removes the old ones.

use super::{RunContext, items::*, prometheus};
use crate::{
    failure::{Failure, FailureKind, Result},
    flow::{Emitter, Kind, Payload, Stage, StageConfig, unpack},
    settings::Section,
    telemetry::names,
    train::{
        checkpoint::Folder,
        events::Observer,
        experiment::Saving,
        run_event::{self, RunEvent},
    },
};
use metrics::counter;
use std::{
    path::PathBuf,
    sync::Arc,
    time::{Duration, Instant},
};

pub(super) const KIND: Kind<RunContext> = Kind {
    name: "checkpoint",
    description: "writes checkpoints: a temporary file, synced, renamed",
    input: Some(CHECKPOINTS),
    output: None,
    ordered: true,
    workers: 1,
    max_workers: 1,
    capacity: 1,
    parse: |_: &mut Section<'_>| Box::new(Checkpoint),
};

/// The pauses between attempts grow up to this.
const LONGEST_PAUSE: Duration = Duration::from_secs(10);

struct Checkpoint;

impl StageConfig<RunContext> for Checkpoint {
    fn worker(&self, context: &RunContext, _index: usize) -> Result<Box<dyn Stage>> {
        Ok(Box::new(CheckpointStage {
            folder: context.folder.clone(),
            saving: context.experiment.training.saving,
            observer: context.observer.clone(),
            yields: false,
        }))
    }
}

struct CheckpointStage {
    folder: Folder,
    saving: Saving,
    observer: Arc<dyn Observer>,
    /// Whether this thread leaves cores to the step already.
    yields: bool,
}

/// The thread that calls gets cores that nobody else wants, where the system can do that.
fn yield_to_others() {
    #[cfg(target_os = "linux")]
    // SAFETY: it changes the priority of the calling thread and touches no memory. Where it fails, saving is as before.
    unsafe {
        let thread = libc::gettid();
        libc::setpriority(libc::PRIO_PROCESS, thread as libc::id_t, 15);
    }
}

impl CheckpointStage {
    fn warn(&self, text: String) {
        self.observer.observe(&RunEvent::warning(text));
    }

    /// Writes, and tries again for as long as patience lasts: whoever filled the disk may make room.
    fn save(&self, pending: &PendingCheckpoint, out: &Emitter) -> Result<(PathBuf, u64)> {
        let (begin, patience) = (Instant::now(), Duration::from_secs_f64(self.saving.patience));
        let mut pause = Duration::from_millis(250);
        loop {
            let failure = match self.folder.save(&pending.state, pending.epoch_end, &self.saving.retention) {
                Ok(saved) => return Ok(saved),
                Err(failure) => failure,
            };
            counter!(names::CHECKPOINT_FAILURES).increment(1);
            let left = patience.saturating_sub(begin.elapsed());
            if failure.kind != FailureKind::Output || left.is_zero() || out.cancelled() {
                return Err(self.given_up(failure));
            }
            self.warn(format!("{failure}; trying again for {:.0} s", left.as_secs_f64().ceil()));
            out.wait_cancelled(pause.min(left));
            pause = (2 * pause).min(LONGEST_PAUSE);
        }
    }

    fn given_up(&self, failure: Failure) -> Failure {
        let newest = self.folder.list().pop().map_or("no checkpoint was written before".to_string(), |saved| {
            format!("the newest checkpoint is {}, and the same command goes on from there", saved.path.display())
        });
        let message = format!("{failure}; tried for {} s (TRAIN.SAVE_PATIENCE); {newest}", self.saving.patience);
        Failure { message, ..failure }
    }
}

impl Stage for CheckpointStage {
    fn process(&mut self, payload: Payload, out: &mut Emitter) -> Result<()> {
        if !std::mem::replace(&mut self.yields, true) {
            yield_to_others();
        }
        let mut pending: PendingCheckpoint = unpack(payload)?;
        pending.state.download(&pending.ready)?;
        let (step, position) = (pending.state.metadata.step, pending.state.metadata.position);
        if let Some(name) = pending.state.not_finite()? {
            self.warn(format!("no checkpoint after step {step}: {name} is not finite; the earlier ones stay"));
            return Ok(());
        }
        let start = Instant::now();
        let (path, bytes) = self.save(&pending, out)?;
        let seconds = start.elapsed().as_secs_f64();
        prometheus::saved(bytes, seconds);
        self.observer.observe(&RunEvent::Checkpoint(run_event::Checkpoint {
            path: path.display().to_string(),
            bytes,
            seconds: seconds.into(),
            stall_seconds: pending.stall.into(),
            position,
        }));
        Ok(())
    }
}
