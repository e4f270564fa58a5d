//! The shipped pipelines, and the verbs that check, draw, try and tune pipelines.

use crate::support::{self, data, experiment, fail, files, losses, program, succeed, train};
use std::{
    io::{BufRead, BufReader, Lines},
    path::Path,
    process::{Child, ChildStdout, Command, Stdio},
};

fn home() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

#[test]
fn every_shipped_pipeline_is_valid_without_a_warning_and_can_be_drawn() {
    for entry in std::fs::read_dir(home().join("pipelines")).unwrap() {
        let path = entry.unwrap().path();
        let mut command = program();
        command.args(["validate", "--config"]).arg(support::experiment()).arg("--pipeline").arg(&path);
        let printed = succeed(command.args(["--deny_warnings", "--device", "cpu"]));
        assert!(printed.contains("peak memory of queued data"), "{}: {printed}", path.display());
        for format in ["dot", "mermaid", "text"] {
            succeed(program().args(["graph", "--format", format, "--pipeline"]).arg(&path));
        }
    }
}

#[test]
fn two_decoders_train_as_one() {
    let out = tempfile::tempdir().unwrap();
    let (plain, two) = (out.path().join("plain"), out.path().join("two"));
    let pipeline = out.path().join("two.yaml");
    let shipped = std::fs::read_to_string(home().join("pipelines/train-two-decoders.yaml")).unwrap();
    // The tiny experiment trains on one data set and validates on the other.
    std::fs::write(&pipeline, shipped.replace("[LASOT]", "[GOT10K_official_val]")).unwrap();
    succeed(train(&plain).args(["--max_steps", "6"]));
    let printed = succeed(train(&two).args(["--max_steps", "6", "--pipeline"]).arg(&pipeline));
    assert!(printed.contains("decode-lasot"), "{printed}");
    assert_eq!(losses(&two), losses(&plain));
    assert!(losses(&two).len() > 6);
}

#[test]
fn a_branch_changes_nothing_and_its_pictures_are_written() {
    let out = tempfile::tempdir().unwrap();
    let (plain, branch) = (out.path().join("plain"), out.path().join("branch"));
    let pictures = out.path().join("pictures");
    let pipeline = out.path().join("preview.yaml");
    let shipped = std::fs::read_to_string(home().join("pipelines/train.yaml")).unwrap();
    let preview =
        format!("  eyes: {{kind: preview, inputs: augment, options: {{every: 2, folder: {}}}}}\n", pictures.display());
    std::fs::write(&pipeline, shipped + &preview).unwrap();
    succeed(train(&plain).args(["--max_steps", "3"]));
    succeed(train(&branch).args(["--max_steps", "3", "--pipeline"]).arg(&pipeline));
    assert_eq!(losses(&branch), losses(&plain));
    assert!(files(&pictures).len() > 3, "{:?}", files(&pictures));
}

#[test]
fn a_stage_of_ones_own_replay_and_data_alone() {
    let out = tempfile::tempdir().unwrap();
    let erased = out.path().join("erased");
    let mut command = train(&erased);
    // The pictures go below the working folder.
    command.current_dir(out.path());
    succeed(command.args(["--max_steps", "3", "--pipeline"]).arg(home().join("pipelines/train-erase.yaml")));
    let plain = out.path().join("plain");
    succeed(train(&plain).args(["--max_steps", "3"]));
    assert_ne!(losses(&erased), losses(&plain));

    let replayed = out.path().join("replayed");
    let printed = succeed(train(&replayed).args(["--pipeline", "replay"]));
    assert!(printed.contains("bottleneck") || printed.contains("busiest"), "{printed}");
    let load = std::fs::read_to_string(replayed.join("load.json")).unwrap();
    let load: serde_json::Value = serde_json::from_str(&load).unwrap();
    let taken = |kind: &str| {
        load["stages"].as_array().unwrap().iter().find(|stage| stage["kind"] == kind).unwrap()["taken"]
            .as_u64()
            .unwrap()
    };
    // 3 epochs of 4 steps, a validation of 2 batches before and after each; 4 batches were decoded.
    assert_eq!(taken("step"), 12 + 4 * 2);
    let clips = taken("collate");
    assert!((4..=12).contains(&clips), "{clips} clips of the first 4 batches");

    let data = out.path().join("data");
    let printed = succeed(train(&data).args(["--pipeline", "bench-data", "--max_steps", "4"]));
    assert!(printed.contains("count"), "{printed}");
}

#[test]
fn all_mistakes_of_both_files_come_at_once_with_their_lines() {
    let out = tempfile::tempdir().unwrap();
    let (config, pipeline) = (out.path().join("mine.yaml"), out.path().join("flow.yaml"));
    std::fs::write(&config, "TRAIN:\n  CLS_WEIGTH: 0.2\n").unwrap();
    let shipped = std::fs::read_to_string(home().join("pipelines/train.yaml")).unwrap();
    std::fs::write(&pipeline, shipped.replace("kind: decode,", "kind: decoed,")).unwrap();
    let mut command = program();
    command.args(["validate", "--config"]).arg(&config).arg("--pipeline").arg(&pipeline);
    let errors = fail(&mut command, 78);
    for part in [
        "mine.yaml:2:3: TRAIN.CLS_WEIGTH: unknown key; did you mean CLS_WEIGHT?\n  2 |   CLS_WEIGTH: 0.2\n    |   ^^^^^^^^^^\n",
        "flow.yaml:7:18: stages.decode.kind: unknown kind `decoed`; did you mean decode?\n",
        "    |                  ^^^^^^\n",
        "verdict: will not run;",
    ] {
        assert!(errors.contains(part), "{part}\n{errors}");
    }
}

#[test]
fn validate_ends_with_a_verdict_and_counts_the_step() {
    let mut command = program();
    command.args(["validate", "--device", "cpu", "--config"]).arg(support::experiment());
    let printed = succeed(&mut command);
    for part in ["the step takes about", "activations", "optimizer's moments", "together about"] {
        assert!(printed.contains(part), "{part}: {printed}");
    }
    let verdict = printed.lines().find(|line| line.starts_with("verdict: ")).unwrap();
    assert!(verdict.starts_with("verdict: will run: 3 epochs in batches of 3 clips on the CPU"), "{verdict}");
    assert!(verdict.contains("--data_dir"), "{verdict}");
}

#[test]
fn the_table_shows_the_workers_that_ran_though_they_were_done_early() {
    let out = tempfile::tempdir().unwrap();
    let pipeline = out.path().join("flow.yaml");
    let text = "name: flow\nstages:\n  a: {kind: count, capacity: 64, options: {items: 30}}\n  \
        b: {kind: sleep, workers: 2, capacity: 64, options: {ms: 2}}\n  c: {kind: sleep, options: {ms: 20}}\n  \
        d: {kind: collect}\n";
    std::fs::write(&pipeline, text).unwrap();
    let printed = succeed(program().args(["simulate", "--metrics", "127.0.0.1:0", "--pipeline"]).arg(&pipeline));
    let row = printed.lines().find(|line| line.starts_with("  b ")).unwrap();
    assert_eq!(row.split_whitespace().nth(1), Some("2"), "{printed}");
    assert!(printed.contains("`c` is the bottleneck"), "{printed}");
}

#[test]
fn shapes_and_memory_are_checked_with_the_experiment() {
    let out = tempfile::tempdir().unwrap();
    let pipeline = out.path().join("flow.yaml");
    let shipped = std::fs::read_to_string(home().join("pipelines/train.yaml")).unwrap();
    std::fs::write(&pipeline, shipped.replace("kind: crop, workers: 1,", "kind: crop, options: {search: 384},"))
        .unwrap();
    let validate = || {
        let mut command = program();
        command.args(["validate", "--config"]).arg(support::experiment()).arg("--pipeline").arg(&pipeline);
        command
    };
    let errors = fail(&mut validate(), 78);
    assert!(errors.contains("crop emits u8 384×384×3 search crops, collate expects 64×64×3"), "{errors}");

    std::fs::write(&pipeline, shipped.replace("capacity: 8", "capacity: 1000000")).unwrap();
    let errors = fail(&mut validate(), 78);
    assert!(errors.contains("the machine has") && errors.contains("lower capacities or workers"), "{errors}");

    std::fs::write(&pipeline, shipped.replace("workers: 2", "workers: 200")).unwrap();
    let printed = succeed(&mut validate());
    assert!(printed.contains("warning: ") && printed.contains("workers share"), "{printed}");
    fail(validate().arg("--deny_warnings"), 78);
}

#[test]
fn kinds_are_listed_and_told() {
    let printed = succeed(program().args(["stages"]));
    assert!(printed.contains("decode-cached") && printed.contains("merge"), "{printed}");
    let printed = succeed(program().args(["stages", "decode-cached"]));
    assert!(printed.contains("megabytes: a whole number from 0 (default 1024)"), "{printed}");
    let errors = fail(program().args(["stages", "decoed"]), 64);
    assert!(errors.contains("did you mean decode?"), "{errors}");
}

#[test]
fn a_simulated_pipeline_runs_and_is_tuned() {
    let out = tempfile::tempdir().unwrap();
    let pipeline = out.path().join("flow.yaml");
    let text = "name: flow\nstages:\n  a: {kind: count, options: {items: 300}}\n  \
        b: {kind: sleep, options: {ms: 4}}\n  c: {kind: sleep, options: {ms: 1}}\n  d: {kind: collect}\n";
    std::fs::write(&pipeline, text).unwrap();
    let printed = succeed(program().args(["simulate", "--metrics", "127.0.0.1:0", "--pipeline"]).arg(&pipeline));
    assert!(printed.contains("`b` is the bottleneck"), "{printed}");
    let tuned = out.path().join("tuned.yaml");
    let mut command = program();
    command.args(["tune", "--cores", "5", "--pipeline"]).arg(&pipeline).arg("--out").arg(&tuned);
    let printed = succeed(&mut command);
    assert!(printed.contains("predicted") && printed.contains("measured"), "{printed}");
    let text = std::fs::read_to_string(&tuned).unwrap();
    assert!(text.contains("b: {kind: sleep, inputs: [a], workers: 4,"), "{text}");
    assert!(text.contains("# Before: "), "{text}");
    succeed(program().args(["validate", "--pipeline"]).arg(&tuned));
}

/// Starts `command` and reads what it prints up to a line that holds `words`, which is the second part.
#[test]
fn the_shipped_pipeline_is_tuned_for_an_experiment() {
    let out = tempfile::tempdir().unwrap();
    let tuned = out.path().join("tuned.yaml");
    let mut command = program();
    command.args(["tune", "--pipeline", "train", "--steps", "6", "--device", "cpu", "--config"]).arg(experiment());
    command.arg("--data_dir").arg(data()).arg("--out").arg(&tuned);
    let printed = succeed(&mut command);
    assert!(printed.contains("  decode ") && printed.contains("predicted"), "{printed}");
    // The options of every stage are in it as they were.
    succeed(program().args(["validate", "--pipeline"]).arg(&tuned));
    let mut command = train(&out.path().join("out"));
    succeed(command.args(["--max_steps", "2", "--pipeline"]).arg(&tuned));
}

fn start(command: &mut Command, words: &str) -> (Child, Lines<BufReader<ChildStdout>>, String) {
    let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let line = lines.by_ref().map(|line| line.unwrap()).find(|line| line.contains(words)).unwrap();
    (child, lines, line)
}

fn signal(child: &Child, signal: i32) {
    let id = i32::try_from(child.id()).unwrap();
    // SAFETY: the child is ours and has not been waited for, so its number is its own.
    assert_eq!(unsafe { libc::kill(id, signal) }, 0);
}

#[test]
fn top_attaches_to_a_running_job() {
    let out = tempfile::tempdir().unwrap();
    let pipeline = out.path().join("flow.yaml");
    let text = "name: flow\nstages:\n  a: {kind: count, options: {items: 1000000000}}\n  \
        slow: {kind: sleep, options: {ms: 5}}\n  c: {kind: collect}\n";
    std::fs::write(&pipeline, text).unwrap();
    let mut command = program();
    command.args(["simulate", "--metrics", "127.0.0.1:0", "--pipeline"]).arg(&pipeline);
    let (mut child, lines, line) = start(&mut command, "metrics: http://");
    let address = line.trim_start_matches("metrics: http://").trim_end_matches("/metrics").to_string();
    // The meters are published once a second.
    let printed = succeed(program().args(["top", &address, "--once", "--interval", "3"]));
    signal(&child, libc::SIGTERM);
    lines.for_each(drop);
    assert_eq!(child.wait().unwrap().code(), Some(143));
    assert!(printed.contains("`slow` is the bottleneck") && printed.contains("→ slow [####"), "{printed}");
    let errors = fail(program().args(["top", &address]), 69);
    assert!(errors.contains("no job answers"), "{errors}");
}

#[test]
fn a_pipeline_is_read_again_while_it_runs() {
    let out = tempfile::tempdir().unwrap();
    let pipeline = out.path().join("flow.yaml");
    let shipped = std::fs::read_to_string(home().join("pipelines/train.yaml")).unwrap();
    std::fs::write(&pipeline, &shipped).unwrap();
    let mut command = train(&out.path().join("out"));
    command.args(["--set", "TRAIN.PHASES.joint.EPOCHS=2000", "--pipeline"]).arg(&pipeline);
    let (mut child, mut lines, _) = start(&mut command, "epoch 1 trained");
    let text = shipped.replace("decode, workers: 2", "decode, workers: 4").replace("capacity: 16", "capacity: 3");
    std::fs::write(&pipeline, text).unwrap();
    signal(&child, libc::SIGHUP);
    let mut stated: Vec<String> = Vec::new();
    while stated.len() < 2 {
        let line = lines.next().unwrap().unwrap();
        stated.extend(line.contains("reload: ").then_some(line));
    }
    signal(&child, libc::SIGTERM);
    lines.for_each(drop);
    assert_eq!(child.wait().unwrap().code(), Some(143));
    assert!(stated[0].contains("reload: sample: capacity 16 → 3"), "{stated:?}");
    assert!(stated[1].contains("reload: decode: workers 2 → 4"), "{stated:?}");
}
