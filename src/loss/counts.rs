//! What the terms of a batch's loss are divided by.

use super::{class::labelled, components::Target, focal::peaks, heatmap::heatmap};
use tch::{Kind, Tensor};

/// The counts that a batch's loss divides by. They follow from its boxes and labels alone, so they are known before any
/// part of it is computed: parts that divide by the counts of the **whole** batch add up to its loss and its gradients,
/// however it is cut. Dividing by a part's own counts would weigh a labelled frame by how many others share its part.
#[derive(Debug)]
pub struct Counts {
    /// Clips: what boxes and overlaps are divided by.
    pub clips: i64,
    /// `[N]` f32: peaks of the heat maps of each frame; none where the box head has no map of centres.
    pub peaks: Option<Tensor>,
    /// `[N]` f32: labelled clips of each frame; none without a condition head.
    pub labelled: Option<Tensor>,
    /// `[N, B, G, G]`: the heat maps themselves, of the clips that these counts are handed to.
    pub maps: Option<Tensor>,
}

impl Counts {
    /// The counts of `target`, for score maps of `grid` × `grid` and `classes` conditions where the model has them. They
    /// are taken on the device; nothing waits for it.
    pub fn of(target: &Target, grid: Option<i64>, classes: Option<i64>) -> Self {
        let size = target.labels.size();
        if let &[frames, 0] = size.as_slice() {
            let zeros = || Tensor::zeros([frames], (Kind::Float, target.labels.device()));
            return Self { clips: 0, peaks: grid.map(|_| zeros()), labelled: classes.map(|_| zeros()), maps: None };
        }
        let maps = grid.map(|grid| heatmap(&target.boxes, grid));
        Self {
            clips: target.labels.size().get(1).copied().unwrap_or_default(),
            peaks: maps.as_ref().map(peaks),
            maps,
            labelled: classes.map(|classes| labelled(&target.labels, classes)),
        }
    }

    /// What of them is added up over ranks that share a batch; its clips are another one.
    pub fn sums(&self) -> Vec<Tensor> {
        self.peaks.iter().chain(&self.labelled).map(Tensor::shallow_clone).collect()
    }

    /// The same counts for a part of the batch: `length` clips from the one of number `from` on.
    pub fn share(&self, from: i64, length: i64) -> Self {
        let maps = self.maps.as_ref().map(|maps| maps.narrow(1, from, length));
        let share = |counts: &Option<Tensor>| counts.as_ref().map(Tensor::shallow_clone);
        Self { clips: self.clips, peaks: share(&self.peaks), labelled: share(&self.labelled), maps }
    }
}

/// The quotient of a sum over a part and a count of the whole; a frame where nothing was counted has no loss to divide.
pub(super) fn over(sum: &Tensor, counts: &Tensor) -> Tensor {
    sum / counts.clamp_min(1.0)
}
