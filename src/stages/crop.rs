//! `crop`: cuts the planned windows out of the frames and scales them to the model's sizes.

use super::{RunContext, items::*};
use crate::{
    data::plan::ClipPlan,
    failure::Result,
    flow::{Blueprint, Kind, Outbox, Payload, Stage, pack, unpack},
    settings::Section,
    vision::{
        area::Part,
        crop::crop,
        rect::Rect,
        resample::{ExactBilinear, FastBilinear, Resampler},
    },
};
use image::RgbImage;
use std::sync::Arc;

pub(super) const KIND: Kind<RunContext> = Kind {
    name: "crop",
    about: "cuts out template and search windows and scales them (`resample: opencv` bit for bit as OpenCV, or `fast`)",
    input: Some(DECODED_CLIPS),
    output: Some(CROPPED_CLIPS),
    ordered: false,
    workers: 1,
    max_workers: 256,
    capacity: 8,
    parse: |section: &mut Section<'_>| {
        Box::new(CropOptions { fast: section.choice("resample", "opencv", &["opencv", "fast"]) == "fast" })
    },
};

struct CropOptions {
    fast: bool,
}

impl Blueprint<RunContext> for CropOptions {
    fn worker(&self, context: &RunContext, _index: usize) -> Result<Box<dyn Stage>> {
        let resampler: Box<dyn Resampler> =
            if self.fast { Box::new(FastBilinear::default()) } else { Box::new(ExactBilinear::default()) };
        let data = &context.experiment.data;
        Ok(Box::new(CropStage { resampler, template: data.template.size as u32, search: data.search.size as u32 }))
    }
}

struct CropStage {
    resampler: Box<dyn Resampler>,
    template: u32,
    search: u32,
}

/// The planned windows of `frames` at the sizes of template and search crops, and the object's boxes in them.
///
/// # Errors
/// A frame lacks pixels that its window shows.
pub fn crop_clip(
    resampler: &mut dyn Resampler,
    plan: &ClipPlan,
    frames: &[Arc<Part>],
    template: u32,
    search: u32,
) -> Result<(Vec<RgbImage>, Vec<Rect>)> {
    let mut crops = Vec::with_capacity(frames.len());
    for (index, (frame, planned)) in frames.iter().zip(plan.frames()).enumerate() {
        let size = if index == 0 { template } else { search };
        crops.push(resampler.resample(&crop(frame, &planned.window)?, size, size));
    }
    Ok((crops, plan.frames().map(|planned| planned.crop_box).collect()))
}

impl Stage for CropStage {
    fn process(&mut self, payload: Payload, out: &mut Outbox) -> Result<()> {
        let DecodedClip { ticket, plan, frames } = unpack(payload)?;
        let (crops, boxes) = crop_clip(self.resampler.as_mut(), &plan, &frames, self.template, self.search)?;
        out.emit(pack(CroppedClip { ticket, plan, crops, boxes }));
        Ok(())
    }
}
