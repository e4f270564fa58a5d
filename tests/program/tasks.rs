//! Two tasks on one backbone, through the program: weightings, comparisons of gradients, and advice for runs that were
//! built to go wrong.

use crate::support::{self, data, losses, program, succeed, train};
use serde_json::Value;
use std::{os::unix::fs::symlink, path::Path};

fn events(save_dir: &Path, kind: &str) -> Vec<Value> {
    let log = std::fs::read_to_string(save_dir.join("run.jsonl")).unwrap();
    log.lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap())
        .filter(|event| event["event"] == kind)
        .collect()
}

#[test]
fn comparing_gradients_changes_no_loss_and_they_add_up() {
    let home = tempfile::tempdir().unwrap();
    for weighting in ["fixed", "uncertainty", "gradnorm", "pcgrad"] {
        let (plain, watched) = (home.path().join(weighting), home.path().join(format!("{weighting}-watched")));
        let way = format!("TRAIN.TASK_WEIGHTING={weighting}");
        succeed(train(&plain).args(["--set", &way]));
        succeed(train(&watched).args(["--set", &way, "--set", "TRAIN.GRAD_ANALYSIS_INTERVAL=3"]));
        assert_eq!(losses(&watched), losses(&plain), "{weighting}");
        let found = events(&watched, "gradients");
        assert_eq!(found.iter().map(|event| event["step"].as_u64().unwrap()).collect::<Vec<_>>(), [0, 3, 6, 9]);
        // With fixed weights, once in each phase; then the box task's gradient is what the class task's leaves.
        let is_checked = |event: &&Value| event["identity_error"].is_f64();
        let expected: &[u64] = if weighting == "fixed" { &[0, 6] } else { &[0, 3, 6, 9] };
        let checked: Vec<u64> = found.iter().filter(is_checked).map(|event| event["step"].as_u64().unwrap()).collect();
        assert_eq!(checked, expected, "{weighting}");
        for event in found.iter().filter(is_checked) {
            assert!(event["identity_error"].as_f64().unwrap() < 1e-5, "{weighting}: {event}");
        }
        let blocks = |event: &Value| -> Vec<String> {
            event["blocks"].as_array().unwrap().iter().map(|block| block["block"].as_str().unwrap().into()).collect()
        };
        assert_eq!(blocks(&found[0]), ["cls_head", "all"], "{weighting}: the first phase trains the class head alone");
        let joint = blocks(&found[2]);
        for block in
            ["backbone.embed", "backbone.blocks.0", "backbone.blocks.2", "searchRegionFusion", "box_head", "backbone"]
        {
            assert!(joint.iter().any(|name| name == block), "{block}: {joint:?}");
        }
    }
    let weights = |name: &str| {
        let last =
            events(&home.path().join(name), "batch").into_iter().rfind(|event| event["split"] == "train").unwrap();
        [last["weight_box"].as_f64().unwrap(), last["weight_cls"].as_f64().unwrap()]
    };
    assert_eq!(weights("fixed"), [1.0, 1.0]);
    assert_ne!(weights("uncertainty"), [0.5, 1.0], "they are learnt");
    let balanced = weights("gradnorm");
    assert!(balanced != [1.0, 1.0] && (balanced[0] + balanced[1] - 2.0).abs() < 1e-5, "{balanced:?}");
    assert_ne!(losses(&home.path().join("pcgrad")), losses(&home.path().join("fixed")));
}

#[test]
fn what_is_kept_and_shown_of_a_run_changes_no_loss() {
    let home = tempfile::tempdir().unwrap();
    let out = |name: &str| home.path().join(name);
    let run = |name: &str, settings: &[&str]| {
        let settings = settings.iter().flat_map(|setting| ["--set", setting]);
        succeed(train(&out(name)).args(settings));
    };
    run("plain", &[]);
    run("nothing", &["TRAIN.KEEP_FEATURES=0", "TRAIN.SHOW_CLIPS=0"]);
    run("little", &["TRAIN.KEEP_FEATURES=1", "TRAIN.SHOW_CLIPS=1"]);
    run("all", &["TRAIN.SHOW_CLIPS=99", "TRAIN.GRAD_ANALYSIS_INTERVAL=1", "TRAIN.SAVE_INTERVAL=2"]);
    let known = losses(&out("plain"));
    assert!(known.iter().any(|line| line.contains("\"conditions\":{")), "{known:?}");
    for name in ["nothing", "little", "all"] {
        assert_eq!(losses(&out(name)), known, "{name}");
    }
    let kept = |name: &str| {
        let which = ["features/first.safetensors", "features/latest.safetensors", "examples/examples.json"];
        which.map(|file| out(name).join(file).exists())
    };
    assert_eq!((kept("plain"), kept("nothing")), ([true; 3], [false; 3]));
    assert_eq!((kept("little"), kept("all")), ([true; 3], [true; 3]));
    let display = |name: &str| -> usize {
        let text = std::fs::read_to_string(out(name).join("examples/examples.json")).unwrap();
        serde_json::from_str::<Value>(&text).unwrap()["clips"].as_array().unwrap().len()
    };
    // A batch has three clips.
    assert_eq!([display("plain"), display("little"), display("all")], [3, 1, 3]);
}

#[test]
fn a_report_shows_what_runs_wrote_down() {
    let home = tempfile::tempdir().unwrap();
    let (first, second) = (home.path().join("multi"), home.path().join("baseline"));
    succeed(train(&first).args(["--set", "TRAIN.GRAD_ANALYSIS_INTERVAL=3"]));
    succeed(train(&second).args(["--seed", "7"]));
    let (page, csv) = (home.path().join("r.html"), home.path().join("r.csv"));
    let mut command = program();
    command.arg("report").arg("--run").arg(&first).arg("--compare").arg(&second);
    succeed(command.arg("--out").arg(&page).arg("--csv").arg(&csv));
    let html = std::fs::read_to_string(&page).unwrap();
    for part in [
        "multi and baseline",
        "<h2>Results</h2>",
        "multi, training",
        "baseline, validation",
        "mean IoU",
        "‖∇L_box‖",
        "backbone.blocks.0",
        "background clutter",
        "Tracking by condition",
        "<h2>Feature space</h2>",
        "PCA, before training: baseline, seed 7",
        "PCA, before training: multi, seed 42",
        "t-SNE, after epoch 3 with the class task: baseline, seed 7",
        "Linear probes",
        "<h2>Example tracks</h2>",
        "data:image/jpeg;base64,/9j/",
        "Where the time went",
        "no test: it needs two pairs of runs",
    ] {
        assert!(html.contains(part), "{part}");
    }
    assert!(!html.contains("NaN") && !html.contains("http://") && !html.contains("src="), "self-contained");
    let table = std::fs::read_to_string(&csv).unwrap();
    let validations = |run: &str| table.lines().filter(|line| line.contains(run) && line.contains(",val,")).count();
    let logged = events(&first, "pass").iter().filter(|event| event["split"] == "val").count();
    assert_eq!((validations("multi"), validations("baseline")), (logged, logged));
    let header: Vec<&str> = table.lines().next().unwrap().split(',').collect();
    let last = events(&first, "pass").into_iter().rfind(|event| event["split"] == "val").unwrap();
    let conditions = last["conditions"].as_object().unwrap();
    assert!(header.contains(&"Loss/total") && !conditions.is_empty(), "{table}");
    for (condition, stated) in conditions {
        let column = header.iter().position(|name| *name == format!("IoU/{condition}")).unwrap();
        let row = table.lines().rfind(|line| line.contains("\"multi\",val,")).unwrap();
        assert_eq!(row.split(',').nth(column).unwrap().parse::<f64>().unwrap(), stated["IoU"].as_f64().unwrap());
    }
    // The mean over conditions, weighted by their frames, is that over all labelled frames.
    let (mut frames, mut sum) = (0.0, 0.0);
    for stated in conditions.values() {
        frames += stated["frames"].as_f64().unwrap();
        sum += stated["frames"].as_f64().unwrap() * stated["IoU"].as_f64().unwrap();
    }
    assert_eq!(frames, last["labelled"].as_f64().unwrap());
    assert!((sum / frames - last["IoU"].as_f64().unwrap()).abs() < 1e-5, "{last}");

    let csv = home.path().join("gradients.csv");
    let mut command = program();
    let printed = succeed(command.args(["report", "gradients", "--run"]).arg(&first).arg("--csv").arg(&csv));
    let row = printed.lines().find(|line| line.trim_start().starts_with("backbone.blocks.0 ")).unwrap();
    // The name, four numbers of the newest comparison, four of the mean, and a share in per cent.
    assert_eq!(row.split_whitespace().count(), 1 + 4 + 4 + 2, "{printed}");
    let compared: usize =
        events(&first, "gradients").iter().map(|event| event["blocks"].as_array().unwrap().len()).sum();
    assert_eq!(std::fs::read_to_string(&csv).unwrap().lines().count(), 1 + compared);
    let printed = succeed(program().args(["report", "gradients", "--run"]).arg(&second));
    assert!(printed.contains("no gradients were compared; TRAIN.GRAD_ANALYSIS_INTERVAL"), "{printed}");

    let errors = support::fail(program().args(["report", "--run", "nowhere"]), 66);
    assert!(errors.contains("nowhere/run.jsonl") && errors.contains("--save_dir"), "{errors}");
}

#[test]
fn parts_in_a_row_are_as_parts_side_by_side_and_lambda_grows() {
    let home = tempfile::tempdir().unwrap();
    let run = |name: &str, more: &[&str]| {
        let out = home.path().join(name);
        // Without draws, and with statistics that do not move: what is left is the order of sums.
        let plain = ["--set", "TRAIN.DROP_PATH_RATE=0", "--set", "MODEL.CLS_HEAD.DROPOUT=0", "--max_steps", "2"];
        succeed(train(&out).args(plain).args(more));
        let totals: Vec<f64> =
            events(&out, "batch").iter().map(|event| event["Loss/total"].as_f64().unwrap()).collect();
        (totals, events(&out, "batch"))
    };
    let (whole, _) = run("whole", &["--set", "TRAIN.REPLICAS=1"]);
    let (parts, _) = run("parts", &["--set", "TRAIN.REPLICAS=1", "--set", "TRAIN.ACCUMULATE=3"]);
    assert!(whole.iter().zip(&parts).all(|(a, b)| (a - b).abs() < 1e-4 * a.abs()), "{whole:?} {parts:?}");
    let schedule = ["--set", "TRAIN.CLS_WEIGHT_SCHEDULE.TYPE=linear", "--set", "TRAIN.CLS_WEIGHT_SCHEDULE.EPOCHS=1"];
    let (_, batches) = run("lambda", &schedule);
    let lambdas: Vec<f64> = batches
        .iter()
        .filter(|event| event["split"] == "train")
        .map(|event| event["weight_cls"].as_f64().unwrap())
        .collect();
    assert_eq!(lambdas, [0.125, 0.375], "of 4 steps, in their middles");
}

#[test]
fn averaged_weights_are_validated_kept_and_tracked_with() {
    let home = tempfile::tempdir().unwrap();
    let (plain, averaged) = (home.path().join("plain"), home.path().join("averaged"));
    // The keep rate of an epoch is no part of the weights.
    let keep = ["--set", "TRAIN.CE_START_EPOCH=99"];
    succeed(train(&plain).args(keep));
    succeed(train(&averaged).args(keep).args(["--set", "TRAIN.EMA_DECAY=0.5"]));
    let of = |out: &Path, split: &str| -> Vec<String> {
        losses(out).into_iter().filter(|line| line.contains(&format!("\"split\":\"{split}\""))).collect()
    };
    assert_eq!(of(&averaged, "train"), of(&plain, "train"));
    assert_ne!(of(&averaged, "val"), of(&plain, "val"));
    let is_checkpoint = |name: &String| name.starts_with("checkpoints/") && name.ends_with(".safetensors");
    let last = support::files(&averaged).into_iter().rfind(is_checkpoint).unwrap();
    let slim = home.path().join("slim.safetensors");
    let printed = succeed(program().args(["checkpoint", "strip"]).arg(averaged.join(&last)).arg(&slim));
    assert!(printed.contains(" skipped)"), "{printed}");
    let again = home.path().join("again");
    let start = format!("MODEL.PRETRAIN_FILE={}", averaged.join(last).display());
    succeed(train(&again).args(keep).args(["--set", &start, "--max_steps", "1"]));
    let first = |out: &Path, at: usize| of(out, "val")[at].clone();
    let iou = |line: &str| serde_json::from_str::<Value>(line).unwrap()["IoU"].as_f64().unwrap();
    let closing = of(&averaged, "val").len() - 1;
    assert_eq!(
        iou(&first(&again, 2)),
        iou(&first(&averaged, closing)),
        "the averaged weights are what is gone on with"
    );
}

/// The test data at `home`, where every other sequence has no labels.
fn half_labelled(home: &Path) {
    let labels = data().join("conditions");
    std::fs::create_dir_all(home.join("conditions")).unwrap();
    let entries = |folder: &Path| -> Vec<std::path::PathBuf> {
        let mut entries: Vec<_> = std::fs::read_dir(folder).unwrap().flatten().map(|entry| entry.path()).collect();
        entries.sort();
        entries
    };
    for entry in entries(data()).into_iter().filter(|path| *path != labels) {
        symlink(&entry, home.join(entry.file_name().unwrap())).unwrap();
    }
    for entry in entries(&labels).into_iter().step_by(2) {
        symlink(&entry, home.join("conditions").join(entry.file_name().unwrap())).unwrap();
    }
}

#[test]
fn losses_are_those_of_the_batch_and_of_the_pass_where_half_the_clips_have_no_label() {
    let home = tempfile::tempdir().unwrap();
    let labelled = home.path().join("data");
    half_labelled(&labelled);
    let run = |name: &str, sets: &[&str], steps: &str| {
        let out = home.path().join(name);
        let mut command = train(&out);
        // Without draws and with statistics that do not move; where both tasks reach what is trained.
        let plain = ["TRAIN.DROP_PATH_RATE=0", "MODEL.CLS_HEAD.DROPOUT=0", "TRAIN.PHASES.joint.EPOCHS=1"];
        let joint = ["TRAIN.PHASES.joint.TRAINS=[backbone., cls_head.]", "DATA.TRAIN.SAMPLE_PER_EPOCH=12"];
        for set in plain.iter().chain(&joint).chain(sets) {
            command.args(["--set", set]);
        }
        succeed(command.args(["--max_steps", steps, "--data_dir"]).arg(&labelled));
        out
    };
    let apart = |a: &Value, b: &Value, key: &str| {
        let (a, b) = (a[key].as_f64().unwrap(), b[key].as_f64().unwrap());
        (a - b).abs() / a.abs().max(1e-9)
    };
    let step_metrics = ["Loss/total", "Loss/box", "Loss/location", "Loss/cls", "Loss/cls_weighted", "gradient_norm"];
    let cut = |shards: usize, accumulate: usize| {
        let sets = [format!("TRAIN.REPLICAS={shards}"), format!("TRAIN.ACCUMULATE={accumulate}")];
        run(&format!("{shards}-{accumulate}"), &["TRAIN.BATCH_SIZE=4", &sets[0], &sets[1]], "9")
    };
    let whole = cut(1, 1);
    let unlabelled = events(&whole, "batch").iter().filter(|event| event["labelled"].as_f64() < Some(8.0)).count();
    assert!(unlabelled > 2, "labels are missing in {unlabelled} batches");
    for parts in [cut(2, 1), cut(1, 4)] {
        for kind in ["batch", "pass"] {
            let (known, have) = (events(&whole, kind), events(&parts, kind));
            assert_eq!(known.len(), have.len());
            for (a, b) in known.iter().zip(&have) {
                let worst = step_metrics.iter().map(|key| apart(a, b, key)).fold(0.0, f64::max);
                assert!(worst < 1e-6, "{worst}: {a}\n{b}");
            }
        }
    }
    // The validation before training is of the same weights and the same clips.
    let before = |out: &Path| events(out, "pass").remove(0);
    let known = before(&whole);
    for size in ["1", "3"] {
        let size = format!("TRAIN.BATCH_SIZE={size}");
        let have = before(&run(&size, &[&size], "1"));
        let worst = step_metrics[..5].iter().map(|key| apart(&known, &have, key)).fold(0.0, f64::max);
        assert!(worst < 1e-6, "{size}, {worst}: {known}\n{have}");
        let [total, boxes, class, lambda] =
            ["Loss/total", "Loss/box", "Loss/cls", "weight_cls"].map(|key| have[key].as_f64().unwrap());
        assert!((total - boxes - lambda * class).abs() < 1e-12 * total, "{have}");
    }
}

/// A run that is built to learn nothing, into `out`.
fn stuck(out: &Path) -> std::process::Command {
    let mut command = train(out);
    for setting in [
        "TRAIN.PHASES.joint.EPOCHS=4",
        "TRAIN.PHASES.joint.LR=1e-9",
        "TRAIN.PHASES.joint.CLS_WEIGHT=0.001",
        "TRAIN.PHASES.head.LR=1e-9",
        "TRAIN.CE_START_EPOCH=99",
        "TRAIN.VAL_EPOCH_INTERVAL=99",
        "DATA.TRAIN.SAMPLE_PER_EPOCH=90",
    ] {
        command.args(["--set", setting]);
    }
    command
}

/// The rules of the advice on λ and the learning rate, in order: whether a step starves is the machine's business.
fn rules(out: &Path) -> Vec<String> {
    let rule = |event: Value| event["rule"].as_str().unwrap().to_string();
    events(out, "advice").into_iter().map(rule).filter(|rule| rule != "step_starves").collect()
}

#[test]
fn a_run_that_learns_nothing_is_told_why_that_may_be() {
    let home = tempfile::tempdir().unwrap();
    let out = home.path().join("out");
    let printed = succeed(&mut stuck(&out));
    let advice = rules(&out);
    for rule in ["accuracy_at_chance", "loss_stands_still"] {
        assert!(advice.iter().any(|stated| stated == rule), "{advice:?}\n{printed}");
    }
    let chance = events(&out, "advice").into_iter().find(|event| event["rule"] == "accuracy_at_chance").unwrap();
    assert_eq!(chance["numbers"]["lambda"], 0.001, "{chance}");
    assert!(printed.contains("raise λ (TRAIN.CLS_WEIGHT is 0.001, try 0.005)"), "{printed}");

    // No single call of this one has epochs enough to judge by.
    let parts = home.path().join("parts");
    for _ in 0..4 {
        succeed(stuck(&parts).args(["--max_steps", "41"]));
    }
    assert_eq!(losses(&parts), losses(&out));
    assert_eq!(rules(&parts), advice, "the advice of a run that was never stopped, once");
}

#[test]
fn every_shipped_experiment_is_valid() {
    for entry in std::fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("configs/hiptrack")).unwrap() {
        let path = entry.unwrap().path();
        let mut command = program();
        command.args(["validate", "--device", "cpu", "--config"]).arg(&path);
        let printed = succeed(&mut command);
        assert!(printed.contains("peak memory of queued data"), "{}: {printed}", path.display());
    }
}
