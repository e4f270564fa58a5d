//! A real Prometheus against a real run.

use super::boards::{BOARDS, board, folder, queries};
use crate::support::{self, Running, get, succeed, train};
use serde_json::Value;
use std::{
    net::TcpListener,
    path::Path,
    process::{Command, Stdio},
    time::{Duration, Instant},
};

/// How long the run and its Prometheus may take until every panel shows something.
const PATIENCE: Duration = Duration::from_secs(90);

pub fn is_there() -> bool {
    let answers = |program: &str| {
        let mut command = Command::new(program);
        command.arg("--version").stdout(Stdio::null()).stderr(Stdio::null());
        command.status().is_ok_and(|status| status.success())
    };
    answers("prometheus") && answers("promtool")
}

fn promtool(arguments: &[&str], path: &Path) {
    succeed(Command::new("promtool").args(arguments).arg(path));
}

pub fn promtool_accepts_rules_and_settings() {
    let files = folder().join("prometheus");
    promtool(&["check", "config"], &files.join("prometheus.yml"));
    promtool(&["check", "rules"], &files.join("alerts.yml"));
    promtool(&["test", "rules"], &files.join("alerts.test.yml"));
}

/// A run that trains until it is stopped, on data of which every tenth frame is damaged; where it serves its metrics.
fn start_run(home: &Path) -> (Running, String) {
    let sets = home.join("sets");
    let copied = Command::new("cp").arg("-r").arg(support::data()).arg(&sets).status().unwrap();
    assert!(copied.success());
    for frame in support::files(&sets).iter().filter(|name| name.contains("train/") && name.ends_with("7.jpg")) {
        let path = sets.join(frame);
        let bytes = std::fs::read(&path).unwrap();
        std::fs::write(&path, &bytes[..bytes.len() / 2]).unwrap();
    }
    let mut command = train(&home.join("out"));
    command.arg("--data_dir").arg(&sets);
    for setting in [
        "TRAIN.PHASES.joint.EPOCHS=100000",
        "DATA.CHECK=annotations",
        "DATA.MAX_REJECTED=1000000",
        "DATA.QUARANTINE_AFTER=1",
        "TRAIN.GRAD_ANALYSIS_INTERVAL=2",
    ] {
        command.args(["--set", setting]);
    }
    support::start(&mut command)
}

/// Prometheus with the shipped settings, but for the address and a faster pace.
fn start_prometheus(home: &Path, run: &str) -> (Running, String) {
    let shipped = std::fs::read_to_string(folder().join("prometheus/prometheus.yml")).unwrap();
    let rules = folder().join("prometheus/alerts.yml");
    let mut text = shipped.clone();
    for (from, to) in [
        ("127.0.0.1:9187\"]", format!("{run}\"]")),
        ("scrape_interval: 5s", "scrape_interval: 1s".to_string()),
        ("evaluation_interval: 15s", "evaluation_interval: 1s".to_string()),
        ("alerts.yml]", format!("{}]", rules.display())),
    ] {
        assert!(shipped.contains(from), "{from}");
        text = text.replace(from, &to);
    }
    let settings = home.join("prometheus.yml");
    std::fs::write(&settings, text).unwrap();
    let own = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
    let mut command = Command::new("prometheus");
    command.arg(format!("--config.file={}", settings.display()));
    command.arg(format!("--storage.tsdb.path={}", home.join("tsdb").display()));
    command.arg(format!("--web.listen-address={own}")).arg("--log.level=error").current_dir(home);
    (Running(command.stdout(Stdio::null()).spawn().unwrap()), own)
}

/// What Prometheus at `address` answers to `query`: all values.
fn ask(address: &str, query: &str) -> Vec<f64> {
    let mut encoded = String::new();
    for byte in query.bytes() {
        encoded += &format!("%{byte:02X}");
    }
    let (head, body) = get(address, &format!("/api/v1/query?query={encoded}"));
    let answer: Value = serde_json::from_str(&body).unwrap_or_else(|_| panic!("{query}: {head}\n{body}"));
    assert_eq!(answer["status"], "success", "{query}: {body}");
    let series = answer["data"]["result"].as_array().unwrap();
    series.iter().filter_map(|one| one["value"][1].as_str()?.parse().ok()).collect()
}

fn wait_until(what: &str, begin: Instant, mut done: impl FnMut() -> Result<(), String>) {
    loop {
        match done() {
            Ok(()) => return,
            Err(missing) if begin.elapsed() > PATIENCE => panic!("{what}: {missing}"),
            Err(_) => std::thread::sleep(Duration::from_millis(300)),
        }
    }
}

pub fn every_panel_shows_a_real_run() {
    let home = tempfile::tempdir().unwrap();
    let (run, address) = start_run(home.path());
    let begin = Instant::now();
    let (prometheus, own) = start_prometheus(home.path(), &address);
    wait_until("prometheus", begin, || match std::net::TcpStream::connect(&own) {
        Ok(_) if get(&own, "/-/ready").0.contains(" 200 ") => Ok(()),
        _ => Err("is not ready".into()),
    });
    wait_until("the target", begin, || match ask(&own, "up{job=\"trackflow\"}").as_slice() {
        [1.0] => Ok(()),
        other => Err(format!("up is {other:?}")),
    });
    // Without NVIDIA's library there is nothing to say about GPUs, and nothing is said.
    let has_gpu = get(&address, "/metrics").1.contains("trackflow_gpu_");
    let mut open: Vec<(String, String)> = BOARDS.iter().flat_map(|name| queries(&board(name))).collect();
    let (gpu, rest) = open.into_iter().partition(|(_, expr)| expr.contains("trackflow_gpu_"));
    open = rest;
    let gpu: Vec<(String, String)> = gpu;
    if has_gpu {
        open.extend(gpu.iter().cloned());
    }
    assert!(open.len() > 60, "{}", open.len());
    wait_until("panels without data", begin, || {
        open.retain(|(_, expr)| {
            let expr = expr.replace("$instance", ".*").replace("$__rate_interval", "5s").replace("$__interval", "5s");
            assert!(!expr.contains('$'), "{expr}");
            !ask(&own, &expr).iter().any(|value| value.is_finite())
        });
        if open.is_empty() { Ok(()) } else { Err(format!("{open:#?}")) }
    });
    // The damaged frames of this run are what this alert is for.
    wait_until("the alert of quarantined files", begin, || {
        let firing = "ALERTS{alertname=\"TrackflowFilesQuarantined\",alertstate=\"firing\",dataset=~\"GOT10K.*\"}";
        if ask(&own, firing).is_empty() { Err("does not fire".into()) } else { Ok(()) }
    });
    let rules: Value = serde_json::from_str(&get(&own, "/api/v1/rules").1).unwrap();
    let groups = rules["data"]["groups"].as_array().unwrap();
    let rules: Vec<&Value> = groups.iter().flat_map(|group| group["rules"].as_array().unwrap()).collect();
    assert!(rules.len() >= 10 && rules.iter().all(|rule| rule["health"] == "ok"), "{rules:#?}");
    // The exposition as promtool's linter wants it.
    let exposition = home.path().join("metrics.txt");
    std::fs::write(&exposition, get(&address, "/metrics").1).unwrap();
    let mut linter = Command::new("promtool");
    let linted = linter.args(["check", "metrics"]).stdin(std::fs::File::open(exposition).unwrap()).output().unwrap();
    assert!(linted.status.success() && linted.stderr.is_empty(), "{}", support::text(&linted));
    eprintln!("every panel has data after {:.1} s", begin.elapsed().as_secs_f64());
    drop((prometheus, run));
}
