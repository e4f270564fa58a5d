//! `trackflow evaluate`: benchmark scores of result files.

use super::track::stem;
use crate::{
    data::dataset::Roots,
    data::problems::Problems,
    failure::{Failure, Result},
    track::{
        self, Video, results,
        score::{self, Scores},
    },
    vision::decode::dimensions,
};
use clap::Args;
use serde::Serialize;
use std::path::{Path, PathBuf};

/// `trackflow evaluate`.
#[derive(Debug, Args)]
#[command(args_override_self = true)]
pub struct EvaluateArgs {
    /// Folder with one <sequence>.txt each (default: where `trackflow track` put them)
    #[arg(long, value_name = "DIR")]
    results: Option<PathBuf>,
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
    /// Folder that holds the data sets (default: what configs/paths.yaml says, else ./data)
    #[arg(long = "data_dir", alias = "data-dir")]
    data_dir: Option<PathBuf>,
    /// Folder that results were saved to
    #[arg(long = "save_dir", alias = "save-dir", default_value = "./output")]
    save_dir: PathBuf,
    /// File for the scores (default: scores.json beside the results)
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
}

#[derive(Serialize)]
struct Sequence {
    name: String,
    #[serde(flatten)]
    scores: Scores,
}

#[derive(Serialize)]
struct Document {
    results: String,
    datasets: Vec<String>,
    overall: Scores,
    sequences: Vec<Sequence>,
}

/// Scores result files against annotations.
///
/// # Errors
/// Result files that are missing, too short or damaged, all at once; annotations that are.
pub fn evaluate(args: &EvaluateArgs) -> Result<()> {
    let folder =
        args.results.clone().unwrap_or_else(|| results::folder(&args.save_dir, &args.script, &stem(&args.config)));
    let videos = track::videos(&args.dataset, &args.sequence, &Roots::open(args.data_dir.as_deref())?)?;
    let mut problems = Problems::default();
    let mut sequences = Vec::new();
    for video in &videos {
        if let Some(scores) = scores(&folder, video, &mut problems) {
            sequences.push(Sequence { name: video.name.clone(), scores });
        }
    }
    problems.into_result()?;
    let all: Vec<Scores> = sequences.iter().map(|sequence| sequence.scores).collect();
    let overall = score::benchmark(&all);
    println!(
        "{:<32} {:>7} {:>6} {:>6} {:>6} {:>6} {:>6} {:>6} {:>6} {:>6}",
        "sequence", "frames", "AUC", "OP50", "OP75", "P", "Pnorm", "AO", "SR50", "SR75"
    );
    sequences.iter().for_each(|sequence| row(&sequence.name, &sequence.scores));
    if sequences.len() > 1 {
        row(&format!("all {}", sequences.len()), &overall);
    }
    let path = args.json.clone().unwrap_or_else(|| folder.join("scores.json"));
    let document =
        Document { results: folder.display().to_string(), datasets: args.dataset.clone(), overall, sequences };
    let failed =
        |error: &dyn std::fmt::Display| Failure::output(format!("{}: cannot be written: {error}", path.display()));
    let text = serde_json::to_string_pretty(&document).map_err(|error| failed(&error))?;
    std::fs::write(&path, text + "\n").map_err(|error| failed(&error))?;
    println!("scores: {}", path.display());
    Ok(())
}

/// Shares are printed in per cent, as in papers.
fn row(name: &str, scores: &Scores) {
    let values = [
        scores.auc,
        scores.op50,
        scores.op75,
        scores.precision,
        scores.normalised_precision,
        scores.ao,
        scores.sr50,
        scores.sr75,
    ];
    let values: String = values.iter().map(|value| format!(" {:>6.1}", value * 100.0)).collect();
    println!("{name:<32} {:>7}{values}", scores.frames);
}

fn scores(folder: &Path, video: &Video, problems: &mut Problems) -> Option<Scores> {
    let path = results::file(folder, &video.name);
    if !path.is_file() {
        problems.file(&path, "no such result; run trackflow track first, or name its folder with --results");
        return None;
    }
    if video.boxes.len() < video.frames.len() {
        problems.file(video.frames.folder(), "only the first frame is annotated; there is nothing to score against");
        return None;
    }
    let found = results::read(&path, problems)?;
    if found.len() < video.boxes.len() {
        let what = format!("{} boxes for {} frames; track the sequence again", found.len(), video.boxes.len());
        problems.file(&path, what);
        return None;
    }
    // GOT-10k cuts boxes to the picture; the size is in the header of its first frame.
    let size = video.frames.file(0).read().ok().and_then(|bytes| dimensions(&bytes).ok());
    let size = size.map(|(width, height)| (f64::from(width), f64::from(height)));
    Some(score::sequence(&found, &video.boxes, &video.visible, size))
}
