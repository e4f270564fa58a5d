//! A run folder that an earlier program wrote stays of use: it resumes, is reported on, and its checkpoint loads.

use crate::support::{program, succeed};
use serde_json::Value;
use std::{
    fs,
    path::{Path, PathBuf},
};

/// See its README for the commands that made it.
fn fixture() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/old-run")
}

/// Copies a folder with all that lies below it.
fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        match entry.path().is_dir() {
            true => copy(&entry.path(), &target),
            false => drop(fs::copy(entry.path(), target).unwrap()),
        }
    }
}

/// The old run folder where a test may write.
fn old_run() -> tempfile::TempDir {
    let home = tempfile::tempdir().unwrap();
    copy(&fixture().join("run"), home.path());
    home
}

/// Events of one kind in a log.
fn events(log: &Path, kind: &str) -> Vec<Value> {
    let text = fs::read_to_string(log).unwrap();
    let events = text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    events.filter(|event| event["event"] == kind).collect()
}

#[test]
fn it_resumes_and_ends_with_the_numbers_of_the_program_that_began_it() {
    let home = old_run();
    let mut command = program();
    command.args(["train", "--script", "hiptrack", "--device", "cpu", "--metrics", "127.0.0.1:0", "--config"]);
    command.arg(fixture().join("experiment.yaml")).arg("--save_dir").arg(home.path());
    let printed = succeed(&mut command);
    assert!(printed.contains("resumed from"), "{printed}");
    for kind in ["batch", "pass"] {
        let expected = events(&fixture().join("whole.jsonl"), kind);
        let mut found = events(&home.path().join("run.jsonl"), kind);
        // What the first call did stands there as the old program wrote it, then the rest.
        found.dedup_by_key(|event| event["position"].as_u64());
        assert_eq!(found.len(), expected.len(), "{kind}");
        for (a, b) in found.iter().zip(&expected) {
            // That program did not write down the step of a pass.
            for key in ["position", "split", "epoch", "step"].into_iter().filter(|key| !b[*key].is_null()) {
                assert_eq!(a[key], b[key], "{kind}: {a} {b}");
            }
            // The last bits depend on the processor.
            for key in ["Loss/total", "Loss/giou", "Loss/cls", "IoU", "lr"] {
                let (Some(x), Some(y)) = (a[key].as_f64(), b[key].as_f64()) else {
                    assert_eq!(a[key], b[key], "{kind} {key}");
                    continue;
                };
                assert!((x - y).abs() <= 1e-3 * y.abs().max(0.1), "{kind} {key}: {x}, not {y}");
            }
        }
    }
}

#[test]
fn it_is_reported_on() {
    let home = old_run();
    let page = home.path().join("report.html");
    let mut command = program();
    succeed(command.arg("report").arg("--run").arg(home.path()).arg("--out").arg(&page));
    let page = fs::read_to_string(page).unwrap();
    for expected in ["Curves", "Feature space", "Where the time went", "hiptrack/experiment", "data:image/"] {
        assert!(page.contains(expected), "{expected}");
    }
    let printed = succeed(program().args(["report", "gradients", "--run"]).arg(home.path()));
    assert!(printed.contains("no gradients were compared"), "{printed}");
}

#[test]
fn its_checkpoint_loads() {
    let folder = fixture().join("run/checkpoints/train/hiptrack/experiment");
    let file = folder.join("HIPTrack_ep0002_pos00000010_mid.safetensors");
    let mut command = program();
    command.args(["checkpoint", "inspect"]).arg(file).arg("--config").arg(fixture().join("experiment.yaml"));
    let printed = succeed(&mut command);
    for expected in ["epoch 2, step 6, batch 10, seed 42", "its checksum matches"] {
        assert!(printed.contains(expected), "{expected}: {printed}");
    }
}

#[test]
fn no_retired_word_is_a_name() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let Ok(output) = std::process::Command::new("python3").arg("scripts/check-words").current_dir(root).output() else {
        eprintln!("SKIPPED: names were not checked: there is no python3");
        return;
    };
    assert!(output.status.success(), "{}", crate::support::text(&output));
}
