//! `--time_limit`: the run stops early enough to save.

use crate::{
    failpoint,
    failure::{Failure, Result},
    flow::{Shutdown, StopReason},
    train::{events::Observer, run_event::RunEvent},
};
use crossbeam_channel::{RecvTimeoutError, Sender, unbounded};
use std::{
    sync::{Arc, Mutex, PoisonError, Weak},
    thread,
    time::{Duration, Instant},
};

/// How fast a disk is taken to be before a checkpoint was written to it, in bytes a second.
const SLOW_DISK: f64 = 50e6;

/// A duration as people write it: `90m`, `2h`, `1h 30m`; a number alone is seconds.
///
/// # Errors
/// It is none.
pub fn parse(text: &str) -> std::result::Result<Duration, String> {
    if let Ok(seconds) = text.parse::<u64>() {
        return Ok(Duration::from_secs(seconds));
    }
    humantime::parse_duration(text).map_err(|error| format!("{error}; write it like 90m, 2h or 1h30m"))
}

/// Stops a run before a limit; an observer, as the time that stopping takes is learnt from the run.
pub(super) struct TimeLimit {
    limit: Duration,
    begin: Instant,
    needs: Mutex<Needs>,
    /// Wakes who waits for the moment, which has moved.
    wake: Sender<()>,
}

/// The seconds that the step of an event took, where it tells of one.
pub(super) fn step_seconds(event: &RunEvent) -> Option<f64> {
    match event {
        RunEvent::Batch(batch) => Some(batch.forward_seconds.0).filter(|seconds| seconds.is_finite()),
        _ => None,
    }
}

/// What stopping takes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Needs {
    /// Longest of the last steps, in seconds: a step that has begun is finished.
    step: f64,
    /// Longest checkpoint, in seconds.
    save: f64,
}

impl Needs {
    /// Those of a run whose steps took up to `step` seconds (0: nobody knows yet), with checkpoints of `bytes`.
    pub fn new(step: f64, bytes: usize) -> Self {
        Self { step, save: bytes as f64 / SLOW_DISK }
    }

    /// Seconds to be left for the step under way and the checkpoint, twice as long as they took, and for what else there
    /// is: more where there is more time, as a machine can be busier at the end than it was.
    fn reserve(&self, limit: Duration) -> f64 {
        2.0 * (self.step + self.save) + (0.1 * limit.as_secs_f64()).clamp(2.0, 30.0)
    }
}

impl TimeLimit {
    /// Starts to watch a process that began at `begin`: `stop` is asked for in time for what stopping `needs`.
    ///
    /// # Errors
    /// The limit is over before a step can be done and saved, or no thread can be started.
    pub fn watch(limit: Duration, begin: Instant, needs: Needs, stop: Shutdown) -> Result<Arc<Self>> {
        let (wake, woken) = unbounded();
        let limit = Arc::new(Self { limit, begin, needs: Mutex::new(needs), wake: wake.clone() });
        if limit.left().is_zero() {
            return Err(limit.too_short(needs));
        }
        failpoint::when_time_passes(move || wake.send(()).is_ok());
        let watched = Arc::downgrade(&limit);
        let watch = move || {
            while let Some(pause) = Weak::upgrade(&watched).map(|limit| limit.left()) {
                if pause.is_zero() {
                    stop.stop(StopReason::TimeLimit);
                    return;
                }
                // The run is over when nobody is left who could wake this.
                if woken.recv_timeout(pause) == Err(RecvTimeoutError::Disconnected) {
                    return;
                }
            }
        };
        let failed = |error| Failure::unavailable(format!("cannot start the thread of --time_limit: {error}"));
        thread::Builder::new().name("time limit".into()).spawn(watch).map_err(failed)?;
        Ok(limit)
    }

    /// Calls that never do a step would follow each other for ever.
    fn too_short(&self, needs: Needs) -> Failure {
        let Needs { step, save } = needs;
        let start = self.begin.elapsed().as_secs_f64();
        let reserve = needs.reserve(self.limit);
        let step = if step > 0.0 { format!("{step:.1} s for a step") } else { "the time of a step".into() };
        Failure::usage(format!(
            "--time_limit {}: too short to do a step and save; starting took {start:.1} s, and {reserve:.1} s are kept for \
             stopping ({step}, {save:.1} s for a checkpoint, each twice, and a margin); allow at least {:.0} s",
            humantime::format_duration(self.limit),
            (start + reserve + needs.step + 1.0).ceil()
        ))
    }

    /// The time until the run has to stop.
    fn left(&self) -> Duration {
        let reserve = self.needs.lock().unwrap_or_else(PoisonError::into_inner).reserve(self.limit);
        let end = self.limit.saturating_sub(Duration::try_from_secs_f64(reserve).unwrap_or(Duration::MAX));
        end.saturating_sub(self.begin.elapsed() + failpoint::time())
    }
}

impl Observer for TimeLimit {
    fn observe(&self, event: &RunEvent) {
        let mut needs = self.needs.lock().unwrap_or_else(PoisonError::into_inner);
        let before = needs.reserve(self.limit);
        match event {
            // An odd long step counts less from step to step.
            RunEvent::Batch(batch) => needs.step = batch.forward_seconds.0.max(0.95 * needs.step),
            RunEvent::Checkpoint(saved) => {
                needs.save = (saved.seconds.0 + saved.stall_seconds.0).max(0.5 * needs.save);
            }
            _ => {}
        }
        if needs.reserve(self.limit) > before {
            // Nobody waits any more where this fails.
            let _ = self.wake.send(());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::train::run_event::Batch;

    #[test]
    fn durations_are_written_as_people_do() {
        let seconds = |text| parse(text).map(|time| time.as_secs());
        for (text, expected) in [("90m", 5400), ("2h", 7200), ("1h 30m", 5400), ("1h30m", 5400)] {
            assert_eq!(seconds(text), Ok(expected));
        }
        assert_eq!(seconds("45"), Ok(45));
        assert!(parse("soon").unwrap_err().contains("90m"));
    }

    #[test]
    fn the_stop_comes_before_the_limit_and_leaves_time_for_a_checkpoint() {
        let (stop, begin) = (Shutdown::new(), Instant::now());
        let seconds = Duration::from_secs;
        let limit = TimeLimit::watch(seconds(4), begin, Needs::new(0.0, 10_000_000), stop.clone()).unwrap();
        // 4 s less 2 s and twice 0.2 s.
        assert!(limit.left() <= Duration::from_millis(1600));
        assert!(stop.wait(seconds(600)));
        assert!(begin.elapsed() >= Duration::from_millis(1600));
        assert_eq!(stop.reason(), Some(&StopReason::TimeLimit));
    }

    #[test]
    fn a_step_that_takes_longer_brings_the_stop_forward() {
        let (stop, hour) = (Shutdown::new(), Duration::from_secs(3600));
        let limit = TimeLimit::watch(hour, Instant::now(), Needs::new(1.0, 0), stop.clone()).unwrap();
        let step = |seconds: f64| {
            let batch = Batch { forward_seconds: seconds.into(), ..Batch::default() };
            limit.observe(&RunEvent::Batch(batch));
        };
        step(2.0);
        assert!(!stop.is_stopping() && limit.left() > hour / 2);
        // Another one like this would not be done in time.
        step(1790.0);
        assert!(stop.wait(Duration::from_secs(600)));
        let short = TimeLimit::watch(Duration::from_secs(2), Instant::now(), Needs::new(0.0, 0), Shutdown::new());
        assert!(short.err().unwrap().message.contains("too short to do a step and save"));
    }
}
