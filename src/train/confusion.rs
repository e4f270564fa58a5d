//! Which conditions are taken for which: the counts behind an accuracy.

use crate::data::condition::Condition;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Labelled frames by true condition (rows) and predicted condition (columns).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "Vec<Vec<u64>>")]
#[schemars(inline)]
pub struct Confusion(Vec<Vec<u64>>);

impl TryFrom<Vec<Vec<u64>>> for Confusion {
    type Error = String;

    fn try_from(rows: Vec<Vec<u64>>) -> Result<Self, String> {
        let square = rows.iter().all(|row| row.len() == rows.len());
        match rows.is_empty() || (square && rows.len() >= Condition::COUNT) {
            true => Ok(Self(rows)),
            false => {
                Err(format!("confusion: {} rows are no square of all {} conditions", rows.len(), Condition::COUNT))
            }
        }
    }
}

/// How one condition fared.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Recall {
    /// The true condition.
    pub condition: Condition,
    /// Its frames.
    pub frames: u64,
    /// Those of them that were predicted correctly.
    pub right: u64,
    /// The condition that it was most often taken for wrongly, and how often.
    pub mistaken: Option<(Condition, u64)>,
}

impl Confusion {
    /// Counts in row-major order; `None` unless they form a square of at least all conditions.
    pub fn from_counts(counts: &[f64]) -> Option<Self> {
        let side = counts.len().isqrt();
        let whole = side >= Condition::COUNT && side * side == counts.len();
        whole.then(|| Self(counts.chunks_exact(side).map(|row| row.iter().map(|n| *n as u64).collect()).collect()))
    }

    /// Adds the counts of a batch.
    pub fn add(&mut self, other: &Self) {
        if self.0.is_empty() {
            self.0.clone_from(&other.0);
            return;
        }
        for (sums, counts) in self.0.iter_mut().zip(&other.0) {
            sums.iter_mut().zip(counts).for_each(|(sum, count)| *sum += count);
        }
    }

    /// Whether nothing was ever counted.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Rows of counts.
    pub fn rows(&self) -> &[Vec<u64>] {
        &self.0
    }

    /// The conditions that occurred, in the order of their class index.
    pub fn recalls(&self) -> Vec<Recall> {
        let row = |(condition, row): (Condition, &Vec<u64>)| {
            let others =
                Condition::ALL.into_iter().zip(row).filter(|(other, count)| *other != condition && **count > 0);
            Recall {
                condition,
                frames: row.iter().sum(),
                right: row.get(condition.index()).copied().unwrap_or(0),
                // Of equals the first.
                mistaken: others.rev().max_by_key(|(_, count)| **count).map(|(other, count)| (other, *count)),
            }
        };
        Condition::ALL.into_iter().zip(&self.0).map(row).filter(|recall| recall.frames > 0).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_add_up_and_name_the_usual_mistake() {
        let mut counts = [0.0; 100];
        (counts[33], counts[36], counts[39], counts[99]) = (5.0, 2.0, 1.0, 4.0);
        let one = Confusion::from_counts(&counts).unwrap();
        let mut sum = Confusion::default();
        sum.add(&one);
        sum.add(&one);
        let recalls = sum.recalls();
        assert_eq!(recalls.len(), 2);
        let blur = recalls[0];
        assert_eq!((blur.condition, blur.frames, blur.right), (Condition::MotionBlur, 16, 10));
        assert_eq!(blur.mistaken, Some((Condition::LowResolution, 4)));
        assert_eq!((recalls[1].right, recalls[1].mistaken), (8, None));
    }

    #[test]
    fn anything_but_a_square_is_refused() {
        assert_eq!(Confusion::from_counts(&[0.0; 99]), None);
        assert_eq!(Confusion::from_counts(&[0.0; 9]), None);
    }
}
