//! The GOT-10k toolkit: overlaps on GOT-10k, success and precision on OTB and what is measured like it.

use super::{Curves, Odd, Pair, Refusal, Scores, mean, overlap_bounds, pixel_bounds};
use crate::{track::benchmark::Family, vision::rect::Rect};

/// Precision is the share of frames at most so many pixels off.
const PIXELS: f64 = 20.0;

/// Less than this, in pixels, is rounding.
const ROUNDING: f64 = 1e-6;

/// Overlaps of one sequence in all runs, in the way of GOT-10k's validation set.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Overlaps {
    /// Of each frame but the first that has a cover, run by run.
    pub values: Vec<f64>,
    /// The same of the frames that show the object by all marks, cut to the picture as a box is cut.
    pub honest: Vec<f64>,
    /// Seconds of frames, in all runs, where they were kept.
    pub seconds: Vec<f64>,
    /// What is odd about them.
    pub odd: Odd,
}

impl Overlaps {
    /// Adds a run. Frames that are not `covered` do not count, and boxes are cut to the `size` of the picture.
    ///
    /// # Errors
    /// Why the toolkit refuses.
    pub fn add(&mut self, pair: Pair<'_>, covered: Option<&[bool]>, size: Option<(f64, f64)>) -> Result<(), Refusal> {
        let (found, truth) = (pair.found, pair.truth);
        if found.len() != truth.len() {
            let what = format!("{} boxes for {} frames", found.len(), truth.len());
            return Err(format!("{what}, which the GOT-10k toolkit refuses; track the sequence again"));
        }
        if truth.len() < 2 {
            return Err("there is one frame only, and the first one does not count".into());
        }
        for at in 1..truth.len() {
            let present = pair.is_present(at);
            if covered.is_none_or(|covered| covered.get(at) != Some(&false)) {
                let cut = |row: &[f64; 4]| size.map_or(*row, |size| cut(row, size));
                let (a, b) = (cut(&found[at]), cut(&truth[at]));
                self.values.push(overlap(&a, &b));
                self.odd.negative += usize::from(found[at][2] < 0.0 || found[at][3] < 0.0);
                let shifted = |row: &[f64; 4], cut: &[f64; 4]| {
                    size.is_some_and(|(width, height)| {
                        let box_cut = rect(row).clipped(width, height);
                        row[2] >= 0.0
                            && row[3] >= 0.0
                            && (cut[2] - box_cut.w).abs().max((cut[3] - box_cut.h).abs()) > ROUNDING
                    })
                };
                self.odd.shifted += usize::from(shifted(&found[at], &a) || shifted(&truth[at], &b));
                self.odd.absence_unread += usize::from(!present);
            }
            if present {
                let whole = |row: &[f64; 4]| size.map_or(rect(row), |(w, h)| rect(row).clipped(w, h));
                self.honest.push(super::overlap(&whole(&found[at]), &whole(&truth[at])));
            }
        }
        Ok(())
    }

    /// AO, SR and speed.
    pub fn scores(&self) -> Scores {
        Scores { speed_fps: speed(&self.seconds), ..of_overlaps(&self.values) }
    }

    /// The same of the frames that show the object.
    pub fn strict(&self) -> Scores {
        of_overlaps(&self.honest)
    }

    /// Shares of overlaps above 0, 0.01, … 1.
    pub fn curve(&self) -> Vec<f64> {
        // As numpy's linspace has it: the last one is exact.
        let bounds = (0..101).map(|at| if at == 100 { 1.0 } else { f64::from(at) * 0.01 });
        let count = self.values.len().max(1) as f64;
        bounds.map(|bound| self.values.iter().filter(|value| **value > bound).count() as f64 / count).collect()
    }

    /// Those of all `sequences` together.
    pub fn joined<'a>(sequences: impl Iterator<Item = &'a Self>) -> Self {
        let mut all = Self::default();
        for one in sequences {
            all.values.extend(&one.values);
            all.honest.extend(&one.honest);
            all.seconds.extend(&one.seconds);
            all.odd += one.odd;
        }
        all
    }
}

fn of_overlaps(values: &[f64]) -> Scores {
    let above = |bound: f64| mean(&values.iter().map(|value| f64::from(u8::from(*value > bound))).collect::<Vec<_>>());
    Scores {
        ao: mean(values),
        sr50: above(0.5),
        sr75: above(0.75),
        got10k_frames: Some(values.len()),
        ..Scores::default()
    }
}

/// The mean of 1 ÷ seconds over the frames that took any time.
pub fn speed(seconds: &[f64]) -> Option<f64> {
    mean(&seconds.iter().filter(|time| **time > 0.0).map(|time| 1.0 / time).collect::<Vec<_>>())
}

fn rect(row: &[f64; 4]) -> Rect {
    Rect::new(row[0], row[1], row[2], row[3])
}

/// Cut to a picture as the toolkit does: first the corner, then the size, which does not learn of the corner's move.
fn cut(row: &[f64; 4], (width, height): (f64, f64)) -> [f64; 4] {
    // numpy's clip: the upper bound has the last word, and NaN stays.
    let clip = |value: f64, high: f64| if value.is_nan() { value } else { value.max(0.0).min(high) };
    let (x, y) = (clip(row[0], width), clip(row[1], height));
    [x, y, clip(row[2], width - x), clip(row[3], height - y)]
}

/// Intersection over union, from 0 to 1; NaN where a box is.
fn overlap(a: &[f64; 4], b: &[f64; 4]) -> f64 {
    let side = |at: usize| ((a[at] + a[at + 2]).min(b[at] + b[at + 2]) - a[at].max(b[at])).max(0.0);
    let shared = side(0) * side(1);
    let value = shared / (a[2] * a[3] + b[2] * b[3] - shared + f64::EPSILON);
    if value.is_nan() { value } else { value.clamp(0.0, 1.0) }
}

/// Success and precision of one sequence as the toolkit's OTB experiment has them (TC-128 and NfS too; UAV123 leaves
/// out the frames whose ground truth is NaN), and the same of the frames that show the object.
///
/// # Errors
/// Why the toolkit refuses.
pub fn curves(family: Family, pair: Pair<'_>) -> Result<(Curves, Option<Curves>, Odd), Refusal> {
    let count = pair.found.len().min(pair.truth.len());
    if count < 2 {
        return Err("there is one frame only: the toolkit fails on it, as nothing was tracked".into());
    }
    let mut odd = Odd { surplus: pair.found.len() - count, ..Odd::default() };
    let unscored = pair.truth.len() - count;
    odd.unscored = unscored;
    let (mut values, mut honest) = (Vec::new(), Vec::new());
    for at in 0..count {
        let truth = &pair.truth[at];
        let found = if at == 0 { truth } else { &pair.found[at] };
        let is_nan = truth.iter().any(|value| value.is_nan());
        let centre = |row: &[f64; 4], at: usize| row[at] + (row[at + 2] - 1.0) / 2.0;
        let side = |at: usize| (centre(found, at) - centre(truth, at)).powi(2);
        let frame = (overlap(found, truth), (side(0) + side(1)).sqrt());
        if pair.is_present(at) {
            honest.push(frame);
        }
        if family == Family::Uav && is_nan {
            continue;
        }
        if !pair.is_present(at) {
            // Neither NaN nor a box without size is above any bound of overlaps, but a distance may be small.
            odd.absent += 1;
            odd.pixel_hits += usize::from(frame.1 <= PIXELS);
            odd.pixel_misses += usize::from(frame.1.is_nan() || frame.1 > PIXELS);
        }
        values.push(frame);
    }
    honest.extend((0..unscored).filter(|at| pair.is_present(count + at)).map(|_| (0.0, f64::INFINITY)));
    let shares = |frames: &[(f64, f64)]| {
        let share = |hits: usize| hits as f64 / frames.len() as f64;
        (!frames.is_empty()).then(|| Curves {
            success: overlap_bounds().map(|b| share(frames.iter().filter(|f| f.0 > b).count())).collect(),
            precision: pixel_bounds().map(|b| share(frames.iter().filter(|f| f.1 <= b).count())).collect(),
            ..Curves::default()
        })
    };
    let curves = shares(&values).ok_or("no frame has a ground truth")?;
    Ok((curves, shares(&honest), odd))
}

#[cfg(test)]
#[path = "toolkit_tests.rs"]
mod tests;
