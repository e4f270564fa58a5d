//! What the files below `dashboards/` say, and whether it fits together.

use serde_json::Value;
use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
};
use trackflow::telemetry::names::{ALL, MetricKind};

pub const BOARDS: [&str; 3] = ["pipeline", "training", "system"];

pub fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("dashboards")
}

pub fn board(name: &str) -> Value {
    let path = folder().join("grafana").join(format!("{name}.json"));
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

fn alerts() -> String {
    std::fs::read_to_string(folder().join("prometheus/alerts.yml")).unwrap()
}

/// All queries of a dashboard with the titles of their panels, annotations included.
pub fn queries(board: &Value) -> Vec<(String, String)> {
    let panels = board["panels"].as_array().unwrap().iter().flat_map(|panel| {
        let title = panel["title"].as_str().unwrap();
        let targets = panel["targets"].as_array().into_iter().flatten();
        targets.map(move |target| (title.to_string(), target["expr"].as_str().unwrap().to_string()))
    });
    let annotations = board["annotations"]["list"].as_array().unwrap().iter();
    let annotations = annotations
        .filter_map(|one| Some((one["name"].as_str()?.to_string(), one["target"]["expr"].as_str()?.to_string())));
    panels.chain(annotations).collect()
}

/// The names of metrics in `text`, as [`ALL`] has them.
fn metrics(text: &str) -> BTreeSet<String> {
    let is_part = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let words = text.split(|c| !is_part(c)).filter(|word| word.starts_with("trackflow_"));
    words
        .map(|word| {
            let histograms = ALL.iter().filter(|metric| matches!(metric.kind, MetricKind::Histogram(_)));
            let own = |name: &str| ["_bucket", "_sum", "_count"].iter().any(|end| word == format!("{name}{end}"));
            histograms.map(|metric| metric.name).find(|name| own(name)).unwrap_or(word).to_string()
        })
        .collect()
}

pub fn every_metric_is_known_and_used() {
    let mut used: BTreeMap<String, &str> = BTreeMap::new();
    for name in BOARDS {
        let expressions: Vec<String> = queries(&board(name)).into_iter().map(|(_, expr)| expr).collect();
        used.extend(metrics(&expressions.join("\n")).into_iter().map(|metric| (metric, name)));
    }
    used.extend(metrics(&alerts()).into_iter().map(|metric| (metric, "alerts")));
    let known: BTreeSet<&str> = ALL.iter().map(|metric| metric.name).collect();
    let unknown: Vec<_> = used.iter().filter(|(name, _)| !known.contains(name.as_str())).collect();
    assert!(unknown.is_empty(), "used, but there are no such metrics: {unknown:?}");
    let unused: Vec<_> = known.iter().filter(|name| !used.contains_key(**name)).collect();
    assert!(unused.is_empty(), "no dashboard and no alert uses {unused:?}");
}

pub fn boards_are_well_formed() {
    let mut uids = BTreeSet::new();
    for name in BOARDS {
        let board = board(name);
        assert!(uids.insert(board["uid"].as_str().unwrap().to_string()), "{name}: its uid is not its own");
        assert!(board["schemaVersion"].as_u64().unwrap() >= 37, "{name}: older than Grafana 10");
        let variables: Vec<_> =
            board["templating"]["list"].as_array().unwrap().iter().map(|one| &one["name"]).collect();
        assert_eq!(variables, ["datasource", "instance"], "{name}");
        let mut ids = BTreeSet::new();
        let mut cells = BTreeSet::new();
        for panel in board["panels"].as_array().unwrap() {
            let title = panel["title"].as_str().unwrap();
            assert!(ids.insert(panel["id"].as_u64().unwrap()), "{name}, {title}: its id is not its own");
            let [x, y, w, h] = ["x", "y", "w", "h"].map(|key| panel["gridPos"][key].as_u64().unwrap());
            assert!(x + w <= 24 && w > 0 && h > 0, "{name}, {title}: wider than the board");
            for cell in (x..x + w).flat_map(|column| (y..y + h).map(move |line| (column, line))) {
                assert!(cells.insert(cell), "{name}, {title}: lies over another panel");
            }
            if panel["type"] == "row" {
                continue;
            }
            let mut letters = BTreeSet::new();
            for target in panel["targets"].as_array().unwrap() {
                assert_eq!(target["datasource"]["uid"], "${datasource}", "{name}, {title}");
                assert!(letters.insert(target["refId"].as_str().unwrap()), "{name}, {title}: a letter twice");
                let expr = target["expr"].as_str().unwrap();
                let series = expr.matches("trackflow_").count();
                assert_eq!(expr.matches("instance=~\"$instance\"").count(), series, "{name}, {title}: {expr}");
                tells_runs_apart(&format!("{name}, {title}"), panel, target);
            }
            assert!(!letters.is_empty(), "{name}, {title}: no query");
        }
    }
}

/// Several runs, or ranks of one, on a panel: each has a series and a legend of its own.
fn tells_runs_apart(panel_name: &str, panel: &Value, target: &Value) {
    // A table has a column for each label, a heat map is of all runs together.
    if panel["type"] == "table" || panel["type"] == "heatmap" {
        return;
    }
    let legend = target["legendFormat"].as_str().unwrap();
    assert!(legend.starts_with("{{instance}} {{rank}}"), "{panel_name}: the legend {legend}");
    let expr = target["expr"].as_str().unwrap();
    for word in ["sum", "max", "min", "avg", "count"] {
        for (at, _) in expr.match_indices(&format!("{word} ")).chain(expr.match_indices(&format!("{word}("))) {
            let before = expr[..at].chars().next_back();
            let is_word = before.is_none_or(|c| !c.is_ascii_alphanumeric() && c != '_');
            let apart = expr[at + word.len()..].trim_start().starts_with("by (instance, rank");
            assert!(!is_word || apart, "{panel_name}: {word} over runs in {expr}");
        }
    }
}

/// Grafana's own schema, where npm has it. TRACKFLOW_BOARDS=check asks for it.
pub fn grafana_accepts_the_boards() {
    let cache = Path::new(env!("CARGO_TARGET_TMPDIR")).join("boards");
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts/check-boards");
    let output = std::process::Command::new("python3").arg(script).arg(cache).output().unwrap();
    let printed = crate::support::text(&output);
    if output.status.code() == Some(75) {
        eprintln!("SKIPPED: boards were not compared with Grafana's schema: {printed}");
        return;
    }
    assert!(output.status.success(), "{printed}");
}

pub fn checkpoints_and_validations_are_marked() {
    for name in BOARDS {
        let board = board(name);
        let marks: Vec<&Value> = board["annotations"]["list"].as_array().unwrap().iter().collect();
        for title in ["Checkpoints", "Validations"] {
            let mark = marks.iter().find(|mark| mark["name"] == title).unwrap();
            assert_eq!(mark["enable"], true, "{name}: {title}");
            let text = mark["titleFormat"].as_str().unwrap();
            assert!(text.ends_with("of {{instance}} {{rank}}"), "{name}: {title}: {text}");
        }
    }
}

/// Each alert is expected to fire in `alerts.test.yml` at least once; whether it does is promtool's to say.
pub fn every_alert_is_tested() {
    let tests = std::fs::read_to_string(folder().join("prometheus/alerts.test.yml")).unwrap();
    let alerts = alerts();
    let names: Vec<&str> = alerts.lines().filter_map(|line| line.trim().strip_prefix("- alert: ")).collect();
    assert!(names.len() >= 10, "{names:?}");
    for name in names {
        let fires = format!("alertname: {name}\n        exp_alerts:\n          - exp_labels:");
        assert!(tests.contains(&fires), "{name}: no test lets it fire");
        assert!(alerts.contains(&format!("- alert: {name}\n")) && name.starts_with("Trackflow"), "{name}");
    }
}
