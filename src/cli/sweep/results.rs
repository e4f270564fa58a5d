//! What the runs of a sweep came to: a table, a page, comma-separated values.

use super::{
    plan::Plan,
    statistics::{Difference, difference, holm},
};
use crate::{
    failure::{Failure, Result},
    monitor::report::{Group, History, mean_and_deviation, page},
    telemetry::log,
};
use sha2::{Digest, Sha256};
use std::{
    collections::BTreeMap,
    fmt::Write,
    path::{Path, PathBuf},
};

/// What is compared: the key of a validation, its name, and what it is multiplied with to be shown.
const MEASURES: [(&str, &str, f64); 2] = [("IoU", "IoU", 1.0), ("Accuracy", "accuracy, %", 100.0)];

/// The last numbers of the run in `folder`, in words.
///
/// # Errors
/// Its log cannot be read.
pub(super) fn numbers(folder: &Path) -> Result<String> {
    let run = History::read(folder)?;
    let words: Vec<String> = MEASURES
        .iter()
        .filter_map(|(key, name, factor)| Some(format!("{name} {:.3}", run.last(key)? * factor)))
        .collect();
    Ok(if words.is_empty() { "no validation yet".into() } else { words.join(", ") })
}

/// Prints the comparison of all runs that have begun, as arm, seed and folder, and writes `report.html` and `runs.csv`
/// into `home`.
///
/// # Errors
/// A log cannot be read, or a file cannot be written.
pub(super) fn write(plan: &Plan, runs: &[(usize, u64, PathBuf)], home: &Path) -> Result<()> {
    if runs.is_empty() {
        return Ok(());
    }
    let mut arms: Vec<BTreeMap<u64, History>> = vec![BTreeMap::new(); plan.arms.len()];
    for (arm, seed, folder) in runs {
        arms[*arm].insert(*seed, History::read(folder)?);
    }
    for line in table(plan, &arms) {
        log::say(&line);
    }
    let groups: Vec<Group> = plan
        .arms
        .iter()
        .zip(&arms)
        .filter(|(_, runs)| !runs.is_empty())
        .map(|(arm, runs)| Group { name: arm.name.clone(), runs: runs.values().cloned().collect() })
        .collect();
    tch::set_num_threads(1);
    for (file, text) in [("report.html", page(&groups)?), ("runs.csv", csv(plan, &arms, runs)?)] {
        let path = home.join(file);
        let failed = |error| Failure::output(format!("{}: cannot be written: {error}", path.display()));
        std::fs::write(&path, text).map_err(failed)?;
        log::say(&format!("{:<8} {}", file.split('.').next().unwrap_or(file), path.display()));
    }
    Ok(())
}

/// The value of `key` at the last validation of both arms, of the seeds that both have.
fn pairs(arm: &BTreeMap<u64, History>, other: &BTreeMap<u64, History>, key: &str) -> [Vec<f64>; 2] {
    let both = arm.iter().filter_map(|(seed, run)| Some([run.last(key)?, other.get(seed)?.last(key)?]));
    let both: Vec<[f64; 2]> = both.collect();
    [0, 1].map(|side| both.iter().map(|pair| pair[side]).collect())
}

fn table(plan: &Plan, arms: &[BTreeMap<u64, History>]) -> Vec<String> {
    let width = plan.arms.iter().map(|arm| arm.name.chars().count()).max().unwrap_or_default();
    let baseline = &plan.arms[plan.baseline].name;
    let mut lines = Vec::new();
    for (key, name, factor) in MEASURES {
        let differences: Vec<Option<Difference>> = arms
            .iter()
            .enumerate()
            .map(|(index, arm)| {
                let [ours, base] = pairs(arm, &arms[plan.baseline], key);
                difference(&ours, &base).filter(|_| index != plan.baseline)
            })
            .collect();
        let tested: Vec<(usize, f64)> =
            differences.iter().enumerate().filter_map(|(index, found)| Some((index, (*found)?.p?))).collect();
        let corrected = holm(&tested.iter().map(|(_, p)| *p).collect::<Vec<_>>());
        let corrected: BTreeMap<usize, f64> = tested.iter().map(|(index, _)| *index).zip(corrected).collect();
        let values = |arm: &BTreeMap<u64, History>| arm.values().filter_map(|run| run.last(key)).collect::<Vec<f64>>();
        if arms.iter().all(|arm| values(arm).is_empty()) {
            continue;
        }
        lines.push(String::new());
        lines.push(format!(
            "{name:<width$}  runs   mean ± deviation   less {baseline}: mean, 95 % interval, p (Holm)",
            width = width
        ));
        for (index, (arm, difference)) in arms.iter().zip(&differences).enumerate() {
            let values = values(arm);
            let Some((mean, deviation)) = mean_and_deviation(&values) else {
                lines.push(format!("{:<width$}     -", plan.arms[index].name));
                continue;
            };
            let mut line = format!(
                "{:<width$}  {:>4}  {:>6.3} ± {:<6.3}",
                plan.arms[index].name,
                values.len(),
                mean * factor,
                deviation * factor
            );
            if let Some(Difference { pairs, mean, half_width, visible, .. }) = difference {
                let _ = write!(line, "   {:+.3}", mean * factor);
                if *pairs > 1 {
                    let ends = [mean - half_width, mean + half_width].map(|end| end * factor);
                    let _ = write!(line, "  [{:+.3}, {:+.3}]", ends[0], ends[1]);
                    if let Some(p) = corrected.get(&index) {
                        let _ = write!(line, "  p = {p:.3}");
                    }
                    let _ = write!(line, "  ({pairs} pairs would show {:.3})", visible * factor);
                }
            }
            lines.push(line);
        }
    }
    lines.push(String::new());
    lines
}

/// A row for each run: its numbers, and a digest of what it computed, by which others see that they got the same.
fn csv(plan: &Plan, arms: &[BTreeMap<u64, History>], runs: &[(usize, u64, PathBuf)]) -> Result<String> {
    let mut text = String::from("arm,seed,epochs,IoU,accuracy,digest\n");
    for (arm, seed, folder) in runs {
        let Some(run) = arms[*arm].get(seed) else { continue };
        let epochs = run.passes.iter().map(|pass| pass.epoch).max().unwrap_or_default();
        let number = |key: &str| run.last(key).map_or(String::new(), |value| value.to_string());
        let name = plan.arms[*arm].name.replace('"', "\"\"");
        let digest = digest(&folder.join("run.jsonl"))?;
        let _ = writeln!(text, "\"{name}\",{seed},{epochs},{},{},{digest}", number("IoU"), number("Accuracy"));
    }
    Ok(text)
}

/// SHA-256 of all numbers of batches and passes in a log, without times.
fn digest(log: &Path) -> Result<String> {
    let failed = |error: std::io::Error| Failure::input(format!("{}: {error}", log.display()));
    let text = std::fs::read_to_string(log).map_err(failed)?;
    let mut digest = Sha256::new();
    for line in text.lines() {
        let Ok(serde_json::Value::Object(mut event)) = serde_json::from_str(line) else { continue };
        if !["batch", "pass"].contains(&event.get("event").and_then(serde_json::Value::as_str).unwrap_or_default()) {
            continue;
        }
        event.retain(|key, _| !key.ends_with("_seconds") && key != "time");
        digest.update(serde_json::Value::Object(event).to_string());
    }
    Ok(digest.finalize().iter().take(8).map(|byte| format!("{byte:02x}")).collect())
}
