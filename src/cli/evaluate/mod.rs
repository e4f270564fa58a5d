//! `trackflow evaluate`: benchmark scores of result files.

mod args;
mod epochs;
mod groups;
mod print;
mod report;
mod scoring;
mod submit;
mod trackers;

pub use args::EvaluateArgs;

use crate::{
    data::{dataset::Roots, problems::Problems},
    failure::{Failure, Result},
    track::{self, NamedSet, Subject, score::Rules},
};
use groups::By;
use scoring::{Plan, Scored};
use std::path::PathBuf;
use trackers::Tracker;

/// What one tracker got on one data set.
struct Board {
    tracker: String,
    set: String,
    sequences: Vec<Scored>,
    overall: Scored,
}

/// Scores result files against annotations.
///
/// # Errors
/// Result files that are missing or damaged, or that the toolkits refuse, all at once; annotations that are.
pub fn evaluate(args: &EvaluateArgs) -> Result<()> {
    if let Some(server) = args.submit {
        return submit::submit(args, server);
    }
    if let Some(which) = &args.epochs {
        return epochs::epochs(args, which);
    }
    let trackers = trackers::of(args)?;
    let found = found(args)?;
    let boards = boards(args, &trackers, &found)?;
    let Results { sets, subjects, mut notes, .. } = found;
    notes.extend(boards.1);
    let (boards, plan) = (boards.0, plan(args));
    let groups = groups::groups(args, plan, &boards, &subjects, &mut notes)?;
    print::boards(plan, &boards, &notes, args.by.contains(&By::Sequence));
    groups.iter().for_each(|group| print::group(plan, group, trackers.len() > 1));
    let document = print::Document { trackers: &trackers, sets: &sets, groups: &groups, notes: &notes };
    match (&args.json, &trackers[..]) {
        (Some(path), _) => print::file(path, plan, &boards, &document)?,
        (None, [one]) => {
            for board in &boards {
                let path = one.scores_file(&board.set, sets.len() > 1);
                print::file(&path, plan, std::slice::from_ref(board), &document)?;
            }
        }
        (None, _) => println!("scores of several trackers go to no file; --json FILE names one"),
    }
    if let Some(folder) = &args.report {
        report::write(folder, plan, &boards, &groups, &notes)?;
    }
    Ok(())
}

fn plan(args: &EvaluateArgs) -> Plan {
    Plan { rules: args.rules, strict: args.strict, exclude_invalid: args.exclude_invalid_frames }
}

/// What is scored against.
struct Results {
    sets: Vec<NamedSet>,
    subjects: Vec<Subject>,
    notes: Vec<String>,
}

fn found(args: &EvaluateArgs) -> Result<Results> {
    if args.exclude_invalid_frames && args.rules == Some(Rules::Got10k) {
        let what = "the GOT-10k toolkit has its own rule for which frames count; the option belongs to hiptrack and pytracking";
        return Err(Failure::usage(format!("--exclude_invalid_frames --rules got10k: {what}")));
    }
    let sets = track::named_sets(&args.dataset)?;
    let (subjects, notes) = track::subjects(&sets, &args.sequence, &Roots::open(args.data_dir.as_deref())?)?;
    Ok(Results { sets, subjects, notes })
}

/// The scores of all trackers on all data sets, and what is to be said of them.
fn boards(args: &EvaluateArgs, trackers: &[Tracker], found: &Results) -> Result<(Vec<Board>, Vec<String>)> {
    let (plan, mut notes, mut problems) = (plan(args), Vec::new(), Problems::default());
    let mut boards = Vec::new();
    for set in &found.sets {
        for tracker in trackers {
            let subjects: Vec<&Subject> = found.subjects.iter().filter(|one| one.set == set.folder).collect();
            if subjects.is_empty() {
                continue;
            }
            let mut sequences: Vec<Scored> = Vec::new();
            for subject in &subjects {
                let Some(files) = tracker.files(subject, &mut notes, &mut problems) else { continue };
                sequences.extend(scoring::score(plan, subject, &files, &mut notes, &mut problems));
            }
            notes.extend(tracker.mixture(&subjects));
            let overall = scoring::overall(plan, &sequences.iter().collect::<Vec<_>>());
            boards.push(Board { tracker: tracker.name.clone(), set: set.folder.clone(), sequences, overall });
        }
    }
    if !problems.is_empty() {
        trackers::elsewhere(args, trackers, &found.subjects, &mut problems);
    }
    problems.into_result()?;
    Ok((boards, notes))
}

/// Where something goes, for messages.
fn display(paths: &[PathBuf]) -> String {
    paths.iter().map(|path| path.display().to_string()).collect::<Vec<_>>().join(", ")
}
