//! Scores as a table and as a file.

use super::{
    Board, display,
    groups::Group,
    scoring::{Plan, Scored},
    trackers::Tracker,
};
use crate::{
    failure::{Failure, Result},
    track::{
        NamedSet,
        score::{Curves, Rules, Scores, overlap_bounds, pixel_bounds, share_bounds},
    },
};
use serde::Serialize;
use std::{collections::BTreeSet, path::Path};

/// A column's title and value.
pub(super) type Column = (&'static str, fn(&Scores) -> Option<f64>);

const COLUMNS: [Column; 8] = [
    ("AUC", |s| s.auc),
    ("OP50", |s| s.op50),
    ("OP75", |s| s.op75),
    ("P", |s| s.precision),
    ("Pnorm", |s| s.normalised_precision),
    ("AO", |s| s.ao),
    ("SR50", |s| s.sr50),
    ("SR75", |s| s.sr75),
];

fn spelled(rules: Rules) -> &'static str {
    match rules {
        Rules::Hiptrack => "hiptrack",
        Rules::Pytracking => "pytracking",
        Rules::Got10k => "got10k",
    }
}

/// The columns for which one of `all` has a value.
pub(super) fn columns<'a>(all: impl Iterator<Item = &'a Scored> + Clone) -> Vec<Column> {
    COLUMNS.into_iter().filter(|(_, value)| all.clone().any(|one| value(&one.scores).is_some())).collect()
}

/// A score in per cent, with the strict one in brackets where that is asked for.
pub(super) fn cell(plan: Plan, one: &Scored, value: fn(&Scores) -> Option<f64>) -> String {
    let display = |scores: &Scores| value(scores).map_or("-".into(), |value| format!("{:.2}", value * 100.0));
    match plan.strict && !one.strict_curves.success.is_empty() {
        true => format!("{} ({})", display(&one.scores), display(&one.strict)),
        false => display(&one.scores),
    }
}

/// Prints `rows`, each with its name.
fn rows(plan: Plan, title: &str, rows: &[(String, &Scored)]) {
    let columns = columns(rows.iter().map(|(_, one)| *one));
    let width = rows.iter().map(|(name, _)| name.chars().count()).max().unwrap_or(0).max(title.len()).max(16);
    let wide = if plan.strict { 15 } else { 6 };
    let titles: String = columns.iter().map(|(title, _)| format!(" {title:>wide$}")).collect();
    println!("{title:<width$} {:>7}{titles}", "frames");
    for (name, one) in rows {
        let values: String = columns.iter().map(|(_, value)| format!(" {:>wide$}", cell(plan, one, *value))).collect();
        println!("{name:<width$} {:>7}{values}", one.scores.frames);
    }
}

/// Prints all scores in per cent, and under them what is odd about them. With one tracker, every sequence has a row
/// (with several where `by_sequence` has none of its own), and every data set has one.
pub(super) fn boards(plan: Plan, boards: &[Board], notes: &[String], by_sequence: bool) {
    let trackers: BTreeSet<&str> = boards.iter().map(|board| board.tracker.as_str()).collect();
    let single = trackers.len() == 1 && !by_sequence;
    for board in boards.iter().filter(|_| single) {
        let mut all: Vec<(String, &Scored)> = board.sequences.iter().map(|one| (one.name.clone(), one)).collect();
        if board.sequences.len() > 1 && boards.len() == 1 {
            all.push((board.overall.name.clone(), &board.overall));
        }
        rows(plan, if boards.len() > 1 { &board.set } else { "sequence" }, &all);
    }
    if boards.len() > 1 || !single {
        let name = |board: &Board| match trackers.len() {
            1 => board.set.clone(),
            _ => format!("{}: {}", board.set, board.tracker),
        };
        let all: Vec<(String, &Scored)> = boards.iter().map(|board| (name(board), &board.overall)).collect();
        let title = if trackers.len() == 1 { "data set" } else { "data set: tracker" };
        rows(plan, title, &all);
    }
    for board in boards {
        let whose = if boards.len() > 1 { format!("{}: {}: ", board.set, board.tracker) } else { String::new() };
        if let Some(speed) = board.overall.scores.speed_fps {
            println!("{whose}{speed:.2} frames/s by the times beside the results");
        }
        let odd = oddities(plan, &board.overall);
        if !odd.is_empty() && boards.len() > 1 {
            println!("{} on {}", board.tracker, board.set);
        }
        odd.iter().for_each(|line| println!("{line}"));
    }
    notes.iter().for_each(|note| println!("note: {note}"));
}

/// Prints the scores of parts.
pub(super) fn group(plan: Plan, group: &Group, several: bool) {
    let name = |part: &str, tracker: &str| if several { format!("{part}: {tracker}") } else { part.to_owned() };
    let all: Vec<(String, &Scored)> =
        group.rows.iter().map(|(part, tracker, one)| (name(part, tracker), one)).collect();
    println!();
    rows(plan, &format!("{} {}", group.set, group.title), &all);
}

/// What a reader would not expect of the numbers.
pub(super) fn oddities(plan: Plan, overall: &Scored) -> Vec<String> {
    let mut lines = Vec::new();
    let mut block = |rules: Rules, what: &str, odd: Vec<String>| {
        if !odd.is_empty() {
            lines.push(format!("* by the rules of {} {what}:", spelled(rules)));
            lines.extend(odd.into_iter().map(|line| format!("*   {line}")));
        }
    };
    let given = if plan.main() == Rules::Got10k { "(AUC, OP50, OP75, P)" } else { "(AUC, OP50, OP75, P, Pnorm)" };
    block(plan.main(), given, overall.odd.lines());
    block(Rules::Got10k, "(AO, SR50, SR75)", overall.overlaps_odd.lines());
    if plan.exclude_invalid {
        lines.push("* shares are of valid frames, hits of all: P and Pnorm may pass 100".into());
    }
    if plan.strict {
        lines.push("* in brackets, strict: hits and frames are those that show the object, and no others".into());
    } else if !lines.is_empty() {
        lines.push("* --strict adds the scores over only those frames that show the object".into());
    }
    lines
}

#[derive(Serialize)]
struct Line<'a> {
    name: &'a str,
    #[serde(flatten)]
    scores: &'a Scores,
    curves: &'a Curves,
    #[serde(skip_serializing_if = "Option::is_none")]
    strict: Option<Strict<'a>>,
}

#[derive(Serialize)]
struct Strict<'a> {
    #[serde(flatten)]
    scores: &'a Scores,
    curves: &'a Curves,
}

impl<'a> Line<'a> {
    fn of(plan: Plan, one: &'a Scored) -> Self {
        let Scored { name, scores, curves, strict, strict_curves, .. } = one;
        let strict = plan.strict.then_some(Strict { scores: strict, curves: strict_curves });
        Self { name, scores, curves, strict }
    }
}

#[derive(Serialize)]
struct Bounds {
    success: Vec<f64>,
    precision: Vec<f64>,
    normalised_precision: Vec<f64>,
}

/// What a file says beside the scores.
pub(super) struct Document<'a> {
    pub trackers: &'a [Tracker],
    pub sets: &'a [NamedSet],
    pub groups: &'a [Group],
    pub notes: &'a [String],
}

/// What a tracker got on a data set, as it is written.
#[derive(Serialize)]
struct Written<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    tracker: Option<&'a str>,
    results: String,
    datasets: Vec<&'a str>,
    rules: Rules,
    exclude_invalid_frames: bool,
    bounds: Bounds,
    overall: Line<'a>,
    sequences: Vec<Line<'a>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    groups: Vec<WrittenGroup<'a>>,
    oddities: Vec<String>,
    notes: &'a [String],
}

#[derive(Serialize)]
struct WrittenGroup<'a> {
    by: &'a str,
    part: &'a str,
    scores: &'a Scores,
}

/// Several of them in one file.
#[derive(Serialize)]
struct Several<'a> {
    boards: Vec<Written<'a>>,
}

fn written<'a>(plan: Plan, board: &'a Board, document: &'a Document<'a>, several: bool) -> Written<'a> {
    let own = document.trackers.iter().find(|tracker| tracker.name == board.tracker);
    let groups = document.groups.iter().filter(|group| group.set == board.set).flat_map(|group| {
        let rows = group.rows.iter().filter(|(_, tracker, _)| *tracker == board.tracker);
        rows.map(|(part, _, one)| WrittenGroup { by: &group.title, part, scores: &one.scores })
    });
    let set = document.sets.iter().find(|set| set.folder == board.set);
    Written {
        tracker: several.then_some(board.tracker.as_str()),
        results: own.map(|tracker| display(&tracker.folders)).unwrap_or_default(),
        datasets: set.map(|set| set.given.as_str()).into_iter().collect(),
        rules: plan.main(),
        exclude_invalid_frames: plan.exclude_invalid,
        bounds: Bounds {
            success: overlap_bounds().collect(),
            precision: pixel_bounds().collect(),
            normalised_precision: share_bounds().collect(),
        },
        overall: Line::of(plan, &board.overall),
        sequences: board.sequences.iter().map(|one| Line::of(plan, one)).collect(),
        groups: groups.collect(),
        oddities: oddities(plan, &board.overall),
        notes: document.notes,
    }
}

/// Writes everything to `path` as JSON, as shares of 1; several boards stand in a list.
pub(super) fn file(path: &Path, plan: Plan, boards: &[Board], document: &Document<'_>) -> Result<()> {
    let failed =
        |error: &dyn std::fmt::Display| Failure::output(format!("{}: cannot be written: {error}", path.display()));
    let text = match boards {
        [one] => serde_json::to_string_pretty(&written(plan, one, document, document.trackers.len() > 1)),
        all => serde_json::to_string_pretty(&Several {
            boards: all.iter().map(|board| written(plan, board, document, true)).collect(),
        }),
    };
    let text = text.map_err(|error| failed(&error))?;
    std::fs::write(path, text + "\n").map_err(|error| failed(&error))?;
    println!("scores: {}", path.display());
    Ok(())
}
