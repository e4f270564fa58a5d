//! The same seed gives the same numbers to the last bit, whatever the workers and wherever a run was interrupted.

use crate::support::{self, fail, losses, succeed, text, train};
use std::{
    io::{BufRead, BufReader},
    path::Path,
    process::{Command, Stdio},
};

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
    assert!(again.contains("already complete"), "{again}");
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

#[test]
fn data_that_changed_is_shown_when_a_run_goes_on() {
    let home = tempfile::tempdir().unwrap();
    let (data, out) = (home.path().join("data"), home.path().join("out"));
    let size = ["--sequences", "4", "--val_sequences", "2", "--frames", "20", "--width", "128", "--height", "96"];
    succeed(support::program().args(["data", "synth", "--out"]).arg(&data).args(size));
    let run = |steps: &str| {
        let mut command = train(&out);
        command.arg("--data_dir").arg(&data).args(["--max_steps", steps, "--set", "TRAIN.SAVE_INTERVAL=1"]);
        command
    };
    succeed(&mut run("1"));
    let printed = succeed(&mut run("1"));
    assert!(printed.contains("resumed from") && !printed.contains("changed since then"), "{printed}");

    let edit = |path: &str, change: &dyn Fn(&str) -> String| {
        let path = data.join(path);
        let text = std::fs::read_to_string(&path).unwrap();
        std::fs::write(&path, change(&text)).unwrap();
        (path, text)
    };
    let refused = |part: &str| {
        let errors = fail(&mut run("1"), 78);
        assert!(errors.contains("made with other data") && errors.contains("--allow_changes"), "{errors}");
        assert!(errors.contains(&format!("\n  training data GOT10K_train_full: {part}")), "{part}: {errors}");
    };
    let one = "got10k/train/SYN_Train_000002";
    let longer = |text: &str| format!("{text}{}\n", text.lines().last().unwrap());
    // A box that another hand drew.
    let moved = |text: &str| text.split_once('\n').map(|(_, rest)| format!("11,12,21,22\n{rest}")).unwrap();
    let (path, text) = edit(&format!("{one}/groundtruth.txt"), &moved);
    refused("other boxes");
    std::fs::write(path, text).unwrap();
    // A label.
    let folder = "conditions/SYN_Train_000003/SYN_Train_000003.jsonl";
    let (path, text) = edit(folder, &|text| text.split_once('\n').unwrap().1.to_string());
    refused("other condition labels");
    std::fs::write(path, text).unwrap();
    // A list without its last sequence.
    let fewer = |text: &str| text.lines().take(3).map(|name| format!("{name}\n")).collect();
    let (path, text) = edit("got10k/train/list.txt", &fewer);
    refused("sequences: 3 instead of 4");
    std::fs::write(path, text).unwrap();
    // Boxes to validate on, which train nothing.
    let (path, text) = edit("got10k/val/SYN_Val_000001/groundtruth.txt", &moved);
    let printed = succeed(&mut run("1"));
    let part = "changed since then: validation data GOT10K_official_val: other boxes";
    assert!(printed.contains(part) && printed.contains("(validations change, training does not)"), "{printed}");
    std::fs::write(path, text).unwrap();
    // One frame more.
    let frames = data.join(one);
    std::fs::copy(frames.join("00000020.jpg"), frames.join("00000021.jpg")).unwrap();
    for entry in std::fs::read_dir(&frames).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        if name == "groundtruth.txt" || name.ends_with(".label") {
            edit(&format!("{one}/{name}"), &longer);
        }
    }
    refused("frames: 81 instead of 80");
    let printed = succeed(run("1").arg("--allow_changes"));
    assert!(printed.contains("frames: 81 instead of 80 (allowed)"), "{printed}");
    let printed = succeed(&mut run("1"));
    assert!(!printed.contains("changed since then"), "{printed}");
}
