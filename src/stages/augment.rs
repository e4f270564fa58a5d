//! `augment`: grey, mirrored and brighter or darker crops, as planned. Validation clips are planned without any.

use super::{Facts, RunContext, forms::CROPPED, items::*};
use crate::{
    data::plan::ClipPlan,
    failure::Result,
    flow::{Blueprint, Form, Handling, Kind, Outbox, Payload, Stage, pack, unpack},
    settings::Section,
    vision::{
        augment::{brightness, flip, flip_box, grey},
        rect::Rect,
    },
};
use image::RgbImage;

pub(super) const KIND: Kind<RunContext> = Kind {
    name: "augment",
    about: "grey, flip and brightness, drawn by the plan",
    input: Some(CROPPED_CLIPS),
    output: Some(CROPPED_CLIPS),
    ordered: false,
    workers: 1,
    max_workers: 256,
    capacity: 8,
    parse: |_: &mut Section<'_>| Box::new(Augment),
};

struct Augment;

/// Does to the crops of a clip, and to the boxes in them, what its plan says.
pub fn augment(plan: &ClipPlan, crops: &mut [RgbImage], boxes: &mut [Rect]) {
    for ((crop, object), planned) in crops.iter_mut().zip(boxes).zip(plan.frames()) {
        if plan.grey {
            grey(crop);
        }
        if planned.flip {
            flip(crop);
            *object = flip_box(object, crop.width());
        }
        if planned.brightness != 1.0 {
            brightness(crop, planned.brightness);
        }
    }
}

impl Blueprint<RunContext> for Augment {
    fn worker(&self, _context: &RunContext, _index: usize) -> Result<Box<dyn Stage>> {
        Ok(Box::new(Augment))
    }

    fn emits(&self) -> Handling {
        CROPPED
    }

    fn gives_form(&self, _facts: &Facts, input: Option<&Form>) -> Option<Form> {
        input.cloned()
    }
}

impl Stage for Augment {
    fn process(&mut self, payload: Payload, out: &mut Outbox) -> Result<()> {
        let mut clip: CroppedClip = unpack(payload)?;
        augment(&clip.plan, &mut clip.crops, &mut clip.boxes);
        out.emit(pack(clip));
        Ok(())
    }
}
