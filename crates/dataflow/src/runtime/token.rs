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
pub struct StopToken(Arc<OnceLock<StopReason>>);

impl StopToken {
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

/// Ends a run at once: every blocked send and receive wakes, and what is in flight is dropped. Clones are one token.
#[derive(Clone)]
pub(crate) struct Cancel(Arc<CancelState>);

struct CancelState {
    cancelled: AtomicBool,
    cause: OnceLock<Failure>,
    /// Nothing is ever sent: dropping the sender makes the receiver ready, for all who select on it.
    open: Mutex<Option<Sender<Infallible>>>,
    ended: Receiver<Infallible>,
}

impl Cancel {
    pub(crate) fn new() -> Self {
        let (sender, ended) = bounded(0);
        Self(Arc::new(CancelState {
            cancelled: AtomicBool::new(false),
            cause: OnceLock::new(),
            open: Mutex::new(Some(sender)),
            ended,
        }))
    }

    /// Cancels; the first cause is the one that the run reports.
    pub(crate) fn cancel(&self, cause: Failure) {
        let _ = self.0.cause.set(cause);
        self.0.cancelled.store(true, Ordering::Release);
        self.0.open.lock().unwrap_or_else(PoisonError::into_inner).take();
    }

    pub(crate) fn is_cancelled(&self) -> bool {
        self.0.cancelled.load(Ordering::Acquire)
    }

    pub(crate) fn cause(&self) -> Option<&Failure> {
        self.0.cause.get()
    }

    /// Disconnected, and with that ready, from the cancellation on.
    pub(crate) fn ended(&self) -> &Receiver<Infallible> {
        &self.0.ended
    }
}
