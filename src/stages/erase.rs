//! `erase`: random erasing (Zhong et al., 2020): a rectangle of a search crop becomes grey, so that the tracker learns
//! to live with parts that it cannot see.

use super::{RunContext, items::*};
use crate::{
    data::random::CounterRng,
    failure::Result,
    flow::{ElementSpec, Emitter, Kind, Payload, Stage, StageConfig, pack, unpack},
    settings::Config,
};
use image::Rgb;

pub(super) const KIND: Kind<RunContext> = Kind {
    name: "erase",
    description: "random erasing: greys out a rectangle of search crops",
    input: Some(CROPPED_CLIPS),
    output: Some(CROPPED_CLIPS),
    ordered: false,
    workers: 1,
    max_workers: 256,
    capacity: 8,
    parse: |options| Box::new(Erase::read(options, &())),
};

#[derive(Clone, Config)]
struct Erase {
    /// Longest side of the rectangle, as a share of the crop's.
    #[config(key = "side", default = 0.25, min = 0, max = 1)]
    side: f64,
}

impl StageConfig<RunContext> for Erase {
    fn worker(&self, _context: &RunContext, _index: usize) -> Result<Box<dyn Stage>> {
        Ok(Box::new(self.clone()))
    }

    fn output_spec(&self, _facts: &super::Facts, input: Option<&ElementSpec>) -> Option<ElementSpec> {
        input.cloned()
    }
}

impl Stage for Erase {
    fn process(&mut self, payload: Payload, out: &mut Emitter) -> Result<()> {
        let mut clip: CroppedClip = unpack(payload)?;
        // Keyed by the clip, so that the result does not depend on which thread does it, or when.
        let mut rng =
            CounterRng::new(&[clip.plan.epoch, clip.plan.index, clip.plan.attempt, u64::from_be_bytes(*b"erase...")]);
        for crop in clip.crops.iter_mut().skip(1) {
            let (width, height) = crop.dimensions();
            let longest = f64::from(width.min(height)) * self.side;
            let (w, h) = (rng.range(0.0, longest) as u32, rng.range(0.0, longest) as u32);
            let left = rng.below((width - w) as usize + 1) as u32;
            let top = rng.below((height - h) as usize + 1) as u32;
            for (x, y) in (left..left + w).flat_map(|x| (top..top + h).map(move |y| (x, y))) {
                crop.put_pixel(x, y, Rgb([127; 3]));
            }
        }
        out.emit(pack(clip));
        Ok(())
    }
}
