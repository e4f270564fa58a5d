//! `trackflow data verify`: every sequence of a data set, looked at closely.

use crate::{
    data::{
        dataset::{self, Roots, Scan},
        inspect::{Inspection, Report, inspect},
    },
    failure::{Failure, FailureKind, Result},
};
use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::{Value, json};
use std::{collections::BTreeMap, path::PathBuf, time::Instant};

/// `trackflow data verify`.
#[derive(Debug, Args)]
pub(super) struct VerifyArgs {
    /// Data sets by their names in an experiment; also folder:PATH
    #[arg(required = true, value_name = "NAME")]
    names: Vec<String>,
    /// Folder that holds the data sets (default: what configs/paths.yaml says, else ./data)
    #[arg(long = "data_dir", alias = "data-dir")]
    data_dir: Option<PathBuf>,
    /// Decode every frame instead of looking at headers and ends
    #[arg(long)]
    deep: bool,
    /// Print one JSON object instead of tables
    #[arg(long)]
    json: bool,
}

/// How many faulty sequences a table lists.
const LISTED: usize = 50;

/// Checks the named data sets and prints what is wrong.
///
/// # Errors
/// 66 when anything is wrong; 78 for a name that does not exist.
pub(super) fn verify(args: &VerifyArgs) -> Result<()> {
    let roots = Roots::open(args.data_dir.as_deref())?;
    let mut missing = Vec::new();
    let (mut faulty, mut sequences) = (0, 0);
    let mut printed = Vec::new();
    for name in &args.names {
        let start = Instant::now();
        let scan = match dataset::scan(name, &roots) {
            Ok(scan) => scan,
            Err(failure) if matches!(failure.kind, FailureKind::Input | FailureKind::Away) => {
                missing.push(failure.message);
                continue;
            }
            Err(failure) => return Err(failure),
        };
        let found = look(&scan, args.deep);
        sequences += found.sequences;
        faulty += found.faulty.len() + usize::from(!found.general.is_empty());
        match args.json {
            true => printed.push(as_json(&scan, &found)),
            false => table(&scan, &found, args.deep, start.elapsed().as_secs_f64()),
        }
    }
    if args.json {
        let sound = faulty == 0 && missing.is_empty();
        crate::telemetry::log::data(json!({"sound": sound, "datasets": printed, "missing": missing}));
    }
    if faulty > 0 && sequences == 0 {
        missing.push("nothing could be read; see the messages above".to_string());
    } else if faulty > 0 {
        missing.push(format!("{faulty} of {sequences} sequences have faults; repair them or take them off the lists"));
    }
    if missing.is_empty() { Ok(()) } else { Err(Failure::input(missing.join("\n"))) }
}

/// Looks closely, with a bar on a terminal.
fn look(scan: &Scan, deep: bool) -> Inspection {
    let frames: usize = scan.sequences.iter().map(|found| found.sequence.len()).sum();
    let bar = ProgressBar::new(frames as u64);
    if let Ok(style) = ProgressStyle::with_template("{prefix} {bar:30} {pos}/{len} frames {eta}") {
        bar.set_style(style);
    }
    bar.set_prefix(scan.name.clone());
    let found = inspect(scan, deep, |done| bar.inc(done as u64));
    bar.finish_and_clear();
    found
}

fn table(scan: &Scan, found: &Inspection, deep: bool, seconds: f64) {
    println!("{}  {}", scan.name, scan.root.display());
    let how = if deep { "decoded" } else { "opened" };
    let Inspection { sequences, frames, visible, opened, .. } = found;
    println!(
        "  {sequences} sequences, {frames} frames, {visible} show the object; {opened} files {how} in {seconds:.1} s"
    );
    scan.notes.iter().chain(&found.notes).for_each(|note| println!("  note: {note}"));
    found.general.iter().for_each(|line| println!("  fault: {line}"));
    if found.is_sound() {
        println!("  all sound");
        return;
    }
    if found.faulty.is_empty() {
        return;
    }
    let width =
        found.faulty.iter().take(LISTED).map(|report| report.sequence.chars().count()).max().unwrap_or(0).max(8);
    println!("  {:<width$}  frames  faults  what", "sequence");
    for report in found.faulty.iter().take(LISTED) {
        let Report { sequence, frames, faults } = report;
        let kinds = kinds(report).into_iter().map(|(kind, count)| format!("{count} {kind}")).collect::<Vec<_>>();
        println!("  {sequence:<width$}  {frames:>6}  {:>6}  {}", faults.len(), kinds.join(", "));
        if let Some(first) = faults.first() {
            println!("  {:<width$}  {}", "", first.text);
        }
    }
    if found.faulty.len() > LISTED {
        println!("  and {} more sequences with faults (--json lists all)", found.faulty.len() - LISTED);
    }
}

fn kinds(report: &Report) -> BTreeMap<&'static str, usize> {
    let mut kinds = BTreeMap::new();
    report.faults.iter().for_each(|fault| *kinds.entry(fault.kind).or_default() += 1);
    kinds
}

fn as_json(scan: &Scan, found: &Inspection) -> Value {
    let report = |report: &Report| {
        let faults: Vec<Value> =
            report.faults.iter().map(|fault| json!({"kind": fault.kind, "text": fault.text})).collect();
        json!({"sequence": report.sequence, "frames": report.frames, "faults": faults})
    };
    json!({
        "dataset": scan.name,
        "root": scan.root.display().to_string(),
        "sequences": found.sequences,
        "frames": found.frames,
        "visible": found.visible,
        "opened": found.opened,
        "notes": scan.notes.iter().chain(&found.notes).collect::<Vec<_>>(),
        "general": found.general,
        "faulty": found.faulty.iter().map(report).collect::<Vec<_>>(),
    })
}
