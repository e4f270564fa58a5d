//! What the condition head learns and what learns from it (`TRAIN.MTL_MODE`), and activation checkpointing, through the
//! program.

use crate::support::{self, data, experiment, fail, losses, program, succeed, text, train};
use serde_json::{Map, Value, json};
use std::{fs, os::unix::fs::symlink, path::Path};
use trackflow::weights::WeightsFile;

/// The first schema's names by group, and the later schema's for them.
const NAMES: [(&str, &str, &str); 9] = [
    ("cv_response", "scale_variation", "scale_variation"),
    ("cv_response", "low_res", "low_resolution"),
    ("cv_response", "low_contrast", "low_contrast"),
    ("vlm_response", "motion_blur", "motion_blur"),
    ("vlm_response", "illu_change", "specular_glare"),
    ("vlm_response", "variance_appear", "illumination_appearance_change"),
    ("vlm_response", "partial_visibility", "out_of_frame"),
    ("vlm_response", "background_clutter", "background_clutter"),
    ("vlm_response", "occlusion", "occlusion"),
];

/// The test data at `home`, with labels in the later schema: probabilities, and a severity on every other frame.
fn later_labels(home: &Path) {
    fs::create_dir_all(home).unwrap();
    for entry in fs::read_dir(data()).unwrap().flatten().filter(|entry| entry.file_name() != "conditions") {
        symlink(entry.path(), home.join(entry.file_name())).unwrap();
    }
    for entry in fs::read_dir(data().join("conditions")).unwrap().flatten() {
        let name = entry.file_name().into_string().unwrap();
        let folder = home.join("conditions").join(&name);
        fs::create_dir_all(&folder).unwrap();
        let old = fs::read_to_string(entry.path().join(format!("{name}.jsonl"))).unwrap();
        let lines = old.lines().map(|line| later(&serde_json::from_str(line).unwrap()).to_string() + "\n");
        fs::write(folder.join(format!("{name}.jsonl")), lines.collect::<String>()).unwrap();
    }
}

fn later(line: &Value) -> Value {
    let flagged = |value: &Value| value == 1 || value["flag"] == 1;
    let attributes: Map<String, Value> = NAMES
        .iter()
        .map(|(group, old, new)| {
            let probability = if flagged(&line[group][old]) { 0.8 } else { 0.1 };
            (new.to_string(), json!({"prob": probability, "source": "vlm"}))
        })
        .collect();
    let frame = line["frame_id"].as_u64().unwrap();
    let severity = frame.is_multiple_of(2).then_some(1.5);
    json!({"schema_version": 2, "frame_id": frame, "attributes": attributes, "severity": severity})
}

/// What a run logged of its last training batch.
fn last_batch(save_dir: &Path) -> Value {
    let log = fs::read_to_string(save_dir.join("run.jsonl")).unwrap();
    let mut events = log.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    events.rfind(|event| event["event"] == "batch" && event["split"] == "train").unwrap()
}

fn newest(save_dir: &Path) -> std::path::PathBuf {
    let folder = save_dir.join("checkpoints/train/hiptrack/tiny");
    let mut all: Vec<_> = fs::read_dir(folder).unwrap().flatten().map(|entry| entry.path()).collect();
    all.retain(|path| path.extension().is_some_and(|ending| ending == "safetensors"));
    all.sort();
    all.pop().unwrap()
}

fn mode(name: &str) -> [String; 2] {
    ["--set".into(), format!("TRAIN.MTL_MODE={name}")]
}

#[test]
fn every_mode_trains_resumes_to_the_same_bits_and_has_a_loss_of_its_own() {
    let home = tempfile::tempdir().unwrap();
    let labelled = home.path().join("data");
    later_labels(&labelled);
    let in_mode = |save_dir: &Path, name: &str| {
        let mut command = train(save_dir);
        command.args(mode(name)).arg("--data_dir").arg(&labelled);
        command
    };
    let mut seen = Vec::new();
    for name in ["ce", "soft", "multilabel", "film", "multilabel+film"] {
        let (whole, parts) = (home.path().join(name), home.path().join(format!("{name}-parts")));
        succeed(&mut in_mode(&whole, name));
        succeed(in_mode(&parts, name).args(["--max_steps", "7"]));
        succeed(&mut in_mode(&parts, name));
        assert_eq!(losses(&parts), losses(&whole), "{name}");
        let last = last_batch(&whole);
        let class = last["Loss/cls"].as_f64().unwrap_or_else(|| panic!("{last}"));
        assert!(class > 0.0 && class.is_finite() && last["Loss/total"].as_f64().unwrap().is_finite(), "{last}");
        assert!(!seen.contains(&losses(&whole)), "{name} trains like another mode");
        seen.push(losses(&whole));
    }
    let names = |name: &str| -> Vec<String> {
        let file = WeightsFile::open(&newest(&home.path().join(name))).unwrap();
        file.entries().iter().map(|entry| entry.name.clone()).collect()
    };
    let has = |name: &str, tensor: &str| names(name).iter().any(|own| own == tensor);
    for (name, severity, film) in [("soft", false, false), ("film", false, true), ("multilabel+film", true, true)] {
        assert_eq!(has(name, "cls_head.severity.weight"), severity, "{name}");
        assert_eq!(has(name, "film.projection.weight"), film, "{name}");
        assert_eq!(has(name, "optimizer.exp_avg.film.projection.weight"), film, "{name}");
    }
}

#[test]
fn modulation_goes_along_when_tracking_and_is_not_lost_on_the_way() {
    let home = tempfile::tempdir().unwrap();
    let (out, slim) = (home.path().join("out"), home.path().join("slim.safetensors"));
    succeed(train(&out).args(mode("film")));
    let weights = newest(&out);
    succeed(program().args(["checkpoint", "strip"]).args([&weights, &slim]));
    let kept = WeightsFile::open(&slim).unwrap();
    for part in ["film.projection.weight", "cls_head.classifier.weight"] {
        assert!(kept.entries().iter().any(|entry| entry.name == part), "{part}: the boxes depend on it");
    }
    let track = |weights: &Path, save_dir: &str, name: &str| {
        let mut command = program();
        command.args(["track", "--script", "hiptrack", "--config"]).arg(experiment()).args(mode(name));
        command.args(["--set", "TEST.SEARCH_SIZE=64", "--set", "TEST.TEMPLATE_SIZE=32", "--device", "cpu"]);
        command.args(["--dataset", "GOT10K_official_val", "--weights"]).arg(weights);
        command.arg("--data_dir").arg(data()).arg("--save_dir").arg(home.path().join(save_dir));
        command
    };
    let results = |save_dir: &str| {
        let folder = home.path().join(save_dir);
        let boxes = |name: &&String| name.ends_with(".txt") && !name.contains("_time");
        let files = support::files(&folder);
        files.iter().filter(boxes).map(|name| fs::read_to_string(folder.join(name)).unwrap()).collect::<Vec<_>>()
    };
    succeed(&mut track(&weights, "whole", "film"));
    succeed(&mut track(&slim, "slim", "film"));
    assert!(!results("whole").is_empty() && results("whole") == results("slim"));
    let errors = fail(&mut track(&weights, "wrong", "ce"), 66);
    assert!(errors.contains("TRAIN.MTL_MODE=film"), "{errors}");
    // The other way round it starts as the identity.
    let plain = home.path().join("plain");
    succeed(&mut train(&plain));
    let printed = succeed(&mut track(&newest(&plain), "identity", "film"));
    assert!(printed.contains("has no film.projection: conditions modulate nothing"), "{printed}");
    succeed(&mut track(&newest(&plain), "plain", "ce"));
    assert!(results("identity") == results("plain"));
}

#[test]
fn modes_that_do_not_fit_are_named() {
    let home = tempfile::tempdir().unwrap();
    let refused = |sets: &[&str]| {
        let mut command = train(home.path());
        command.args(sets.iter().flat_map(|set| ["--set", set]));
        fail(&mut command, 78)
    };
    let errors = refused(&["TRAIN.MTL_MODE=sof"]);
    assert!(errors.contains("MTL_MODE") && errors.contains("soft"), "{errors}");
    let errors = refused(&["TRAIN.MTL_MODE=soft", "TRAIN.CLS_LOSS_TYPE=FOCAL"]);
    assert!(errors.contains("CLS_LOSS_TYPE") && errors.contains("FOCAL is a loss of classes"), "{errors}");
    let errors = refused(&["TRAIN.MTL_MODE=film", "MODEL.CLS_HEAD.NUM_CLASSES=0"]);
    assert!(errors.contains("MTL_MODE: there is no condition head"), "{errors}");
}

#[test]
fn activation_checkpointing_changes_no_bit() {
    let home = tempfile::tempdir().unwrap();
    let (plain, again) = (home.path().join("plain"), home.path().join("again"));
    let keep = ["--set", "TRAIN.GRAD_ANALYSIS_INTERVAL=4", "--set", "TRAIN.TASK_WEIGHTING=pcgrad"];
    let on = ["--set", "TRAIN.ACTIVATION_CHECKPOINTING=true"];
    succeed(train(&plain).args(keep));
    succeed(train(&again).args(keep).args(on));
    assert_eq!(losses(&again), losses(&plain));
    // It may be switched on for the rest of a run that turned out too large.
    let parts = home.path().join("parts");
    succeed(train(&parts).args(keep).args(["--max_steps", "6"]));
    let output = train(&parts).args(keep).args(on).output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", text(&output));
    assert_eq!(losses(&parts), losses(&plain));
}
