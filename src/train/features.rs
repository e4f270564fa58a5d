//! What a validation saw of each search frame, for those who ask what is in the features.

use super::{overlaps::Overlaps, run_schedule::BatchInfo};
use crate::failure::{Failure, Result};
use std::sync::Arc;

/// Columns of a row before the feature: label, IoU, and the true box.
pub const FRAME_FACTS: usize = 6;

/// Pooled features of a validation pass's first search frames in the order of the run, with what is true of them.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Features {
    /// The epoch after which they were taken, from 1; 0 is before training.
    pub epoch: usize,
    /// How many numbers a feature has.
    pub dim: usize,
    /// `[F, dim]`: the fused search feature, averaged over the grid; what the condition head sees.
    pub pooled: Vec<f32>,
    /// `[F]`: class index of the condition, [`UNLABELLED`](crate::data::condition::UNLABELLED) without one.
    pub labels: Vec<i64>,
    /// `[F]`: IoU of the predicted box.
    pub ious: Vec<f32>,
    /// `[F, 4]`: the true box as `(x, y, w, h)`, shares of the search crop.
    pub boxes: Vec<f32>,
    /// `[F]`: each frame's clip, an index into `names`.
    pub clips: Vec<i64>,
    /// What the clips are called.
    pub names: Vec<String>,
}

impl Features {
    /// Nothing yet, of the pass of `info`.
    pub fn of(info: &BatchInfo) -> Self {
        Self { epoch: if info.before { 0 } else { info.epoch + 1 }, ..Self::default() }
    }

    /// Adds the `rows` of a batch (`[B·N, FRAME_FACTS + dim]`, clip-major) as long as there are fewer than `most`. The IoUs of
    /// all of them by condition.
    ///
    /// # Errors
    /// The rows do not belong to so many clips.
    pub fn add(&mut self, rows: &[f32], width: usize, clips: &Arc<[String]>, most: usize) -> Result<Overlaps> {
        let mut overlaps = Overlaps::default();
        let frames = rows.len() / width.max(1);
        if width < FRAME_FACTS || clips.is_empty() || !frames.is_multiple_of(clips.len()) {
            return Err(Failure::stage(format!("{frames} rows of {width} numbers for {} clips", clips.len())));
        }
        let each = frames / clips.len();
        self.dim = width - FRAME_FACTS;
        for (index, row) in rows.chunks_exact(width).enumerate() {
            let (metadata, feature) = row.split_at(FRAME_FACTS);
            // Class indices and the sign of no condition are whole numbers that f32 holds exactly.
            overlaps.add(metadata[0] as i64, f64::from(metadata[1]));
            if self.labels.len() >= most {
                continue;
            }
            if index % each == 0 {
                self.names.push(clips[index / each].clone());
            }
            self.clips.push(self.names.len() as i64 - 1);
            self.labels.push(metadata[0] as i64);
            self.ious.push(metadata[1]);
            self.boxes.extend_from_slice(&metadata[2..]);
            self.pooled.extend_from_slice(feature);
        }
        Ok(overlaps)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_kept_in_order_as_far_as_there_is_room() {
        let names: Arc<[String]> = ["a", "b"].map(String::from).into();
        let row = |label: f32| [label, 0.5, 0.1, 0.2, 0.3, 0.4, 7.0, 8.0];
        let rows: Vec<f32> = [0.0, 1.0, -100.0, 1.0].into_iter().flat_map(row).collect();
        let mut features = Features::default();
        let overlaps = features.add(&rows, 8, &names, 10).unwrap();
        assert_eq!(
            (features.dim, &features.labels[..], &features.clips[..]),
            (2, &[0, 1, -100, 1][..], &[0, 0, 1, 1][..])
        );
        assert_eq!(overlaps.means().iter().map(|one| one.frames).collect::<Vec<_>>(), [1, 2]);
        assert_eq!((&features.pooled[..4], features.boxes[3]), (&[7.0, 8.0, 7.0, 8.0][..], 0.4));
        for _ in 0..3 {
            assert_eq!(features.add(&rows, 8, &names, 10).unwrap().means().len(), 2);
        }
        assert_eq!((features.labels.len(), features.pooled.len()), (10, 20));
        assert!(features.add(&rows[8..], 8, &names, 10).is_err());
        let mut none = Features::default();
        assert_eq!((none.add(&rows, 8, &names, 0).unwrap(), none.labels.len()), (overlaps, 0));
    }
}
