//! Where the time of a run went: a table of its stages, and a sentence on who held it up.

use crate::{
    flow::{Graph, Load, RunOutcome, StageContext, StageReport, sentence},
    stages::EXPECTED_BOTTLENECK,
};
use std::{collections::BTreeMap, time::Duration};

/// The most workers of each stage.
pub fn limits<C: StageContext>(graph: &Graph<C>) -> BTreeMap<String, usize> {
    graph.nodes().iter().map(|node| (node.id.clone(), node.kind.worker_limit())).collect()
}

/// What each stage did in the run, as shares of all of it: a stage whose work was done early is not busy after that.
pub fn loads(outcome: &RunOutcome, limits: &BTreeMap<String, usize>) -> Vec<Load> {
    let sum = |of: Vec<Duration>| of.into_iter().sum();
    outcome
        .stages
        .iter()
        .map(|stage| Load {
            id: stage.id.clone(),
            kind: stage.kind.to_string(),
            workers: ran(stage),
            most: limits.get(&stage.id).copied().unwrap_or(stage.workers),
            alive: in_the_run(stage, outcome.wall),
            busy: stage.busy,
            waited: sum(outcome.channels.iter().filter(|c| c.to == stage.id).map(|c| c.receive_wait).collect()),
            blocked: sum(outcome.channels.iter().filter(|c| c.from == stage.id).map(|c| c.send_blocked).collect()),
        })
        .collect()
}

/// The workers that ran: all that there were at a time, or where they came and went, as many as there were on average.
fn ran(stage: &StageReport) -> usize {
    if stage.most == stage.workers || stage.span.is_zero() {
        return stage.most.max(1);
    }
    let mean = stage.alive.as_secs_f64() / stage.span.as_secs_f64();
    (mean.round() as usize).clamp(1, stage.most.max(1))
}

/// How long the workers of a stage would have been there, had they stayed for the whole run.
fn in_the_run(stage: &StageReport, wall: Duration) -> Duration {
    let mean = stage.alive.as_secs_f64() / stage.span.as_secs_f64().max(1e-9);
    let workers = if stage.most == stage.workers { stage.most as f64 } else { mean };
    stage.alive.max(wall.mul_f64(if workers.is_finite() { workers.max(0.0) } else { 0.0 }))
}

/// The same for programs: what became `load.json` of a run.
pub fn json(outcome: &RunOutcome, limits: &BTreeMap<String, usize>) -> serde_json::Value {
    let loads = loads(outcome, limits);
    let stages: Vec<serde_json::Value> = outcome
        .stages
        .iter()
        .zip(&loads)
        .map(|(stage, load)| {
            let mut stage_json = serde_json::json!({
                "id": stage.id,
                "kind": stage.kind,
                "inputs": stage.inputs,
                "workers": stage.workers,
                "workers_ran": load.workers,
                "taken": stage.taken,
                "emitted": stage.emitted,
                "failures": stage.failures,
                "left_out": stage.skipped,
                "busy_seconds": load.busy.as_secs_f64(),
                "waiting_seconds": load.waited.as_secs_f64(),
                "blocked_seconds": load.blocked.as_secs_f64(),
            });
            if let Some(isolated_cost) = stage.isolated_cost {
                stage_json["alone_seconds"] = isolated_cost.wall.as_secs_f64().into();
                stage_json["alone_processor_seconds"] = isolated_cost.processor.as_secs_f64().into();
            }
            stage_json
        })
        .collect();
    let sentence = sentence(&loads, EXPECTED_BOTTLENECK);
    serde_json::json!({"wall_seconds": outcome.wall.as_secs_f64(), "bottleneck": sentence, "stages": stages})
}

/// Shares of the run in which the workers of each stage were busy, waited for input, and were blocked on their output.
pub fn table(outcome: &RunOutcome, limits: &BTreeMap<String, usize>) -> String {
    let loads = loads(outcome, limits);
    let mut text = "where the time went   workers     busy   waiting   blocked     items\n".to_string();
    for (load, stage) in loads.iter().zip(&outcome.stages) {
        let percent = |time: Duration| format!("{:.1} %", 100.0 * load.share(time));
        let has = |end: bool, time: Duration| if end { percent(time) } else { "-".to_string() };
        let emits = outcome.channels.iter().any(|channel| channel.from == stage.id);
        text += &format!(
            "  {:<18}  {:>8}  {:>7}  {:>8}  {:>8}  {:>8}\n",
            load.id,
            load.workers,
            percent(load.busy),
            has(!stage.inputs.is_empty(), load.waited),
            has(emits, load.blocked),
            stage.taken,
        );
    }
    text.push('\n');
    if let Some(sentence) = sentence(&loads, EXPECTED_BOTTLENECK) {
        text += &format!("{sentence}\n");
    }
    for stage in outcome.stages.iter().filter(|stage| stage.restarts > 0) {
        text += &format!("{}: {} failures, {} items skipped\n", stage.id, stage.failures, stage.skipped);
        for left in stage.skipped_items.iter().take(5) {
            text += &format!("  {}: {}\n", left.identity, left.reason);
        }
    }
    text
}
