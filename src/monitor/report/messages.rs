//! Where the time went, and what was said while the runs went on.

use super::{
    groups::{Group, mean_and_deviation},
    history::History,
    page::{columns, table},
    svg::{escape, fixed},
};
use serde_json::Value;
use std::{collections::BTreeSet, fmt::Write};

/// What the stages of each group's runs did in their last calls.
pub(super) fn speed(groups: &[Group]) -> String {
    let body = columns(groups.iter().map(stages));
    if body.is_empty() {
        return body;
    }
    body + "<p class=\"about\">Shares of the time of a stage's workers, as means over runs: busy in its own work, waiting for \
            input, blocked by who comes next.</p>"
}

fn stages(group: &Group) -> String {
    let loads: Vec<&Value> = group.runs.iter().map(|run| &run.load).filter(|load| load["stages"].is_array()).collect();
    let Some(first) = loads.first() else { return String::new() };
    let row = |stage: &Value| {
        let id = stage["id"].as_str().unwrap_or_default();
        let of = |load: &&Value| -> Option<(Value, f64)> {
            let own = load["stages"].as_array()?.iter().find(|own| own["id"] == stage["id"])?;
            let workers = own["workers_ran"].as_f64().or(own["workers"].as_f64())?;
            Some((own.clone(), load["wall_seconds"].as_f64()? * workers))
        };
        let all: Vec<(Value, f64)> = loads.iter().filter_map(of).collect();
        let mean = |of: &dyn Fn(&Value, f64) -> Option<f64>| {
            let values: Vec<f64> = all.iter().filter_map(|(own, wall)| of(own, *wall)).collect();
            mean_and_deviation(&values).map(|(mean, _)| mean)
        };
        let share = |key: &str| {
            let share = mean(&|own, wall| Some(100.0 * own[key].as_f64()? / wall));
            share.map_or("–".into(), |share| fixed(share, 1) + " %")
        };
        let whole = |key: &str| mean(&|own, _| own[key].as_f64()).map_or("–".into(), |value| fixed(value, 0));
        let ran = if stage["workers_ran"].is_number() { "workers_ran" } else { "workers" };
        let mut row = vec![id.to_string(), whole(ran)];
        row.extend(["busy_seconds", "waiting_seconds", "blocked_seconds"].map(share));
        row.push(whole("taken"));
        row
    };
    let rows: Vec<Vec<String>> = first["stages"].as_array().into_iter().flatten().map(row).collect();
    let head = ["stage", "workers", "busy", "waiting", "blocked", "items"];
    let mut body = format!("<h3>{}</h3>{}", escape(&group.name), table(&head, &rows));
    let sentences: BTreeSet<&str> = loads.iter().filter_map(|load| load["bottleneck"].as_str()).collect();
    for sentence in sentences {
        let _ = write!(body, "<p>{}</p>", marked(sentence));
    }
    body
}

/// What stands between backticks, as code.
fn marked(text: &str) -> String {
    let parts = text.split('`').enumerate();
    parts
        .map(|(index, part)| match index % 2 {
            1 => format!("<code>{}</code>", escape(part)),
            _ => escape(part),
        })
        .collect()
}

/// Advice, warnings, steps that were not finite, checkpoints.
pub(super) fn message_section(groups: &[Group]) -> String {
    columns(groups.iter().flat_map(|group| &group.runs).map(messages))
}

fn messages(run: &History) -> String {
    const MOST: usize = 20;
    let mut items: Vec<String> = run.advice.iter().map(|(_, message)| format!("Advice: {message}")).collect();
    if run.advice.is_empty() {
        items.push("No advice was given.".into());
    }
    if run.nonfinite > 0 {
        items.push(format!("{} steps were not finite and were skipped.", run.nonfinite));
    }
    items.extend(run.warnings.iter().take(MOST).map(|message| format!("Warning: {message}")));
    if run.warnings.len() > MOST {
        items.push(format!("And {} more warnings in run.jsonl.", run.warnings.len() - MOST));
    }
    if let Some((file, bytes, _)) = run.checkpoints.last() {
        let seconds = run.checkpoints.iter().map(|saved| saved.2).fold(0.0, f64::max);
        let (count, megabytes) = (run.checkpoints.len(), *bytes as f64 / 1e6);
        items.push(format!(
            "{count} checkpoints, the last {file} ({megabytes:.1} MB); the slowest took {seconds:.2} s."
        ));
    }
    let items: String = items.iter().map(|item| format!("<li>{}</li>", marked(item))).collect();
    format!("<h3>{}</h3><ul>{items}</ul>", escape(&run.name))
}
