//! `crop`: cuts the planned windows out of the frames and scales them to the model's sizes.

use super::{Facts, RunContext, items::*};
use crate::{
    data::plan::ClipPlan,
    failure::Result,
    flow::{ElementSpec, Emitter, Kind, Payload, Stage, StageConfig, pack, unpack},
    settings::Config,
    train::experiment::Data,
    vision::{
        area::DecodedRegion,
        rect::Rect,
        resample::{ExactBilinear, FastBilinear, Resampler},
    },
};
use image::RgbImage;
use std::sync::Arc;

pub(super) const KIND: Kind<RunContext> = Kind {
    name: "crop",
    description: "cuts out template and search windows and scales them (`resample: opencv` bit for bit as OpenCV, or `fast`)",
    input: Some(DECODED_CLIPS),
    output: Some(CROPPED_CLIPS),
    ordered: false,
    workers: 1,
    max_workers: 256,
    capacity: 8,
    parse: |section| Box::new(CropOptions::read(section, &())),
};

#[derive(Config)]
struct CropOptions {
    /// How pixels are interpolated: opencv: bilinear, bit for bit as OpenCV; fast: bilinear, with small differences.
    #[config(key = "resample", choices = ["opencv", "fast"], default = "opencv", map = |name| name == "fast")]
    fast: bool,
    /// Side of the template's crop in pixels.
    #[config(key = "template", absent = "the experiment's DATA.TEMPLATE.SIZE", min = 1)]
    template: Option<usize>,
    /// Side of a search crop in pixels.
    #[config(key = "search", absent = "the experiment's DATA.SEARCH.SIZE", min = 1)]
    search: Option<usize>,
}

impl CropOptions {
    /// Sides of the template's and of a search crop.
    fn sides(&self, data: &Data) -> (usize, usize) {
        (self.template.unwrap_or(data.template.size), self.search.unwrap_or(data.search.size))
    }
}

impl StageConfig<RunContext> for CropOptions {
    fn worker(&self, context: &RunContext, _index: usize) -> Result<Box<dyn Stage>> {
        let resampler: Box<dyn Resampler> =
            if self.fast { Box::new(FastBilinear::default()) } else { Box::new(ExactBilinear::default()) };
        let (template, search) = self.sides(&context.experiment.data);
        Ok(Box::new(CropStage { resampler, template: template as u32, search: search as u32 }))
    }

    fn output_spec(&self, facts: &Facts, _input: Option<&ElementSpec>) -> Option<ElementSpec> {
        let (template, search) = self.sides(&facts.experiment.data);
        Some(facts.cropped(template, search))
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
    frames: &[Arc<DecodedRegion>],
    template: u32,
    search: u32,
) -> Result<(Vec<RgbImage>, Vec<Rect>)> {
    let mut crops = Vec::with_capacity(frames.len());
    for (index, (frame, planned)) in frames.iter().zip(plan.frames()).enumerate() {
        let size = if index == 0 { template } else { search };
        crops.push(resampler.crop(frame, &planned.window.reduced(frame.reduction), size)?);
    }
    Ok((crops, plan.frames().map(|planned| planned.crop_box).collect()))
}

impl Stage for CropStage {
    fn process(&mut self, payload: Payload, out: &mut Emitter) -> Result<()> {
        let DecodedClip { ticket, plan, frames } = unpack(payload)?;
        let (crops, boxes) = crop_clip(self.resampler.as_mut(), &plan, &frames, self.template, self.search)?;
        out.emit(pack(CroppedClip { ticket, plan, crops, boxes }));
        Ok(())
    }
}
