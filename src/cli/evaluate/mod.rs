//! `trackflow evaluate`: benchmark scores of result files.

mod print;
mod scoring;

use super::track::stem;
use crate::{
    data::{dataset::Roots, problems::Problems},
    failure::{Failure, Result},
    track::{self, Subject, results, score::Rules},
};
use clap::Args;
use scoring::{Plan, Scored};
use std::path::PathBuf;

/// `trackflow evaluate`.
#[derive(Debug, Args)]
#[command(args_override_self = true)]
pub struct EvaluateArgs {
    /// Folder with the result files, under the community's names or ours (default: where `trackflow track` put them;
    /// repeatable: one folder a run, averaged per sequence)
    #[arg(long, value_name = "DIR")]
    results: Vec<PathBuf>,
    /// Family of experiments
    #[arg(long, default_value = "hiptrack")]
    script: String,
    /// Experiment, where --results is not given
    #[arg(long, required_unless_present = "results", default_value = "")]
    config: String,
    /// Data set, or a folder below --data_dir (repeatable)
    #[arg(long, required = true, value_name = "NAME")]
    dataset: Vec<String>,
    /// Only this sequence (repeatable)
    #[arg(long, value_name = "NAME")]
    sequence: Vec<String>,
    /// Whose rules give the scores (default: hiptrack; with those of got10k for AO and SR of GOT-10k and of folders)
    #[arg(long, value_enum)]
    rules: Option<Rules>,
    /// Scores over the frames that show the object alone, beside the others
    #[arg(long)]
    strict: bool,
    /// Divide by the number of valid frames, as the toolkits' option of this name does (not with --rules got10k)
    #[arg(long = "exclude_invalid_frames", alias = "exclude-invalid-frames")]
    exclude_invalid_frames: bool,
    /// Folder that holds the data sets (default: what configs/paths.yaml says, else ./data)
    #[arg(long = "data_dir", alias = "data-dir")]
    data_dir: Option<PathBuf>,
    /// Folder that results were saved to
    #[arg(long = "save_dir", alias = "save-dir", default_value = "./output")]
    save_dir: PathBuf,
    /// File for scores and curves (default: scores.json beside the results)
    #[arg(long, visible_alias = "out", value_name = "FILE")]
    json: Option<PathBuf>,
}

/// Scores result files against annotations.
///
/// # Errors
/// Result files that are missing or damaged, or that the toolkits refuse, all at once; annotations that are.
pub fn evaluate(args: &EvaluateArgs) -> Result<()> {
    let folders = match args.results.is_empty() {
        true => vec![results::folder(&args.save_dir, &args.script, &stem(&args.config))],
        false => args.results.clone(),
    };
    let gone: Vec<String> =
        args.results.iter().filter(|folder| !folder.is_dir()).map(|f| f.display().to_string()).collect();
    if !gone.is_empty() {
        return Err(Failure::input(format!("--results {}: no such folder", gone.join(", "))));
    }
    let (subjects, mut notes) =
        track::subjects(&track::named_sets(&args.dataset)?, &args.sequence, &Roots::open(args.data_dir.as_deref())?)?;
    if args.exclude_invalid_frames && args.rules == Some(Rules::Got10k) {
        let what = "the GOT-10k toolkit leaves out what it leaves out; the option is one of hiptrack and pytracking";
        return Err(Failure::usage(format!("--exclude_invalid_frames --rules got10k: {what}")));
    }
    let plan = Plan { rules: args.rules, strict: args.strict, exclude_invalid: args.exclude_invalid_frames };
    let mut problems = Problems::default();
    let mut scored: Vec<Scored> = Vec::new();
    for subject in &subjects {
        let Some(run) = files(&folders, subject, &mut notes, &mut problems) else { continue };
        scored.extend(scoring::score(plan, subject, &run, &mut notes, &mut problems));
    }
    problems.into_result()?;
    let overall = scoring::overall(plan, &scored);
    print::table(plan, &scored, &overall, &notes);
    let path = args.json.clone().unwrap_or_else(|| folders[0].join("scores.json"));
    print::file(&path, (&folders, &args.dataset), plan, &scored, &overall, &notes)?;
    println!("scores: {}", path.display());
    Ok(())
}

/// The result files of a sequence in all folders.
fn files(
    folders: &[PathBuf],
    subject: &Subject,
    notes: &mut Vec<String>,
    problems: &mut Problems,
) -> Option<track::ResultFiles> {
    let mut all = track::ResultFiles::default();
    for folder in folders {
        let Some(found) = track::find(folder, &subject.set, subject.family, &subject.name) else {
            let name = subject.family.names(&subject.name).written;
            let others = subject.family.names(&subject.name).others;
            let others = if others.is_empty() { String::new() } else { format!(" (nor {})", others.join(", ")) };
            let what = format!("no such result{others}; run trackflow track first, or name its folder with --results");
            problems.file(&folder.join(format!("{name}.txt")), what);
            continue;
        };
        for ignored in &found.ignored {
            notes.push(format!("{}: passed over, {} is scored", ignored.display(), found.runs[0].display()));
        }
        all.runs.extend(found.runs);
        all.seconds = all.seconds.or(found.seconds);
    }
    (!all.runs.is_empty()).then_some(all)
}
