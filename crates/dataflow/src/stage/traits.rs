//! What a stage's author writes: a source, or a stage that turns payloads into payloads.

use super::item::Payload;
use crate::channel::emitter::Emitter;
use crate::failure::Result;

/// The first stage of a pipeline. It runs on one thread of its own.
pub trait Source: Send {
    /// The next payload, or `None` after the last.
    ///
    /// A stop takes effect between two calls, so a call should not wait for long.
    ///
    /// # Errors
    /// Ends the run; the failure keeps its kind and is reported with the stage's name.
    fn next(&mut self) -> Result<Option<Payload>>;
}

/// One worker of a stage: a sink when its kind has no output.
///
/// A stage with several workers, and every stage whose kind is not `ordered`, emits at most one payload for each one
/// that it processes; nothing means that the item is dropped. Only an ordered stage may change the count.
pub trait Stage: Send {
    /// Processes one payload.
    ///
    /// # Errors
    /// Ends the run; the failure keeps its kind and is reported with the stage's name.
    fn process(&mut self, payload: Payload, out: &mut Emitter) -> Result<()>;

    /// Runs after the last payload, also when the run was stopped, and not when it failed. An ordered stage may emit.
    ///
    /// # Errors
    /// As for [`Stage::process`].
    fn finish(&mut self, _out: &mut Emitter) -> Result<()> {
        Ok(())
    }

    /// Runs in place of [`Stage::finish`] after `process` has failed or panicked, in a stage that keeps state: emits what
    /// was sound before.
    ///
    /// # Errors
    /// Are said beside the first failure, which ends the run.
    fn salvage(&mut self, _out: &mut Emitter) -> Result<()> {
        Ok(())
    }
}
