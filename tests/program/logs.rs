//! What a run writes for other programs: TensorBoard's event files, and logs as JSON.

use crate::support::{succeed, text, train};
use serde_json::Value;
use std::{collections::BTreeMap, path::Path, process::Command};

/// What the real TensorBoard reads in `folder`: the points of each curve. `None`, loudly, where there is none.
fn tensorboard(folder: &Path) -> Option<BTreeMap<String, Vec<(u64, f64)>>> {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/tools/event_files.py");
    let cache = Path::new(env!("CARGO_TARGET_TMPDIR")).join("tensorboard");
    std::fs::create_dir_all(&cache).unwrap();
    let Ok(output) = Command::new("python3").args(["-W", "ignore"]).arg(script).arg(cache).arg(folder).output() else {
        eprintln!("SKIPPED: event files were not read by TensorBoard: there is no python3");
        return None;
    };
    if output.status.code() == Some(75) {
        eprintln!("SKIPPED: event files were not read by TensorBoard: {}", text(&output).trim());
        return None;
    }
    assert!(output.status.success(), "{}", text(&output));
    Some(serde_json::from_slice(&output.stdout).unwrap())
}

/// The numbers called `key` in the events of passes over `split`.
fn logged(out: &Path, split: &str, key: &str) -> Vec<(u64, f64)> {
    let log = std::fs::read_to_string(out.join("run.jsonl")).unwrap();
    let events = log.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let passes = events.filter(|event| event["event"] == "pass" && event["split"] == split);
    passes.map(|event| (event["epoch"].as_u64().unwrap(), event[key].as_f64().unwrap())).collect()
}

#[test]
fn tensorboard_reads_the_curves_of_a_run_that_was_stopped_and_went_on() {
    let home = tempfile::tempdir().unwrap();
    let out = home.path();
    // Stops in the second epoch, after its first steps, which are then done again.
    succeed(train(out).args(["--max_steps", "6", "--set", "TRAIN.PRINT_INTERVAL=1"]));
    succeed(train(out).args(["--set", "TRAIN.PRINT_INTERVAL=1"]));
    let folder = out.join("tensorboard/train/hiptrack/tiny");
    for split in ["train", "val"] {
        let Some(curves) = tensorboard(&folder.join(split)) else { return };
        for key in ["Loss/total", "Loss/giou", "Loss/cls", "IoU"] {
            let expected = logged(out, split, key);
            assert!(expected.len() >= 3, "{split} {key}: {expected:?}");
            let found: Vec<(u64, f64)> = curves[key].clone();
            let steps = |points: &[(u64, f64)]| points.iter().map(|point| point.0).collect::<Vec<_>>();
            assert_eq!(steps(&found), steps(&expected), "{split} {key}");
            assert!(found.iter().zip(&expected).all(|(a, b)| (a.1 - b.1).abs() < 1e-5 * b.1.abs().max(1.0)));
        }
    }
    let steps = tensorboard(&folder.join("steps")).unwrap();
    let numbers: Vec<u64> = steps["Loss/total"].iter().map(|point| point.0).collect();
    assert_eq!(numbers, (1..=12).collect::<Vec<_>>());
    assert!(steps.contains_key("LearningRate/group0"));
}

#[test]
fn a_run_says_everything_as_json() {
    let home = tempfile::tempdir().unwrap();
    let output = train(home.path()).args(["--log", "json", "--set", "TRAIN.PRINT_INTERVAL=2"]).output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", text(&output));
    let said = String::from_utf8(output.stdout).unwrap();
    let records: Vec<Value> = said.lines().map(|line| serde_json::from_str(line).expect(line)).collect();
    assert!(records.iter().all(|record| record["timestamp"].is_string() && record["level"].is_string()));
    let of = |event: &str| records.iter().filter(|record| record["event"] == event).collect::<Vec<_>>();
    let progress = of("progress");
    let train = progress.iter().filter(|record| record["split"] == "train").count();
    assert_eq!(train, 6, "{said}");
    assert!(progress.iter().all(|record| record["loss_total"].is_f64() && record["clips_per_second"].is_f64()));
    assert_eq!(of("epoch").len(), 3);
    assert!(!of("validation").is_empty() && !of("checkpoint").is_empty());

    let output = train_wrongly(home.path());
    assert_eq!(output.status.code(), Some(78));
    let error = String::from_utf8(output.stderr).unwrap();
    let record: Value = serde_json::from_str(error.lines().next().unwrap()).unwrap();
    assert_eq!(record["level"], "ERROR");
    assert!(record["message"].as_str().unwrap().contains("TRAIN.EPOCHZ"), "{error}");
}

fn train_wrongly(out: &Path) -> std::process::Output {
    train(out).args(["--log", "json", "--set", "TRAIN.EPOCHZ=3"]).output().unwrap()
}

/// `trackflow train | head`: who reads no more does not stop the training.
#[test]
fn a_closed_pipe_does_not_stop_a_run() {
    let home = tempfile::tempdir().unwrap();
    let mut child = train(home.path()).stdout(std::process::Stdio::piped()).spawn().unwrap();
    drop(child.stdout.take());
    assert_eq!(child.wait().unwrap().code(), Some(0));
}
