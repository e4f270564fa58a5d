//! `checkpoint`: writes checkpoints, each whole or not at all, and removes the old ones.

use super::{RunContext, figures, items::*};
use crate::{
    failure::Result,
    flow::{Blueprint, Kind, Outbox, Payload, Stage, unpack},
    settings::Section,
    train::{
        checkpoint::Folder,
        events::{Event, Observer},
    },
};
use std::{sync::Arc, time::Instant};

pub(super) const KIND: Kind<RunContext> = Kind {
    name: "checkpoint",
    about: "writes checkpoints: a temporary file, synced, renamed",
    input: Some(CHECKPOINTS),
    output: None,
    ordered: true,
    workers: 1,
    max_workers: 1,
    capacity: 1,
    parse: |_: &mut Section<'_>| Box::new(Checkpoint),
};

struct Checkpoint;

impl Blueprint<RunContext> for Checkpoint {
    fn worker(&self, context: &RunContext, _index: usize) -> Result<Box<dyn Stage>> {
        Ok(Box::new(CheckpointStage {
            folder: context.folder.clone(),
            keep: context.experiment.training.keep_checkpoints,
            observer: context.observer.clone(),
        }))
    }
}

struct CheckpointStage {
    folder: Folder,
    keep: usize,
    observer: Arc<dyn Observer>,
}

impl Stage for CheckpointStage {
    fn process(&mut self, payload: Payload, _out: &mut Outbox) -> Result<()> {
        let PendingCheckpoint { state, epoch_end } = unpack(payload)?;
        let start = Instant::now();
        let (path, bytes) = self.folder.save(&state, epoch_end, self.keep)?;
        let seconds = start.elapsed().as_secs_f64();
        figures::saved(bytes, seconds);
        self.observer.observe(&Event::Saved { path, bytes, seconds, position: state.about.position });
        Ok(())
    }
}
