//! Which checkpoints may go: a pure function of what is there.

use super::folder::Saved;
use serde::{Deserialize, Serialize};

/// What a validation said of a checkpoint, as its header keeps it.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Validation {
    /// Mean IoU.
    pub iou: f64,
    /// Class accuracy, when there were labels.
    pub accuracy: Option<f64>,
    /// Mean total loss.
    pub loss: f64,
}

/// By what checkpoints are compared (`TRAIN.BEST_METRIC`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Metric {
    /// Higher mean IoU is better.
    Iou,
    /// Higher class accuracy is better.
    Accuracy,
    /// Lower total loss is better.
    Loss,
}

impl Metric {
    /// How good `validation` is, higher being better; `None` where it cannot be told.
    fn of(self, validation: &Validation) -> Option<f64> {
        let value = match self {
            Self::Iou => validation.iou,
            Self::Accuracy => validation.accuracy?,
            Self::Loss => -validation.loss,
        };
        value.is_finite().then_some(value)
    }
}

/// Which ends of epochs stay. One that any of the rules names stays, and the newest always does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retention {
    /// The newest so many (`TRAIN.KEEP_CHECKPOINTS`); 0 keeps all.
    pub last: usize,
    /// The best so many of those that were validated (`TRAIN.KEEP_BEST`).
    pub best: usize,
    /// By what they are compared.
    pub metric: Metric,
    /// Every so many epochs (`TRAIN.KEEP_EVERY`); 0: none for that reason.
    pub every: usize,
}

impl Default for Retention {
    fn default() -> Self {
        Self { last: 3, best: 1, metric: Metric::Iou, every: 0 }
    }
}

/// A checkpoint, and what decides about it.
#[derive(Clone, Debug, PartialEq)]
pub struct Candidate {
    /// The file.
    pub saved: Saved,
    /// What its own epoch's validation said.
    pub validation: Option<Validation>,
    /// What it got on `TEST.BENCHMARK`, a share of 1.
    pub benchmark: Option<f64>,
    /// Whether the steps before it were finite.
    pub sound: bool,
}

/// What may go once the newest of `candidates` (oldest first) is safe.
///
/// Unfinished epochs go when a newer checkpoint has overtaken them. Checkpoints that were written while steps were not
/// finite never push out a sound one: they go themselves once there is a newer one, and the newest sound one stays.
pub fn obsolete(candidates: &[Candidate], retention: &Retention) -> Vec<Saved> {
    let ends: Vec<&Candidate> = candidates.iter().filter(|one| one.saved.epoch_end && one.sound).collect();
    let mut kept: Vec<&Saved> = candidates.last().iter().map(|one| &one.saved).collect();
    kept.extend(candidates.iter().rev().find(|one| one.sound).map(|one| &one.saved));
    let last = if retention.last == 0 { ends.len() } else { retention.last };
    kept.extend(ends.iter().rev().take(last).map(|one| &one.saved));
    if retention.every > 0 {
        let due = ends.iter().filter(|one| (one.saved.epoch + 1).is_multiple_of(retention.every));
        kept.extend(due.map(|one| &one.saved));
    }
    let mut rated: Vec<(f64, &Saved)> =
        ends.iter().filter_map(|one| Some((retention.metric.of(one.validation.as_ref()?)?, &one.saved))).collect();
    // The best first; of equals the newer.
    rated.sort_by(|a, b| b.0.total_cmp(&a.0).then_with(|| b.1.cmp(a.1)));
    kept.extend(rated.iter().take(retention.best).map(|(_, saved)| *saved));
    let scored = ends.iter().filter_map(|one| Some((one.benchmark.filter(|score| score.is_finite())?, &one.saved)));
    kept.extend(scored.max_by(|a, b| a.0.total_cmp(&b.0).then_with(|| a.1.cmp(b.1))).map(|(_, saved)| saved));
    candidates.iter().map(|one| &one.saved).filter(|saved| !kept.contains(saved)).cloned().collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::path::PathBuf;

    fn end(epoch: usize, iou: Option<f64>) -> Candidate {
        let position = 10 * (epoch as u64 + 1);
        let saved = Saved { epoch, position, epoch_end: true, path: PathBuf::from(format!("{epoch}")) };
        let validation = iou.map(|iou| Validation { iou, accuracy: None, loss: 1.0 - iou });
        Candidate { saved, validation, benchmark: None, sound: true }
    }

    #[test]
    fn the_best_on_a_benchmark_stays() {
        let mut all: Vec<Candidate> = (0..8).map(|epoch| end(epoch, None)).collect();
        (all[1].benchmark, all[4].benchmark) = (Some(0.5), Some(0.4));
        let gone: Vec<usize> = obsolete(&all, &Retention::default()).iter().map(|saved| saved.epoch).collect();
        assert_eq!(gone, [0, 2, 3, 4]);
    }

    fn mid(epoch: usize) -> Candidate {
        let mut one = end(epoch, None);
        (one.saved.epoch_end, one.saved.position) = (false, one.saved.position - 5);
        one
    }

    fn left(candidates: &[Candidate], retention: &Retention) -> Vec<usize> {
        let gone = obsolete(candidates, retention);
        candidates.iter().filter(|one| !gone.contains(&one.saved)).map(|one| one.saved.epoch).collect()
    }

    const ONLY_LAST: Retention = Retention { last: 2, best: 0, metric: Metric::Iou, every: 0 };

    #[test]
    fn the_newest_the_best_and_every_so_many_stay() {
        let all: Vec<Candidate> =
            (0..10).map(|epoch| end(epoch, (epoch % 2 == 1).then_some([0.3, 0.9, 0.5, 0.9, 0.1][epoch / 2]))).collect();
        assert_eq!(left(&all, &ONLY_LAST), [8, 9]);
        assert_eq!(left(&all, &Retention { best: 1, ..ONLY_LAST }), [7, 8, 9], "of equals the newer");
        assert_eq!(left(&all, &Retention { best: 3, ..ONLY_LAST }), [3, 5, 7, 8, 9]);
        assert_eq!(left(&all, &Retention { every: 4, ..ONLY_LAST }), [3, 7, 8, 9]);
        assert_eq!(left(&all, &Retention { last: 0, ..ONLY_LAST }).len(), 10);
        let by_loss = Retention { best: 1, metric: Metric::Loss, ..ONLY_LAST };
        assert_eq!(left(&all, &by_loss), [7, 8, 9]);
        let by_accuracy = Retention { best: 1, metric: Metric::Accuracy, ..ONLY_LAST };
        assert_eq!(left(&all, &by_accuracy), [8, 9], "nobody has one");
    }

    #[test]
    fn unfinished_epochs_go_when_they_are_overtaken() {
        let all = [end(0, None), mid(1), end(1, None), mid(2)];
        assert_eq!(obsolete(&all, &ONLY_LAST), [all[1].saved.clone()]);
        assert_eq!(obsolete(&all[..2], &ONLY_LAST), []);
    }

    #[test]
    fn what_is_not_sound_pushes_nothing_out() {
        let mut all = vec![end(0, None), end(1, None)];
        all.extend((2..9).map(|epoch| Candidate { sound: false, ..end(epoch, Some(1.0)) }));
        assert_eq!(left(&all, &Retention { best: 1, ..ONLY_LAST }), [0, 1, 8]);
        let mut all = vec![mid(0)];
        all.extend((1..3).map(|epoch| Candidate { sound: false, ..end(epoch, None) }));
        assert_eq!(left(&all, &ONLY_LAST), [0, 2], "the newest sound one is unfinished, and stays");
    }

    proptest! {
        #[test]
        fn the_newest_and_the_newest_sound_one_always_stay(
            kinds in prop::collection::vec((any::<bool>(), any::<bool>(), prop::option::of(0.0f64..1.0)), 1..20),
            last in 0usize..4, best in 0usize..3, every in 0usize..4,
        ) {
            let all: Vec<Candidate> = kinds
                .iter()
                .enumerate()
                .map(|(epoch, (epoch_end, sound, iou))| {
                    let one = if *epoch_end { end(epoch, *iou) } else { mid(epoch) };
                    Candidate { sound: *sound, ..one }
                })
                .collect();
            let retention = Retention { last, best, metric: Metric::Iou, every };
            let gone = obsolete(&all, &retention);
            prop_assert!(!gone.contains(&all[all.len() - 1].saved));
            if let Some(sound) = all.iter().rev().find(|one| one.sound) {
                prop_assert!(!gone.contains(&sound.saved));
            }
            let ends = all.iter().filter(|one| one.saved.epoch_end && one.sound).count();
            let stay = all.iter().filter(|one| one.saved.epoch_end && one.sound && !gone.contains(&one.saved)).count();
            let least = if last == 0 { ends } else { ends.min(last) };
            prop_assert!(stay >= least);
        }
    }
}
