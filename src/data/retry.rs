//! Making a clip: a plan whose frames cannot be had is planned again with the next attempt.
//!
//! What comes of it is a function of the plan and the files alone. The quarantine only saves reading a file again that
//! failed again and again: the attempt fails as it would have, at the same frame.

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use crate::data::plan::{ClipPlan, Planner, Redraw};
use crate::failure::{Failure, Result};

/// How often a clip is planned before the run ends. With a third of all frames broken an attempt of six frames works
/// with 9 %, so that a clip comes through; a data set in which nothing works ends the run in seconds.
pub const MOST_ATTEMPTS: u64 = 400;

/// A frame that cannot be had.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FrameFault {
    /// Its file.
    pub file: PathBuf,
    /// A short name, for counters.
    pub reason: &'static str,
    /// What a user should see, without the file.
    pub detail: String,
    /// Whether the file itself is broken, whatever is asked of it.
    pub is_of_file: bool,
    /// Who says so.
    pub origin: Origin,
}

/// What a fault tells of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// The file.
    File,
    /// There is no such file, or nothing around it either.
    Missing,
    /// The system, of whatever file.
    System,
}

/// The files that failed so often that they are not read again; clones share them.
#[derive(Clone, Debug)]
pub struct Quarantine {
    after: u64,
    failures: Arc<Mutex<HashMap<PathBuf, (u64, FrameFault)>>>,
}

impl Quarantine {
    /// Files are not read again after failing `after` times.
    pub fn new(after: u64) -> Self {
        Self { after, failures: Arc::default() }
    }

    /// After how many failures a file is not read again.
    pub fn after(&self) -> u64 {
        self.after
    }

    /// Why `file` is not read again, if it is not.
    pub fn fault(&self, file: &Path) -> Option<FrameFault> {
        let failures = self.failures.lock().unwrap_or_else(PoisonError::into_inner);
        failures.get(file).filter(|(count, _)| *count >= self.after).map(|(_, fault)| fault.clone())
    }

    /// Takes note of a file that failed.
    fn note(&self, fault: &FrameFault) {
        if fault.is_of_file {
            let mut failures = self.failures.lock().unwrap_or_else(PoisonError::into_inner);
            let entry = failures.entry(fault.file.clone()).or_insert_with(|| (0, fault.clone()));
            entry.0 += 1;
        }
    }
}

/// What `read` makes of `plan`, or of the first later attempt that works; all failed ones are in the plan's redraws.
/// `read` asks [`Quarantine::fault`] before it reads a file.
///
/// # Errors
/// 66 when no attempt works, naming the causes, or when planning again is not possible; what `read` ends with.
pub fn make<T>(
    planner: &Planner,
    mut plan: ClipPlan,
    quarantine: &Quarantine,
    mut read: impl FnMut(&ClipPlan) -> Result<std::result::Result<T, FrameFault>>,
) -> Result<(ClipPlan, T)> {
    loop {
        let fault = match read(&plan)? {
            Ok(made) => return Ok((plan, made)),
            Err(fault) => fault,
        };
        quarantine.note(&fault);
        let FrameFault { file, reason, detail, is_of_file, .. } = fault;
        let mut redraws = std::mem::take(&mut plan.redraws);
        redraws.push(Redraw {
            dataset: plan.dataset.clone(),
            sequence: plan.sequence.clone(),
            reason,
            detail: format!("{}: {detail}", file.display()),
            file: is_of_file.then_some(file),
        });
        if plan.attempt + 1 >= MOST_ATTEMPTS {
            return Err(hopeless(&plan, &redraws));
        }
        plan = planner.plan(plan.epoch, plan.index, plan.attempt + 1)?;
        redraws.append(&mut plan.redraws);
        plan.redraws = redraws;
    }
}

fn hopeless(plan: &ClipPlan, redraws: &[Redraw]) -> Failure {
    let mut causes: BTreeMap<(&str, &str), (usize, &str)> = BTreeMap::new();
    for redraw in redraws {
        let cause = causes.entry((&redraw.dataset, redraw.reason)).or_default();
        *cause = (cause.0 + 1, &redraw.detail);
    }
    let mut causes: Vec<_> = causes.into_iter().collect();
    causes.sort_by_key(|(_, (count, _))| std::cmp::Reverse(*count));
    let (index, epoch) = (plan.index + 1, plan.epoch + 1);
    let mut text = format!(
        "clip {index} of epoch {epoch} could not be made in {MOST_ATTEMPTS} attempts; repair or remove these files"
    );
    for ((dataset, reason), (count, last)) in causes.iter().take(5) {
        text.push_str(&format!("\n{dataset}: {count} {reason}, last: {last}"));
    }
    Failure::input(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::dataset::{Dataset, FrameFiles, Sequence};
    use crate::data::plan::PlanOptions;

    fn planner() -> Planner {
        let files = FrameFiles::listed(Path::new("d"), (1..=300).map(|i| format!("{i:08}.jpg")).collect());
        let sequence = Sequence::new("s", files, vec![[50.0, 50.0, 30.0, 30.0]; 300], None);
        Planner::new(vec![Dataset::new("A", vec![sequence])], &[1.0], PlanOptions::default()).unwrap()
    }

    /// Every frame whose number `bad` divides is broken; how many files were read.
    fn run(quarantine: &Quarantine, bad: usize, clips: u64) -> (Vec<ClipPlan>, usize) {
        let planner = planner();
        let mut reads = 0;
        let mut made = Vec::new();
        for index in 0..clips {
            let plan = planner.plan(0, index, 0).unwrap();
            let (plan, ()) = make(&planner, plan, quarantine, |plan| {
                for frame in plan.frames() {
                    if let Some(fault) = quarantine.fault(&frame.file.path) {
                        return Ok(Err(fault));
                    }
                    reads += 1;
                    if frame.frame.is_multiple_of(bad) {
                        let (file, detail) = (frame.file.path.clone(), "torn".into());
                        let origin = Origin::File;
                        return Ok(Err(FrameFault { file, reason: "truncated", detail, is_of_file: true, origin }));
                    }
                }
                Ok(Ok(()))
            })
            .unwrap();
            made.push(plan);
        }
        (made, reads)
    }

    #[test]
    fn quarantine_saves_reading_and_changes_nothing_else() {
        let (never, many) = run(&Quarantine::new(u64::MAX), 6, 60);
        let (soon, few) = run(&Quarantine::new(2), 6, 60);
        assert_eq!(never, soon);
        assert!(few < many, "{few} of {many}");
        let redraws: usize = never.iter().map(|plan| plan.redraws.len()).sum();
        assert_eq!(redraws as u64, never.iter().map(|plan| plan.attempt).sum::<u64>());
        assert!(redraws > 20, "{redraws}");
    }

    #[test]
    fn a_clip_that_never_works_ends_with_its_causes() {
        let planner = planner();
        let plan = planner.plan(0, 4, 0).unwrap();
        let failure = make(&planner, plan, &Quarantine::new(3), |plan| -> Result<std::result::Result<(), _>> {
            let (file, origin) = (plan.template.file.path.clone(), Origin::Missing);
            Ok(Err(FrameFault { file, reason: "missing", detail: "gone".into(), is_of_file: true, origin }))
        })
        .unwrap_err();
        assert_eq!(failure.kind.exit_code(), 66);
        assert!(failure.message.starts_with("clip 5 of epoch 1 could not be made in 400 attempts"), "{failure}");
        assert!(failure.message.contains("\nA: 400 missing, last: d/00000"), "{failure}");
    }
}
