//! Where runs are watched beside trackflow: bridges to Weights & Biases and MLflow, and traces.
//!
//! The real packages are asked for: those of `python3`, or, with TRACKFLOW_BRIDGES=install, of a virtual environment that
//! is made for these tests. Where there are none, the tests say that nothing was tested.

use crate::support::{fail, losses, succeed, text, train};
use serde_json::Value;
use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    process::Command,
    sync::OnceLock,
};

/// A Python that can import `package`.
fn python(package: &str) -> Option<PathBuf> {
    let has = |python: &Path| {
        let imported = Command::new(python).args(["-c", &format!("import {package}")]).output();
        imported.is_ok_and(|output| output.status.success())
    };
    let own = PathBuf::from("python3");
    if has(&own) {
        return Some(own);
    }
    static INSTALLED: OnceLock<Result<PathBuf, String>> = OnceLock::new();
    let installed = INSTALLED.get_or_init(|| {
        if std::env::var_os("TRACKFLOW_BRIDGES").is_none_or(|how| how != "install") {
            return Err("python3 has no such package; TRACKFLOW_BRIDGES=install installs it for the tests".into());
        }
        let home = Path::new(env!("CARGO_TARGET_TMPDIR")).join("bridges");
        let python = home.join("bin/python");
        let run = |command: &mut Command| match command.output() {
            Ok(output) if output.status.success() => Ok(()),
            Ok(output) => Err(text(&output)),
            Err(error) => Err(error.to_string()),
        };
        if !python.exists() {
            run(Command::new("python3").args(["-m", "venv"]).arg(&home))?;
        }
        run(Command::new(&python).args(["-m", "pip", "install", "--quiet", "wandb", "mlflow"]))?;
        Ok(python)
    });
    match installed {
        Ok(python) if has(python) => Some(python.clone()),
        Ok(_) => panic!("{package} was installed and cannot be imported"),
        Err(why) => {
            eprintln!("SKIPPED: the bridge to {package} was not tested: {why}");
            None
        }
    }
}

/// A run of two calls, with a bridge to `package`; the folder is left to look at.
fn bridged(package: &str, python: &Path) -> tempfile::TempDir {
    let home = tempfile::tempdir().unwrap();
    let save_dir = home.path().join("out");
    let command = |more: &[&str]| {
        let mut command = train(&save_dir);
        command.args([&format!("--use_{package}"), "1"]).args(more).env("TRACKFLOW_PYTHON", python);
        command.env("WANDB_MODE", "offline").env("WANDB_SILENT", "true").env_remove("MLFLOW_TRACKING_URI");
        command.env("HOME", home.path());
        command
    };
    let printed = succeed(&mut command(&["--max_steps", "5"]));
    assert!(printed.contains(&format!("{package}: everything was passed on")), "{printed}");
    let id = |state: &Value| state["id"].as_str().unwrap().to_string();
    let state = || -> Value {
        let file = save_dir.join(format!("bridge-{package}.json"));
        serde_json::from_str(&fs::read_to_string(file).unwrap()).unwrap()
    };
    let first = id(&state());
    let printed = succeed(&mut command(&[]));
    assert!(printed.contains(&format!("{package}: everything was passed on")), "{printed}");
    assert_eq!(id(&state()), first, "the run that goes on is another one there");
    let quiet = home.path().join("quiet");
    succeed(&mut train(&quiet));
    assert_eq!(losses(&save_dir), losses(&quiet));
    home
}

/// Training steps of the tiny experiment.
const STEPS: usize = 12;

#[test]
fn mlflow_gets_every_step_once() {
    let Some(python) = python("mlflow") else { return };
    let home = bridged("mlflow", &python);
    let read = "
import json, mlflow, sys
client = mlflow.MlflowClient(f'sqlite:///{sys.argv[1]}/mlflow.db')
experiment = client.get_experiment_by_name('tracking')
runs = client.search_runs([experiment.experiment_id])
assert len(runs) == 1, runs
history = {key: [(m.step, m.value) for m in client.get_metric_history(runs[0].info.run_id, key)]
           for key in ('train/Loss/total', 'val/IoU', 'epoch/epoch')}
print(json.dumps({'status': runs[0].info.status, 'params': runs[0].data.params, 'history': history}))
";
    let output = Command::new(&python).args(["-c", read]).arg(home.path().join("out")).output().unwrap();
    assert!(output.status.success(), "{}", text(&output));
    let found: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(found["status"], "FINISHED");
    assert_eq!(found["params"]["TRAIN.BATCH_SIZE"], "3");
    let steps = |key: &str| -> Vec<u64> {
        found["history"][key].as_array().unwrap().iter().map(|point| point[0].as_u64().unwrap()).collect()
    };
    assert_eq!(steps("train/Loss/total"), (1..=STEPS as u64).collect::<Vec<_>>());
    assert_eq!(steps("val/IoU"), [0, 4, 8, 12]);
    assert_eq!(steps("epoch/epoch"), [4, 8, 12]);
    // The numbers are those of the log.
    let log = fs::read_to_string(home.path().join("out/run.jsonl")).unwrap();
    let batches = log.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let train = batches.filter(|event| event["event"] == "batch" && event["split"] == "train");
    for (event, point) in train.zip(found["history"]["train/Loss/total"].as_array().unwrap()) {
        assert_eq!(event["Loss/total"].as_f64(), point[1].as_f64());
    }
}

#[test]
fn wandb_keeps_everything_offline_in_one_run() {
    let Some(python) = python("wandb") else { return };
    let home = bridged("wandb", &python);
    let folder = home.path().join("out/wandb");
    let runs: Vec<PathBuf> = fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    let runs: Vec<&PathBuf> =
        runs.iter().filter(|path| path.file_name().unwrap().to_string_lossy().starts_with("offline-run-")).collect();
    // Each call is a piece of the same run; `wandb sync` puts them together.
    assert_eq!(runs.len(), 2, "{runs:?}");
    let (mut steps, mut validations) = (0, 0);
    for run in runs {
        let file = fs::read_dir(run).unwrap().map(|entry| entry.unwrap().path());
        let file = file.into_iter().find(|path| path.extension().is_some_and(|ending| ending == "wandb")).unwrap();
        let bytes = fs::read(file).unwrap();
        // Names of numbers stand in the records of the history as they are, and once in the summary at the end.
        let count = |name: &str| bytes.windows(name.len()).filter(|part| *part == name.as_bytes()).count();
        steps += count("train/Loss/total");
        validations += count("val/Loss/total");
    }
    assert!(steps >= STEPS && validations >= 4, "{steps} steps, {validations} validations");
}

#[test]
fn a_bridge_that_cannot_start_ends_the_run_before_it_begins() {
    let home = tempfile::tempdir().unwrap();
    let save_dir = home.path().join("out");
    let errors = fail(train(&save_dir).args(["--use_wandb", "1"]).env("TRACKFLOW_PYTHON", "/nowhere/python3"), 69);
    assert!(errors.contains("/nowhere/python3 does not start") && errors.contains("pip install wandb"), "{errors}");
    // A Python without the package.
    let mut command = train(&save_dir);
    command.args(["--use_mlflow", "1"]).env("PYTHONPATH", home.path());
    fs::write(home.path().join("mlflow.py"), "raise ImportError('not here')\n").unwrap();
    let errors = fail(&mut command, 69);
    assert!(errors.contains("cannot import mlflow: not here; pip install mlflow"), "{errors}");
    assert!(!save_dir.join("run.jsonl").exists());
}

#[test]
fn a_trace_has_every_worker_and_the_steps_that_were_asked_for() {
    let home = tempfile::tempdir().unwrap();
    let (traced, plain) = (home.path().join("traced"), home.path().join("plain"));
    let file = home.path().join("trace.json");
    let mut command = train(&traced);
    let printed = succeed(command.args(["--trace_steps", "4:7", "--trace"]).arg(&file));
    assert!(printed.contains("trace       ") && printed.contains("ui.perfetto.dev"), "{printed}");
    succeed(&mut train(&plain));
    assert_eq!(losses(&traced), losses(&plain));
    let trace: Value = serde_json::from_str(&fs::read_to_string(&file).unwrap()).unwrap();
    let events = trace["traceEvents"].as_array().unwrap();
    let rows: BTreeMap<u64, &str> = events
        .iter()
        .filter(|event| event["name"] == "thread_name")
        .map(|event| (event["tid"].as_u64().unwrap(), event["args"]["name"].as_str().unwrap()))
        .collect();
    for worker in ["sample 0", "decode 0", "decode 1", "crop 0", "collate 0", "upload 0", "step 0", "checkpoint 0"] {
        assert!(rows.values().any(|row| *row == worker), "{worker}: {rows:?}");
    }
    let mut slices: BTreeMap<u64, Vec<(f64, f64, &str)>> = BTreeMap::new();
    for event in events.iter().filter(|event| event["ph"] == "X") {
        let [begin, length] = ["ts", "dur"].map(|key| event[key].as_f64().unwrap());
        assert!(begin >= 0.0 && length >= 0.0, "{event}");
        let row = slices.entry(event["tid"].as_u64().unwrap()).or_default();
        row.push((begin, begin + length, event["name"].as_str().unwrap()));
    }
    // Slices of a row lie within each other or beside each other: anything else is not drawn.
    for (row, slices) in &mut slices {
        slices.sort_by(|a, b| a.0.total_cmp(&b.0).then(b.1.total_cmp(&a.1)));
        let mut open: Vec<(f64, f64, &str)> = Vec::new();
        for slice in slices.iter() {
            // Times are rounded to whole nanoseconds.
            open.retain(|above| above.1 > slice.0 + 0.002);
            if let Some(above) = open.last() {
                assert!(slice.1 <= above.1 + 0.002, "{}: {slice:?} leaves {above:?}", rows[row]);
            }
            open.push(*slice);
        }
    }
    let step = rows.iter().find(|(_, row)| **row == "step 0").map(|(tid, _)| *tid).unwrap();
    let named: Vec<&str> = slices[&step].iter().map(|slice| slice.2).filter(|name| name.contains(" step ")).collect();
    let training: Vec<&str> = named.iter().filter(|name| name.starts_with("training")).copied().collect();
    assert_eq!(training, ["training step 4", "training step 5", "training step 6"]);

    let errors = fail(train(&plain).args(["--trace", "x.json", "--trace_steps", "7:4"]), 64);
    assert!(errors.contains("above the first"), "{errors}");
}
