//! Scene-condition labels of frames, from `<CLS_ANN_DIR>/<sequence>/<sequence>.jsonl`: one JSON object a frame.
//!
//! Two schemas exist: flags of detectors (`cv_response`) and of a vision-language model (`vlm_response`), and later
//! probabilities (`attributes`), where a condition counts from one half. In both the class of a frame is the first
//! present one of [`RANKED`]; else one of the [`MEASURED`] ones that are present, drawn; else normal.

use std::fmt;
use std::path::Path;

use rayon::prelude::*;
use serde_json::{Map, Value};

use crate::data::condition::{Condition, UNLABELLED};
use crate::data::dataset::{Dataset, Sequence};
use crate::data::problems::Problems;
use crate::data::random::Draws;
use crate::failure::{Failure, Result};

/// The judged conditions by priority, under the names of both schemas. Glare is a matter of light, and the later
/// schema counts the object's changed appearance to the change of light.
pub const RANKED: [(&str, Condition); 9] = [
    ("occlusion", Condition::Occlusion),
    ("motion_blur", Condition::MotionBlur),
    ("illu_change", Condition::IlluminationChange),
    ("illumination_appearance_change", Condition::IlluminationChange),
    ("specular_glare", Condition::IlluminationChange),
    ("partial_visibility", Condition::PartialVisibility),
    ("out_of_frame", Condition::PartialVisibility),
    ("variance_appear", Condition::AppearanceVariation),
    ("background_clutter", Condition::BackgroundClutter),
];

/// The measured conditions, none before the others.
pub const MEASURED: [(&str, Condition); 4] = [
    ("scale_variation", Condition::ScaleVariation),
    ("low_res", Condition::LowResolution),
    ("low_resolution", Condition::LowResolution),
    ("low_contrast", Condition::LowContrast),
];

/// The probability from which a condition of the later schema is present.
const PRESENT: f64 = 0.5;

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

    /// Whether the frame is unlabelled.
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// The members in the order of their class index.
    pub fn iter(self) -> impl Iterator<Item = Condition> {
        Condition::ALL.into_iter().filter(move |condition| self.0 & (1 << condition.index()) != 0)
    }

    /// The class index of the frame, drawn when there are several; [`UNLABELLED`] when there is none.
    pub fn pick(self, draws: &mut Draws) -> i64 {
        let chosen = draws.below(self.0.count_ones() as usize);
        self.iter().nth(chosen).map_or(UNLABELLED, |condition| condition.index() as i64)
    }
}

/// The labels of a sequence's frames; a sequence without a label file has none.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Labels(Vec<ConditionSet>);

impl Labels {
    /// The classes of a frame, empty when it is unlabelled.
    pub fn of(&self, frame: usize) -> ConditionSet {
        self.0.get(frame).copied().unwrap_or_default()
    }

    /// Whether no frame is labelled.
    pub fn is_empty(&self) -> bool {
        self.0.iter().all(|set| set.is_empty())
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
            write!(f, "; {} labels of frames that do not exist left out", self.beyond)?;
        }
        Ok(())
    }
}

impl LabelReport {
    fn add(&mut self, found: &Found, frames: usize) {
        self.frames += frames;
        self.beyond += found.beyond;
        if found.file {
            self.labelled_sequences += 1;
        } else {
            self.unlabelled_sequences += 1;
        }
        for set in found.labels.0.iter().filter(|set| !set.is_empty()) {
            self.labelled_frames += 1;
            set.iter().for_each(|condition| self.classes[condition.index()] += 1);
        }
    }
}

#[derive(Default)]
struct Found {
    file: bool,
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
    for dataset in datasets.iter_mut() {
        let found: Vec<Found> = dataset.sequences.par_iter().map(|sequence| read(sequence, folder)).collect();
        for (sequence, found) in dataset.sequences.iter_mut().zip(found) {
            report.add(&found, sequence.len());
            sequence.labels = found.labels;
            problems.extend(found.problems);
        }
    }
    if report.labelled_sequences == 0 {
        let what = "holds no labels of any sequence here (<sequence>/<sequence>.jsonl)";
        problems.file(folder, format_args!("{what}; name another CLS_ANN_DIR"));
    }
    problems.into_result()?;
    Ok(report)
}

fn read(sequence: &Sequence, folder: &Path) -> Found {
    let mut found = Found::default();
    let path = folder.join(&*sequence.name).join(format!("{}.jsonl", sequence.name));
    let text = match std::fs::read_to_string(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return found,
        Err(error) => {
            found.problems.file(&path, format_args!("cannot be read: {error}"));
            return found;
        }
    };
    found.file = true;
    let mut sets = vec![ConditionSet::default(); sequence.len()];
    for (i, line) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
        match parse(line) {
            Err(what) => found.problems.line(&path, i + 1, what),
            Ok((frame, set)) => match sets.get_mut(frame) {
                None => found.beyond += 1,
                Some(slot) if slot.is_empty() => *slot = set,
                Some(_) => {
                    let what = format!("frame_id {} stands on an earlier line too; keep one", frame + 1);
                    found.problems.line(&path, i + 1, what);
                }
            },
        }
    }
    found.labels = Labels(sets);
    found
}

/// The frame (counted from 0) and the classes of one line, or what is wrong with it.
fn parse(line: &str) -> std::result::Result<(usize, ConditionSet), String> {
    let record: Map<String, Value> = serde_json::from_str(line).map_err(|error| {
        // The position of serde_json is within this line.
        let text = error.to_string();
        let what = text.rsplit_once(" at line ").map_or(text.as_str(), |(what, _)| what);
        format!("not a JSON object: {what} at column {}", error.column())
    })?;
    let id = record.get("frame_id").ok_or("frame_id is missing; frames are counted from 1")?;
    let frame =
        id.as_u64().filter(|&id| id > 0).ok_or_else(|| format!("frame_id is {id}; frames are counted from 1"))?;

    let mut answers: Vec<(&str, bool)> = Vec::new();
    for group in ["vlm_response", "cv_response", "attributes"] {
        match record.get(group) {
            None | Some(Value::Null) => {}
            Some(Value::Object(entries)) => {
                for (name, value) in entries {
                    if RANKED.iter().chain(&MEASURED).any(|(known, _)| known == name) {
                        answers.push((name, present(value).map_err(|what| format!("{group}.{name}: {what}"))?));
                    }
                }
            }
            Some(_) => return Err(format!("{group} is not an object")),
        }
    }
    if answers.is_empty() {
        return Err("names no condition in vlm_response, cv_response or attributes".into());
    }
    Ok((frame as usize - 1, decide(&answers)))
}

fn decide(answers: &[(&str, bool)]) -> ConditionSet {
    let present = |name: &str| answers.iter().any(|&(answer, present)| present && answer == name);
    if let Some((_, condition)) = RANKED.iter().find(|(name, _)| present(name)) {
        return ConditionSet::only(*condition);
    }
    let mut set = ConditionSet::default();
    for (_, condition) in MEASURED.iter().filter(|(name, _)| present(name)) {
        set.insert(*condition);
    }
    if set.is_empty() { ConditionSet::only(Condition::Normal) } else { set }
}

/// Whether a value says that its condition is present: `0`/`1`, `{"flag": 0/1}` or `{"prob": 0…1}`.
fn present(value: &Value) -> std::result::Result<bool, String> {
    let flag = |value: &Value| match value {
        Value::Bool(flag) => Ok(*flag),
        Value::Number(number) if number.as_f64() == Some(0.0) => Ok(false),
        Value::Number(number) if number.as_f64() == Some(1.0) => Ok(true),
        other => Err(format!("{other} is not 0 or 1")),
    };
    let Value::Object(entry) = value else { return flag(value) };
    if let Some(value) = entry.get("flag") {
        return flag(value);
    }
    let prob = entry.get("prob").ok_or("holds neither flag nor prob")?;
    match prob.as_f64() {
        Some(p) if (0.0..=1.0).contains(&p) => Ok(p >= PRESENT),
        _ => Err(format!("{prob} is not a probability")),
    }
}

#[cfg(test)]
mod tests;
