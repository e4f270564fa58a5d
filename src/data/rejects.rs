//! Clips that had to be planned again: counted by data set and reason, with a limit.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

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

    /// Counts a clip of `dataset` that is planned again. `reason` is a short name for counters (`truncated`,
    /// `missing`), `detail` what a user should see, best with the file.
    ///
    /// # Errors
    /// 66 when the budget is used up, naming the causes, most frequent first, each with its latest detail.
    pub fn reject(&self, dataset: &Arc<str>, reason: &'static str, detail: impl Into<String>) -> Result<()> {
        let mut counts = self.lock();
        counts.rejected += 1;
        let cause = counts.by_cause.entry((dataset.clone(), reason)).or_default();
        cause.count += 1;
        cause.last = detail.into();
        let attempted = counts.accepted + counts.rejected;
        let allowed = self.budget.floor.max((attempted as f64 * self.budget.share) as u64);
        if counts.rejected <= allowed {
            return Ok(());
        }
        Err(Failure::input(counts.describe(attempted)))
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
    fn describe(&self, attempted: u64) -> String {
        let mut causes: Vec<_> = self.by_cause.iter().collect();
        causes.sort_by_key(|(_, cause)| std::cmp::Reverse(cause.count));
        let mut text =
            format!("{} of {attempted} clips could not be made; repair or remove these files", self.rejected);
        for ((dataset, reason), cause) in causes.iter().take(5) {
            text.push_str(&format!("\n{dataset}: {} {reason}, last: {}", cause.count, cause.last));
        }
        if causes.len() > 5 {
            text.push_str(&format!("\nand {} more causes", causes.len() - 5));
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_floor_is_always_allowed_and_one_more_names_the_causes() {
        let (rejects, got, otb) = (Rejects::default(), Arc::from("GOT10K_vottrain"), Arc::from("OTB"));
        for i in 0..8 {
            rejects.reject(&got, "truncated", format!("{i}.jpg")).unwrap();
        }
        for _ in 0..2 {
            rejects.clone().reject(&otb, "missing", "x.jpg: gone").unwrap();
        }
        let failure = rejects.reject(&otb, "missing", "y.jpg: gone").unwrap_err();
        assert_eq!(failure.kind.exit_code(), 66);
        insta::assert_snapshot!(failure.message, @r"
        11 of 11 clips could not be made; repair or remove these files
        GOT10K_vottrain: 8 truncated, last: 7.jpg
        OTB: 3 missing, last: y.jpg: gone
        ");
        assert_eq!(rejects.rejected(), 11);
        assert_eq!(rejects.counts()[1], RejectCount { dataset: otb, reason: "missing", count: 3 });
    }

    #[test]
    fn a_share_of_the_attempted_clips_is_allowed() {
        let (rejects, name) = (Rejects::default(), Arc::from("A"));
        (0..2000).for_each(|_| rejects.accept());
        for _ in 0..20 {
            rejects.reject(&name, "corrupt", "z").unwrap();
        }
        assert!(rejects.reject(&name, "corrupt", "z").is_err());
    }
}
