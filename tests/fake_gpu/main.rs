//! Training on a CUDA device that is not there (`device/fake.h` says what it shows and what not): the numbers are the
//! CPU's, no thread of the step ever waits for the device, and faults that were planted are found.

mod faults;
mod library;
mod steps;
#[path = "../support/mod.rs"]
mod support;

use library::{Run, library};
use std::{path::Path, process::Command};
use support::text;

/// Threads that must not wait for the device: those of the step, of its parts, and of its backward pass.
pub const OF_THE_STEP: &[&str] = &["step", "pt_autograd"];

fn close(have: &[f64], expected: &[f64], tolerance: f64) {
    assert_eq!(have.len(), expected.len());
    for (at, (have, expected)) in have.iter().zip(expected).enumerate() {
        assert!((have - expected).abs() <= tolerance * expected.abs(), "batch {at}: {have} {expected}");
    }
}

#[test]
fn training_gives_the_losses_of_the_cpu_on_any_device() {
    let Some(library) = library() else { return };
    let home = tempfile::tempdir().unwrap();
    // Small steps: Adam's first ones are signs, and what is next to 0 may have either.
    let arguments = ["--set", "DATA.TRAIN.SAMPLE_PER_EPOCH=24", "--set", "TRAIN.PHASES.joint.LR=0.0001"];
    let run = |name: &str| Run::train(library, &home.path().join(name), name, &arguments, &[]).good();
    let (cpu, first, second) = (run("cpu"), run("cuda:0"), run("cuda:1"));
    assert!(cpu.losses().len() > 20);
    close(&first.losses(), &cpu.losses(), 1e-5);
    assert_eq!(first.losses(), second.losses(), "nothing goes to the first device by mistake");
    let printed = text(&first.output);
    assert!(!printed.contains("Warning") && !printed.contains("deprecated"), "{printed}");
    assert!(printed.contains("`step` is the bottleneck"), "the device is what is busy\n{printed}");
    let report = first.report();
    assert_eq!(report.waits_of(OF_THE_STEP), [""; 0]);
    // Two validations, three checkpoints and as many previews were read meanwhile, by other threads.
    assert_eq!(first.events("checkpoint").len(), 3);
    assert!(!report.waits_of(&["aggregate"]).is_empty() && !report.waits_of(&["checkpoint"]).is_empty());
}

#[test]
fn a_resumed_run_repeats_the_uninterrupted_one_and_tracks() {
    let Some(library) = library() else { return };
    let home = tempfile::tempdir().unwrap();
    let run = |folder: &str, device: &str, more: &[&str]| {
        Run::train(library, &home.path().join(folder), device, more, &[]).good()
    };
    let whole = run("whole", "cuda:0", &[]);
    run("parts", "cuda:0", &["--max_steps", "6"]);
    let resumed = run("parts", "cuda:0", &[]);
    assert_eq!(resumed.losses(), whole.losses());
    // A checkpoint of one device is good for another.
    let mut checkpoints = support::files(&whole.save_dir).into_iter().filter(|file| file.starts_with("checkpoints"));
    let weights = whole.save_dir.join(checkpoints.next_back().unwrap());
    let tracked = |device: &str, jobs: &str| {
        let results = home.path().join(format!("results-{}-{jobs}", device.replace([':', ','], "")));
        let mut command = support::program();
        command.args([
            "track",
            "--config",
            "tests/support/tiny.yaml",
            "--device",
            device,
            "--dataset",
            "GOT10K_official_val",
            "--jobs",
            jobs,
        ]);
        command.arg("--weights").arg(&weights).arg("--save_dir").arg(&results).arg("--data_dir").arg(support::data());
        library::on_device(&mut command, library, &home.path().join("track.json"));
        support::succeed(&mut command);
        boxes(&results)
    };
    let (cpu, gpu) = (tracked("cpu", "1"), tracked("cuda:0", "1"));
    assert!(!cpu.is_empty());
    assert_eq!(tracked("cuda:0,cuda:1", "2"), gpu, "two devices, a tracker on each");
    assert_eq!(tracked("cuda:1,cuda:0", "3"), gpu, "two devices, three trackers");
    assert_eq!(cpu.len(), gpu.len());
    // Written with few digits.
    assert!(cpu.iter().zip(&gpu).all(|(a, b)| (a - b).abs() < 0.05), "{cpu:?} {gpu:?}");
}

#[test]
fn the_check_for_gpus_measures_on_the_device() {
    let Some(library) = library() else { return };
    let home = tempfile::tempdir().unwrap();
    let json = home.path().join("result.json");
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts/gpu-check");
    let mut command = Command::new(script);
    command.args(["--device", "cuda:0", "--quick", "--libraries"]).arg(library);
    // PyTorch itself cannot use the device, and the golden values are of a model that is too large for it.
    command.args(["--skip", "parity,peers", "--program", env!("CARGO_BIN_EXE_trackflow"), "--json"]).arg(&json);
    let Some(output) = support::with_torch(&command) else { return };
    let printed = text(&output);
    if output.status.code() == Some(69) {
        eprintln!("SKIPPED: {printed}");
        return;
    }
    assert_eq!(output.status.code(), Some(0), "{printed}");
    let result: serde_json::Value = serde_json::from_str(&std::fs::read_to_string(&json).unwrap()).unwrap();
    assert_eq!(result["steps"].as_array().unwrap().len(), 4, "two precisions, two phases: {result}");
    assert!(result["data"][0]["clips_per_second"].as_f64().unwrap() > 0.0, "{result}");
    let busy = result["training"]["device_busy"].as_f64().unwrap();
    assert!(busy > 0.0 && busy <= 1.0, "{result}");
    assert_eq!(result["missing"].as_array().unwrap().len(), 0, "{result}");
}

/// All numbers of all result files below `folder`.
fn boxes(folder: &Path) -> Vec<f64> {
    let files = support::files(folder);
    let of_boxes = files.iter().filter(|file| file.ends_with(".txt") && !file.contains("time"));
    of_boxes
        .flat_map(|file| {
            std::fs::read_to_string(folder.join(file))
                .unwrap()
                .split_whitespace()
                .map(str::to_string)
                .collect::<Vec<_>>()
        })
        .flat_map(|line| line.split(',').filter_map(|number| number.parse().ok()).collect::<Vec<f64>>())
        .collect()
}

#[test]
fn a_device_without_memory_says_what_to_do() {
    let Some(library) = library() else { return };
    let home = tempfile::tempdir().unwrap();
    let mut command = support::program();
    command.args(["train", "--script", "hiptrack", "--config", "tests/support/tiny.yaml", "--mode", "single"]);
    command.arg("--save_dir").arg(home.path()).arg("--data_dir").arg(support::data()).args(["--device", "cuda:0"]);
    library::on_device(&mut command, library, &home.path().join("device.json"));
    let errors = support::fail(command.env("FAKE_GPU_MEMORY", "4000000"), 70);
    assert!(errors.contains("the step needs more memory than there is"), "{errors}");
    assert!(errors.contains("TRAIN.ACTIVATION_CHECKPOINTING") && errors.contains("CUDA out of memory"), "{errors}");
}

#[test]
fn a_device_that_is_not_there_is_never_replaced_in_silence() {
    let Some(library) = library() else { return };
    let home = tempfile::tempdir().unwrap();
    let run = |device: &str, devices: &str| {
        let mut command = support::program();
        command.args(["doctor", "--device", device, "--save_dir"]).arg(home.path());
        library::on_device(&mut command, library, &home.path().join("device.json"));
        command.env("FAKE_GPU_DEVICES", devices).output().unwrap()
    };
    let good = run("cuda:1", "2");
    assert_eq!(good.status.code(), Some(0), "{}", text(&good));
    for (device, devices) in [("cuda:1", "1"), ("cuda:0", "0"), ("cuda", "0")] {
        let bad = run(device, devices);
        assert_eq!(bad.status.code(), Some(69), "{}", text(&bad));
        assert!(text(&bad).contains("--device cpu"), "{}", text(&bad));
    }
}
