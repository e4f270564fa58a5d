//! Checkpoints of a run, scored after it and while it trains.

use super::{
    checkpoints, evaluate, run,
    support::{self, fail, succeed},
};
use serde_json::Value;
use std::fs;

#[test]
fn every_epoch_is_scored_and_the_best_is_named() {
    let home = tempfile::tempdir().unwrap();
    let copy = home.path().join("checkpoints/train/hiptrack/tiny");
    fs::create_dir_all(&copy).unwrap();
    for path in checkpoints(run()) {
        fs::copy(&path, copy.join(path.file_name().unwrap())).unwrap();
    }
    let epochs = |which: &str| {
        let mut command = evaluate(home.path());
        command.args(["--dataset", "one", "--device", "cpu", "--threads", "1", "--epochs", which]);
        command
    };
    let printed = succeed(&mut epochs("all"));
    for part in ["one: epoch 1", "one: epoch 3", "best on one: epoch "] {
        assert!(printed.contains(part), "{part}: {printed}");
    }
    let printed = succeed(&mut epochs("3"));
    assert!(printed.contains("all 3 sequences have results already"), "{printed}");
    let errors = fail(&mut epochs("9"), 66);
    assert!(errors.contains("no checkpoint of epoch 9; there are those of epochs 1, 2, 3"), "{errors}");
}

#[test]
fn a_benchmark_during_training_keeps_the_best_and_moves_no_bit() {
    let home = tempfile::tempdir().unwrap();
    let with = [
        "--set",
        "TEST.BENCHMARK=[GOT10K_official_val]",
        "--set",
        "TRAIN.KEEP_CHECKPOINTS=1",
        "--set",
        "TRAIN.KEEP_BEST=0",
    ];
    let printed = succeed(support::train(home.path()).args(with));
    assert!(printed.contains("TEST.BENCHMARK: every 1 epochs, 60 frames of 3 sequences"), "{printed}");
    assert!(printed.contains("benchmark: epoch 3: GOT10K_official_val "), "{printed}");
    let folder = home.path().join("checkpoints/train/hiptrack/tiny");
    let lines = fs::read_to_string(folder.join("benchmark.jsonl")).unwrap();
    let scores: Vec<Value> = lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let last = scores.last().unwrap();
    assert_eq!(last["epoch"], 3);
    let best = scores.iter().max_by(|a, b| a["score"].as_f64().unwrap().total_cmp(&b["score"].as_f64().unwrap()));
    assert!(best.is_some());
    assert_eq!(support::losses(home.path()), support::losses(run()));
    let errors = fail(support::train(&home.path().join("no")).args(["--set", "TEST.BENCHMARK=[OTB]"]), 66);
    assert!(errors.contains("TEST.BENCHMARK"), "{errors}");
}
