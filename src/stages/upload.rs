//! `upload`: brings a batch to the device as bytes and normalises it there.

use super::{Facts, RunContext, items::*};
use crate::{
    failure::Result,
    flow::{Blueprint, Form, Kind, Outbox, Payload, Stage, pack, unpack},
    loss::Target,
    model::ClipInput,
    settings::Section,
};
use tch::{Device, Kind as Type, Tensor};

pub(super) const KIND: Kind<RunContext> = Kind {
    name: "upload",
    about: "copies batches to the device and normalises them there",
    input: Some(BATCHES),
    output: Some(DEVICE_BATCHES),
    ordered: false,
    workers: 1,
    max_workers: 4,
    capacity: 1,
    parse: |_: &mut Section<'_>| Box::new(Upload),
};

struct Upload;

impl Blueprint<RunContext> for Upload {
    fn worker(&self, context: &RunContext, _index: usize) -> Result<Box<dyn Stage>> {
        let data = &context.experiment.data;
        // (x/255 − mean)/std as one multiplication and one addition.
        let scale: Vec<f32> = data.std.iter().map(|std| (1.0 / (255.0 * std)) as f32).collect();
        let shift: Vec<f32> = data.mean.iter().zip(data.std).map(|(mean, std)| (-mean / std) as f32).collect();
        let channels = |values: &[f32]| Tensor::from_slice(values).view([3, 1, 1]).to_device(context.device);
        Ok(Box::new(UploadStage {
            device: context.device,
            template: data.template.size as i64,
            search: data.search.size as i64,
            scale: channels(&scale),
            shift: channels(&shift),
        }))
    }

    fn takes_form(&self, facts: &Facts) -> Option<Form> {
        Some(facts.batch())
    }

    fn gives_form(&self, facts: &Facts, _input: Option<&Form>) -> Option<Form> {
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
    scale: Tensor,
    shift: Tensor,
}

impl UploadStage {
    /// `[…, H, W, 3]` bytes as `[…, 3, H, W]` normalised f32 on the device.
    fn pixels(&self, bytes: &[u8], shape: &[i64]) -> Result<Tensor> {
        let bytes = Tensor::f_from_data_size(bytes, shape, Type::Uint8)?.f_to_device(self.device)?;
        let last = shape.len() as i64 - 1;
        let planes = bytes.f_movedim_int(last, last - 2)?.f_to_kind(Type::Float)?;
        Ok((planes * &self.scale + &self.shift).f_contiguous()?)
    }
}

impl Stage for UploadStage {
    fn process(&mut self, payload: Payload, out: &mut Outbox) -> Result<()> {
        let batch: CollatedBatch = unpack(payload)?;
        let (clips, frames) = (batch.clips as i64, batch.frames as i64);
        let (t, s) = (self.template, self.search);
        let floats = |values: &[f32], shape: &[i64]| -> Result<Tensor> {
            Ok(Tensor::from_slice(values).f_view(shape)?.f_to_device(self.device)?)
        };
        let input = ClipInput {
            template: self.pixels(&batch.template, &[clips, t, t, 3])?,
            search: self.pixels(&batch.search, &[frames, clips, s, s, 3])?,
            template_boxes: floats(&batch.template_boxes, &[clips, 4])?,
        };
        let target = Target {
            boxes: floats(&batch.search_boxes, &[frames, clips, 4])?,
            labels: Tensor::from_slice(&batch.labels).f_view([frames, clips])?.f_to_device(self.device)?,
        };
        out.emit(pack(DeviceBatch { visit: batch.visit, input, target }));
        Ok(())
    }
}
