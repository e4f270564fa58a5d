//! Scene-condition labels of frames, from `<CLS_ANN_DIR>/<sequence>/<sequence>.jsonl`: one JSON object a frame.
//!
//! Two schemas exist: flags of detectors (`cv_response`) and of a vision-language model (`vlm_response`), and later
//! probabilities (`attributes`) with a `severity`, where a condition counts from one half. In both the class of a frame
//! is the first present one of [`RANKED`]; else one of the [`MEASURED`] ones that are present, drawn; else normal. All
//! that are present, and the probabilities and the severity of the later schema, are kept beside the class ([`Soft`]).
//! A condition that a labelled frame does not name is one that it does not show.

mod parse;
mod strange;

pub use parse::{MEASURED, RANKED, names, unknown};

use std::fmt;
use std::path::{Path, PathBuf};

use rayon::prelude::*;
use xxhash_rust::xxh3::Xxh3;

use crate::data::condition::{Condition, UNLABELLED};
use crate::data::dataset::{Dataset, Sequence};
use crate::data::problems::Problems;
use crate::data::random::CounterRng;
use crate::failure::{Failure, Result};
use crate::telemetry::preparation::Preparation;
use crate::text;
use strange::Strange;

/// The classes that a frame may have: none when it is unlabelled, several when a draw decides.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ConditionSet(u16);

impl ConditionSet {
    /// The set with `condition` alone.
    pub fn only(condition: Condition) -> Self {
        Self(1 << condition.index())
    }

    /// Adds `condition`.
    pub fn insert(&mut self, condition: Condition) {
        self.0 |= 1 << condition.index();
    }

    /// Whether `condition` is one of them.
    pub fn contains(self, condition: Condition) -> bool {
        self.0 & (1 << condition.index()) != 0
    }

    /// Whether the frame is unlabelled.
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// The members in the order of their class index.
    pub fn iter(self) -> impl Iterator<Item = Condition> {
        Condition::ALL.into_iter().filter(move |condition| self.contains(*condition))
    }

    /// The class index of the frame, drawn when there are several; [`UNLABELLED`] when there is none.
    pub fn pick(self, rng: &mut CounterRng) -> i64 {
        let chosen = rng.below(self.0.count_ones() as usize);
        self.iter().nth(chosen).map_or(UNLABELLED, |condition| condition.index() as i64)
    }
}

/// What is known of a frame beyond its class: targets for soft and multi-label losses.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Soft {
    /// By class index: the largest probability among the attributes of a class, 0 for a class without any; for normal,
    /// what the largest of all others leaves to 1. In the first schema, 1 for every condition that is present.
    pub probabilities: [f32; Condition::COUNT],
    /// How much the conditions disturb, on the file's own scale (the largest, when it is given by attribute).
    pub severity: Option<f32>,
}

impl Soft {
    /// Numbers in a [`row`](Self::row).
    pub const WIDTH: usize = Condition::COUNT + 1;

    /// These conditions and no others, without a severity.
    pub fn of(present: ConditionSet) -> Self {
        let probability = |condition: Condition| if present.contains(condition) { 1.0 } else { 0.0 };
        Self { probabilities: Condition::ALL.map(probability), severity: None }
    }

    /// The probabilities and the severity, which is −1 where there is none.
    pub fn row(&self) -> [f32; Self::WIDTH] {
        let mut row = [self.severity.unwrap_or(-1.0); Self::WIDTH];
        row[..Condition::COUNT].copy_from_slice(&self.probabilities);
        row
    }
}

/// The labels of a sequence's frames; a sequence without a label file has none.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Labels {
    /// The conditions that are present, by frame; empty when it is unlabelled.
    present: Vec<ConditionSet>,
    /// Of the later schema, by frame in ascending order.
    soft: Vec<(u32, Soft)>,
}

impl Labels {
    /// The classes of a frame, empty when it is unlabelled.
    pub fn of(&self, frame: usize) -> ConditionSet {
        parse::classes(self.conditions(frame))
    }

    /// All conditions that a frame shows; normal where it shows none, empty when it is unlabelled.
    pub fn conditions(&self, frame: usize) -> ConditionSet {
        self.present.get(frame).copied().unwrap_or_default()
    }

    /// What is known of a frame beyond its class; no condition at all when it is unlabelled.
    pub fn soft(&self, frame: usize) -> Soft {
        let later = self.soft.binary_search_by_key(&frame, |(frame, _)| *frame as usize);
        match later.ok().and_then(|at| self.soft.get(at)) {
            Some((_, soft)) => *soft,
            None => Soft::of(self.conditions(frame)),
        }
    }

    /// Adds all that is known to a checksum.
    pub(super) fn digest(&self, to: &mut Xxh3) {
        self.present.iter().for_each(|set| to.update(&set.0.to_le_bytes()));
        for (frame, soft) in &self.soft {
            to.update(&frame.to_le_bytes());
            soft.row().iter().for_each(|value| to.update(&value.to_bits().to_le_bytes()));
        }
    }

    /// Whether no frame is labelled.
    pub fn is_empty(&self) -> bool {
        self.present.iter().all(|set| set.is_empty())
    }
}

/// What [`attach`] found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LabelReport {
    /// Sequences with a label file.
    pub labelled_sequences: usize,
    /// Sequences without one: their frames are [`UNLABELLED`].
    pub unlabelled_sequences: usize,
    /// Frames with a label.
    pub labelled_frames: usize,
    /// Frames of all sequences.
    pub frames: usize,
    /// Labels for frames that their sequence does not have; they are left out.
    pub beyond: usize,
    /// Labelled frames by class index; a frame whose class is drawn counts for each class it may have.
    pub classes: [usize; Condition::COUNT],
    /// Names in the files that no condition has and none resembles, left out: a line for each.
    pub notes: Vec<String>,
}

/// One line for the user: `condition labels: 2 of 10 frames in 1 of 2 sequences (low_resolution 1, normal 1)`.
impl fmt::Display for LabelReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sequences = self.labelled_sequences + self.unlabelled_sequences;
        write!(f, "condition labels: {} of {} frames", self.labelled_frames, self.frames)?;
        write!(f, " in {} of {sequences} sequences", self.labelled_sequences)?;
        let classes = Condition::ALL.iter().zip(self.classes).filter(|(_, count)| *count > 0);
        let classes: Vec<String> = classes.map(|(condition, count)| format!("{condition} {count}")).collect();
        if !classes.is_empty() {
            write!(f, " ({})", classes.join(", "))?;
        }
        if self.beyond > 0 {
            write!(f, "; {} labels of frames that do not exist were skipped", self.beyond)?;
        }
        Ok(())
    }
}

impl LabelReport {
    fn add(&mut self, found: &LabelScan, frames: usize) {
        self.frames += frames;
        self.beyond += found.beyond;
        if found.file {
            self.labelled_sequences += 1;
        } else {
            self.unlabelled_sequences += 1;
        }
        for present in found.labels.present.iter().filter(|set| !set.is_empty()) {
            self.labelled_frames += 1;
            parse::classes(*present).iter().for_each(|condition| self.classes[condition.index()] += 1);
        }
    }
}

#[derive(Default)]
struct LabelScan {
    file: bool,
    strange: Strange,
    labels: Labels,
    beyond: usize,
    problems: Problems,
}

/// Reads the labels of all sequences from `folder`, in parallel on rayon's threads.
///
/// # Errors
/// 66 when `folder` is missing, holds no labels of any sequence, or has lines with faults (all at once).
pub fn attach(datasets: &mut [Dataset], folder: &Path) -> Result<LabelReport> {
    if !folder.is_dir() {
        let remedy = "put the label files there, or take CLS_ANN_DIR out of the experiment";
        return Err(Failure::input(format!("{}: no such folder; {remedy}", folder.display())));
    }
    let mut report = LabelReport::default();
    let mut problems = Problems::default();
    let mut strange = Strange::default();
    let all = datasets.iter().map(|dataset| dataset.sequences.len()).sum();
    let progress = Preparation::begin("reading condition labels", "sequences", all);
    for dataset in datasets.iter_mut() {
        let one = |sequence: &Sequence| {
            progress.add(1);
            read(sequence, folder)
        };
        let found: Vec<LabelScan> = dataset.sequences.par_iter().map(one).collect();
        for (sequence, found) in dataset.sequences.iter_mut().zip(found) {
            report.add(&found, sequence.len());
            sequence.labels = found.labels;
            problems.extend(found.problems);
            strange.add(found.strange);
        }
    }
    drop(progress);
    report.notes = strange.notes();
    if report.labelled_sequences > 0 && report.labelled_frames == 0 && problems.is_empty() {
        let what = "the label files of these sequences hold no label of any of their frames";
        problems.file(folder, format_args!("{what}; name another CLS_ANN_DIR"));
    }
    if report.labelled_sequences == 0 && problems.is_empty() {
        let what = "holds no labels of any sequence here (<sequence>/<sequence>.jsonl)";
        problems.file(folder, format_args!("{what}; name another CLS_ANN_DIR"));
    }
    problems.into_result()?;
    Ok(report)
}

/// The file with the labels of the sequence `name` in `folder`.
pub fn file(folder: &Path, name: &str) -> PathBuf {
    folder.join(name).join(format!("{name}.jsonl"))
}

fn read(sequence: &Sequence, folder: &Path) -> LabelScan {
    let mut found = LabelScan::default();
    let path = file(folder, &sequence.name);
    let text = match text::read(&path) {
        Ok(text) => text,
        Err(error) if error.is_missing() => return found,
        Err(error) => {
            found.problems.text(&path, &error);
            return found;
        }
    };
    found.file = true;
    let mut present = vec![ConditionSet::default(); sequence.len()];
    let mut soft = Vec::new();
    for (i, line) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
        match parse::line(line) {
            Err(what) => found.problems.line(&path, i + 1, what),
            Ok(line) if !line.unknown.is_empty() && found.strange.note(&path, i + 1, &line) => {}
            Ok(parse::Line { frame, present: all, soft: own, .. }) => match present.get_mut(frame) {
                None => found.beyond += 1,
                Some(slot) if slot.is_empty() => {
                    *slot = all;
                    soft.extend(own.map(|own| (frame as u32, own)));
                }
                Some(_) => {
                    let what = format!("frame_id {} stands on an earlier line too; keep one", frame + 1);
                    found.problems.line(&path, i + 1, what);
                }
            },
        }
    }
    found.strange.report(&mut found.problems);
    soft.sort_by_key(|(frame, _)| *frame);
    found.labels = Labels { present, soft };
    found
}

#[cfg(test)]
mod tests;
