//! The whole run as one numbered sequence of batches, so that a position in it is all that resuming needs to know.
//!
//! Training and validation batches follow each other in one stream: validation is no second pipeline, and no queue runs
//! empty between the two.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Batches that `clips` make: a training epoch leaves out an incomplete last one, a validation keeps it.
pub fn batches(clips: usize, batch_size: usize, split: Split) -> usize {
    match split {
        Split::Train => (clips / batch_size.max(1)).max(1),
        Split::Val => clips.div_ceil(batch_size.max(1)),
    }
}

/// What a batch is used for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(inline)]
pub enum Split {
    /// Gradients are taken.
    #[default]
    Train,
    /// Only losses and metrics are taken.
    Val,
}

impl Split {
    /// The name in logs and events.
    pub fn name(self) -> &'static str {
        match self {
            Self::Train => "train",
            Self::Val => "val",
        }
    }
}

/// One batch of the run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BatchInfo {
    /// Its number in the whole run, from 0.
    pub position: u64,
    /// Training or validation.
    pub split: Split,
    /// Epoch from 0; a validation belongs to the epoch it follows, the one before training to epoch 0.
    pub epoch: usize,
    /// Number of the batch within its epoch and split, from 0.
    pub batch: usize,
    /// Batches of this epoch and split.
    pub of: usize,
    /// Training steps before this batch, in the whole run.
    pub step: u64,
    /// Whether this batch belongs to the validation before training.
    pub before: bool,
    /// Whether this batch is the last of its epoch, validation included.
    pub closes_epoch: bool,
}

/// A batch by its place in its own epoch: what finds it again in a run of another length.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EpochPosition {
    /// Epoch, from 0.
    pub epoch: usize,
    /// Whether it trains; otherwise it validates.
    pub trains: bool,
    /// Number of the batch within its epoch and split, from 0.
    pub batch: usize,
    /// Batches of this epoch and split.
    pub of: usize,
    /// Whether it belongs to the validation before training.
    pub before: bool,
}

impl From<&BatchInfo> for EpochPosition {
    fn from(info: &BatchInfo) -> Self {
        let BatchInfo { epoch, batch, of, before, .. } = *info;
        Self { epoch, trains: info.split == Split::Train, batch, of, before }
    }
}

/// The shape of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RunSchedule {
    /// Epochs.
    pub epochs: usize,
    /// Training batches of an epoch.
    pub train_batches: usize,
    /// Batches of a validation.
    pub val_batches: usize,
    /// Epochs between two validations; the last epoch is always validated.
    pub val_interval: usize,
    /// Whether a validation comes before the first step.
    pub val_before: bool,
}

impl RunSchedule {
    /// Whether a validation follows `epoch` (from 0).
    pub fn validates_after(&self, epoch: usize) -> bool {
        self.val_batches > 0 && ((epoch + 1).is_multiple_of(self.val_interval.max(1)) || epoch + 1 == self.epochs)
    }

    /// Whether any validation takes place.
    pub fn validates(&self) -> bool {
        self.val_batches > 0
    }

    /// Batches of the whole run.
    pub fn len(&self) -> u64 {
        self.start_of(self.epochs)
    }

    /// Whether the run has no batch.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Training steps of the whole run.
    pub fn steps(&self) -> u64 {
        (self.epochs * self.train_batches) as u64
    }

    /// Where a run goes on whose last batch, in a run of perhaps another shape, was at `epoch_position`; and whether that is
    /// inside the same pass, so that its sums go on too.
    pub fn after(&self, epoch_position: &EpochPosition) -> (u64, bool) {
        let EpochPosition { epoch, trains, batch, of, before } = *epoch_position;
        let done = batch + 1;
        if before {
            return match self.val_before && self.val_batches == of {
                true => (done as u64, true),
                false if done == of => (self.warm_up(), false),
                false => (0, false),
            };
        }
        if epoch >= self.epochs {
            return (self.len(), false);
        }
        let start = self.start_of(epoch);
        if trains {
            // An epoch of another length goes on at the same share of it.
            let here = done * self.train_batches / of.max(1);
            return (start + here as u64, of == self.train_batches);
        }
        let validates = self.validates_after(epoch);
        match validates && self.val_batches == of {
            true => (start + (self.train_batches + done) as u64, true),
            false if done == of || !validates => (self.start_of(epoch + 1), false),
            false => (start + self.train_batches as u64, false),
        }
    }

    fn warm_up(&self) -> u64 {
        if self.val_before { self.val_batches as u64 } else { 0 }
    }

    fn start_of(&self, epoch: usize) -> u64 {
        let interval = self.val_interval.max(1);
        let mut validations = epoch.min(self.epochs) / interval;
        if epoch >= self.epochs && !self.epochs.is_multiple_of(interval) {
            validations += 1;
        }
        self.warm_up() + (epoch * self.train_batches + validations * self.val_batches) as u64
    }

    /// The batch at `position`; `None` after the end.
    pub fn batch_info(&self, position: u64) -> Option<BatchInfo> {
        if position >= self.len() {
            return None;
        }
        if position < self.warm_up() {
            let batch = position as usize;
            return Some(BatchInfo {
                position,
                split: Split::Val,
                epoch: 0,
                batch,
                of: self.val_batches,
                step: 0,
                before: true,
                closes_epoch: false,
            });
        }
        // The last epoch that begins at or before the position; epochs begin at growing positions.
        let (mut low, mut high) = (0, self.epochs);
        while high - low > 1 {
            let middle = low + (high - low) / 2;
            if self.start_of(middle) <= position { low = middle } else { high = middle }
        }
        let epoch = low;
        let offset = (position - self.start_of(epoch)) as usize;
        let training = offset < self.train_batches;
        let (split, batch, of) = match training {
            true => (Split::Train, offset, self.train_batches),
            false => (Split::Val, offset - self.train_batches, self.val_batches),
        };
        Some(BatchInfo {
            position,
            split,
            epoch,
            batch,
            of,
            step: (epoch * self.train_batches + offset.min(self.train_batches)) as u64,
            before: false,
            closes_epoch: batch + 1 == of && !(training && self.validates_after(epoch)),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn validation_follows_every_second_epoch_and_the_last() {
        let run = RunSchedule { epochs: 3, train_batches: 2, val_batches: 1, val_interval: 2, val_before: true };
        let preview: Vec<_> = (0..run.len()).filter_map(|p| run.batch_info(p)).collect();
        let short: String = preview.iter().map(|v| if v.split == Split::Train { 't' } else { 'v' }).collect();
        assert_eq!(short, "vttttvttv");
        let closing: Vec<u64> = preview.iter().filter(|v| v.closes_epoch).map(|v| v.position).collect();
        assert_eq!(closing, [2, 5, 8]);
        assert_eq!(preview.iter().map(|v| v.step).collect::<Vec<_>>(), [0, 0, 1, 2, 3, 4, 4, 5, 6]);
    }

    #[test]
    fn a_run_that_is_made_longer_goes_on_where_it_was() {
        let short = RunSchedule { epochs: 3, train_batches: 2, val_batches: 1, val_interval: 2, val_before: true };
        let long = RunSchedule { epochs: 6, ..short };
        let after = |run: &RunSchedule, position| {
            let (next, _) = run.after(&EpochPosition::from(&short.batch_info(position).unwrap()));
            run.batch_info(next).map(|info| (info.epoch, info.split, info.batch))
        };
        // The validation after its last epoch is one that the longer run does not have.
        assert_eq!(after(&long, short.len() - 1), Some((3, Split::Train, 0)));
        assert_eq!(after(&long, 3), Some((1, Split::Train, 1)));
        assert_eq!(after(&RunSchedule { val_before: false, ..short }, 0), Some((0, Split::Train, 0)));
        assert_eq!(after(&RunSchedule { train_batches: 4, ..short }, 1), Some((0, Split::Train, 2)));
        assert_eq!(after(&RunSchedule { epochs: 1, ..short }, 6), None);
        let every = RunSchedule { val_interval: 1, ..short };
        assert_eq!(after(&every, 2), Some((0, Split::Val, 0)), "a validation that is due now");
    }

    proptest! {
        #[test]
        fn walking_an_itinerary_meets_each_batch_once(
            epochs in 1usize..7, train_batches in 1usize..5, val_batches in 0usize..4,
            val_interval in 1usize..5, val_before: bool,
        ) {
            let run = RunSchedule { epochs, train_batches, val_batches, val_interval, val_before };
            let mut position = 0;
            let mut expect = |split, epoch, of: usize, before| {
                for batch in 0..of {
                    let info = run.batch_info(position).unwrap();
                    assert_eq!(
                        (info.position, info.split, info.epoch, info.batch, info.of, info.before),
                        (position, split, epoch, batch, of, before)
                    );
                    position += 1;
                }
            };
            if val_before {
                expect(Split::Val, 0, val_batches, true);
            }
            for epoch in 0..epochs {
                expect(Split::Train, epoch, train_batches, false);
                if run.validates_after(epoch) {
                    expect(Split::Val, epoch, val_batches, false);
                }
            }
            for here in 0..run.len() {
                let epoch_position = EpochPosition::from(&run.batch_info(here).unwrap());
                prop_assert_eq!(run.after(&epoch_position), (here + 1, true), "the same run goes on with the next batch");
            }
            prop_assert_eq!(run.len(), position);
            prop_assert_eq!(run.batch_info(position), None);
        }
    }
}
