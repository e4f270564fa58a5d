//! The time before the first step, in which files are read that may never answer: a signal or the time limit ends it,
//! whatever the program waits for.

use crate::{
    failure::{Failure, Result},
    flow::{Shutdown, StopReason},
    lock::FolderLock,
    monitor::run_log::{Ended, RunLog},
    reads,
    telemetry::log,
};
use crossbeam_channel::{Sender, unbounded};
use std::{
    sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError},
    thread,
    time::{Duration, Instant},
};

/// How often a start that is longer than the limit is asked whether it waits for a file.
const LOOK: Duration = Duration::from_millis(200);

/// How long the start may go on after it was asked to stop; nothing is to be saved yet.
const GRACE: Duration = Duration::from_secs(1);

/// What a run says that stopped so early.
pub(super) const STOPPED: &str = "stopped before the first step";

/// Watches the start of a run.
pub(super) struct Start(Arc<Shared>);

struct Shared {
    /// Held by who ends the start, in one way or the other.
    is_over: Mutex<bool>,
    /// Wakes who watches.
    wake: Sender<()>,
    lock: Mutex<Option<FolderLock>>,
    log: Arc<OnceLock<Arc<RunLog>>>,
}

fn held<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Start {
    /// Watches a process that began at `begin`, until the start is over: when `stop` is used, or the `limit` is reached,
    /// and the start does not end by itself, the process does. Without `stop` nobody watches.
    ///
    /// # Errors
    /// No thread can be started.
    pub fn begin(stop: Option<&Shutdown>, begin: Instant, limit: Option<Duration>) -> Result<Self> {
        let (wake, woken) = unbounded();
        let stopped = wake.clone();
        let shared = Arc::new(Shared { is_over: Mutex::new(false), wake, lock: Mutex::default(), log: Arc::default() });
        let Some(stop) = stop.cloned() else { return Ok(Self(shared)) };
        let watched = Arc::clone(&shared);
        stop.on_stop(move || {
            // Nobody watches any more where this fails.
            let _ = stopped.send(());
        });
        let watch = move || {
            let mut since: Option<Instant> = None;
            loop {
                let is_over = held(&watched.is_over);
                if *is_over {
                    return;
                }
                // A start that is merely long is told what limit it needs.
                if limit.is_some_and(|limit| begin.elapsed() >= limit) && !reads::waiting().is_empty() {
                    stop.stop(StopReason::TimeLimit);
                }
                let left = limit.map(|limit| limit.saturating_sub(begin.elapsed()));
                let mut pause = left.map(|left| if left.is_zero() { LOOK } else { left });
                if let Some(reason) = stop.reason() {
                    let left = GRACE.saturating_sub(since.get_or_insert_with(Instant::now).elapsed());
                    if left.is_zero() {
                        watched.leave(reason);
                    }
                    pause = Some(left);
                }
                drop(is_over);
                // Either way there is something to look at: the time is over, or something has happened.
                let _ = match pause {
                    Some(pause) => woken.recv_timeout(pause).ok(),
                    None => woken.recv().ok(),
                };
            }
        };
        let failed = |error| Failure::unavailable(format!("cannot start a thread: {error}"));
        thread::Builder::new().name("start".into()).spawn(watch).map_err(failed)?;
        Ok(Self(shared))
    }

    /// Keeps `lock` for as long as the run goes on.
    pub fn hold(&self, lock: FolderLock) {
        *held(&self.0.lock) = Some(lock);
    }

    /// The place of the run's log, once that is open.
    pub fn log(&self) -> Arc<OnceLock<Arc<RunLog>>> {
        Arc::clone(&self.0.log)
    }

    /// From here on the run itself hears of stops.
    pub fn is_over(&self) {
        *held(&self.0.is_over) = true;
        self.0.wake();
    }

    /// Gives the lock back.
    pub fn release(&self) {
        held(&self.0.lock).take();
    }
}

impl Drop for Start {
    fn drop(&mut self) {
        self.is_over();
        self.release();
    }
}

impl Shared {
    fn wake(&self) {
        // Nobody watches any more where this fails.
        let _ = self.wake.send(());
    }

    /// Ends the process.
    fn leave(&self, reason: &StopReason) -> ! {
        log::say(STOPPED);
        for waits in reads::waiting() {
            log::warn(&format!("not waiting any longer: {waits}"));
        }
        let ended = Ok(Ended::Stopped(reason.clone()));
        if let Some(log) = self.log.get() {
            log.end(&ended);
        }
        held(&self.lock).take();
        std::process::exit(reason.exit_code())
    }
}
