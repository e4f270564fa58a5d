//! trackflow as a library: the examples, which are programs of their own, do what they say.

use crate::support::{losses, text};
use std::{
    path::{Path, PathBuf},
    process::{Command, Output},
};

/// The example `name`, which cargo builds beside the tests.
fn example(name: &str) -> Command {
    let test = std::env::current_exe().unwrap();
    // target/release/deps/program-… → target/release/examples/NAME
    let program: PathBuf = test.ancestors().nth(2).unwrap().join("examples").join(name);
    assert!(program.is_file(), "{} is not there; cargo build --release --examples makes it", program.display());
    let mut command = Command::new(program);
    command.current_dir(env!("CARGO_MANIFEST_DIR")).env_remove("RUST_BACKTRACE").env("TRACKFLOW_CACHE", "");
    command
}

/// Runs it into `save_dir` on batches of two clips.
fn run(name: &str, save_dir: &Path, more: &[&str]) -> Output {
    let mut command = example(name);
    command.arg(save_dir).args(["DATA.TRAIN.SAMPLE_PER_EPOCH=8", "DATA.VAL.SAMPLE_PER_EPOCH=4", "TRAIN.BATCH_SIZE=2"]);
    command.args(more).output().unwrap()
}

#[test]
fn a_program_of_ones_own_trains_and_watches_and_goes_on() {
    let home = tempfile::tempdir().unwrap();
    let first = run("train", home.path(), &[]);
    let printed = text(&first);
    assert_eq!(first.status.code(), Some(0), "{printed}");
    let steps = |printed: &str| printed.lines().filter(|line| line.starts_with("step ")).count();
    assert_eq!(steps(&printed), 3, "{printed}");
    assert!(printed.contains("ended: MaxSteps; IoU on held-out clips before training: 0."), "{printed}");
    // Nothing is served that was not asked for.
    assert!(!printed.contains("metrics: http://"), "{printed}");
    // Of four steps one is left.
    let second = text(&run("train", home.path(), &["TRAIN.EPOCH=1"]));
    assert!(second.contains("step   4: loss ") && second.contains("ended: Complete"), "{second}");
    assert_eq!(steps(&second), 1, "{second}");
    let saved = second.lines().find_map(|line| line.strip_prefix("saved: ")).unwrap();
    assert!(Path::new(saved).is_file(), "{second}");
}

#[test]
fn all_mistakes_come_at_once_and_end_with_the_code_of_the_first() {
    let home = tempfile::tempdir().unwrap();
    let wrong = run("train", home.path(), &["TRAIN.EPOHC=3", "TRAIN.LR=fast"]);
    let printed = text(&wrong);
    assert_eq!(wrong.status.code(), Some(78), "{printed}");
    assert!(printed.contains("TRAIN.EPOHC") && printed.contains("did you mean EPOCH?"), "{printed}");
    assert!(printed.contains("TRAIN.LR"), "{printed}");
}

#[test]
fn a_kind_of_stage_from_outside_changes_the_clips() {
    let home = tempfile::tempdir().unwrap();
    let (plain, inverted) = (home.path().join("plain"), home.path().join("inverted"));
    let output = run("custom_stage", &inverted, &[]);
    let printed = text(&output);
    assert_eq!(output.status.code(), Some(0), "{printed}");
    let count = printed.lines().find_map(|line| line.strip_prefix("ended: MaxSteps; ")?.split(' ').next());
    let count: u64 = count.unwrap().parse().unwrap();
    assert!(count > 0, "{printed}");
    assert_eq!(run("train", &plain, &[]).status.code(), Some(0));
    assert_ne!(losses(&inverted)[..2], losses(&plain)[..2]);
    let pipeline = std::fs::read_to_string(inverted.join("pipeline.yaml")).unwrap();
    assert!(pipeline.contains("share: 0.5"), "{pipeline}");
}
