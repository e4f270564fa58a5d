//! `upload`: brings a batch to the device as bytes and normalises it there.

use super::{Facts, RunContext, items::*};
use crate::{
    data::labels::Soft,
    failure::Result,
    flow::{ElementSpec, Emitter, Kind, Payload, Stage, StageConfig, pack, unpack},
    loss::Target,
    model::ClipInput,
    native::memory::send,
    settings::Section,
    train::normalise::Normaliser,
};
use tch::{Device, Tensor};

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
        Ok(Box::new(UploadStage {
            device: context.device,
            template: data.template.size as i64,
            search: data.search.size as i64,
            normaliser: Normaliser::new(&data.mean, &data.std, context.device),
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
    device: Device,
    template: i64,
    search: i64,
    normaliser: Normaliser,
}

impl Stage for UploadStage {
    fn process(&mut self, payload: Payload, out: &mut Emitter) -> Result<()> {
        let batch: CollatedBatch = unpack(payload)?;
        let (clips, frames) = (batch.clips as i64, batch.frames as i64);
        let (t, s) = (self.template, self.search);
        let floats = |values: &[f32], shape: &[i64]| -> Result<Tensor> {
            Ok(send(&Tensor::from_slice(values).f_view(shape)?, self.device)?)
        };
        let input = ClipInput {
            template: self.normaliser.planes(&batch.template, &[clips, t, t, 3])?,
            search: self.normaliser.planes(&batch.search, &[frames, clips, s, s, 3])?,
            template_boxes: floats(&batch.template_boxes, &[clips, 4])?,
        };
        let soft = (!batch.soft.is_empty()).then(|| floats(&batch.soft, &[frames, clips, Soft::WIDTH as i64]));
        let target = Target {
            soft: soft.transpose()?,
            boxes: floats(&batch.search_boxes, &[frames, clips, 4])?,
            labels: send(&Tensor::from_slice(&batch.labels).f_view([frames, clips])?, self.device)?,
        };
        out.emit(pack(DeviceBatch { info: batch.info, input, target, names: batch.names.clone() }));
        Ok(())
    }
}
