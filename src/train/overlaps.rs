//! Mean IoU by condition: where tracking is easy and where it is not.

use crate::data::condition::Condition;
use serde::{Deserialize, Serialize};

/// Labelled frames of each condition, and the sum of their IoUs.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Overlaps([(u64, f64); Condition::COUNT]);

/// How the boxes of one condition's frames fared.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Overlap {
    /// The true condition.
    pub condition: Condition,
    /// Its frames.
    pub frames: u64,
    /// Their mean IoU.
    pub iou: f64,
}

impl Overlaps {
    /// Adds a frame of condition `label`; a frame without a condition, or whose IoU is no number, is left out.
    pub fn add(&mut self, label: i64, iou: f64) {
        let own = usize::try_from(label).ok().and_then(|label| self.0.get_mut(label));
        if let Some((frames, sum)) = own.filter(|_| iou.is_finite()) {
            (*frames, *sum) = (*frames + 1, *sum + iou);
        }
    }

    /// Adds those of a batch.
    pub fn merge(&mut self, other: &Self) {
        for ((frames, sum), (more, iou)) in self.0.iter_mut().zip(&other.0) {
            (*frames, *sum) = (*frames + more, *sum + iou);
        }
    }

    /// The conditions that occurred, in the order of their class index.
    pub fn means(&self) -> Vec<Overlap> {
        let mean = |(condition, (frames, sum)): (Condition, &(u64, f64))| Overlap {
            condition,
            frames: *frames,
            iou: sum / *frames as f64,
        };
        Condition::ALL.into_iter().zip(&self.0).map(mean).filter(|overlap| overlap.frames > 0).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::condition::UNLABELLED;

    #[test]
    fn frames_count_for_their_condition_alone() {
        let mut one = Overlaps::default();
        for (label, iou) in [(3, 0.25), (3, 0.75), (9, 1.0), (UNLABELLED, 0.1), (99, 0.1), (3, f64::NAN)] {
            one.add(label, iou);
        }
        let mut sum = Overlaps::default();
        sum.merge(&one);
        sum.merge(&one);
        let blur = Overlap { condition: Condition::MotionBlur, frames: 4, iou: 0.5 };
        assert_eq!(sum.means(), [blur, Overlap { condition: Condition::Normal, frames: 2, iou: 1.0 }]);
    }
}
