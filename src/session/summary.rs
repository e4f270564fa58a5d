//! The table at the end of a run.

use super::load;
use crate::{
    data::{rejects::Rejects, shared::Shared},
    flow::RunOutcome,
    telemetry::log,
    train::{
        checkpoint::Folder,
        metrics::{Progress, Score},
    },
};
use std::{collections::BTreeMap, path::Path};
use tch::Device;

/// What the table is about.
pub(super) struct Summary<'a> {
    pub limits: &'a BTreeMap<String, usize>,
    pub outcome: &'a RunOutcome,
    pub progress: &'a Progress,
    pub rejects: &'a Rejects,
    pub shared: Option<&'a Shared>,
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
pub(super) fn print(facts: &Summary<'_>) {
    let Summary { outcome, progress, rejects, quarantine_after, folder, save_dir, complete, .. } = facts;
    if *complete {
        log::say("run already complete; use --resume never to start over");
    }
    log::say("");
    results(progress, facts.shared);
    if !complete {
        times(outcome, facts.limits, progress);
    }
    for count in rejects.counts() {
        log::say(&format!("clips planned again: {} of {} ({})", count.count, count.dataset, count.reason));
    }
    match rejects.files_failing(*quarantine_after) {
        0 => {}
        files => {
            log::say(&format!("quarantined: {files} files failed {quarantine_after} times and were not read again"))
        }
    }
    if progress.nonfinite > 0 {
        log::say(&format!("not finite: {} steps, which were skipped", progress.nonfinite));
    }
    match folder.list().last() {
        Some(newest) => log::say(&format!("checkpoint  {}", newest.path.display())),
        None => log::say("checkpoint  none was written"),
    }
    for file in ["run.jsonl", "experiment.yaml", "pipeline.yaml"] {
        log::say(&format!("{:<11} {}", file.split('.').next().unwrap_or(file), save_dir.join(file).display()));
    }
}

fn results(progress: &Progress, shared: Option<&Shared>) {
    if progress.before.is_none() && progress.latest.is_none() {
        return;
    }
    let scores = [progress.before.as_ref(), progress.latest.as_ref()];
    let row = |name: &str, value: &dyn Fn(&Score) -> Option<String>| {
        let [before, after] = scores.map(|score| score.and_then(value).unwrap_or("-".into()));
        format!("  {name:<24}{before:>8}  {after:>8}")
    };
    let percent = |share: f64| format!("{:.1} %", 100.0 * share);
    if let Some(shared) = shared {
        log::say(&format!("validation {}", shared.short()));
    }
    let title = if shared.is_some() { "validation clips" } else { "held-out clips" };
    let labelled = scores.iter().flatten().any(|score| score.accuracy.is_some());
    let mistakes = if labelled { "   most often mistaken for" } else { "" };
    log::say(&format!("{title:<28}before     after{mistakes}"));
    log::say(&row("mean IoU", &|score| Some(format!("{:.3}", score.iou))));
    if labelled {
        log::say(&row("condition accuracy", &|score| score.accuracy.map(percent)));
    }
    let newest = scores[1].or(scores[0]).map_or_else(Vec::new, |score| score.confusion.recalls());
    for recall in newest {
        let share = |score: &Score| {
            let recalls = score.confusion.recalls();
            let own = recalls.iter().find(|other| other.condition == recall.condition)?;
            Some(percent(own.right as f64 / own.frames as f64))
        };
        let mistaken = recall.mistaken.map_or(String::new(), |(other, count)| {
            format!("   {other} ({})", percent(count as f64 / recall.frames as f64))
        });
        log::say(&format!("{}{mistaken}", row(&format!("  {}", recall.condition), &share)));
    }
    log::say("");
}

fn times(outcome: &RunOutcome, limits: &BTreeMap<String, usize>, progress: &Progress) {
    let wall = outcome.wall.as_secs_f64().max(1e-9);
    let first = |kind: &str| outcome.stages.iter().find(|stage| stage.kind == kind);
    let clips = first("collate").map_or(0, |stage| stage.taken);
    let batches = first("step").map_or(0, |stage| stage.taken);
    let rate = clips as f64 / wall;
    log::say(&format!("{clips} clips in {batches} batches in {wall:.1} s: {rate:.1} clips/s, validation included"));
    if let Some(busy) = progress.device_busy() {
        log::say(&format!(
            "device busy with training steps for {:.1} % of the time from the first to the last",
            100.0 * busy
        ));
    }
    log::say("");
    log::say(&load::table(outcome, limits));
}
