//! How the runs were made: what it takes to make them again, and the keys in which groups differ.

use super::{
    groups::Group,
    history::{Call, History},
    page::table,
    svg::escape,
};
use crate::{settings::Node, train::experiment::defaults::flat};
use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write,
    time::Duration,
};

/// The section of the page; empty where no run has said anything of its calls.
pub(super) fn origin(groups: &[Group]) -> String {
    let runs = || groups.iter().flat_map(|group| &group.runs);
    let mut html: String = runs().map(of_run).collect();
    if !html.is_empty() {
        html = format!("<div class=\"columns\">{html}</div>");
    }
    html += &differences(groups);
    let unread = |run: &History| {
        let skipped = (!run.skipped.is_empty()).then(|| run.skipped.to_string())?;
        Some(format!("<li>{}: run.jsonl: {}</li>", escape(&run.name), escape(&skipped)))
    };
    let unread: String = runs().filter_map(unread).collect();
    if !unread.is_empty() {
        let _ = write!(html, "<ul>{unread}</ul>");
    }
    html
}

/// What one run said of its calls; the newest call speaks for program, machine and data.
fn of_run(run: &History) -> String {
    let Some(Call { start, .. }) = run.calls.last() else { return String::new() };
    let mut rows: Vec<Vec<String>> = Vec::new();
    let mut row = |name: &str, text: String| {
        if !text.is_empty() {
            rows.push(vec![name.into(), text]);
        }
    };
    row("experiment", start.experiment.clone());
    row("seed", start.seed.map_or_else(String::new, |seed| seed.to_string()));
    let mut commands: Vec<String> = run.calls.iter().map(|call| command_line(&call.start.command)).collect();
    commands.dedup();
    commands.into_iter().for_each(|command| row("command", command));
    row("in folder", start.folder.clone());
    let commit = start.commit.as_ref().map_or(String::new(), |commit| format!(" ({commit})"));
    row("program", format!("trackflow {}{commit}", start.version));
    row("libtorch", start.torch.clone());
    let machine = &start.machine;
    let memory = machine.memory_bytes.map(|bytes| format!("{:.1} GB of memory", bytes as f64 / 1e9));
    let cores = (machine.cores > 0).then(|| format!("{} cores", machine.cores));
    let gpus = (!machine.gpus.is_empty()).then(|| machine.gpus.join(", "));
    let system = (!machine.system.is_empty()).then(|| machine.system.clone());
    let host = (!start.host.is_empty()).then(|| start.host.clone());
    let parts = [host, system, machine.processor.clone(), cores, memory, gpus];
    row("machine", parts.into_iter().flatten().collect::<Vec<_>>().join(", "));
    row("device", start.device.clone());
    for set in &start.data {
        row("data", format!("{}: {} sequences, {} frames, {}", set.name, set.sequences, set.frames, set.digest));
    }
    for call in &run.calls {
        row("call", duration(call));
    }
    format!(
        "<div><h3>{}</h3>{}</div>",
        escape(&run.name),
        table(&["", ""], &rows).replacen("<table>", "<table class=\"facts\">", 1)
    )
}

/// `2026-11-29T04:22:03.123Z, 12m 4s, complete (exit code 0)`.
fn duration(call: &Call) -> String {
    let mut parts = Vec::new();
    parts.extend(call.began.map(|began| began.to_string()));
    if let (Some(began), Some(last)) = (call.began, call.last) {
        let seconds = (last.seconds() - began.seconds()).max(0.0).round();
        parts.push(humantime::format_duration(Duration::from_secs_f64(seconds)).to_string());
    }
    parts.push(match &call.end {
        Some(end) => format!("{} (exit code {})", end.reason, end.exit_code),
        None if parts.is_empty() => return String::new(),
        None => "no end was written: it goes on, or was killed".into(),
    });
    parts.join(", ")
}

/// The words of a command line as a shell takes them.
fn command_line(words: &[String]) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:=,+@%".contains(c);
    let quoted = |word: &String| match !word.is_empty() && word.chars().all(plain) {
        true => word.clone(),
        false => format!("'{}'", word.replace('\'', r"'\''")),
    };
    words.iter().map(quoted).collect::<Vec<_>>().join(" ")
}

/// The keys of the resolved experiments that two groups, or the runs of a group, do not have in common.
fn differences(groups: &[Group]) -> String {
    let mut lacking: Vec<&str> = Vec::new();
    let settings = |group: &Group| -> BTreeMap<String, BTreeSet<String>> {
        let mut all: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        let read = |run: &History| Node::read(&run.folder.join("experiment.yaml")).ok();
        let nodes: Vec<Node> = group.runs.iter().filter_map(read).collect();
        let flat: Vec<BTreeMap<String, String>> = nodes.iter().map(flat).collect();
        let keys: BTreeSet<&String> = flat.iter().flat_map(BTreeMap::keys).collect();
        for key in keys {
            let values = flat.iter().map(|one| one.get(key).cloned().unwrap_or_else(|| "not set".into()));
            all.insert(key.clone(), values.collect());
        }
        all
    };
    let all: Vec<BTreeMap<String, BTreeSet<String>>> = groups.iter().map(settings).collect();
    for run in groups.iter().flat_map(|group| &group.runs) {
        if !run.folder.join("experiment.yaml").is_file() {
            lacking.push(&run.name);
        }
    }
    let mut html = String::new();
    let several = groups.len() > 1 || groups.iter().any(|group| group.runs.len() > 1);
    if several && lacking.is_empty() {
        let keys: BTreeSet<&String> = all.iter().flat_map(BTreeMap::keys).collect();
        let cell = |own: &BTreeMap<String, BTreeSet<String>>, key: &String| -> String {
            let values = own.get(key).map(|values| values.iter().cloned().collect::<Vec<_>>().join(" | "));
            values.unwrap_or_else(|| "not set".into())
        };
        let differs = |key: &&String| {
            let values: BTreeSet<Option<&BTreeSet<String>>> = all.iter().map(|own| own.get(*key)).collect();
            values.len() > 1 || values.into_iter().flatten().any(|values| values.len() > 1)
        };
        let row = |key: &String| [vec![key.clone()], all.iter().map(|own| cell(own, key)).collect()].concat();
        let rows: Vec<Vec<String>> = keys.into_iter().filter(differs).map(row).collect();
        let names = groups.iter().map(|group| group.name.as_str());
        let head: Vec<&str> = std::iter::once("key that differs").chain(names).collect();
        html += &match rows.is_empty() {
            true => "<p class=\"about\">The experiments of all runs are the same, key by key.</p>".to_string(),
            false => table(&head, &rows),
        };
    } else if several {
        let names = escape(&lacking.join(", "));
        let _ = write!(
            html,
            "<p class=\"about\">Keys cannot be compared: no experiment.yaml in the folder of {names}.</p>"
        );
    }
    html
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::train::run_event::{End, RunStart, Timestamp};

    #[test]
    fn a_command_can_be_typed_again() {
        let words = ["trackflow", "--set", "A.B=[1, 2]", "it's", ""].map(str::to_string);
        assert_eq!(command_line(&words), r"trackflow --set 'A.B=[1, 2]' 'it'\''s' ''");
    }

    #[test]
    fn keys_that_differ_between_groups_or_within_one_are_listed_and_no_others() {
        let home = tempfile::tempdir().unwrap();
        let run = |name: &str, text: &str| {
            let folder = home.path().join(name);
            std::fs::create_dir_all(&folder).unwrap();
            std::fs::write(folder.join("experiment.yaml"), text).unwrap();
            let start = RunStart { version: "9.9".into(), ..RunStart::default() };
            let end = Some(End { reason: "complete".into(), ..End::default() });
            let at = |seconds: u64| Some(Timestamp::from_millis(1000 * seconds));
            let calls = vec![Call { began: at(0), last: at(75), start, end }];
            History { name: name.into(), folder, calls, ..History::default() }
        };
        let group = |name: &str, runs| Group { name: name.into(), runs };
        let same = "TRAIN: {LR: 0.1, CLS_WEIGHT: 0.5, SAME: [1, 2]}";
        let a = group("a", vec![run("a1", same), run("a2", "TRAIN: {LR: 0.2, CLS_WEIGHT: 0.5, SAME: [1, 2]}")]);
        let b = group("b", vec![run("b1", "TRAIN: {LR: 0.1, CLS_WEIGHT: 0.5, SAME: [1, 2], NEW: x}")]);
        let html = origin(&[a, b]);
        assert!(html.contains("<td>TRAIN.LR</td><td>0.1 | 0.2</td><td>0.1</td>"), "{html}");
        assert!(html.contains("<td>TRAIN.NEW</td><td>not set</td><td>x</td>"), "{html}");
        assert!(!html.contains("CLS_WEIGHT") && !html.contains("SAME"), "{html}");
        assert!(html.contains("trackflow 9.9") && html.contains("1m 15s, complete (exit code 0)"), "{html}");
        let one = |name: &str| group(name, vec![run(name, same)]);
        assert!(origin(&[one("c"), one("d")]).contains("are the same, key by key"));
    }
}
