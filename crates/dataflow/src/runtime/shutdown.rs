//! The two ways in which a run ends early: a stop that drains, and a cancellation that abandons.

use std::convert::Infallible;
use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use crossbeam_channel::{Receiver, Sender, bounded};

use crate::failure::Failure;

/// Why a run was asked to stop.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StopReason {
    /// The number of the signal that arrived.
    Signal(i32),
    /// A stage or the program has reached what it was told to do (for example the last step).
    Reached(String),
    /// Its time is nearly over, and what is left is needed for saving.
    TimeLimit,
}

impl StopReason {
    /// The exit code of a run that stopped for this reason and saved: 128 + signal, 75 (try again) at a time limit, or 0.
    pub fn exit_code(&self) -> i32 {
        match self {
            Self::Signal(signal) => 128 + signal,
            Self::Reached(_) => 0,
            Self::TimeLimit => 75,
        }
    }
}

/// Asks a run to stop: its source takes nothing more, and what it took already drains through. Clones are one token.
#[derive(Clone, Default)]
pub struct Shutdown(Arc<ShutdownState>);

#[derive(Default)]
struct ShutdownState {
    reason: OnceLock<StopReason>,
    latch: Latch,
}

impl Shutdown {
    /// A token that nobody has used yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Asks for the stop; the first reason stays.
    pub fn stop(&self, reason: StopReason) {
        // A second request changes nothing: the run is stopping already.
        let _ = self.0.reason.set(reason);
        self.0.latch.fire();
    }

    /// Calls `act` when somebody asks, on the thread that does; at once where that has happened.
    pub fn on_stop(&self, act: impl FnOnce() + Send + 'static) {
        self.0.latch.on_fire(act);
    }

    /// Waits until somebody asks, for as long as `patience`; whether anyone did.
    pub fn wait(&self, patience: Duration) -> bool {
        // Nothing is ever sent: this ends with the time, or at the stop.
        let _ = self.ended().recv_timeout(patience);
        self.is_stopping()
    }

    /// Disconnected, and with that ready, from the stop on.
    pub(crate) fn ended(&self) -> &Receiver<Infallible> {
        self.0.latch.ended()
    }

    /// Whether anyone asked.
    pub fn is_stopping(&self) -> bool {
        self.0.reason.get().is_some()
    }

    /// Why, if anyone asked.
    pub fn reason(&self) -> Option<&StopReason> {
        self.0.reason.get()
    }
}

impl fmt::Debug for Shutdown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Shutdown").field(&self.reason()).finish()
    }
}

/// Wakes everyone who waits on it, once and for all. Clones are one latch.
#[derive(Clone)]
pub(crate) struct Latch(Arc<LatchState>);

struct LatchState {
    fired: AtomicBool,
    /// Nothing is ever sent: dropping the sender makes the receiver ready, for all who select on it.
    open: Mutex<Option<Sender<Infallible>>>,
    ended: Receiver<Infallible>,
    /// What is called at the firing.
    hooks: Mutex<Vec<Box<dyn FnOnce() + Send>>>,
}

impl Latch {
    pub(crate) fn new() -> Self {
        let (sender, ended) = bounded(0);
        let (fired, open) = (AtomicBool::new(false), Mutex::new(Some(sender)));
        Self(Arc::new(LatchState { fired, open, ended, hooks: Mutex::default() }))
    }

    pub(crate) fn fire(&self) {
        self.0.fired.store(true, Ordering::Release);
        self.0.open.lock().unwrap_or_else(PoisonError::into_inner).take();
        self.call();
    }

    /// Calls `act` at the firing, on the thread that fires; at once where that has happened.
    pub(crate) fn on_fire(&self, act: impl FnOnce() + Send + 'static) {
        self.0.hooks.lock().unwrap_or_else(PoisonError::into_inner).push(Box::new(act));
        // Whoever fires meanwhile takes the hooks before or after this one came; then it is found here.
        if self.has_fired() {
            self.call();
        }
    }

    /// Each hook is called once, by whoever finds it first.
    fn call(&self) {
        let hooks = std::mem::take(&mut *self.0.hooks.lock().unwrap_or_else(PoisonError::into_inner));
        hooks.into_iter().for_each(|hook| hook());
    }

    pub(crate) fn has_fired(&self) -> bool {
        self.0.fired.load(Ordering::Acquire)
    }

    /// Disconnected, and with that ready, from the firing on.
    pub(crate) fn ended(&self) -> &Receiver<Infallible> {
        &self.0.ended
    }
}

impl Default for Latch {
    fn default() -> Self {
        Self::new()
    }
}

/// What the two parts of a run have in common: the stages that prepare, and those from the one that keeps the run's
/// state on, which save it ([`crate::StageConfig::keeps_state`]).
///
/// A failure among those that prepare ends them at once; the input of the others closes, so that they finish, and with
/// that save. A failure of the others ends everything.
#[derive(Clone)]
pub(crate) struct Parts {
    cause: Arc<OnceLock<Failure>>,
    preparing: Latch,
    saving: Latch,
    /// Closes the inputs of the stages that keep state, whatever is still on its way to them.
    pub(crate) cut: Latch,
}

impl Parts {
    pub(crate) fn new() -> Self {
        let (preparing, saving, cut) = (Latch::new(), Latch::new(), Latch::new());
        Self { cause: Arc::default(), preparing, saving, cut }
    }

    /// The token of the stages that prepare.
    pub(crate) fn preparing(&self) -> CancellationToken {
        CancellationToken { latch: self.preparing.clone(), saves: false, parts: self.clone() }
    }

    /// The token of the stages that save.
    pub(crate) fn saving(&self) -> CancellationToken {
        CancellationToken { latch: self.saving.clone(), saves: true, parts: self.clone() }
    }

    /// Ends the stages that prepare, and lets the others finish.
    pub(crate) fn leave_preparing(&self) {
        self.preparing.fire();
        self.cut.fire();
    }

    /// Calls `act` when the stages that prepare end before they are done, at a failure or as they are left behind.
    pub(crate) fn on_end(&self, act: impl FnOnce() + Send + 'static) {
        self.preparing.on_fire(act);
    }

    pub(crate) fn cause(&self) -> Option<&Failure> {
        self.cause.get()
    }
}

/// Ends a part of a run at once: every blocked send and receive wakes, and what is in flight is dropped. Clones are one
/// token.
#[derive(Clone)]
pub(crate) struct CancellationToken {
    latch: Latch,
    saves: bool,
    parts: Parts,
}

impl CancellationToken {
    /// That of a run whose stages all belong to one part.
    pub(crate) fn new() -> Self {
        Parts::new().preparing()
    }

    /// Cancels its part, and what cannot go on without it. The first cause is the one that the run reports; the value
    /// tells whether it is this one.
    pub(crate) fn cancel(&self, cause: Failure) -> bool {
        let first = self.parts.cause.set(cause).is_ok();
        if self.saves {
            self.parts.saving.fire();
        }
        self.parts.leave_preparing();
        first
    }

    /// Ends the run for `cause`, after the stages that save have done so.
    pub(crate) fn cancel_after_saving(&self, cause: Failure) -> bool {
        let first = self.parts.cause.set(cause).is_ok();
        self.parts.leave_preparing();
        first
    }

    pub(crate) fn is_cancelled(&self) -> bool {
        self.latch.has_fired()
    }

    /// Disconnected, and with that ready, from the cancellation on.
    pub(crate) fn ended(&self) -> &Receiver<Infallible> {
        self.latch.ended()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicUsize;
    use std::thread;

    use super::*;

    #[test]
    fn whoever_wants_to_know_of_a_stop_is_called_once_however_late() {
        let (stop, calls) = (Shutdown::new(), Arc::new(AtomicUsize::new(0)));
        let call = || {
            let calls = Arc::clone(&calls);
            move || {
                calls.fetch_add(1, Ordering::Relaxed);
            }
        };
        stop.on_stop(call());
        assert!(!stop.wait(Duration::ZERO));
        assert_eq!(calls.load(Ordering::Relaxed), 0);
        let other = stop.clone();
        let waits = thread::spawn(move || other.wait(Duration::from_secs(600)));
        stop.stop(StopReason::TimeLimit);
        stop.stop(StopReason::Signal(15));
        assert!(waits.join().unwrap());
        assert_eq!(calls.load(Ordering::Relaxed), 1);
        stop.on_stop(call());
        assert_eq!(calls.load(Ordering::Relaxed), 2);
        assert_eq!(stop.reason(), Some(&StopReason::TimeLimit));
    }
}
