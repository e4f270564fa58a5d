//! The two ways in which a run ends early: a stop that drains, and a cancellation that abandons.

use std::convert::Infallible;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

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
#[derive(Clone, Debug, Default)]
pub struct Shutdown(Arc<OnceLock<StopReason>>);

impl Shutdown {
    /// A token that nobody has used yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Asks for the stop; the first reason stays.
    pub fn stop(&self, reason: StopReason) {
        // A second request changes nothing: the run is stopping already.
        let _ = self.0.set(reason);
    }

    /// Whether anyone asked.
    pub fn is_stopping(&self) -> bool {
        self.0.get().is_some()
    }

    /// Why, if anyone asked.
    pub fn reason(&self) -> Option<&StopReason> {
        self.0.get()
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
}

impl Latch {
    pub(crate) fn new() -> Self {
        let (sender, ended) = bounded(0);
        Self(Arc::new(LatchState { fired: AtomicBool::new(false), open: Mutex::new(Some(sender)), ended }))
    }

    pub(crate) fn fire(&self) {
        self.0.fired.store(true, Ordering::Release);
        self.0.open.lock().unwrap_or_else(PoisonError::into_inner).take();
    }

    pub(crate) fn has_fired(&self) -> bool {
        self.0.fired.load(Ordering::Acquire)
    }

    /// Disconnected, and with that ready, from the firing on.
    pub(crate) fn ended(&self) -> &Receiver<Infallible> {
        &self.0.ended
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
