//! Plain OSTrack through the program: trained, interrupted, tracked with, scored, and told apart from HIPTrack.

mod support;

use std::{
    path::{Path, PathBuf},
    process::Command,
};
use support::{data, fail, losses, program, succeed};

const EXPERIMENT: &str = "
DATA:
  TEMPLATE: {SIZE: 32, FACTOR: 2.0}
  SEARCH: {NUMBER: 2, SIZE: 64, FACTOR: 4.0, CENTER_JITTER: 3.0, SCALE_JITTER: 0.25}
  TRAIN: {DATASETS_NAME: [GOT10K_train_full], SAMPLE_PER_EPOCH: 12}
  VAL: {DATASETS_NAME: [GOT10K_official_val], SAMPLE_PER_EPOCH: 4}
MODEL:
  NEW_HIP: False
  PRETRAIN_FILE: none
  BACKBONE: {TYPE: vit_ce, EMBED_DIM: 32, DEPTH: 3, NUM_HEADS: 2, STRIDE: 16, CE_LOC: [1], CE_KEEP_RATIO: [0.7]}
  HEAD: {TYPE: CENTER, NUM_CHANNELS: 16}
  CLS_HEAD: {NUM_CLASSES: 0}
TRAIN: {BATCH_SIZE: 3, EPOCH: 2, LR: 0.001, CE_START_EPOCH: 1, CE_WARM_EPOCH: 1, VAL_EPOCH_INTERVAL: 1, THREADS: 1}
TEST: {EPOCH: 2}
";

/// The verb for the experiment in `home`, of this script.
fn verb(home: &Path, verb: &[&str], script: &str) -> Command {
    let mut command = program();
    command.args(verb).args(["--script", script, "--config"]).arg(home.join("tiny.yaml"));
    command
}

fn train(home: &Path, save_dir: &str) -> Command {
    let mut command = verb(home, &["train"], "ostrack");
    command.args(["--device", "cpu", "--metrics", "127.0.0.1:0", "--data_dir"]).arg(data());
    command.arg("--save_dir").arg(home.join(save_dir));
    command
}

fn checkpoints(save_dir: &Path, script: &str) -> Vec<PathBuf> {
    let folder = save_dir.join("checkpoints/train").join(script).join("tiny");
    support::files(&folder).into_iter().map(|name| folder.join(name)).collect()
}

#[test]
fn a_run_goes_on_bit_for_bit_and_its_checkpoints_track() {
    let temporary = tempfile::tempdir().unwrap();
    let home = temporary.path();
    std::fs::write(home.join("tiny.yaml"), EXPERIMENT).unwrap();
    succeed(&mut train(home, "whole"));
    succeed(train(home, "parts").args(["--max_steps", "3"]));
    succeed(&mut train(home, "parts"));
    assert_eq!(losses(&home.join("parts")), losses(&home.join("whole")));
    let saved = checkpoints(&home.join("whole"), "ostrack");
    let names: Vec<_> = saved.iter().map(|path| path.file_name().unwrap().to_str().unwrap()).collect();
    assert_eq!(names.len(), 2, "{names:?}");
    assert!(names.iter().all(|name| name.starts_with("OSTrack_ep000")), "{names:?}");

    // Through PyTorch's form it is the same tracker.
    let converted = home.join("OSTrack_ep0002.pth.tar");
    succeed(program().args(["checkpoint", "strip"]).args([&saved[1], &converted]));
    let mut inspect = program();
    inspect.args(["checkpoint", "inspect"]).arg(&converted).args(["--script", "ostrack", "--config"]);
    let printed = succeed(inspect.arg(home.join("tiny.yaml")));
    assert!(printed.contains("can be loaded from this file") && printed.contains("134 tensors match"), "{printed}");
    assert!(!printed.contains("from scratch") && !printed.contains("unexpected"), "{printed}");
    let of_set = |verb: &mut Command, save_dir: &str| {
        verb.args(["--dataset", "GOT10K_official_val", "--data_dir"]).arg(data());
        verb.arg("--save_dir").arg(home.join(save_dir));
        succeed(verb)
    };
    of_set(verb(home, &["track"], "ostrack").args(["--device", "cpu"]), "whole");
    of_set(verb(home, &["track"], "ostrack").args(["--device", "cpu", "--weights"]).arg(&converted), "converted");
    let results = |save_dir: &str| -> Vec<String> {
        let folder = home.join(save_dir).join("test/tracking_results/ostrack/tiny");
        let boxes =
            support::files(&folder).into_iter().filter(|name| name.ends_with(".txt") && !name.contains("_time"));
        boxes.map(|name| std::fs::read_to_string(folder.join(name)).unwrap()).collect()
    };
    assert!(results("whole").len() >= 3 && results("whole") == results("converted"));
    assert!(of_set(&mut verb(home, &["evaluate"], "ostrack"), "whole").contains("AUC"));
    let printed = succeed(verb(home, &["bench", "track"], "ostrack").args(["--frames", "1", "--plain"]));
    assert!(printed.contains("every frame") && !printed.contains("memory"), "{printed}");
}

#[test]
fn weights_of_hiptrack_are_another_tracker() {
    let temporary = tempfile::tempdir().unwrap();
    let home = temporary.path();
    std::fs::write(home.join("tiny.yaml"), EXPERIMENT).unwrap();
    let out = home.join("hiptrack");
    succeed(support::train(&out).args(["--max_steps", "1"]));
    let weights = checkpoints(&out, "hiptrack").remove(0);
    let set = format!("MODEL.PRETRAIN_FILE={}", weights.display());
    let errors = fail(train(home, "from").args(["--max_steps", "1", "--set", &set]), 66);
    for part in ["weights of HIPTrack, but the model is plain OSTrack", "HIP (121)", "backbone.temporal_pos_embed_"] {
        assert!(errors.contains(part), "{part}: {errors}");
    }
    let mut inspect = program();
    inspect.args(["checkpoint", "inspect"]).arg(&weights).args(["--script", "ostrack", "--config"]);
    let output = inspect.arg(home.join("tiny.yaml")).output().unwrap();
    assert_eq!(output.status.code(), Some(1), "{}", support::text(&output));
    assert!(support::text(&output).contains("another tracker"));
}
