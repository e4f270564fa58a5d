//! Scores as a table and as a file.

use super::scoring::{Plan, Scored};
use crate::{
    failure::{Failure, Result},
    track::score::{Curves, Rules, Scores, overlap_bounds, pixel_bounds, share_bounds},
};
use serde::Serialize;
use std::path::{Path, PathBuf};

/// A column's title and value.
type Column = (&'static str, fn(&Scores) -> Option<f64>);

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

/// Prints all scores in per cent, and under them what is odd about them.
pub(super) fn table(plan: Plan, sequences: &[Scored], overall: &Scored, notes: &[String]) {
    let columns: Vec<Column> = COLUMNS.into_iter().filter(|(_, value)| value(&overall.scores).is_some()).collect();
    let width = sequences.iter().map(|one| one.name.chars().count()).max().unwrap_or(0).max(16);
    let cell = if plan.strict { 15 } else { 6 };
    let titles: String = columns.iter().map(|(title, _)| format!(" {title:>cell$}")).collect();
    println!("{:<width$} {:>7}{titles}", "sequence", "frames");
    let row = |one: &Scored| {
        let values: String = columns
            .iter()
            .map(|(_, value)| {
                let shown = |scores: &Scores| value(scores).map_or("-".into(), |value| format!("{:.2}", value * 100.0));
                let text = match plan.strict {
                    true => format!("{} ({})", shown(&one.scores), shown(&one.strict)),
                    false => shown(&one.scores),
                };
                format!(" {text:>cell$}")
            })
            .collect();
        println!("{:<width$} {:>7}{values}", one.name, one.scores.frames);
    };
    sequences.iter().for_each(row);
    if sequences.len() > 1 {
        row(overall);
    }
    if let Some(speed) = overall.scores.speed_fps {
        println!("{speed:.2} frames/s by the times beside the results");
    }
    oddities(plan, overall).iter().for_each(|line| println!("{line}"));
    notes.iter().for_each(|note| println!("note: {note}"));
}

/// What a reader would not expect of the numbers.
fn oddities(plan: Plan, overall: &Scored) -> Vec<String> {
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
        lines.push("* --strict gives the scores over the frames that show the object alone beside these".into());
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

#[derive(Serialize)]
struct Document<'a> {
    results: String,
    datasets: &'a [String],
    rules: Rules,
    exclude_invalid_frames: bool,
    bounds: Bounds,
    overall: Line<'a>,
    sequences: Vec<Line<'a>>,
    oddities: Vec<String>,
    notes: &'a [String],
}

/// Writes everything to `path` as JSON, as shares of 1.
pub(super) fn file(
    path: &Path,
    (folders, datasets): (&[PathBuf], &[String]),
    plan: Plan,
    sequences: &[Scored],
    overall: &Scored,
    notes: &[String],
) -> Result<()> {
    let document = Document {
        results: folders.iter().map(|folder| folder.display().to_string()).collect::<Vec<_>>().join(", "),
        datasets,
        rules: plan.main(),
        exclude_invalid_frames: plan.exclude_invalid,
        bounds: Bounds {
            success: overlap_bounds().collect(),
            precision: pixel_bounds().collect(),
            normalised_precision: share_bounds().collect(),
        },
        overall: Line::of(plan, overall),
        sequences: sequences.iter().map(|one| Line::of(plan, one)).collect(),
        oddities: oddities(plan, overall),
        notes,
    };
    let failed =
        |error: &dyn std::fmt::Display| Failure::output(format!("{}: cannot be written: {error}", path.display()));
    let text = serde_json::to_string_pretty(&document).map_err(|error| failed(&error))?;
    std::fs::write(path, text + "\n").map_err(|error| failed(&error))
}
