//! The table at the end of a run.

use super::super::load;
use crate::{
    data::rejects::Rejects,
    flow::RunOutcome,
    train::{
        checkpoint::Folder,
        tally::{Progress, Score},
    },
};
use std::{collections::BTreeMap, path::Path};
use tch::Device;

/// What the table is about.
pub(super) struct Facts<'a> {
    pub limits: &'a BTreeMap<String, usize>,
    pub outcome: &'a RunOutcome,
    pub progress: &'a Progress,
    pub rejects: &'a Rejects,
    pub quarantine_after: u64,
    pub folder: &'a Folder,
    pub save_dir: &'a Path,
    pub complete: bool,
}

/// `cpu` or `cuda:0`.
pub(super) fn device_name(device: Device) -> String {
    match device {
        Device::Cuda(number) => format!("cuda:{number}"),
        _ => "cpu".to_string(),
    }
}

/// Prints the results, where the time went, and where the files are.
pub(super) fn print(facts: &Facts<'_>) {
    let Facts { outcome, progress, rejects, quarantine_after, folder, save_dir, complete, .. } = facts;
    if *complete {
        println!("this run was complete already; --resume never starts it anew");
    }
    println!();
    results(progress);
    if !complete {
        times(outcome, facts.limits);
    }
    for count in rejects.counts() {
        println!("planned again: {} clips of {} ({})", count.count, count.dataset, count.reason);
    }
    match rejects.files_failing(*quarantine_after) {
        0 => {}
        files => println!("quarantined: {files} files failed {quarantine_after} times and were not read again"),
    }
    if progress.nonfinite > 0 {
        println!("not finite: {} steps, which changed nothing", progress.nonfinite);
    }
    match folder.list().last() {
        Some(newest) => println!("checkpoint  {}", newest.path.display()),
        None => println!("checkpoint  none was written"),
    }
    for file in ["run.jsonl", "experiment.yaml", "pipeline.yaml"] {
        println!("{:<11} {}", file.split('.').next().unwrap_or(file), save_dir.join(file).display());
    }
}

fn results(progress: &Progress) {
    if progress.before.is_none() && progress.latest.is_none() {
        return;
    }
    let iou = |score: &Option<Score>| score.map_or("-".into(), |score| format!("{:.3}", score.iou));
    let accuracy = |score: &Option<Score>| {
        score.and_then(|score| score.accuracy).map_or("-".into(), |accuracy| format!("{:.1} %", 100.0 * accuracy))
    };
    println!("held-out clips          before     after");
    println!("  mean IoU            {:>8}  {:>8}", iou(&progress.before), iou(&progress.latest));
    println!("  condition accuracy  {:>8}  {:>8}", accuracy(&progress.before), accuracy(&progress.latest));
    println!();
}

fn times(outcome: &RunOutcome, limits: &BTreeMap<String, usize>) {
    let wall = outcome.wall.as_secs_f64().max(1e-9);
    let first = |kind: &str| outcome.stages.iter().find(|stage| stage.kind == kind);
    let clips = first("collate").map_or(0, |stage| stage.taken);
    let batches = first("step").map_or(0, |stage| stage.taken);
    println!("{clips} clips in {batches} batches, {wall:.1} s, {:.1} samples/s", clips as f64 / wall);
    println!();
    println!("{}", load::table(outcome, limits));
}
