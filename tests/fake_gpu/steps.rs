//! No step waits for the device, whatever it is asked to do; and how much it asks of it.

use crate::{
    OF_THE_STEP,
    library::{Report, Run, library, on_device},
    support::{experiment, program, succeed},
};
use std::path::{Path, PathBuf};

/// The tiny experiment with the joint phase alone, in `folder`; plain OSTrack without `prompts`.
fn joint(folder: &Path, prompts: bool) -> PathBuf {
    let text = std::fs::read_to_string(experiment()).unwrap();
    let skipped = |line: &str| {
        line.starts_with("    head: {EPOCHS")
            || !prompts && (line.starts_with("  HIP: ") || line.starts_with("  MAX_JUMP: "))
    };
    let lines: Vec<&str> = text.lines().filter(|line| !skipped(line)).collect();
    assert!(lines.len() < text.lines().count());
    let file = folder.join("joint.yaml");
    std::fs::write(&file, lines.join("\n")).unwrap();
    file
}

/// What the device saw of three steps of the joint phase, without validation.
fn short(library: &Path, folder: &Path, name: &str, keys: &[&str]) -> Report {
    let mut arguments = vec!["--max_steps", "3", "--set", "TRAIN.VAL_BEFORE=False"];
    keys.iter().for_each(|key| arguments.extend(["--set", key]));
    let run = Run::of(
        &joint(folder, !keys.contains(&"MODEL.NEW_HIP=False")),
        library,
        &folder.join(name),
        "cuda:0",
        &arguments,
        &[],
    )
    .good();
    assert_eq!(run.losses().len(), 3, "{keys:?}");
    assert!(run.losses().iter().all(|loss| loss.is_finite()), "{keys:?}");
    let report = run.report();
    assert_eq!(report.waits_of(OF_THE_STEP), [""; 0], "{keys:?}");
    report
}

#[test]
fn no_step_waits_for_the_device() {
    let Some(library) = library() else { return };
    let home = tempfile::tempdir().unwrap();
    let own = [
        "MODEL.CLS_HEAD.INPUT=tokens",
        "MODEL.CLS_HEAD.STEM=[4, 8, 8, 8]",
        "MODEL.CLS_HEAD.BLOCKS=1",
        "MODEL.CLS_HEAD.POOLING=attention",
        "TRAIN.CLS_GRADIENT_SCALE=0.05",
    ];
    let own_in_half_precision = [&own[..], &["TRAIN.AMP=True"]].concat();
    let cases: [&[&str]; 12] = [
        &["TRAIN.TASK_WEIGHTING=uncertainty", "TRAIN.EMA_DECAY=0.9"],
        &["TRAIN.TASK_WEIGHTING=gradnorm"],
        &["TRAIN.TASK_WEIGHTING=pcgrad", "TRAIN.REPLICAS=1", "TRAIN.ACCUMULATE=3"],
        &["TRAIN.GRAD_ANALYSIS_INTERVAL=1", "TRAIN.MTL_MODE=multilabel"],
        &["TRAIN.MTL_MODE=soft", "TRAIN.ACTIVATION_CHECKPOINTING=True"],
        &["TRAIN.MTL_MODE=film", "TRAIN.AMP=True", "TRAIN.TF32=True"],
        &["TRAIN.AMP=True", "TRAIN.ACTIVATION_CHECKPOINTING=True", "TRAIN.REPLICAS=1", "TRAIN.ACCUMULATE=2"],
        &["MODEL.HEAD.TYPE=CORNER", "TRAIN.SAVE_INTERVAL=1"],
        &["MODEL.NEW_HIP=False", "TRAIN.CLS_LOSS_TYPE=FOCAL"],
        &["TRAIN.CE_START_EPOCH=0", "TRAIN.CE_WARM_EPOCH=0", "TRAIN.CLS_LOSS_TYPE=LABEL_SMOOTH"],
        &own,
        &own_in_half_precision,
    ];
    for (number, keys) in cases.iter().enumerate() {
        short(library, home.path(), &number.to_string(), keys);
    }
}

#[test]
fn attention_is_flash_attention_in_half_precision() {
    let Some(library) = library() else { return };
    let home = tempfile::tempdir().unwrap();
    let [exact, half] = ["False", "True"].map(|amp| short(library, home.path(), amp, &[&format!("TRAIN.AMP={amp}")]));
    let (flash, efficient) =
        ("aten::_scaled_dot_product_flash_attention", "aten::_scaled_dot_product_efficient_attention");
    assert!(half.count(flash) > 0 && half.count(efficient) == 0, "{:?}", half.operations);
    // The preview of a batch is evaluated alone.
    let backward = half.count(&format!("{flash}_backward"));
    assert!(backward > 0 && backward <= half.count(flash), "{:?}", half.operations);
    assert!(exact.count(efficient) > 0 && exact.count(flash) == 0, "{:?}", exact.operations);
}

/// Of a step of the full model, beside those of the views that cost no launch.
const MOST_LAUNCHES: i64 = 2500;

#[test]
fn a_joint_step_in_half_precision_launches_no_more_than_it_should() {
    let Some(library) = library() else { return };
    let home = tempfile::tempdir().unwrap();
    let launches = |steps: &str| {
        let report = home.path().join(steps);
        let mut command = program();
        command.args(["bench", "step", "--config", "tests/fake_gpu/full.yaml", "--phase", "joint", "--steps", steps]);
        command.args(["--device", "cuda:0", "--threads", "1", "--set", "TRAIN.AMP=True"]);
        on_device(&mut command, library, &report);
        succeed(&mut command);
        Report::read(&report).launches
    };
    let one = launches("2") - launches("1");
    assert!(one > 500 && one <= MOST_LAUNCHES, "{one}");
}
