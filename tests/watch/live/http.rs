//! What the address of a run answers.

use super::Run;
use crate::support::{ask, get, program, succeed, train};
use std::{
    io::{Read, Write},
    net::TcpStream,
    time::{Duration, Instant},
};

fn is_set(value: &serde_json::Value) -> bool {
    value.as_array().map_or(!value.is_null(), |array| !array.is_empty())
}

pub fn a_run_tells_where_it_is() {
    let home = tempfile::tempdir().unwrap();
    let run = Run::start(home.path(), &[]);
    let status = run.wait(|status| {
        is_set(&status["checkpoints"])
            && is_set(&status["pipeline"]["bottleneck"])
            && status["run"]["epoch"].as_u64() >= Some(3)
    });
    assert!(get(&run.address, "/healthz").0.contains(" 200 ") && get(&run.address, "/readyz").0.contains(" 200 "));
    assert_eq!(status["state"], "running");
    let stated = &status["run"];
    assert_eq!((&stated["experiment"], &stated["device"]), (&"hiptrack/tiny".into(), &"cpu".into()));
    assert_eq!(stated["phases"], serde_json::json!(["head", "joint"]));
    assert_eq!((&stated["phase"], &stated["weights"]), (&"joint".into(), &serde_json::json!({"box": 1.0, "cls": 1.0})));
    assert_eq!(stated["steps"], 4 * 100_001);
    for key in ["total", "box", "cls", "iou", "accuracy", "gradient_norm"] {
        assert!(stated["last"][key].is_number(), "{key}: {stated:#}");
    }
    let stages = status["pipeline"]["stages"].as_array().unwrap();
    let decode = stages.iter().find(|stage| stage["id"] == "decode").unwrap();
    assert_eq!((&decode["inputs"], &decode["workers"]), (&serde_json::json!(["sample"]), &2.into()));
    for stage in stages {
        for key in ["busy", "waiting", "blocked"] {
            assert!((0.0..=1.0).contains(&stage[key].as_f64().unwrap()), "{key}: {stage:#}");
        }
    }
    assert!(stages.iter().any(|stage| stage["rate"].as_f64().unwrap() > 0.0), "{stages:#?}");
    let channels = status["pipeline"]["channels"].as_array().unwrap();
    assert_eq!((channels.len(), &channels[0]["capacity"]), (8, &16.into()));
    let curves = &status["curves"]["train"];
    let steps = curves["step"].as_array().unwrap();
    assert!(steps.len() >= 8 && steps[0] == 1, "{steps:?}");
    assert_eq!(curves["iou"].as_array().unwrap().len(), steps.len());
    let validation = &status["validations"][1];
    assert_eq!((&validation["epoch"], &validation["step"]), (&1.into(), &4.into()));
    assert!(validation["frames"].as_array().unwrap().iter().any(|frames| frames.as_u64() > Some(0)), "{validation:#}");
    assert!(status["process"]["memory_bytes"].as_u64() > Some(1 << 20));
    // Some clips of the last validation, with what the model said of them.
    let clips = &status["clips"][0];
    assert_eq!((&clips["split"], clips["clips"].as_array().unwrap().len()), (&"val".into(), 3), "{clips:#}");
    let frame = &clips["clips"][2]["frames"][1];
    assert!(
        (0.0..=1.0).contains(&frame["iou"].as_f64().unwrap()) && frame["predicted_condition"].is_string(),
        "{frame:#}"
    );
    let picture = format!("/clips/val/{}.jpg", frame["picture"]);
    let mut stream = TcpStream::connect(&run.address).unwrap();
    write!(stream, "GET {picture} HTTP/1.0\r\n\r\n").unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    let begin = answer.windows(4).position(|four| four == b"\r\n\r\n").unwrap() + 4;
    let decoded = image::load_from_memory(&answer[begin..]).unwrap();
    assert_eq!((decoded.width(), decoded.height()), (64, 64), "search crops of the experiment");
    // Numbers agree with what Prometheus gets.
    assert!(get(&run.address, "/metrics").1.contains("trackflow_train_task_weight{task=\"cls\"} 1\n"));
}

pub fn a_run_that_goes_on_shows_its_past() {
    let home = tempfile::tempdir().unwrap();
    succeed(train(home.path()).args(["--set", "TRAIN.PHASES.joint.EPOCHS=100000", "--max_steps", "7"]));
    let run = Run::start(home.path(), &[]);
    let status = run.wait(|status| status["run"]["step"].as_u64() > Some(9));
    let steps = &status["curves"]["train"]["step"];
    assert_eq!((&steps[0], &steps[6], &steps[7]), (&1.into(), &7.into(), &8.into()));
    assert_eq!(status["validations"][0]["epoch"], 0);
    // What the call before wrote has its time too.
    let began = status["started"].as_f64();
    let saved = status["checkpoints"].as_array().unwrap();
    assert!(saved.iter().all(|saved| saved["time"].is_f64()), "{status:#}");
    assert!(saved.iter().any(|saved| saved["time"].as_f64() < began), "{status:#}");
}

pub fn odd_and_huge_requests_are_refused() {
    let home = tempfile::tempdir().unwrap();
    let run = Run::start(home.path(), &[]);
    let address = &run.address;
    let page = get(address, "/");
    assert!(page.0.contains(" 200 ") && page.0.contains("text/html"), "{}", page.0);
    // It loads nothing from anywhere.
    for word in ["src=", "@import", "url(http", "href=\"http", "href=\"//"] {
        assert!(!page.1.contains(word), "{word}");
    }
    for path in [
        "/../../../../etc/passwd",
        "/..%2f..%2f..%2fetc%2fpasswd",
        "/%2e%2e/%2e%2e/etc/passwd",
        "//etc/passwd",
        "/run.jsonl",
        "/status.json/",
        "/page/page.js",
        "/%00",
        "/favicon.ico",
        "/clips/val/9.jpg",
        "/clips/val/-1.jpg",
        "/clips/val/99999999999999999999999.jpg",
        "/clips/out/0.jpg",
        "/clips/val/..%2f..%2f0.jpg",
    ] {
        let (head, body) = get(address, path);
        assert!(head.contains(" 404 ") && !body.contains("root:"), "{path}: {head}\n{body}");
    }
    for method in ["POST", "PUT", "DELETE", "PATCH", "TRACE"] {
        let request = format!("{method} /status.json HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
        assert!(ask(address, &request).0.contains(" 405 "), "{method}");
    }
    let whole = |start: &str| format!("{start}Host: x\r\nConnection: close\r\n\r\n");
    for (what, request) in [
        ("a long head", whole(&format!("GET / HTTP/1.1\r\nX: {}\r\n", "a".repeat(2 << 20)))),
        ("a long path", whole(&format!("GET /{} HTTP/1.1\r\n", "a".repeat(1 << 20)))),
        ("many headers", whole(&format!("GET / HTTP/1.1\r\n{}", "A: b\r\n".repeat(10_000)))),
        ("another protocol", "\u{16}\u{3}\u{1}\u{2}\u{0}\u{1}\u{0}\r\n\r\n".to_string()),
        ("no version", "GET /\r\n\r\n".to_string()),
        ("a wrong length", whole("GET / HTTP/1.1\r\nContent-Length: -1\r\n")),
    ] {
        let (head, _) = ask(address, &request);
        assert!(head.is_empty() || head.starts_with("HTTP/1.1 4"), "{what}: {head}");
    }
    // A body that never comes is not waited for.
    let begin = Instant::now();
    let huge = "POST /metrics HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000000000\r\nConnection: close\r\n\r\n";
    assert!(ask(address, huge).0.contains(" 405 "));
    // Clients that say nothing hold up nobody, and are let go.
    let mut silent: Vec<TcpStream> = (0..30).map(|_| TcpStream::connect(address).unwrap()).collect();
    assert!(get(address, "/metrics").0.contains(" 200 "));
    silent[0].set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    let mut rest = Vec::new();
    silent[0].read_to_end(&mut rest).unwrap();
    assert!(begin.elapsed() > Duration::from_secs(3), "{:?}", begin.elapsed());
    // And training never stopped.
    let step = run.status()["run"]["step"].as_u64();
    run.wait(|status| status["run"]["step"].as_u64() > step);
}

pub fn another_address_is_warned_of() {
    let home = tempfile::tempdir().unwrap();
    let pipeline = home.path().join("flow.yaml");
    let text = "name: flow\nstages:\n  a: {kind: count, options: {items: 3}}\n  b: {kind: collect}\n";
    std::fs::write(&pipeline, text).unwrap();
    let simulate = |address: &str| {
        let mut command = program();
        succeed(command.args(["simulate", "--metrics", address, "--pipeline"]).arg(&pipeline))
    };
    let printed = simulate("0.0.0.0:0");
    assert!(printed.contains("warning: everyone who reaches 0.0.0.0:"), "{printed}");
    let printed = simulate("127.0.0.1:0");
    assert!(printed.contains("live page: http://127.0.0.1:") && !printed.contains("warning"), "{printed}");
}

/// Raises the number of files that the test itself may have open, and gives it.
fn descriptors() -> u64 {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: both read or fill what they are given.
    unsafe {
        assert_eq!(libc::getrlimit(libc::RLIMIT_NOFILE, &mut limit), 0);
        limit.rlim_cur = limit.rlim_max.min(1 << 16);
        assert_eq!(libc::setrlimit(libc::RLIMIT_NOFILE, &limit), 0);
    }
    limit.rlim_cur
}

pub fn a_thousand_clients_of_bad_manners_hold_up_nobody() {
    let home = tempfile::tempdir().unwrap();
    let run = Run::start(home.path(), &[]);
    let address = &run.address;
    let most = 1000.min(descriptors().saturating_sub(100)) as usize;
    let mut clients = Vec::new();
    for number in 0..most {
        let mut stream = TcpStream::connect(address).unwrap();
        let _ = match number % 5 {
            // Stays after its answer.
            0 => stream.write_all(b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n"),
            // Takes its time.
            1 => stream.write_all(b"GET /heal"),
            // Says nothing.
            2 => Ok(()),
            // Asks again and again, and reads nothing.
            3 => stream.write_all(&b"GET /status.json HTTP/1.1\r\nHost: x\r\n\r\n".repeat(20)),
            // Announces what never comes.
            _ => stream.write_all(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\n"),
        };
        clients.push(stream);
    }
    let files = || std::fs::read_dir(format!("/proc/{}/fd", run.child.0.id())).unwrap().count();
    let mut longest = Duration::ZERO;
    for round in 0..20 {
        for path in ["/healthz", "/readyz"] {
            let begin = Instant::now();
            let mut stream = TcpStream::connect(address).unwrap();
            // Before the idle ones go by themselves, and far more than a busy machine needs.
            stream.set_read_timeout(Some(Duration::from_secs(4))).unwrap();
            write!(stream, "GET {path} HTTP/1.0\r\nHost: x\r\n\r\n").unwrap();
            let mut answer = String::new();
            stream.read_to_string(&mut answer).unwrap_or_else(|error| panic!("{path}, round {round}: {error}"));
            assert!(answer.contains(" 200 ") || path == "/readyz" && answer.contains(" 503 "), "{path}: {answer}");
            longest = longest.max(begin.elapsed());
        }
        // The bad ones do not give in.
        clients.iter_mut().skip(round).step_by(20).for_each(|client| drop(client.write_all(b"G")));
    }
    println!("{most} clients; the longest answer took {longest:?}; {} files are open", files());
    assert!(files() < 400, "{} files are open", files());
    // And training never stopped.
    let step = run.status()["run"]["step"].as_u64();
    run.wait(|status| status["run"]["step"].as_u64() > step);
}
