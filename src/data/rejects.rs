//! Clips that had to be planned again: counted by data set, reason, sequence and file, with a limit.
//!
//! Clips are counted in the order of the run, so that whether and where the limit is reached does not depend on threads.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use crate::data::plan::Redraw;
use crate::failure::{Failure, Result};

/// How many clips may be rejected before a run stops.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Budget {
    /// This many are always allowed.
    pub floor: u64,
    /// Beyond the floor, this share of all attempted clips.
    pub share: f64,
}

/// Ten clips, and one in a hundred: a few rotten files do not stop a night's run, a wrong folder does at once.
impl Default for Budget {
    fn default() -> Self {
        Self { floor: 10, share: 0.01 }
    }
}

/// The shared counters of one run; clones count together.
#[derive(Clone, Debug, Default)]
pub struct Rejects {
    budget: Budget,
    counts: Arc<Mutex<Counts>>,
}

#[derive(Debug, Default)]
struct Counts {
    accepted: u64,
    rejected: u64,
    by_cause: BTreeMap<(Arc<str>, &'static str), Cause>,
    by_sequence: BTreeMap<(Arc<str>, Arc<str>), u64>,
    by_file: BTreeMap<PathBuf, u64>,
}

#[derive(Debug, Default)]
struct Cause {
    count: u64,
    last: String,
}

/// How often the clips of a data set were rejected for one reason.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RejectCount {
    /// The data set.
    pub dataset: Arc<str>,
    /// The reason, as in [`Rejects::reject`].
    pub reason: &'static str,
    /// How many clips.
    pub count: u64,
}

impl Rejects {
    /// Counters with another budget than the default.
    pub fn new(budget: Budget) -> Self {
        Self { budget, counts: Arc::default() }
    }

    /// Counts a clip that went on.
    pub fn accept(&self) {
        self.lock().accepted += 1;
    }

    /// Counts a clip that is planned again. The value tells how often its file has failed by now (0 when it is no
    /// file's fault).
    ///
    /// # Errors
    /// 66 when the budget is used up, naming the causes and sequences, most frequent first, each cause with its latest
    /// detail.
    pub fn reject(&self, redraw: &Redraw) -> Result<u64> {
        let mut counts = self.lock();
        counts.rejected += 1;
        let cause = counts.by_cause.entry((redraw.dataset.clone(), redraw.reason)).or_default();
        cause.count += 1;
        cause.last.clone_from(&redraw.detail);
        *counts.by_sequence.entry((redraw.dataset.clone(), redraw.sequence.clone())).or_default() += 1;
        let failures = redraw.file.as_ref().map_or(0, |file| {
            let count = counts.by_file.entry(file.clone()).or_default();
            *count += 1;
            *count
        });
        let attempted = counts.accepted + counts.rejected;
        let allowed = self.budget.floor.max((attempted as f64 * self.budget.share) as u64);
        if counts.rejected <= allowed {
            return Ok(failures);
        }
        Err(Failure::input(counts.describe(attempted, allowed)))
    }

    /// How many files have failed at least `times`.
    pub fn files_failing(&self, times: u64) -> usize {
        self.lock().by_file.values().filter(|&&count| count >= times).count()
    }

    /// How many clips were rejected so far.
    pub fn rejected(&self) -> u64 {
        self.lock().rejected
    }

    /// All counters, by data set and reason.
    pub fn counts(&self) -> Vec<RejectCount> {
        let count = |((dataset, reason), cause): (&(Arc<str>, &'static str), &Cause)| RejectCount {
            dataset: dataset.clone(),
            reason,
            count: cause.count,
        };
        self.lock().by_cause.iter().map(count).collect()
    }

    /// A thread that died while counting leaves whole numbers behind: the counters stay usable.
    fn lock(&self) -> std::sync::MutexGuard<'_, Counts> {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Counts {
    fn describe(&self, attempted: u64, allowed: u64) -> String {
        let mut causes: Vec<_> = self.by_cause.iter().collect();
        causes.sort_by_key(|(_, cause)| std::cmp::Reverse(cause.count));
        let mut text = format!(
            "{} of {attempted} clips could not be made, {allowed} are allowed; repair or remove these files, or raise DATA.MAX_REJECTED",
            self.rejected
        );
        for ((dataset, reason), cause) in causes.iter().take(5) {
            text.push_str(&format!("\n{dataset}: {} {reason}, last: {}", cause.count, cause.last));
        }
        if causes.len() > 5 {
            text.push_str(&format!("\nand {} more causes", causes.len() - 5));
        }
        let mut sequences: Vec<_> = self.by_sequence.iter().collect();
        sequences.sort_by_key(|(_, count)| std::cmp::Reverse(**count));
        let worst = sequences.iter().take(5).map(|((dataset, name), count)| format!("{name} of {dataset} ({count})"));
        text.push_str(&format!("\nworst sequences: {}", worst.collect::<Vec<_>>().join(", ")));
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn redraw(dataset: &Arc<str>, reason: &'static str, detail: &str) -> Redraw {
        Redraw { dataset: dataset.clone(), sequence: "s".into(), reason, detail: detail.into(), file: None }
    }

    #[test]
    fn the_floor_is_always_allowed_and_one_more_names_the_causes() {
        let (rejects, got, otb) = (Rejects::default(), Arc::from("GOT10K_vottrain"), Arc::from("OTB"));
        for i in 0..8 {
            let file = Some(format!("{}.jpg", i % 2).into());
            let failures = rejects.reject(&Redraw { file, ..redraw(&got, "truncated", &format!("{i}.jpg")) }).unwrap();
            assert_eq!(failures, i / 2 + 1);
        }
        assert_eq!((rejects.files_failing(4), rejects.files_failing(5)), (2, 0));
        for _ in 0..2 {
            rejects.clone().reject(&redraw(&otb, "missing", "x.jpg: gone")).unwrap();
        }
        let failure = rejects.reject(&redraw(&otb, "missing", "y.jpg: gone")).unwrap_err();
        assert_eq!(failure.kind.exit_code(), 66);
        insta::assert_snapshot!(failure.message, @r"
        11 of 11 clips could not be made, 10 are allowed; repair or remove these files, or raise DATA.MAX_REJECTED
        GOT10K_vottrain: 8 truncated, last: 7.jpg
        OTB: 3 missing, last: y.jpg: gone
        worst sequences: s of GOT10K_vottrain (8), s of OTB (3)
        ");
        assert_eq!(rejects.rejected(), 11);
        assert_eq!(rejects.counts()[1], RejectCount { dataset: otb, reason: "missing", count: 3 });
    }

    #[test]
    fn a_share_of_the_attempted_clips_is_allowed() {
        let (rejects, name) = (Rejects::default(), Arc::from("A"));
        (0..2000).for_each(|_| rejects.accept());
        for _ in 0..20 {
            rejects.reject(&redraw(&name, "corrupt", "z")).unwrap();
        }
        assert!(rejects.reject(&redraw(&name, "corrupt", "z")).is_err());
    }
}
