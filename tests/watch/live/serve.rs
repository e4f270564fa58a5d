//! `trackflow serve`: runs that are over and runs that go on, over HTTP and as a browser draws them.

use super::{Run, browser::load};
use crate::support::{Running, fail, get, program, succeed, train};
use serde_json::Value;
use std::{
    path::Path,
    time::{Duration, Instant},
};

fn serve(folder: &Path) -> (Running, String) {
    let mut command = program();
    command.arg("serve").arg(folder).args(["--address", "127.0.0.1:0"]);
    start_serving(&mut command)
}

/// Where it says that its page is.
fn start_serving(command: &mut std::process::Command) -> (Running, String) {
    use std::io::{BufRead, BufReader};
    let mut child = command.stdout(std::process::Stdio::piped()).spawn().unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let address = lines
        .map(|line| line.unwrap())
        .find_map(|line| Some(line.strip_prefix("live page: http://")?.trim_end_matches('/').to_string()));
    (Running(child), address.unwrap())
}

fn json(address: &str, path: &str) -> Value {
    let (head, body) = get(address, path);
    assert!(head.contains(" 200 ") && head.contains("application/json"), "{path}: {head}");
    serde_json::from_str(&body).unwrap()
}

/// The list of runs, once `done` is true of it.
fn wait(address: &str, done: impl Fn(&[Value]) -> bool) -> Vec<Value> {
    let begin = Instant::now();
    loop {
        let list = json(address, "/runs.json");
        let runs = list["runs"].as_array().unwrap().clone();
        if done(&runs) {
            return runs;
        }
        assert!(begin.elapsed() < Duration::from_secs(60), "{list:#}");
        std::thread::sleep(Duration::from_millis(100));
    }
}

fn named<'a>(runs: &'a [Value], name: &str) -> &'a Value {
    runs.iter().find(|run| run["name"] == name).unwrap_or_else(|| panic!("{name}: {runs:#?}"))
}

pub fn finished_and_running_runs_are_shown() {
    let home = tempfile::tempdir().unwrap();
    let done = home.path().join("sweep/done");
    succeed(train(&done).args(["--set", "TRAIN.CLS_WEIGHT=0.5"]));
    let (_server, address) = serve(home.path());
    let runs = wait(&address, |runs| runs.len() == 1 && runs[0]["state"] == "finished");
    let run = named(&runs, "sweep/done");
    assert_eq!((&run["experiment"], &run["epoch"], &run["epochs"]), (&"hiptrack/tiny".into(), &3.into(), &3.into()));
    let settings = run["settings"].as_array().unwrap();
    assert!(settings.iter().any(|one| one == "TRAIN.CLS_WEIGHT=0.5"), "{settings:?}");
    // The same status as that of a run that goes on, without what only a process has.
    let status = json(&address, &format!("/runs/{}/status.json", run["number"]));
    assert_eq!(
        (&status["state"], &status["run"]["step"], &status["run"]["steps"]),
        (&"finished".into(), &12.into(), &12.into())
    );
    assert!(status["call"]["command"].as_array().unwrap().len() > 4 && status["pipeline"].is_null());
    let train_curves = &status["curves"]["train"];
    for at in 0..12 {
        let of = |name: &str| train_curves[name][at].as_f64().unwrap();
        let components = ["giou_weighted", "l1_weighted", "location_weighted", "cls_weighted"].map(of);
        let (sum, total) = (components.iter().sum::<f64>(), of("total"));
        assert!((sum - total).abs() < 2e-3 * total.abs(), "step {at}: {components:?} are {sum}, not {total}");
    }
    assert!(train_curves["lr"][3].as_f64() > Some(0.0));
    let experiment = json(&address, &format!("/runs/{}/experiment.json", run["number"]));
    let weight = experiment.as_array().unwrap().iter().find(|one| one["key"] == "TRAIN.CLS_WEIGHT").unwrap();
    assert_eq!((&weight["value"], &weight["default"]), (&"0.5".into(), &"1".into()));
    let clip = &status["clips"][0]["clips"][0]["template"]["picture"];
    let picture = format!("/runs/{}/clips/val/{clip}.jpg", run["number"]);
    assert!(get(&address, &picture).0.contains(" 200 "), "{picture}");
    for path in [
        "/runs/9/status.json",
        "/runs/-1/status.json",
        "/runs/x/status.json",
        "/runs/0/run.jsonl",
        "/runs/0/clips/val/99.jpg",
    ] {
        assert!(get(&address, path).0.contains(" 404 "), "{path}");
    }
    // One that begins now is found, and followed.
    let going = Run::start(&home.path().join("going"), &[]);
    let runs = wait(&address, |runs| runs.iter().any(|run| run["name"] == "going" && run["step"].as_u64() > Some(8)));
    assert_eq!(named(&runs, "going")["state"], "running");
    // Beside the running one, on its own page, stands none of the others' sub-folders.
    let beside = json(&going.address, "/runs.json");
    assert_eq!(beside["runs"].as_array().unwrap().len(), 0, "{beside:#}");
    drop(going);
    let runs = wait(&address, |runs| named(runs, "going")["state"] != "running");
    assert_eq!(named(&runs, "going")["state"], "ended without a last line");
    let missing = home.path().join("missing");
    assert!(fail(program().arg("serve").arg(&missing), 66).contains("no such folder"));
}

pub fn the_page_draws_a_run_that_is_over_and_what_lies_beside_one() {
    let home = tempfile::tempdir().unwrap();
    succeed(train(&home.path().join("one")).args(["--set", "TRAIN.PHASES.joint.LR=0.0007"]));
    let (_server, address) = serve(home.path());
    wait(&address, |runs| runs.len() == 1 && runs[0]["state"] == "finished");
    let (document, complaints) = load(&format!("http://{address}/"), &["--window-size=1440,2000"]);
    assert_eq!(complaints, "");
    for part in [
        "<h1 id=\"title\">one: hiptrack/tiny</h1>",
        "class=\"pill finished\" role=\"status\">finished</span>",
        "aria-label=\"Loss: L_total ",
        "aria-label=\"Loss components, weighted as summed: GIoU ",
        "aria-label=\"Learning rate: heads ",
        "<td>TRAIN.PHASES.joint.LR</td><td>0.0007</td>",
        "/runs/0/clips/val/0.jpg",
        "How it was started",
    ] {
        assert!(document.contains(part), "{part} is missing in {document}");
    }
    let (drawn, _program) = document.split_once("<script>").unwrap();
    for word in ["undefined", "NaN", "null"] {
        assert!(!drawn.contains(word), "{word} in {drawn}");
    }
    // A run shows the finished one beside it.
    let run = Run::start(&home.path().join("two"), &[]);
    run.wait(|status| status["run"]["epoch"].as_u64() > Some(2));
    let begin = Instant::now();
    while json(&run.address, "/runs.json")["runs"].as_array().unwrap().is_empty() {
        assert!(begin.elapsed() < Duration::from_secs(60));
        std::thread::sleep(Duration::from_millis(100));
    }
    let (document, complaints) = load(&format!("http://{}/", run.address), &["--window-size=390,2000"]);
    assert_eq!(complaints, "");
    for part in ["Other runs in this folder", "aria-label=\"Compare with one\"", ">this run</button>"] {
        assert!(document.contains(part), "{part} is missing in {document}");
    }
}
