//! How far labels agree with others of the same frames.

use crate::data::condition::Condition;
use crate::data::dataset::Dataset;

/// Frames of one condition in two sets of labels.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Agreement {
    /// Frames that these labels give the condition.
    pub found: usize,
    /// Frames that the others give it.
    pub true_frames: usize,
    /// Frames that both give it.
    pub both: usize,
    /// Frames with labels in both sets.
    pub frames: usize,
}

impl Agreement {
    /// Of the frames that were found, the share that is right.
    pub fn precision(&self) -> Option<f64> {
        (self.found > 0).then(|| self.both as f64 / self.found as f64)
    }

    /// Of the frames to be found, the share that was.
    pub fn recall(&self) -> Option<f64> {
        (self.true_frames > 0).then(|| self.both as f64 / self.true_frames as f64)
    }
}

/// Compares the labels of `ours` with those of `others`, the same data sets with other labels attached, frame by frame.
pub fn agreement(ours: &[Dataset], others: &[Dataset]) -> [Agreement; Condition::COUNT] {
    let mut all = [Agreement::default(); Condition::COUNT];
    let pairs = ours.iter().zip(others).flat_map(|(ours, others)| ours.sequences.iter().zip(&others.sequences));
    for (mine, theirs) in pairs {
        for frame in 0..mine.len() {
            let (own, other) = (mine.labels.conditions(frame), theirs.labels.conditions(frame));
            if own.is_empty() || other.is_empty() {
                continue;
            }
            for condition in Condition::ALL {
                let (found, is_true) = (own.contains(condition), other.contains(condition));
                let counts = &mut all[condition.index()];
                counts.frames += 1;
                counts.found += usize::from(found);
                counts.true_frames += usize::from(is_true);
                counts.both += usize::from(found && is_true);
            }
        }
    }
    all
}
