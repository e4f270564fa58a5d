//! `upload`: brings a batch to the device as bytes, on a stream of its own and through page-locked memory, and normalises
//! it there. Nobody waits for that: the step's stream begins after it. How many batches are there ahead of the step is the
//! capacity of this stage's channel.

use super::{Facts, RunContext, items::*, step::out_of_memory};
use crate::{
    data::labels::Soft,
    failure::{Failure, Result},
    flow::{ElementSpec, Emitter, Kind, Payload, Stage, StageConfig, pack, unpack},
    loss::Target,
    model::ClipInput,
    native::uploads::{Raw, Uploads},
    settings::Section,
    train::{normalise::Normaliser, step::Batch},
};
use std::sync::Arc;

/// Sets of page-locked memory: one that is filled, one that is copied, one that waits for the other two.
const BUFFERS: usize = 3;

pub(super) const KIND: Kind<RunContext> = Kind {
    name: "upload",
    description: "copies batches to the device and normalises them there",
    input: Some(BATCHES),
    output: Some(DEVICE_BATCHES),
    ordered: false,
    workers: 1,
    max_workers: 4,
    capacity: 1,
    parse: |_: &mut Section<'_>| Box::new(Upload),
};

struct Upload;

impl StageConfig<RunContext> for Upload {
    fn worker(&self, context: &RunContext, _index: usize) -> Result<Box<dyn Stage>> {
        let data = &context.experiment.data;
        let uploads = Uploads::new(context.device, BUFFERS)?;
        // What the normaliser holds belongs to the stream that reads it: it may be gone before the last batch is there.
        let _stream = uploads.stream().enter()?;
        Ok(Box::new(UploadStage {
            template: data.template.size as i64,
            search: data.search.size as i64,
            normaliser: Normaliser::new(&data.mean, &data.std, context.device),
            uploads,
        }))
    }

    fn input_spec(&self, facts: &Facts) -> Option<ElementSpec> {
        Some(facts.batch())
    }

    fn output_spec(&self, facts: &Facts, _input: Option<&ElementSpec>) -> Option<ElementSpec> {
        Some(facts.device_batch())
    }

    /// Nothing can stand in for a batch.
    fn is_vital(&self) -> bool {
        true
    }
}

struct UploadStage {
    template: i64,
    search: i64,
    uploads: Uploads,
    normaliser: Normaliser,
}

impl Stage for UploadStage {
    fn process(&mut self, payload: Payload, out: &mut Emitter) -> Result<()> {
        let batch: CollatedBatch = unpack(payload)?;
        out.emit(pack(self.upload(&batch).map_err(out_of_memory)?));
        Ok(())
    }
}

impl UploadStage {
    fn upload(&mut self, batch: &CollatedBatch) -> Result<DeviceBatch> {
        let (clips, frames) = (batch.clips as i64, batch.frames as i64);
        let (t, s) = (self.template, self.search);
        let mut set = vec![
            Raw::new(&batch.template, &[clips, t, t, 3]),
            Raw::new(&batch.search, &[frames, clips, s, s, 3]),
            Raw::new(&batch.template_boxes, &[clips, 4]),
            Raw::new(&batch.search_boxes, &[frames, clips, 4]),
            Raw::new(&batch.labels, &[frames, clips]),
        ];
        if !batch.soft.is_empty() {
            set.push(Raw::new(&batch.soft, &[frames, clips, Soft::WIDTH as i64]));
        }
        let mut there = self.uploads.send(&set)?.into_iter();
        let mut next = || there.next().ok_or_else(|| Failure::stage("a batch lost a part on its way to the device"));
        let stream = self.uploads.stream();
        let _stream = stream.enter()?;
        let input = ClipInput {
            template: self.normaliser.planes(&next()?)?,
            search: self.normaliser.planes(&next()?)?,
            template_boxes: next()?,
        };
        let (boxes, labels) = (next()?, next()?);
        let target = Target { boxes, labels, soft: next().ok() };
        let ready = Arc::new(stream.record()?);
        let batch = Batch { info: batch.info, input, target, names: batch.names.clone() };
        Ok(DeviceBatch { batch, ready })
    }
}
