//! What stays of a log, and what goes aside.

use super::*;
use crate::train::run_event::{Batch, LossMetrics, RunStart};
use serde_json::Value;

fn batch(position: u64) -> RunEvent {
    let metrics = LossMetrics { total: (1.0 / 3.0).into(), applied: true, ..LossMetrics::default() };
    RunEvent::Batch(Batch { position, epoch: 1, step: position, batches: 9, clips: 4, metrics, ..Batch::default() })
}

fn begin(experiment: &str) -> RunEvent {
    RunEvent::Run(Box::new(RunStart { experiment: experiment.into(), ..RunStart::default() }))
}

#[test]
fn a_resumed_log_drops_what_will_be_done_again_and_half_a_line() {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("run.jsonl");
    let log = RunLog::open(&path, 0, History::Other, None).unwrap();
    (0..4).for_each(|position| log.observe(&batch(position)));
    std::fs::OpenOptions::new().append(true).open(&path).unwrap().write_all(b"{\"event\":\"ba").unwrap();
    let log = RunLog::open(&path, 2, History::Same, None).unwrap();
    log.observe(&batch(2));
    let lines: Vec<Value> =
        std::fs::read_to_string(&path).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines.iter().map(|line| line["position"].as_u64()).collect::<Vec<_>>(), [Some(0), Some(1), Some(2)]);
    assert_eq!(lines[0]["Loss/total"].as_f64(), Some(1.0 / 3.0));
}

#[test]
fn what_a_full_disk_refuses_waits_and_half_a_line_is_taken_back() {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("run.jsonl");
    let log = RunLog::open(&path, 0, History::Other, None).unwrap();
    log.observe(&batch(0));
    let open = || OpenOptions::new().append(true).open(&path).unwrap();
    log.out.lock().unwrap().file = File::open(&path).unwrap();
    log.observe(&batch(1));
    open().write_all(b"{\"event\":\"ba").unwrap();
    log.out.lock().unwrap().file = open();
    log.observe(&batch(2));
    let text = std::fs::read_to_string(&path).unwrap();
    let positions: Vec<_> =
        text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap()["position"].as_u64()).collect();
    assert_eq!(positions, [Some(0), Some(1), Some(2)]);
}

#[test]
fn the_log_of_a_run_that_was_made_longer_keeps_what_was_done() {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("run.jsonl");
    let log = RunLog::open(&path, 0, History::Other, None).unwrap();
    // Positions 4 and 5 were of another length's validation; the longer run goes on at 4 and is killed at 7.
    [0, 1, 2, 3, 4, 5, 4, 5, 6, 7].into_iter().for_each(|position| log.observe(&batch(position)));
    RunLog::open(&path, 6, History::Same, None).unwrap();
    let text = std::fs::read_to_string(&path).unwrap();
    assert_eq!(text.lines().count(), 8, "{text}");
}

#[test]
fn a_new_run_keeps_the_log_of_the_one_before() {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("run.jsonl");
    RunLog::open(&path, 0, History::Other, None).unwrap().observe(&batch(0));
    RunLog::open(&path, 0, History::Other, None).unwrap();
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "");
    assert_eq!(std::fs::read_to_string(home.path().join("run.1.jsonl")).unwrap().lines().count(), 1);
}

#[test]
fn the_log_of_another_experiment_is_kept_beside_a_new_one() {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("run.jsonl");
    let log = RunLog::open(&path, 0, History::Other, Some("ostrack/a")).unwrap();
    log.observe(&begin("ostrack/a"));
    log.observe(&batch(0));
    RunLog::open(&path, 1, History::Same, Some("ostrack/a")).unwrap();
    assert_eq!(std::fs::read_to_string(&path).unwrap().lines().count(), 2, "its own goes on");
    RunLog::open(&path, 1, History::Same, Some("hiptrack/b")).unwrap();
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "");
    assert_eq!(std::fs::read_to_string(home.path().join("run.1.jsonl")).unwrap().lines().count(), 2);
}

#[test]
fn what_a_later_version_wrote_stays_as_it_was_in_a_log_that_goes_on() {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("run.jsonl");
    let log = RunLog::open(&path, 0, History::Other, None).unwrap();
    log.observe(&batch(0));
    let new = [
        "{\"event\":\"tea\",\"sugar\":2}\n",
        "{\"event\":\"tea\",\"position\":0}\n",
        "{\"event\":\"tea\",\"position\":1}\n",
    ];
    std::fs::OpenOptions::new().append(true).open(&path).unwrap().write_all(new.concat().as_bytes()).unwrap();
    log.observe(&batch(1));
    RunLog::open(&path, 1, History::Same, None).unwrap();
    let text = std::fs::read_to_string(&path).unwrap();
    assert_eq!(text.lines().count(), 3, "{text}");
    assert!(text.ends_with(&new[..2].concat()), "{text}");
}
