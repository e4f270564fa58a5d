//! What is measured in a rendered sequence, and from which amount on a frame shows a condition.
//!
//! A frame of a sequence that was made to show a condition gets that label only when the measured amount says so, and is
//! "normal" otherwise: the label is about the frame.

use super::colour::luminance;
use super::render::Frame;
use super::scene::Scene;
use super::sprite::Thumbnail;
use crate::data::condition::Condition;
use crate::vision::rect::Rect;

/// Frames on either side in which a change of size or look must happen to count.
const NEARBY: usize = 5;
/// The side of a search crop in sides of the target.
const CROP: f64 = 4.0;

/// The thresholds from which on a condition is there.
pub mod threshold {
    /// Part of the target (inside the picture) that something stands before.
    pub const OCCLUDED: f64 = 0.25;
    /// Brightest over darkest light in the search crop.
    pub const LIGHT: f64 = 1.8;
    /// Largest over smallest side within a few frames.
    pub const GROWTH: f64 = 1.3;
    /// Length of the smear in sides of the target.
    pub const SMEAR: f64 = 0.15;
    /// Mean difference of the looks of a few frames, in display values.
    pub const CHANGE: f64 = 0.07;
    /// Part of the target outside the picture.
    pub const OUTSIDE: f64 = 0.25;
    /// Picture pixels per recorded pixel along a side.
    pub const ENLARGED: f64 = 2.5;
    /// Things like the target in the search crop.
    pub const SISTERS: usize = 3;
    /// At most this mean difference of the target's pixels from the mean around it, in display values.
    pub const CONTRAST: f64 = 0.08;
}

/// What was measured in one frame.
#[derive(Clone, Copy, Debug)]
pub struct Truth {
    /// The box around the whole target, which may reach beyond the picture.
    pub whole: Rect,
    /// The box of the annotation: its part inside the picture.
    pub in_view: Rect,
    /// See [`threshold::OCCLUDED`].
    pub occluded: f64,
    /// See [`threshold::OUTSIDE`].
    pub outside: f64,
    /// See [`threshold::LIGHT`].
    pub light: f64,
    /// See [`threshold::GROWTH`].
    pub growth: f64,
    /// See [`threshold::SMEAR`].
    pub smear: f64,
    /// See [`threshold::CHANGE`].
    pub change: f64,
    /// See [`threshold::ENLARGED`].
    pub enlarged: f64,
    /// See [`threshold::SISTERS`].
    pub sisters: usize,
    /// See [`threshold::CONTRAST`].
    pub contrast: f64,
}

/// What one frame tells before its neighbours are known.
#[derive(Clone, Debug)]
pub struct Glance {
    truth: Truth,
    look: Thumbnail,
}

impl Glance {
    /// Measures frame `index` of a scene.
    pub fn at(scene: &Scene, index: usize, frame: &Frame) -> Self {
        let t = index as f64;
        let (width, height) = (scene.size.0 as f64, scene.size.1 as f64);
        let whole = outline_box(scene, frame, t);
        let truth = Truth {
            whole,
            in_view: whole.clipped(width, height),
            occluded: frame.occluded,
            outside: frame.outside,
            light: light_ratio(scene, &whole, t),
            growth: 1.0,
            smear: scene.smear(t).0 / whole.area().sqrt().max(1e-9),
            change: 0.0,
            enlarged: scene.recording.reduction.map_or(1.0, |reduction| reduction.factor),
            sisters: sisters(scene, &whole, t),
            contrast: contrast(scene, index, frame),
        };
        Self { truth, look: frame.look.thumbnail() }
    }

    /// Completes the frames of a sequence by what changes between neighbours.
    pub fn resolve(glances: &[Self]) -> Vec<Truth> {
        let around = |index: usize| &glances[index.saturating_sub(NEARBY)..(index + NEARBY + 1).min(glances.len())];
        glances
            .iter()
            .enumerate()
            .map(|(index, glance)| {
                let (low, high) = extremes(around(index).iter().map(|other| other.truth.whole.area().sqrt()));
                let changes = around(index).iter().map(|other| glance.look.difference(&other.look));
                Truth { growth: high / low.max(1e-9), change: changes.fold(0.0, f64::max), ..glance.truth }
            })
            .collect()
    }
}

impl Truth {
    /// Whether the frame shows `condition`; every frame is "normal" enough.
    pub fn shows(&self, condition: Condition) -> bool {
        match condition {
            Condition::Occlusion => self.occluded >= threshold::OCCLUDED,
            Condition::IlluminationChange => self.light >= threshold::LIGHT,
            Condition::ScaleVariation => self.growth >= threshold::GROWTH,
            Condition::MotionBlur => self.smear >= threshold::SMEAR,
            Condition::AppearanceVariation => self.change >= threshold::CHANGE,
            Condition::PartialVisibility => self.outside >= threshold::OUTSIDE,
            Condition::LowResolution => self.enlarged >= threshold::ENLARGED,
            Condition::BackgroundClutter => self.sisters >= threshold::SISTERS,
            Condition::LowContrast => self.contrast <= threshold::CONTRAST,
            Condition::Normal => true,
        }
    }

    /// The label of the frame in a sequence made to show `condition`.
    pub fn label(&self, condition: Condition) -> Condition {
        if self.shows(condition) { condition } else { Condition::Normal }
    }

    /// The part of the target that can be seen, in eighths, as GOT-10k's `cover.label` counts; 0 only when there is
    /// practically nothing.
    pub fn cover(&self) -> u8 {
        let visible = (1.0 - self.occluded) * (1.0 - self.outside);
        let least = if visible > 0.02 { 1.0 } else { 0.0 };
        (8.0 * visible).round().clamp(least, 8.0) as u8
    }
}

/// The upright box around the target's outline.
fn outline_box(scene: &Scene, frame: &Frame, t: f64) -> Rect {
    let pose = scene.target_pose(t);
    let places = || frame.look.outline().iter().map(|&(u, v)| pose.environment(f64::from(u), f64::from(v)));
    let (x0, x1) = extremes(places().map(|p| p.0));
    let (y0, y1) = extremes(places().map(|p| p.1));
    Rect::new(x0, y0, x1 - x0, y1 - y0)
}

/// The brightest over the darkest light in the search crop, for a grey surface.
fn light_ratio(scene: &Scene, target: &Rect, t: f64) -> f64 {
    let light = scene.light.at(t, scene.flicker.at(t));
    let ((cx, cy), reach) = (target.centre(), 0.5 * CROP * target.area().sqrt());
    let steps = 16;
    let environment = |index: i32| reach * (f64::from(index) / f64::from(steps) * 2.0 - 1.0);
    let mut lights = Vec::new();
    for (row, column) in (0..=steps).flat_map(|row| (0..=steps).map(move |column| (row, column))) {
        let (x, y) = (cx + environment(column), cy + environment(row));
        if (0.0..scene.size.0 as f64).contains(&x) && (0.0..scene.size.1 as f64).contains(&y) {
            let (gain, veil) = light.gain(x, y);
            lights.push(f64::from(luminance(gain) + veil / 0.25));
        }
    }
    let (low, high) = extremes(lights.into_iter());
    if low > 0.0 { high / low } else { 1.0 }
}

fn sisters(scene: &Scene, target: &Rect, t: f64) -> usize {
    let ((cx, cy), reach) = (target.centre(), 0.5 * CROP * target.area().sqrt());
    let near = |actor| {
        let pose = scene.pose(actor, t);
        let inside = (0.0..scene.size.0 as f64).contains(&pose.x) && (0.0..scene.size.1 as f64).contains(&pose.y);
        inside && (pose.x - cx).abs() < reach && (pose.y - cy).abs() < reach
    };
    scene.behind.iter().take(scene.sisters).filter(|actor| near(actor)).count()
}

/// The mean difference of the target's pixels from the mean of what is around it; 1 when nothing of it is visible.
pub fn contrast(scene: &Scene, index: usize, frame: &Frame) -> f64 {
    let target = outline_box(scene, frame, index as f64);
    let (width, height) = (frame.picture.width() as usize, frame.picture.height() as usize);
    let wide = Rect::new(target.x - 0.4 * target.w, target.y - 0.4 * target.h, 1.8 * target.w, 1.8 * target.h)
        .clipped(width as f64, height as f64);
    let mut around = ([0.0f64; 3], 0.0f64);
    let mut inside = Vec::new();
    for y in wide.y as usize..(wide.y + wide.h) as usize {
        for x in wide.x as usize..(wide.x + wide.w) as usize {
            let pixel = frame.picture.get_pixel(x as u32, y as u32).0.map(|v| f64::from(v) / 255.0);
            let share = frame.target[y * width + x];
            if share > 0.8 {
                inside.push(pixel);
            } else if share < 0.05 {
                around.1 += 1.0;
                around.0.iter_mut().zip(pixel).for_each(|(sum, value)| *sum += value);
            }
        }
    }
    if inside.is_empty() || around.1 == 0.0 {
        return 1.0;
    }
    let mean = around.0.map(|sum| sum / around.1);
    let difference = |pixel: &[f64; 3]| (0..3).map(|c| (pixel[c] - mean[c]).abs()).sum::<f64>() / 3.0;
    inside.iter().map(difference).sum::<f64>() / inside.len() as f64
}

fn extremes(values: impl Iterator<Item = f64>) -> (f64, f64) {
    values.fold((f64::MAX, f64::MIN), |(low, high), value| (low.min(value), high.max(value)))
}
