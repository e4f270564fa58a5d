//! The report as one page of HTML.

use super::{
    examples::examples,
    features::features,
    groups::{Group, paired_test},
    history::History,
    marks::bars,
    svg::{Curve, escape, heat, lines},
};
use crate::{data::condition::Condition, failure::Result, train::confusion::Confusion};
use std::{collections::BTreeMap, fmt::Write};

const STYLE: &str = include_str!("page.css");

/// The whole page.
///
/// # Errors
/// 66 when what a run has kept of its features is damaged.
pub fn page(groups: &[Group]) -> Result<String> {
    let names: Vec<String> = groups.iter().map(|group| group.name.clone()).collect();
    let title = names.join(" and ");
    let mut html = format!(
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" \
         content=\"width=device-width, initial-scale=1\"><title>{}</title><style>{STYLE}</style></head><body>\n",
        escape(&title)
    );
    let _ = write!(html, "<h1>{}</h1>", escape(&title));
    let count: usize = groups.iter().map(|group| group.runs.len()).sum();
    let _ = write!(
        html,
        "<p class=\"about\">trackflow {}, {count} run{}</p>",
        env!("CARGO_PKG_VERSION"),
        if count == 1 { "" } else { "s" }
    );
    html += &results(groups);
    html += &curves(groups);
    html += &conditions(groups);
    html += &section("Feature space", &features(groups)?);
    html += &gradients(groups);
    html += &section("Example tracks", &examples(groups));
    html += &speed(groups);
    html += &said(groups);
    Ok(html + "</body></html>\n")
}

fn section(title: &str, body: &str) -> String {
    if body.is_empty() { String::new() } else { format!("<h2>{title}</h2>{body}\n") }
}

fn charts(charts: impl IntoIterator<Item = String>) -> String {
    let all: String = charts.into_iter().collect();
    if all.is_empty() { all } else { format!("<div class=\"charts\">{all}</div>") }
}

fn results(groups: &[Group]) -> String {
    let mut html =
        "<table><tr><th>run</th><th>epochs</th><th>steps</th><th>IoU before</th><th>IoU</th><th>best IoU</th>\
                    <th>accuracy before</th><th>accuracy</th><th>best accuracy</th><th>clips/s</th></tr>"
            .to_string();
    for run in groups.iter().flat_map(|group| &group.runs) {
        let cell = |value: Option<f64>, digits: usize| value.map_or("–".into(), |v| format!("{v:.digits$}"));
        let _ = write!(html, "<tr><td>{}</td>", escape(&run.name));
        let epochs = run.passes.iter().map(|pass| pass.epoch).max().unwrap_or_default();
        let _ = write!(html, "<td>{epochs}</td><td>{}</td>", run.steps.len());
        for (key, digits, scale) in [("IoU", 3, 1.0), ("Accuracy", 1, 100.0)] {
            let curve: Vec<(f64, f64)> =
                run.curve(key, true).into_iter().map(|(epoch, value)| (epoch, scale * value)).collect();
            let before = curve.first().filter(|(epoch, _)| *epoch == 0.0).map(|(_, value)| *value);
            let best = curve.iter().map(|(_, value)| *value).reduce(f64::max);
            for value in [before, curve.last().map(|(_, value)| *value), best] {
                let unit = if scale > 1.0 && value.is_some() { " %" } else { "" };
                let _ = write!(html, "<td>{}{unit}</td>", cell(value, digits));
            }
        }
        let _ = write!(html, "<td>{}</td></tr>", cell(run.rate(), 1));
    }
    html += "</table>";
    if let [first, second] = groups {
        for key in ["IoU", "Accuracy"] {
            let (a, b) = (first.last(key), second.last(key));
            if a.is_empty() || b.is_empty() {
                continue;
            }
            let mean = |values: &[f64]| values.iter().sum::<f64>() / values.len() as f64;
            let test = match paired_test(&a, &b) {
                Some(p) => format!("paired randomisation test over {} seeds: p = {p:.3}", a.len()),
                None => "no test: it needs two pairs of runs or more, as many on either side".into(),
            };
            let (a, b, names) = (mean(&a), mean(&b), (escape(&first.name), escape(&second.name)));
            let _ = write!(
                html,
                "<p>Last validation, {key}: {} {a:.3}, {} {b:.3}, difference {:+.3} ({test}).</p>",
                names.0,
                names.1,
                a - b
            );
        }
    }
    section("Results", &html)
}

fn curves(groups: &[Group]) -> String {
    let by_epoch = |title: &str, key: &str| {
        let mut all = Vec::new();
        for group in groups {
            for (is_val, what) in [(false, "training"), (true, "validation")] {
                let name = if groups.len() > 1 { format!("{}, {what}", group.name) } else { what.into() };
                all.push(group.curve(&name, |run| run.curve(key, is_val)));
            }
        }
        lines(title, "epoch", &all)
    };
    let by_step = |title: &str, of: &dyn Fn(&super::history::Step) -> f64| {
        let curve =
            |group: &Group| group.curve(if groups.len() > 1 { &group.name } else { "" }, |run| thinned(run, of));
        lines(title, "step", &groups.iter().map(curve).collect::<Vec<_>>())
    };
    let body = charts([
        by_epoch("L total", "Loss/total"),
        by_epoch("L box", "Loss/box"),
        by_epoch("L cls", "Loss/cls"),
        by_epoch("Mean IoU", "IoU"),
        by_epoch("Condition accuracy", "Accuracy"),
        by_step("Learning rate", &|step| step.lr),
        by_step("Factor of the class loss", &|step| step.class_weight),
        by_step("Gradient norm before clipping (means)", &|step| step.norm),
    ]);
    section("Curves", &body)
}

/// Means over at most 200 stretches of the run.
fn thinned(run: &History, of: &dyn Fn(&super::history::Step) -> f64) -> Vec<(f64, f64)> {
    let length = run.steps.len().div_ceil(200).max(1);
    let mean = |chunk: &[super::history::Step]| {
        let values: Vec<f64> = chunk.iter().map(of).filter(|value| value.is_finite()).collect();
        let mean = values.iter().sum::<f64>() / values.len() as f64;
        chunk.first().map(|first| (first.step, mean))
    };
    run.steps.chunks(length).filter_map(mean).collect()
}

fn conditions(groups: &[Group]) -> String {
    let names: Vec<&str> = Condition::ALL.iter().map(|condition| condition.name()).collect();
    let mut body = by_condition(groups);
    for group in groups {
        let mut sum = Confusion::default();
        let newest = |run: &History| run.passes.iter().rev().find(|pass| !pass.confusion.rows().is_empty()).cloned();
        group.runs.iter().filter_map(newest).for_each(|pass| sum.add(&pass.confusion));
        if sum.rows().iter().flatten().any(|count| *count > 0) {
            let title = format!("{}: what each condition was taken for, in % of its frames", group.name);
            body += &heat(&title, &names, sum.rows());
        }
    }
    section("Conditions", &body)
}

/// The last validation's IoU and accuracy by condition, as means over each group's runs; the frames are those of the
/// first run.
fn by_condition(groups: &[Group]) -> String {
    let value = |group: &Group, key: &str, condition: &Condition| {
        let values = group.last(&format!("{key}/{condition}"));
        (!values.is_empty()).then(|| values.iter().sum::<f64>() / values.len() as f64)
    };
    let frames = |condition: &Condition| {
        groups.iter().flat_map(|group| group.last(&format!("frames/{condition}"))).next().filter(|n| *n > 0.0)
    };
    let occurring: Vec<(Condition, f64)> =
        Condition::ALL.into_iter().filter_map(|condition| Some((condition, frames(&condition)?))).collect();
    if occurring.is_empty() {
        return String::new();
    }
    let rows: Vec<String> = occurring.iter().map(|(condition, count)| format!("{condition} ({count})")).collect();
    let chart = |title: &str, across: &str, key: &str| {
        let of = |group: &Group| {
            (group.name.clone(), occurring.iter().map(|(condition, _)| value(group, key, condition)).collect())
        };
        let series: Vec<(String, Vec<Option<f64>>)> = groups.iter().map(of).collect();
        let any = series.iter().flat_map(|(_, values)| values).any(Option::is_some);
        if any { bars(title, across, &rows, &series) } else { String::new() }
    };
    charts([
        chart("IoU by condition (frames)", "mean IoU of the last validation", "IoU"),
        chart("Accuracy by condition (frames)", "share of frames told right in the last validation", "Accuracy"),
    ])
}

/// A block at one comparison: the step, the norms of the three gradients, the cosine.
type Compared = (f64, [f64; 3], Option<f64>);

fn gradients(groups: &[Group]) -> String {
    let mut body = String::new();
    for run in groups.iter().flat_map(|group| &group.runs).filter(|run| !run.gradients.is_empty()) {
        let mut blocks: BTreeMap<&str, Vec<Compared>> = BTreeMap::new();
        let mut order: Vec<&str> = Vec::new();
        for at in &run.gradients {
            for (block, norms, cosine) in &at.blocks {
                if !blocks.contains_key(block.as_str()) {
                    order.push(block);
                }
                blocks.entry(block).or_default().push((at.step, *norms, *cosine));
            }
        }
        let _ = write!(
            body,
            "<h3>{}</h3><table><tr><th>block</th><th>‖∇L_box‖</th><th>λ‖∇L_cls‖</th><th>‖∇L‖</th>\
                              <th>ratio cls : box</th><th>cosine</th></tr>",
            escape(&run.name)
        );
        for block in &order {
            let all = &blocks[block];
            let mean = |of: &dyn Fn(&Compared) -> Option<f64>| {
                let values: Vec<f64> = all.iter().filter_map(of).collect();
                values.iter().sum::<f64>() / values.len() as f64
            };
            let norms: Vec<f64> = (0..3).map(|which| mean(&|at| Some(at.1[which]))).collect();
            let cosine = mean(&|at| at.2);
            let shown = |value: f64| if value.is_finite() { format!("{value:.3}") } else { "–".into() };
            let cells: String = norms.iter().map(|norm| format!("<td>{norm:.3e}</td>")).collect();
            let _ = write!(
                body,
                "<tr><td>{}</td>{cells}<td>{}</td><td>{}</td></tr>",
                escape(block),
                shown(norms[1] / norms[0]),
                shown(cosine)
            );
        }
        body += "</table><p class=\"about\">Means over the run's comparisons.</p>";
        let shared: Vec<&&str> = order.iter().filter(|block| blocks[**block].iter().any(|at| at.2.is_some())).collect();
        let cosines = shared.iter().take(6).map(|block| Curve {
            name: (**block).to_string(),
            points: blocks[**block].iter().filter_map(|at| Some((at.0, at.2?))).collect(),
            band: Vec::new(),
        });
        body += &charts([lines("Cosine between the tasks' gradients", "step", &cosines.collect::<Vec<_>>())]);
    }
    section("Gradients", &body)
}

fn speed(groups: &[Group]) -> String {
    let mut body = String::new();
    for run in groups.iter().flat_map(|group| &group.runs) {
        let Some(stages) = run.load["stages"].as_array() else { continue };
        let wall = run.load["wall_seconds"].as_f64().unwrap_or(f64::NAN);
        let _ = write!(
            body,
            "<h3>{}</h3><table><tr><th>stage</th><th>workers</th><th>busy</th><th>waiting</th>\
                              <th>blocked</th><th>items</th></tr>",
            escape(&run.name)
        );
        for stage in stages {
            let workers = stage["workers"].as_f64().unwrap_or(1.0);
            let share = |key: &str| {
                stage[key].as_f64().map_or("–".into(), |s| format!("{:.1} %", 100.0 * s / wall / workers))
            };
            let (id, items) = (stage["id"].as_str().unwrap_or_default(), stage["taken"].as_u64().unwrap_or_default());
            let _ = write!(
                body,
                "<tr><td>{}</td><td>{workers}</td><td>{}</td><td>{}</td><td>{}</td><td>{items}</td></tr>",
                escape(id),
                share("busy_seconds"),
                share("waiting_seconds"),
                share("blocked_seconds")
            );
        }
        body += "</table>";
        if let Some(sentence) = run.load["bottleneck"].as_str() {
            let _ = write!(body, "<p>{}</p>", escape(sentence));
        }
    }
    section("Where the time went", &body)
}

/// Advice, warnings, steps that were not finite, checkpoints.
fn said(groups: &[Group]) -> String {
    const MOST: usize = 20;
    let mut body = String::new();
    for run in groups.iter().flat_map(|group| &group.runs) {
        let mut items: Vec<String> = run.advice.iter().map(|(_, message)| format!("advice: {message}")).collect();
        if run.nonfinite > 0 {
            items.push(format!("{} steps were not finite and changed nothing", run.nonfinite));
        }
        items.extend(run.warnings.iter().take(MOST).map(|message| format!("warning: {message}")));
        if run.warnings.len() > MOST {
            items.push(format!("and {} more warnings in run.jsonl", run.warnings.len() - MOST));
        }
        if let Some((file, bytes, _)) = run.checkpoints.last() {
            let seconds = run.checkpoints.iter().map(|saved| saved.2).fold(0.0, f64::max);
            let count = run.checkpoints.len();
            let megabytes = *bytes as f64 / 1e6;
            items.push(format!(
                "{count} checkpoints, the last {file} ({megabytes:.1} MB); the slowest took {seconds:.2} s"
            ));
        }
        if !items.is_empty() {
            let items: String = items.iter().map(|item| format!("<li>{}</li>", escape(item))).collect();
            let _ = write!(body, "<h3>{}</h3><ul>{items}</ul>", escape(&run.name));
        }
    }
    section("What was said", &body)
}
