//! Scores of parts of a data set (`--by`).

use super::{
    Board,
    args::EvaluateArgs,
    scoring,
    scoring::{Plan, Scored},
};
use crate::{
    data::{
        condition::Condition,
        dataset::{Dataset, Sequence},
        labels,
        problems::Problems,
    },
    failure::{Failure, Result},
    track::{
        self, Subject,
        score::{
            Rules, Scores,
            robust::{Frames, Of},
        },
    },
};
use std::collections::{BTreeMap, BTreeSet};

/// What scores are given of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum By {
    /// Sequences that have an attribute: the mean over them
    Attribute,
    /// Frames that show a condition: the share of all of them
    Condition,
    /// Single sequences, trackers beside each other
    Sequence,
}

/// The scores of the parts of one data set.
pub(super) struct Group {
    pub set: String,
    pub title: String,
    /// The part, the tracker, and its scores.
    pub rows: Vec<(String, String, Scored)>,
}

/// All that `--by` asks for.
///
/// # Errors
/// 64 for rules that know no single frames; 66 for labels and attributes that are missing or damaged.
pub(super) fn groups(
    args: &EvaluateArgs,
    plan: Plan,
    boards: &[Board],
    subjects: &[Subject],
    notes: &mut Vec<String>,
) -> Result<Vec<Group>> {
    let mut groups = Vec::new();
    let sets: BTreeSet<&str> = boards.iter().map(|board| board.set.as_str()).collect();
    for set in sets {
        let boards: Vec<&Board> = boards.iter().filter(|board| board.set == set).collect();
        let subjects: Vec<&Subject> = subjects.iter().filter(|subject| subject.set == set).collect();
        for by in &args.by {
            groups.push(match by {
                By::Attribute => by_attribute(args, plan, set, &boards, &subjects, notes)?,
                By::Condition => by_condition(args, plan, set, &boards, &subjects, notes)?,
                By::Sequence => by_sequence(set, &boards),
            });
        }
    }
    Ok(groups)
}

fn by_sequence(set: &str, boards: &[&Board]) -> Group {
    let mut rows = Vec::new();
    for (at, first) in boards.first().into_iter().flat_map(|board| board.sequences.iter().enumerate()) {
        for board in boards {
            rows.extend(board.sequences.get(at).map(|one| (first.name.clone(), board.tracker.clone(), one.clone())));
        }
    }
    Group { set: set.to_owned(), title: "by sequence".into(), rows }
}

fn by_attribute(
    args: &EvaluateArgs,
    plan: Plan,
    set: &str,
    boards: &[&Board],
    subjects: &[&Subject],
    notes: &mut Vec<String>,
) -> Result<Group> {
    let mut problems = Problems::default();
    let mut by_name: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    let mut without = 0;
    for subject in subjects {
        match track::attributes(subject, args.attributes.as_deref(), &mut problems) {
            None => without += 1,
            Some(names) => {
                let sequence = subject.family.names(&subject.name).written;
                for name in names {
                    by_name.entry(name).or_default().insert(sequence.clone());
                }
            }
        }
    }
    problems.into_result()?;
    if by_name.is_empty() {
        let what = "no file of attributes beside the ground truth (attributes.txt, att/<sequence>.txt)";
        return Err(Failure::input(format!("--by attribute: {set}: {what}; name their folder with --attributes")));
    }
    if without > 0 {
        notes.push(format!("{set}: {without} of {} sequences have no file of attributes", subjects.len()));
    }
    let mut rows = Vec::new();
    for (name, sequences) in by_name {
        for board in boards {
            let part: Vec<&Scored> = board.sequences.iter().filter(|one| sequences.contains(&one.name)).collect();
            let label = format!("{name} ({})", part.len());
            rows.push((label, board.tracker.clone(), scoring::overall(plan, &part)));
        }
    }
    Ok(Group { set: set.to_owned(), title: "by attribute (sequences)".into(), rows })
}

fn by_condition(
    args: &EvaluateArgs,
    plan: Plan,
    set: &str,
    boards: &[&Board],
    subjects: &[&Subject],
    notes: &mut Vec<String>,
) -> Result<Group> {
    if plan.main() == Rules::Got10k {
        let what = "these rules know means over sequences only; give --rules hiptrack or pytracking";
        return Err(Failure::usage(format!("--by condition --rules got10k: {what}")));
    }
    let (conditions, whose) = match &args.labels {
        Some(folder) => (labelled(set, subjects, folder, notes)?, "labelled"),
        None => (predicted(boards, subjects, notes)?, "predicted"),
    };
    let mut rows = Vec::new();
    for condition in Condition::ALL {
        for board in boards {
            let mut all = Frames::default();
            for one in &board.sequences {
                let Some(frames) = conditions.get(&one.name) else { continue };
                for (measured, omitted) in &one.frames {
                    all.append(&measured.only(|at| frames.get(at + omitted) == Some(&Some(condition))));
                }
            }
            let of = if plan.exclude_invalid { Of::Valid } else { Of::All };
            let Some(curves) = all.curves(of) else { continue };
            let scores = Scores::of(all.len(), &curves);
            rows.push((
                condition.name().to_owned(),
                board.tracker.clone(),
                Scored { scores, curves, ..Scored::default() },
            ));
        }
    }
    if rows.is_empty() {
        return Err(Failure::input(format!("--by condition: {set}: no scored frame has a condition")));
    }
    Ok(Group { set: set.to_owned(), title: format!("by {whose} condition (shares of all its frames)"), rows })
}

/// By the names of results, the condition of each frame.
type Conditions = BTreeMap<String, Vec<Option<Condition>>>;

/// What the annotators say; of several classes of a frame the first.
fn labelled(set: &str, subjects: &[&Subject], folder: &std::path::Path, notes: &mut Vec<String>) -> Result<Conditions> {
    let sequence = |subject: &&Subject| {
        let boxes: Vec<[f32; 4]> = subject.truth.boxes.iter().map(|row| row.map(|value| value as f32)).collect();
        // Without pictures there are labels all the same.
        let names = (0..boxes.len()).map(|at| format!("{at}")).collect();
        let frames = crate::data::dataset::FrameFiles::listed(subject.frames.folder(), names);
        Sequence::new(&subject.name, frames, boxes, None)
    };
    let mut sets = [Dataset::new(set, subjects.iter().map(sequence).collect())];
    let report = labels::attach(&mut sets, folder)?;
    notes.push(format!("{set}: {report}"));
    notes.extend(report.notes);
    let [dataset] = sets;
    let named = subjects.iter().zip(&dataset.sequences).map(|(subject, sequence)| {
        let frames = (0..sequence.len()).map(|at| sequence.labels.of(at).iter().next()).collect();
        (subject.family.names(&subject.name).written, frames)
    });
    Ok(named.collect())
}

/// What the first tracker predicted.
fn predicted(boards: &[&Board], subjects: &[&Subject], notes: &mut Vec<String>) -> Result<Conditions> {
    let mut all = Conditions::new();
    let sequences = boards.first().map_or(&[][..], |board| &board.sequences[..]);
    for one in sequences {
        let Some(file) = &one.file else { continue };
        let name = file.file_stem().unwrap_or_default().to_string_lossy();
        let Ok(text) = crate::text::read(&file.with_file_name(format!("{name}_condition.txt"))) else { continue };
        let condition = |line: &str| {
            let index: usize = line.split('\t').next()?.parse().ok()?;
            Condition::ALL.get(index).copied()
        };
        // A result starts at its first tracked frame.
        let omitted = one.frames.first().map_or(0, |(_, omitted)| *omitted);
        let frames = std::iter::repeat_n(None, omitted).chain(text.lines().map(condition)).collect();
        all.insert(one.name.clone(), frames);
    }
    match (all.len(), subjects.len()) {
        (0, _) => Err(Failure::input(
            "--by condition: no <sequence>_condition.txt beside the results; name labels with --labels DIR".to_owned(),
        )),
        (some, of) => {
            let tracker = boards.first().map_or("", |board| &board.tracker);
            notes.push(format!("conditions are those that {tracker} predicted, in {some} of {of} sequences"));
            Ok(all)
        }
    }
}
