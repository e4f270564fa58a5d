//! `extract_results` of HIPTrack, OSTrack and pytracking, frame by frame, and an honest share beside it.

use super::{Curves, Odd, Pair, Refusal, Rules, overlap_bounds, pixel_bounds, share_bounds};
use crate::track::benchmark::Family;

/// What is measured in each frame of a sequence.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Frames {
    /// Overlaps; −1 in invalid frames.
    overlap: Vec<f64>,
    /// Distances of centres in pixels.
    error: Vec<f64>,
    /// The same in units of the ground truth's size.
    normalised: Vec<f64>,
    /// Which frames the rules hold for valid.
    valid: Vec<bool>,
    /// Overlap, distance and normalised distance of the frames that show the object.
    honest: Vec<(f64, f64, f64)>,
    /// What is odd about them.
    pub odd: Odd,
}

/// Which frames shares are taken of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Of {
    /// All, as the toolkits' scripts do.
    All,
    /// The valid ones, with the hits of all (`exclude_invalid_frames`).
    Valid,
    /// Hits and frames of those that show the object.
    Present,
}

/// Measures each frame of `pair` as the toolkits of `rules` do for a data set of the `family`.
///
/// # Errors
/// Why they refuse.
pub fn frames(rules: Rules, family: Family, pair: Pair<'_>) -> Result<Frames, Refusal> {
    let (truth, count) = (pair.truth, pair.truth.len());
    refuse(family, pair)?;
    let mut odd = Odd::default();
    let mut found = pair.found.to_vec();
    odd.surplus = found.len().saturating_sub(count);
    found.truncate(count);
    for at in 1..found.len() {
        if (found[at][2] == 0.0 || found[at][3] == 0.0) && !truth[at].iter().any(|value| value.is_nan()) {
            found[at] = found[at - 1];
            odd.repeated += 1;
        }
    }
    odd.lacking = count - found.len();
    let given = found.len();
    found.resize(count, [0.0; 4]);
    found[0] = truth[0];

    // LaSOT's files of occlusion are read for LaSOT and its extension; other marks are not. VastTrack (whose rule is
    // LoRAT's) marks an absent object by a box of zeros.
    let marked = matches!(family, Family::Lasot | Family::LasotExt);
    let mut all = Frames::default();
    for at in 0..count {
        let flagged = match family {
            Family::VastTrack => truth[at] == [0.0; 4],
            _ => marked && pair.visible.is_some_and(|visible| visible.get(at) == Some(&false)),
        };
        let sized = match rules {
            Rules::Pytracking => truth[at].iter().all(|value| *value > 0.0),
            _ => truth[at][2] > 0.0 && truth[at][3] > 0.0,
        };
        let valid = sized && !flagged;
        let (mut overlap, mut error) = (overlap(&found[at], &truth[at]), error(&found[at], &truth[at], false));
        let mut normalised = self::error(&found[at], &truth[at], true);
        if pair.is_present(at) {
            odd.at_edge += usize::from(!valid);
            let lacking = at >= given;
            all.honest.push(match lacking {
                true => (0.0, f64::INFINITY, f64::INFINITY),
                false => (overlap.min(1.0), error, normalised),
            });
        }
        if !valid {
            overlap = -1.0;
            error = if family == Family::Uav { -1.0 } else { f64::INFINITY };
            normalised = -1.0;
            if flagged && matches!(family, Family::Lasot | Family::VastTrack) {
                (error, normalised) = (f64::INFINITY, f64::INFINITY);
            }
            odd.absent += 1;
            odd.pixel_hits += usize::from(error < 0.0);
            odd.pixel_misses += usize::from(error > 0.0);
            odd.normalised_hits += usize::from(normalised < 0.0);
        }
        odd.above_one += usize::from(overlap > 1.0);
        all.overlap.push(overlap);
        all.error.push(error);
        all.normalised.push(normalised);
        all.valid.push(valid);
    }
    all.odd = odd;
    Ok(all)
}

fn refuse(family: Family, pair: Pair<'_>) -> Result<(), Refusal> {
    let line = |rows: &[[f64; 4]], wrong: fn(&[f64; 4]) -> bool| rows.iter().position(wrong).map(|at| at + 1);
    if let Some(at) = line(pair.found, |row| row.iter().any(|value| value.is_nan())) {
        return Err(format!("frame {at} of the results is NaN, which the toolkits refuse; track the sequence again"));
    }
    if let Some(at) = line(pair.found, |row| row[2] < 0.0 || row[3] < 0.0) {
        let what = format!("frame {at} of the results has a negative size, which the toolkits refuse");
        return Err(format!("{what}; track the sequence again, or write x,y,w,h with w and h from 0 on"));
    }
    if family != Family::Uav
        && let Some(at) = line(pair.truth, |row| row.iter().any(|value| value.is_nan()))
    {
        let what = format!("frame {at} of the ground truth is NaN, which the toolkits refuse but in UAV123");
        return Err(format!("{what}; write 0,0,0,0 for a frame without the object"));
    }
    if pair.truth.len() < 2 || pair.found.len() < 2 {
        return Err("there is one frame only: the toolkits fail on it, as nothing was tracked".into());
    }
    if family == Family::Lasot && pair.found.len() < pair.truth.len() {
        let what = format!("{} boxes for {} frames", pair.found.len(), pair.truth.len());
        return Err(format!("{what}, which the toolkits refuse in LaSOT; track the sequence again"));
    }
    Ok(())
}

/// Intersection over union of boxes of whole pixels.
fn overlap(a: &[f64; 4], b: &[f64; 4]) -> f64 {
    // In the toolkits' order: boxes with whole numbers must give exactly what they give.
    let side = |at: usize| {
        let low = a[at].max(b[at]);
        let high = (a[at] + a[at + 2] - 1.0).min(b[at] + b[at + 2] - 1.0);
        (high - low + 1.0).max(0.0)
    };
    let shared = side(0) * side(1);
    shared / (a[2] * a[3] + b[2] * b[3] - shared)
}

/// The distance of the centres; each centre is divided by the ground truth's size first where that is asked for.
fn error(found: &[f64; 4], truth: &[f64; 4], by_size: bool) -> f64 {
    let side = |at: usize| {
        let centre = |values: &[f64; 4]| values[at] + 0.5 * (values[at + 2] - 1.0);
        let unit = if by_size { truth[at + 2] } else { 1.0 };
        let apart = centre(found) / unit - centre(truth) / unit;
        apart * apart
    };
    (side(0) + side(1)).sqrt()
}

impl Frames {
    /// The mean overlap of the valid frames, when there is one.
    pub fn mean_overlap(&self) -> Option<f64> {
        let valid: Vec<f64> =
            self.overlap.iter().zip(&self.valid).filter(|(_, valid)| **valid).map(|(value, _)| *value).collect();
        super::mean(&valid)
    }

    /// Shares of the frames; `None` when they are shares of nothing.
    pub fn curves(&self, of: Of) -> Option<Curves> {
        let part = |take: fn(&(f64, f64, f64)) -> f64| self.honest.iter().map(take).collect::<Vec<_>>();
        let (overlap, error, normalised) = match of {
            Of::Present => (part(|f| f.0), part(|f| f.1), part(|f| f.2)),
            _ => (self.overlap.clone(), self.error.clone(), self.normalised.clone()),
        };
        let count = match of {
            Of::Valid => self.valid.iter().filter(|valid| **valid).count(),
            _ => overlap.len(),
        };
        let share = |hits: usize| hits as f64 / count as f64;
        let at_most = |values: &[f64], bound: f64| share(values.iter().filter(|value| **value <= bound).count());
        (count > 0).then(|| Curves {
            success: overlap_bounds().map(|bound| share(overlap.iter().filter(|v| **v > bound).count())).collect(),
            precision: pixel_bounds().map(|bound| at_most(&error, bound)).collect(),
            normalised_precision: share_bounds().map(|bound| at_most(&normalised, bound)).collect(),
            got10k_success: Vec::new(),
        })
    }

    /// Those frames for which `keep` says so, by their number; what is odd about them is not kept.
    pub fn only(&self, keep: impl Fn(usize) -> bool) -> Self {
        let kept: Vec<usize> = (0..self.overlap.len()).filter(|at| keep(*at)).collect();
        let of = |values: &[f64]| kept.iter().map(|at| values[*at]).collect();
        Self {
            overlap: of(&self.overlap),
            error: of(&self.error),
            normalised: of(&self.normalised),
            valid: kept.iter().map(|at| self.valid[*at]).collect(),
            ..Self::default()
        }
    }

    /// Adds the frames of another sequence or run.
    pub fn append(&mut self, other: &Self) {
        self.overlap.extend(&other.overlap);
        self.error.extend(&other.error);
        self.normalised.extend(&other.normalised);
        self.valid.extend(&other.valid);
        self.honest.extend(&other.honest);
    }

    /// How many frames there are.
    pub fn len(&self) -> usize {
        self.overlap.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.overlap.is_empty()
    }

    /// How many frames show the object.
    pub fn present(&self) -> usize {
        self.honest.len()
    }
}

#[cfg(test)]
#[path = "robust_tests.rs"]
mod tests;
