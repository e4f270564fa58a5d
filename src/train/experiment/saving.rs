//! When checkpoints are written, and which of them stay.

use super::training::Context;
use crate::{settings::Config, train::checkpoint::Retention};

/// Part of `TRAIN`.
#[derive(Clone, Copy, Debug, PartialEq, Config)]
#[config(context = Context<'_>)]
pub struct Saving {
    /// Which checkpoints stay.
    #[config(flatten = &context.lacks_classes())]
    pub retention: Retention,
    /// Steps between two checkpoints within an epoch; 0: at the ends of epochs only.
    #[config(key = "SAVE_INTERVAL", default = 0, resume = free)]
    pub interval: usize,
    /// Seconds for which a checkpoint that cannot be written is tried again before the run ends.
    #[config(key = "SAVE_PATIENCE", default = 30.0, min = 0, resume = free)]
    pub patience: f64,
}
