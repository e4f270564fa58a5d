//! When a frame shows a condition, as far as boxes and pixels alone can tell.

use super::pixels::PixelMeasures;
use crate::data::condition::Condition;
use crate::vision::rect::Rect;

/// The thresholds, each with where it comes from.
pub mod threshold {
    /// The area of the box by the median area of the first frames: outside of these the scale varies. They are 1/√2 and
    /// √2 to one digit; benchmarks ask for a factor of 2 (OTB, LaSOT), which a labeller of single frames meets too late.
    pub const SCALE: (f64, f64) = (0.7, 1.4);
    /// How many frames that show the object are the first ones.
    pub const FIRST_FRAMES: usize = 5;
    /// The shorter side in pixels below which the resolution is low: 1.5 patches of a ViT/16 before any scaling.
    pub const SIDE: f64 = 24.0;
    /// The area in square pixels below which the resolution is low: between OTB's and UAV123's 400 and LaSOT's 1000.
    pub const AREA: f64 = 900.0;
    /// Mean brightness of the object by that of the ring around it, the larger by the smaller, below which the contrast
    /// is low: a tenth, about what is seen at a glance.
    pub const CONTRAST: f64 = 1.1;
    /// Sides of the ring's outer edge in sides of the box.
    pub const RING: f64 = 1.5;
    /// Variance of the Laplacian of the grey object (values 0 to 255) below which it is blurred: the usual threshold for
    /// photographs since Pech-Pacheco et al., Diatom autofocusing in brightfield microscopy, 2000.
    pub const SHARPNESS: f64 = 100.0;
    /// Distance from the border of the picture, in pixels, within which a box counts as cut off by it.
    pub const BORDER: f64 = 1.0;
}

/// The version of the rules: labels of another one are not taken for these.
pub(super) const VERSION: u32 = 1;

/// A condition that boxes and pixels can tell.
#[derive(Clone, Copy, Debug)]
pub struct Rule {
    /// Which.
    pub condition: Condition,
    /// Its name in the later schema of label files.
    pub name: &'static str,
    /// What is measured: the `source` of its labels.
    pub source: &'static str,
    /// When a frame shows it, in words.
    pub when: &'static str,
}

/// All of them. The words repeat [`threshold`]; a test holds them together.
pub const RULES: [Rule; 5] = [
    Rule {
        condition: Condition::ScaleVariation,
        name: "scale_variation",
        source: "box_area_ratio",
        when: "box area outside 0.7 to 1.4 of the median of the first 5 frames",
    },
    Rule {
        condition: Condition::LowResolution,
        name: "low_resolution",
        source: "box_size",
        when: "shorter side of the box below 24 px, or its area below 900 px²",
    },
    Rule {
        condition: Condition::LowContrast,
        name: "low_contrast",
        source: "ring_contrast",
        when: "mean brightness of box and ring around it (1.5 times its sides) within a ratio of 1.1",
    },
    Rule {
        condition: Condition::MotionBlur,
        name: "motion_blur",
        source: "laplacian_variance",
        when: "variance of the Laplacian inside the box below 100",
    },
    Rule {
        condition: Condition::PartialVisibility,
        name: "out_of_frame",
        source: "border_distance",
        when: "box within 1 px of the picture's border, or beyond it",
    },
];

/// The conditions that no rule tells: they need eyes, or a detector.
pub fn untold() -> impl Iterator<Item = Condition> {
    let stated = |condition: &Condition| RULES.iter().any(|rule| rule.condition == *condition);
    Condition::ALL.into_iter().filter(move |condition| *condition != Condition::Normal && !stated(condition))
}

/// What a rule finds in a frame.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Answer {
    /// What was measured.
    pub value: f64,
    /// Whether the frame shows the condition.
    pub present: bool,
    /// From one half at the threshold to 1 at twice as far; 0 where the condition is not present.
    pub severity: f64,
}

impl Answer {
    /// `depth` is how far beyond the threshold the value lies, from 0 to 1.
    fn new(value: f64, present: bool, depth: f64) -> Self {
        Self { value, present, severity: if present { 0.5 + 0.5 * depth.clamp(0.0, 1.0) } else { 0.0 } }
    }
}

/// The median area of the first frames that show the object; none where there are fewer than two such frames, as nothing
/// varies then.
pub(super) fn first_area(boxes: impl Iterator<Item = Rect>) -> Option<f64> {
    let mut areas: Vec<f64> = boxes.map(|object| object.area()).take(threshold::FIRST_FRAMES).collect();
    areas.sort_by(f64::total_cmp);
    let middle = areas.len() / 2;
    match areas.len() {
        0 | 1 => None,
        count if count % 2 == 1 => Some(areas[middle]),
        _ => Some(0.5 * (areas[middle - 1] + areas[middle])),
    }
}

/// The answers of all rules, in their order; none where a rule has nothing to measure.
pub(super) fn answers(
    object: &Rect,
    first_area: Option<f64>,
    measures: &PixelMeasures,
) -> [Option<Answer>; RULES.len()] {
    [
        first_area.map(|first| scale(object.area() / first)),
        Some(resolution(object)),
        measures.contrast.map(|ratio| {
            let depth = (threshold::CONTRAST - ratio) / (threshold::CONTRAST - 1.0);
            Answer::new(ratio, ratio < threshold::CONTRAST, depth)
        }),
        measures.sharpness.map(|variance| {
            let depth = 1.0 - variance / threshold::SHARPNESS;
            Answer::new(variance, variance < threshold::SHARPNESS, depth)
        }),
        Some(border(object, measures.frame)),
    ]
}

fn scale(ratio: f64) -> Answer {
    let (least, most) = threshold::SCALE;
    let depth = if ratio > most { (ratio / most).log2() } else { (least / ratio).log2() };
    Answer::new(ratio, !(least..=most).contains(&ratio), depth)
}

fn resolution(object: &Rect) -> Answer {
    let (side, area) = (object.w.min(object.h), object.area());
    let depth = (1.0 - side / threshold::SIDE).max(1.0 - area / threshold::AREA);
    Answer::new(side, side < threshold::SIDE || area < threshold::AREA, depth)
}

fn border(object: &Rect, (width, height): (u32, u32)) -> Answer {
    let (width, height) = (f64::from(width), f64::from(height));
    let distance = [object.x, object.y, width - object.x - object.w, height - object.y - object.h];
    let distance = distance.into_iter().fold(f64::INFINITY, f64::min);
    // Most annotations end at the border: how much lies beyond it cannot be known then.
    let outside = 1.0 - object.clipped(width, height).area() / object.area();
    Answer::new(distance, distance <= threshold::BORDER, 2.0 * outside)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn present(object: Rect, first: f64, contrast: f64, sharpness: f64) -> Vec<&'static str> {
        let measures = PixelMeasures { frame: (320, 240), contrast: Some(contrast), sharpness: Some(sharpness) };
        let answers = answers(&object, Some(first), &measures);
        RULES.iter().zip(answers).filter(|(_, a)| a.is_some_and(|a| a.present)).map(|(rule, _)| rule.name).collect()
    }

    #[test]
    fn each_rule_decides_at_its_threshold() {
        let object = |w: f64, h: f64| Rect::new(100.0, 100.0, w, h);
        assert!(present(object(40.0, 40.0), 1600.0, 1.1, 100.0).is_empty());
        assert_eq!(present(object(40.0, 40.0), 1600.0 / 1.41, 2.0, 500.0), ["scale_variation"]);
        assert_eq!(present(object(40.0, 40.0), 1600.0 / 0.69, 2.0, 500.0), ["scale_variation"]);
        assert_eq!(present(object(23.9, 100.0), 2390.0, 2.0, 500.0), ["low_resolution"]);
        assert_eq!(present(object(29.9, 29.9), 894.0, 2.0, 500.0), ["low_resolution"]);
        assert!(present(object(24.0, 37.5), 900.0, 2.0, 500.0).is_empty());
        assert_eq!(present(object(40.0, 40.0), 1600.0, 1.09, 99.0), ["low_contrast", "motion_blur"]);
        let at = |x: f64| present(Rect::new(x, 100.0, 40.0, 40.0), 1600.0, 2.0, 500.0);
        assert_eq!((at(1.0), at(279.0)), (vec!["out_of_frame"], vec!["out_of_frame"]));
        assert!(at(1.1).is_empty() && at(278.9).is_empty());
    }

    #[test]
    fn the_words_say_the_numbers() {
        let words = RULES.map(|rule| rule.when);
        let numbers = [
            (0, threshold::SCALE.0.to_string()),
            (0, threshold::SCALE.1.to_string()),
            (0, format!("first {} frames", threshold::FIRST_FRAMES)),
            (1, format!("below {} px,", threshold::SIDE)),
            (1, format!("below {} px²", threshold::AREA)),
            (2, format!("ratio of {}", threshold::CONTRAST)),
            (2, format!("{} times", threshold::RING)),
            (3, format!("below {}", threshold::SHARPNESS)),
            (4, format!("within {} px", threshold::BORDER)),
        ];
        numbers.iter().for_each(|(at, number)| assert!(words[*at].contains(number), "{} {number}", words[*at]));
    }

    #[test]
    fn severity_grows_from_one_half_at_the_threshold() {
        let at = |side: f64| resolution(&Rect::new(0.0, 0.0, side, 100.0)).severity;
        assert_eq!((at(24.0), at(12.0), at(0.0)), (0.0, 0.75, 1.0));
        assert!(scale(2.8).severity == 1.0 && scale(1.5).severity > 0.5 && scale(1.0).severity == 0.0);
    }

    #[test]
    fn the_first_frames_are_those_that_there_are() {
        let boxes = |sides: &[f64]| first_area(sides.iter().map(|side| Rect::new(0.0, 0.0, *side, 1.0)));
        assert_eq!(boxes(&[5.0]), None);
        assert_eq!(boxes(&[5.0, 7.0]), Some(6.0));
        assert_eq!(boxes(&[5.0, 9.0, 1.0, 2.0, 3.0, 100.0, 100.0]), Some(3.0));
    }

    #[test]
    fn what_cannot_be_told_is_the_rest() {
        let names: Vec<String> = untold().map(|condition| condition.to_string()).collect();
        assert_eq!(names, ["occlusion", "illumination_change", "appearance_variation", "background_clutter"]);
    }
}
