//! The signals that a run hears from its first moment on, where the process is its own.

use super::reload::Hangups;
use crate::{
    failure::Result,
    flow::{Shutdown, SignalWatch, survive_file_limits, watch_save_requests, watch_signals},
    stages::SaveRequest,
    telemetry::log,
};

/// What listens.
pub(super) struct Signals {
    pub hangups: Hangups,
    _watches: [SignalWatch; 2],
}

impl Signals {
    /// Starts to listen: signals use `stop` and `save`.
    ///
    /// # Errors
    /// A signal cannot be watched.
    pub fn listen(stop: &Shutdown, save: &SaveRequest) -> Result<Self> {
        survive_file_limits()?;
        let hangups = Hangups::listen()?;
        let stops = watch_signals(stop.clone())?;
        let asked = save.clone();
        let saves = watch_save_requests(move || {
            log::say("SIGUSR1: saving after the step that is under way; the run goes on");
            asked.ask();
        })?;
        Ok(Self { hangups, _watches: [stops, saves] })
    }
}
