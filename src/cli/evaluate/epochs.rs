//! `evaluate --epochs`: a run's checkpoints, each tracked with and scored.

use super::{args::EvaluateArgs, boards, found, plan, print, trackers::Tracker};
use crate::{
    cli::track::{self, TrackArgs, epoch_checkpoints, stem},
    failure::{Failure, Result},
    track::results,
};
use std::str::FromStr;

/// Which epochs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Which {
    All,
    Numbers(Vec<usize>),
}

impl FromStr for Which {
    type Err = String;

    fn from_str(text: &str) -> std::result::Result<Self, String> {
        if text == "all" {
            return Ok(Self::All);
        }
        let numbers = text.split(',').map(|number| number.trim().parse().ok()).collect::<Option<Vec<usize>>>();
        numbers.map(Self::Numbers).ok_or_else(|| "write all, or numbers of epochs with commas: 1,5,10".to_owned())
    }
}

/// Tracks with each checkpoint (those whose results are there are not tracked again) and prints a row for each.
///
/// # Errors
/// Those of tracking and of scoring; 66 when there is no such checkpoint.
pub(super) fn epochs(args: &EvaluateArgs, which: &Which) -> Result<()> {
    let config = stem(&args.config);
    let checkpoints = args.save_dir.join("checkpoints/train").join(&args.script).join(&config);
    let there = epoch_checkpoints(&checkpoints);
    let chosen: Vec<_> = match which {
        Which::All => there.clone(),
        Which::Numbers(wanted) => there.iter().filter(|(epoch, _)| wanted.contains(epoch)).cloned().collect(),
    };
    let epochs: Vec<String> = there.iter().map(|(epoch, _)| epoch.to_string()).collect();
    if let Which::Numbers(wanted) = which
        && let Some(gone) = wanted.iter().find(|wanted| !there.iter().any(|(epoch, _)| epoch == *wanted))
    {
        let what = format!("no checkpoint of epoch {gone}; there are those of epochs {}", epochs.join(", "));
        return Err(Failure::input(format!("{}: {what}", checkpoints.display())));
    }
    if chosen.is_empty() {
        let what = "no checkpoint of a finished epoch is here; train first";
        return Err(Failure::input(format!("{}: {what}", checkpoints.display())));
    }
    let base = results::folder(&args.save_dir, &args.script, &config).join("epochs");
    let mut trackers = Vec::new();
    for (epoch, file) in &chosen {
        let folder = base.join(format!("{epoch:04}"));
        println!("epoch {epoch}: {}", file.display());
        track::track(&TrackArgs {
            script: args.script.clone(),
            config: args.config.clone(),
            weights: Some(file.clone()),
            key: None,
            dataset: args.dataset.clone(),
            sequence: args.sequence.clone(),
            data_dir: args.data_dir.clone(),
            save_dir: args.save_dir.clone(),
            skip_existing: true,
            device: args.device.clone(),
            jobs: args.jobs,
            threads: args.threads,
            set: args.set.clone(),
            folder: Some(folder.clone()),
            ..TrackArgs::default()
        })?;
        trackers.push(Tracker { name: format!("epoch {epoch}"), folders: vec![folder], ours: false });
    }
    let found = found(args)?;
    let (boards, mut notes) = boards(args, &trackers, &found)?;
    notes.splice(0..0, found.notes.iter().cloned());
    println!();
    print::boards(plan(args), &boards, &notes, true);
    for set in &found.sets {
        let of_set = boards.iter().filter(|board| board.set == set.folder);
        let rated = of_set.filter_map(|board| Some((board.overall.main_score()?, &board.tracker)));
        if let Some((score, best)) = rated.max_by(|a, b| a.0.total_cmp(&b.0)) {
            println!("best on {}: {best} ({:.2})", set.folder, 100.0 * score);
        }
    }
    let path = args.json.clone().unwrap_or_else(|| base.join("scores.json"));
    let document = print::Document { trackers: &trackers, sets: &found.sets, groups: &[], notes: &notes };
    print::file(&path, plan(args), &boards, &document)?;
    if let Some(folder) = &args.report {
        super::report::write(folder, plan(args), &boards, &[], &notes)?;
    }
    Ok(())
}
