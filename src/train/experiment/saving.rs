//! When checkpoints are written, and which of them stay.

use super::{not_negative, training::Context};
use crate::{
    settings::Section,
    train::checkpoint::{Metric, Retention},
};

/// Part of `TRAIN`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Saving {
    /// Steps between two checkpoints within an epoch; 0: at the ends of epochs only.
    pub interval: usize,
    /// Seconds for which a checkpoint that cannot be written is tried again.
    pub patience: f64,
    /// Which stay.
    pub retention: Retention,
}

impl Saving {
    pub(super) fn read(train: &mut Section<'_>, context: &Context<'_>) -> Self {
        let default = Retention::default();
        let retention = Retention {
            last: train.says("the newest so many ends of epochs stay; 0: all").value("KEEP_CHECKPOINTS", default.last),
            best: train.says("and the best so many by BEST_METRIC").value("KEEP_BEST", default.best),
            metric: match train.says("what of a validation says which checkpoint is best").choice(
                "BEST_METRIC",
                "iou",
                &["iou", "accuracy", "loss"],
            ) {
                "accuracy" => Metric::Accuracy,
                "loss" => Metric::Loss,
                _ => Metric::Iou,
            },
            every: train.says("and every so many epochs; 0: none for that").value("KEEP_EVERY", default.every),
        };
        if retention.metric == Metric::Accuracy && !context.has_classes {
            train.problem("BEST_METRIC", format!("{}; use iou or loss", context.no_classes()));
        }
        Self {
            retention,
            interval: train
                .says("steps between two checkpoints within an epoch; 0: at the ends of epochs only")
                .value("SAVE_INTERVAL", 0usize),
            patience: train
                .says("seconds for which a checkpoint that cannot be written is tried again before the run ends")
                .checked("SAVE_PATIENCE", 30.0, not_negative),
        }
    }
}
