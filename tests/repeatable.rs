//! The same seed gives the same numbers to the last bit, whatever the workers and wherever a run was interrupted.

mod support;

use std::{
    io::{BufRead, BufReader},
    path::Path,
    process::{Command, Stdio},
};
use support::{losses, succeed, text, train};

/// The shipped pipeline with `workers` on every stage that may have several.
fn pipeline(folder: &Path, workers: usize) -> std::path::PathBuf {
    let shipped = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("pipelines/train.yaml")).unwrap();
    let lines: Vec<String> = shipped
        .lines()
        .map(|line| match ["decode:", "crop:", "augment:"].iter().any(|stage| line.trim().starts_with(stage)) {
            true => {
                let (head, tail) = line.split_once("workers: ").unwrap();
                format!("{head}workers: {workers}{}", tail.trim_start_matches(|c: char| c.is_ascii_digit()))
            }
            false => line.to_string(),
        })
        .collect();
    let path = folder.join(format!("train-{workers}.yaml"));
    std::fs::write(&path, lines.join("\n")).unwrap();
    path
}

#[test]
fn losses_do_not_depend_on_workers_or_interruptions() {
    let home = tempfile::tempdir().unwrap();
    let at = |name: &str| home.path().join(name);
    let (one, four) = (pipeline(home.path(), 1), pipeline(home.path(), 4));
    let run = |name: &str, pipeline: &Path| -> Command {
        let mut command = train(&at(name));
        command.arg("--pipeline").arg(pipeline);
        command
    };
    succeed(&mut run("one", &one));
    let whole = losses(&at("one"));
    // 2 validation batches before, then 3 epochs of 4 + 2 batches; and the means of 7 passes.
    assert_eq!(whole.len(), 20 + 7);

    succeed(&mut run("four", &four));
    assert_eq!(losses(&at("four")), whole, "4 workers");

    let printed = succeed(run("steps", &four).args(["--max_steps", "3"]));
    assert!(printed.contains("_mid.safetensors"), "{printed}");
    assert_eq!(losses(&at("steps")), whole[..6], "the first three steps");
    let printed = succeed(run("steps", &one).args(["--max_steps", "5"]));
    assert!(printed.contains("resumed from") && printed.contains("step 3, epoch 1"), "{printed}");
    succeed(&mut run("steps", &four));
    assert_eq!(losses(&at("steps")), whole, "resumed twice");
    let again = succeed(&mut run("steps", &one));
    assert!(again.contains("complete already"), "{again}");
    assert_eq!(losses(&at("steps")), whole, "nothing was left to do");

    let other = succeed(run("seed", &one).args(["--seed", "7", "--max_steps", "1"]));
    assert!(other.contains("checkpoint"), "{other}");
    assert_ne!(losses(&at("seed"))[3], whole[3], "another seed");
}

/// Waits until the run has printed a line that contains `mark`, sends `signal`, and gives exit code and output.
fn interrupt(mut command: Command, mark: &str, signal: i32) -> (Option<i32>, String) {
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut printed = String::new();
    for line in lines.by_ref() {
        let line = line.unwrap();
        printed += &line;
        if line.contains(mark) {
            break;
        }
    }
    let id = i32::try_from(child.id()).unwrap();
    // SAFETY: the child is ours and has not been waited for, so its number is its own.
    assert_eq!(unsafe { libc::kill(id, signal) }, 0);
    lines.for_each(|line| printed += &line.unwrap());
    let output = child.wait_with_output().unwrap();
    (output.status.code(), printed + &text(&output))
}

#[test]
fn a_run_that_was_interrupted_or_killed_goes_on_as_if_nothing_had_happened() {
    let home = tempfile::tempdir().unwrap();
    let (whole, broken) = (home.path().join("whole"), home.path().join("broken"));
    succeed(&mut train(&whole));
    let (code, printed) = interrupt(train(&broken), "[train: 1, 2 / 4]", libc::SIGINT);
    assert_eq!(code, Some(130), "{printed}");
    assert!(printed.contains("checkpoint: "), "{printed}");
    let (code, printed) = interrupt(train(&broken), "[train: 2, 2 / 4]", libc::SIGTERM);
    assert_eq!(code, Some(143), "{printed}");
    assert!(printed.contains("resumed from"), "{printed}");
    let (code, printed) = interrupt(train(&broken), "[train: 3, 2 / 4]", libc::SIGKILL);
    assert_eq!(code, None, "{printed}");
    succeed(&mut train(&broken));
    assert_eq!(losses(&broken), losses(&whole));
}
