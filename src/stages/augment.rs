//! `augment`: grey, mirrored and brighter or darker crops, as the plan says; and scene conditions made on the crops of
//! some clips, declared with their probabilities. Validation clips are left as they are.

use super::{Facts, RunContext, items::*};
use crate::{
    data::{
        condition::Condition,
        labels::{ConditionSet, Soft},
        plan::ClipPlan,
        random::CounterRng,
    },
    failure::Result,
    flow::{ElementSpec, Emitter, Kind, Payload, Stage, StageConfig, pack, unpack},
    settings::{Config, Key, Section, Usage},
    train::run_schedule::Split,
    vision::{
        augment::{Effect, brightness, flip, flip_box, grey},
        rect::Rect,
    },
};
use image::RgbImage;

pub(super) const KIND: Kind<RunContext> = Kind {
    name: "augment",
    description: "grey, flip and brightness, drawn by the plan; scene conditions (motion_blur, occlusion, …), drawn by clip",
    input: Some(CROPPED_CLIPS),
    output: Some(CROPPED_CLIPS),
    ordered: false,
    workers: 1,
    max_workers: 256,
    capacity: 8,
    parse: |section: &mut Section<'_>| Box::new(Augment::parse(section)),
};

/// The effects by the keys of their options, what they do, and the condition that a clip has then.
const EFFECTS: [(&str, &str, Effect, Condition); 6] = [
    ("motion_blur", "average along a line", Effect::MotionBlur, Condition::MotionBlur),
    ("low_contrast", "values drawn to their mean", Effect::LowContrast, Condition::LowContrast),
    ("low_resolution", "scaled down and up again", Effect::LowResolution, Condition::LowResolution),
    ("illumination_change", "light that grows or fades", Effect::IlluminationChange, Condition::IlluminationChange),
    ("occlusion", "a piece of the surroundings over the object", Effect::Occlusion, Condition::Occlusion),
    ("background_clutter", "copies of the object beside it", Effect::BackgroundClutter, Condition::BackgroundClutter),
];

#[derive(Clone, Debug)]
struct Augment {
    declared: Vec<Declared>,
}

/// An effect as the pipeline declares it.
#[derive(Clone, Copy, Debug)]
struct Declared {
    effect: Effect,
    /// Share of the clips that get it.
    probability: f64,
    /// Least and most strength, drawn evenly.
    strength: (f64, f64),
    /// The label that the clip's search frames get.
    label: Option<Condition>,
}

/// How often and how strongly an effect is made.
#[derive(Config)]
struct Strength {
    /// Share of the training clips.
    #[config(key = "probability", default = 0.0, min = 0, max = 1)]
    probability: f64,
    /// Most strength.
    #[config(key = "strength", default = 0.8, min = 0, max = 1)]
    most: f64,
    /// Least strength.
    #[config(key = "least", default = 0.3, min = 0, max = 1)]
    least: f64,
    /// Whether the clip's label becomes this condition.
    #[config(key = "relabel", default = true)]
    relabel: bool,
}

impl Augment {
    fn parse(section: &mut Section<'_>) -> Self {
        let mut declared = Vec::new();
        for (key, description, effect, condition) in EFFECTS {
            let strength: Strength = section.nested(Key::new(key).description(description), Usage::Active, &());
            let Strength { probability, most, least, relabel } = strength;
            let label = relabel.then_some(condition);
            let strength = (least.min(most), most);
            declared.push(Declared { effect, probability, strength, label });
        }
        let sum: f64 = declared.iter().map(|declared| declared.probability).sum();
        if sum > 1.0 {
            let what = format!("the probabilities of the conditions add up to {sum}: a clip gets at most one of them");
            section.diagnostics().report(section.origin(), section.path(), what);
        }
        declared.retain(|declared| declared.probability > 0.0);
        Self { declared }
    }

    /// Makes at most one of the declared conditions. Keyed by the clip: the same for any number of workers.
    fn make_condition(&self, seed: u64, plan: &mut ClipPlan, crops: &mut [RgbImage], boxes: &[Rect]) {
        let key = [seed, plan.epoch, plan.index, plan.attempt, u64::from_be_bytes(*b"augment.")];
        let mut rng = CounterRng::new(&key);
        let mut share = rng.uniform();
        for declared in &self.declared {
            if share >= declared.probability {
                share -= declared.probability;
                continue;
            }
            let strength = rng.range(declared.strength.0, declared.strength.1);
            let (Some(crops), Some(boxes)) = (crops.get_mut(1..), boxes.get(1..)) else { return };
            declared.effect.apply(crops, boxes, strength, || rng.uniform());
            if let Some(label) = declared.label {
                plan.labels.fill(label.index() as i64);
                plan.soft.fill(Soft::of(ConditionSet::only(label)));
            }
            return;
        }
    }
}

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

impl StageConfig<RunContext> for Augment {
    fn worker(&self, context: &RunContext, _index: usize) -> Result<Box<dyn Stage>> {
        Ok(Box::new(AugmentStage { options: self.clone(), seed: context.train.options().seed }))
    }

    fn output_spec(&self, _facts: &Facts, input: Option<&ElementSpec>) -> Option<ElementSpec> {
        input.cloned()
    }
}

struct AugmentStage {
    options: Augment,
    seed: u64,
}

impl Stage for AugmentStage {
    fn process(&mut self, payload: Payload, out: &mut Emitter) -> Result<()> {
        let mut clip: CroppedClip = unpack(payload)?;
        augment(&clip.plan, &mut clip.crops, &mut clip.boxes);
        if clip.ticket.info.split == Split::Train && !self.options.declared.is_empty() {
            self.options.make_condition(self.seed, &mut clip.plan, &mut clip.crops, &clip.boxes);
        }
        out.emit(pack(clip));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::{Diagnostics, Node};
    use crate::stages::tests::clip_plan;

    fn parsed(text: &str) -> std::result::Result<Augment, String> {
        let node = Node::parse("p.yaml", text).unwrap();
        let diagnostics = Diagnostics::new();
        let mut section = Section::root(&diagnostics, &node);
        let augment = Augment::parse(&mut section);
        section.close();
        diagnostics.finish().map(|()| augment).map_err(|failure| failure.to_string())
    }

    #[test]
    fn conditions_come_as_often_as_declared_and_relabel_their_clips() {
        let augment =
            parsed("motion_blur: {probability: 0.25}\nlow_contrast: {probability: 0.5, relabel: false}").unwrap();
        let (mut blurred, mut changed) = (0, 0);
        for index in 0..400 {
            let mut plan = clip_plan();
            plan.index = index;
            let before = RgbImage::from_fn(64, 64, |x, y| image::Rgb([(x * 37) as u8, (y * 53) as u8, 9]));
            let mut crops = vec![before.clone(); plan.search.len() + 1];
            let boxes = vec![Rect::new(0.4, 0.4, 0.2, 0.2); crops.len()];
            augment.make_condition(5, &mut plan, &mut crops, &boxes);
            let mut again = vec![before.clone(); crops.len()];
            augment.make_condition(5, &mut plan, &mut again, &boxes);
            assert_eq!(crops, again);
            assert_eq!(crops[0], before, "the template shows the object as it is");
            changed += usize::from(crops[1] != before);
            let soft = Soft::of(ConditionSet::only(Condition::MotionBlur));
            let is_blurred = plan.soft.iter().all(|own| *own == soft);
            assert_eq!(is_blurred, plan.labels[0] == Condition::MotionBlur.index() as i64);
            blurred += usize::from(plan.labels.iter().all(|label| *label == Condition::MotionBlur.index() as i64));
        }
        assert!((70..130).contains(&blurred), "{blurred} of 400");
        assert!((260..340).contains(&changed), "{changed} of 400");
    }

    #[test]
    fn probabilities_are_shares_of_one() {
        let message = parsed("motion_blur: {probability: 0.6}\nocclusion: {probability: 0.6}").unwrap_err();
        assert!(message.contains("add up to 1.2"), "{message}");
        assert!(parsed("occlusion: {probability: 2}").unwrap_err().contains("must be from 0 to 1"));
        assert!(parsed("").unwrap().declared.is_empty());
    }
}
