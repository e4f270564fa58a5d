//! Users' mistakes: a clear message with its place and remedy, the right exit code, and nothing half-made left behind.

use crate::support::{self, data, fail, files, program, succeed, train};
use std::{net::TcpListener, path::Path, process::Command};

fn copy_data(to: &Path) {
    let status = Command::new("cp").arg("-r").arg(data()).arg(to).status().unwrap();
    assert!(status.success());
}

/// A run on a copy of the data that `spoil` has touched; it must end with 66 before anything is trained.
fn on_spoilt_data(spoil: impl Fn(&Path)) -> String {
    let home = tempfile::tempdir().unwrap();
    let (sets, out) = (home.path().join("sets"), home.path().join("out"));
    copy_data(&sets);
    spoil(&sets);
    let errors = fail(train(&out).arg("--data_dir").arg(&sets), 66);
    assert_eq!(files(&out), Vec::<String>::new());
    errors
}

fn sequence(sets: &Path) -> std::path::PathBuf {
    sets.join("got10k/train/SYN_Train_000003")
}

#[test]
fn a_wrong_command_line_is_usage() {
    fail_usage(program().args(["train", "--confg", "demo"]));
    fail_usage(program().args(["trian"]));
    fail_usage(program().args(["train", "--config", "demo", "--mode", "multiple"]));
    let out = tempfile::tempdir().unwrap();
    let errors = fail(train(out.path()).args(["--set", "TRAIN.LR"]), 64);
    assert!(errors.contains("KEY.PATH=VALUE"), "{errors}");
}

fn fail_usage(command: &mut Command) {
    let output = command.output().unwrap();
    assert_eq!(output.status.code(), Some(64), "{}", support::text(&output));
}

#[test]
fn wrong_settings_are_named_with_line_and_remedy_all_at_once() {
    let home = tempfile::tempdir().unwrap();
    let config = home.path().join("mine.yaml");
    std::fs::write(&config, "TRAIN:\n  CLS_WEIGTH: 0.2\n  BATCH_SIZE: many\nMODEL: {BACKBONE: {DEPTH: -1}}\n").unwrap();
    let out = home.path().join("out");
    let errors = fail(program().args(["train", "--config"]).arg(&config).arg("--save_dir").arg(&out), 78);
    for part in [
        "mine.yaml:2:3: TRAIN.CLS_WEIGTH: unknown key; did you mean CLS_WEIGHT?",
        "mine.yaml:3:15: TRAIN.BATCH_SIZE: expected a whole number",
        "mine.yaml:4:27: MODEL.BACKBONE.DEPTH: expected a whole number",
    ] {
        assert!(errors.contains(part), "{errors}");
    }
    assert!(!out.exists());
}

#[test]
fn a_wrong_pipeline_is_named_with_line_and_remedy() {
    let home = tempfile::tempdir().unwrap();
    let pipeline = home.path().join("mine.yaml");
    let shipped = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("pipelines/train.yaml")).unwrap();
    std::fs::write(&pipeline, shipped.replace("kind: decode", "kind: decoed").replace("workers: 1", "workers: 0"))
        .unwrap();
    let errors = fail(train(&home.path().join("out")).arg("--pipeline").arg(&pipeline), 78);
    assert!(errors.contains("unknown kind `decoed`; did you mean decode?"), "{errors}");
    assert!(errors.contains("stages.crop.workers") && errors.contains("stages.augment.workers"), "{errors}");
}

/// What `train` refuses of an experiment or a pipeline `validate` refuses too, in the same words, and the other way round.
#[test]
fn train_and_validate_refuse_the_same() {
    let home = tempfile::tempdir().unwrap();
    let shipped = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("pipelines/train.yaml")).unwrap();
    let text = home.path().join("text.safetensors");
    std::fs::write(&text, "no weights").unwrap();
    let set = |assignment: &str| vec!["--set".to_string(), assignment.to_string()];
    let pipeline = |name: &str, from: &str, to: &str| {
        let path = home.path().join(format!("{name}.yaml"));
        let changed = shipped.replace(from, to);
        assert_ne!(changed, shipped);
        std::fs::write(&path, changed).unwrap();
        vec!["--pipeline".to_string(), path.display().to_string()]
    };
    let twice = "  checkpoint: {kind: checkpoint}\n  other: {kind: sample}\n  d: {kind: decode}\n  c: {kind: crop}\n  \
                 b: {kind: collate}\n  u: {kind: upload}\n  again: {kind: step}\n  a: {kind: aggregate}\n  k: {kind: checkpoint}\n";
    for (arguments, code, part) in [
        (set("TRAIN.BATCH_SIZE=many"), 78, "TRAIN.BATCH_SIZE: expected a whole number"),
        (set("MODEL.BACKBONE.NUM_HEADS=3"), 78, "3 heads do not divide a width of 32"),
        (set("TRAIN.PHASES.joint.TRAINS=[nothing.]"), 78, "TRAIN.PHASES.joint.TRAINS: no parameter's name matches"),
        (set(&format!("MODEL.PRETRAIN_FILE={}", text.display())), 66, "text.safetensors"),
        (pipeline("kind", "kind: decode,", "kind: decoed,"), 78, "unknown kind `decoed`"),
        (pipeline("twice", "  checkpoint: {kind: checkpoint}\n", twice), 78, "is a second stage of the kind step"),
        (pipeline("sizes", "kind: crop,", "kind: crop, options: {search: 80},"), 78, "search crops"),
        (pipeline("ports", "  crop: {kind: crop, workers: 1, capacity: 8}\n", ""), 78, "expects cropped clips"),
    ] {
        let out = home.path().join("out");
        let trained = fail(train(&out).args(&arguments), code);
        let mut validate = program();
        validate.args(["validate", "--script", "hiptrack", "--device", "cpu", "--config"]).arg(support::experiment());
        let validated = fail(validate.args(&arguments), code);
        for said in [&trained, &validated] {
            assert!(said.contains(part), "{arguments:?}\n{trained}\n{validated}");
        }
        assert!(!out.exists(), "{arguments:?}");
    }
}

#[test]
fn the_decode_stage_can_be_swapped_in_the_file() {
    let home = tempfile::tempdir().unwrap();
    let pipeline = home.path().join("mine.yaml");
    let shipped = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("pipelines/train.yaml")).unwrap();
    let swapped = shipped.replace("kind: decode,", "kind: decode-cached, options: {megabytes: 64},");
    assert_ne!(swapped, shipped);
    std::fs::write(&pipeline, swapped).unwrap();
    let (plain, cached) = (home.path().join("plain"), home.path().join("cached"));
    succeed(train(&plain).args(["--max_steps", "5"]));
    succeed(train(&cached).args(["--max_steps", "5", "--pipeline"]).arg(&pipeline));
    assert_eq!(support::losses(&cached), support::losses(&plain));
}

#[test]
fn missing_inputs_are_named() {
    let home = tempfile::tempdir().unwrap();
    let out = home.path().join("out");
    let errors = fail(train(&out).arg("--data_dir").arg(home.path().join("nowhere")), 66);
    assert!(errors.contains("nowhere/got10k/train") && errors.contains("--data_dir"), "{errors}");
    let errors = fail(train(&out).args(["--set", "MODEL.PRETRAIN_FILE=gone.safetensors"]), 66);
    assert!(errors.contains("gone.safetensors") && errors.contains("MODEL.PRETRAIN_FILE=none"), "{errors}");
    let errors = fail(program().args(["train", "--config", "dmeo"]), 66);
    assert!(errors.contains("did you mean demo?"), "{errors}");
    assert_eq!(files(&out), Vec::<String>::new());
}

#[test]
fn damaged_frames_are_all_found_before_training() {
    let errors = on_spoilt_data(|sets| {
        std::fs::write(sequence(sets).join("00000004.jpg"), b"").unwrap();
        let other = sequence(sets).join("00000007.jpg");
        let bytes = std::fs::read(&other).unwrap();
        std::fs::write(&other, &bytes[..bytes.len() / 2]).unwrap();
    });
    assert!(errors.contains("00000004.jpg") && errors.contains("empty"), "{errors}");
    assert!(errors.contains("00000007.jpg") && errors.contains("truncated"), "{errors}");
}

#[test]
fn damaged_annotations_are_named_with_their_line() {
    let errors = on_spoilt_data(|sets| {
        let path = sequence(sets).join("groundtruth.txt");
        let text = std::fs::read_to_string(&path).unwrap();
        let mut lines: Vec<&str> = text.lines().collect();
        lines[4] = "NaN,1,2,3";
        std::fs::write(&path, lines.join("\n")).unwrap();
    });
    assert!(errors.contains("groundtruth.txt:5:"), "{errors}");
    let errors = on_spoilt_data(|sets| {
        let path = sequence(sets).join("groundtruth.txt");
        let text = std::fs::read_to_string(&path).unwrap();
        std::fs::write(&path, text.lines().take(15).collect::<Vec<_>>().join("\n")).unwrap();
    });
    assert!(errors.contains("groundtruth.txt") && errors.contains("15") && errors.contains("20"), "{errors}");
}

#[test]
fn a_used_port_is_unavailable() {
    let home = tempfile::tempdir().unwrap();
    let out = home.path().join("out");
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let mut command = program();
    command.args(["train", "--config"]).arg(support::experiment()).arg("--save_dir").arg(&out);
    let errors = fail(command.args(["--metrics", &address]), 69);
    assert!(errors.contains(&address) && errors.contains("--metrics"), "{errors}");
    assert_eq!(files(&out), Vec::<String>::new());
}

#[test]
fn a_device_that_is_not_there_is_unavailable() {
    let out = tempfile::tempdir().unwrap();
    let errors = fail(train(out.path()).args(["--device=cuda:99"]), 69);
    assert!(errors.contains("--device"), "{errors}");
}

#[test]
fn an_output_folder_that_cannot_be_written_is_74() {
    let home = tempfile::tempdir().unwrap();
    let file = home.path().join("file");
    std::fs::write(&file, b"").unwrap();
    let errors = fail(&mut train(&file.join("out")), 74);
    assert!(errors.contains("--save_dir"), "{errors}");
}

#[test]
fn a_checkpoint_of_another_architecture_or_other_settings_is_refused_and_kept() {
    let home = tempfile::tempdir().unwrap();
    let out = home.path().join("out");
    succeed(train(&out).args(["--max_steps", "1"]));
    let before = files(&out);
    let errors = fail(train(&out).args(["--set", "MODEL.HIP.KEY_DIM=16", "--set", "TRAIN.LR=0.01"]), 66);
    assert!(errors.contains("another architecture") && errors.contains("key_proj.key_proj.weight"), "{errors}");
    let errors = fail(train(&out).args(["--set", "TRAIN.BATCH_SIZE=2"]), 78);
    assert!(errors.contains("TRAIN.BATCH_SIZE was 3, is 2") && errors.contains("--resume never"), "{errors}");
    assert_eq!(files(&out), before);
    let printed = succeed(train(&out).args(["--set", "TRAIN.BATCH_SIZE=2", "--resume", "never", "--max_steps", "1"]));
    assert!(printed.contains("older checkpoints moved to"), "{printed}");
}
