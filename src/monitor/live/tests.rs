use super::*;
use crate::failure::FailureKind;
use crate::monitor::{replay, run_log};
use std::{
    io::{Read, Write},
    net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream},
};

const ANY_PORT: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 0);

/// The status line and headers, and the body.
fn ask(address: SocketAddr, request: &str) -> (String, String) {
    let mut stream = TcpStream::connect(address).unwrap();
    write!(stream, "{request} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    (head.to_string(), body.to_string())
}

fn batch(step: u64, metrics: LossMetrics) -> RunEvent {
    let (data_seconds, forward_seconds) = (0.1.into(), 0.2.into());
    RunEvent::Batch(Batch {
        position: step,
        epoch: 1,
        batches: 9,
        step,
        clips: 4,
        metrics,
        data_seconds,
        forward_seconds,
        ..Batch::default()
    })
}

fn validation(step: u64, metrics: LossMetrics, confusion: Confusion) -> RunEvent {
    let (position, epoch, split) = (step, 1, Split::Val);
    RunEvent::Pass(Box::new(Pass { position, split, epoch, step: Some(step), metrics, confusion, ..Pass::default() }))
}

fn saved(position: u64) -> RunEvent {
    RunEvent::Checkpoint(Checkpoint {
        path: "/a/b.safetensors".into(),
        bytes: 7,
        seconds: 0.5.into(),
        stall_seconds: 0.0.into(),
        position,
    })
}

fn metrics(total: f64) -> LossMetrics {
    let accuracy = Some(0.25.into());
    LossMetrics {
        total: total.into(),
        iou: 0.5.into(),
        accuracy,
        labelled: 4.0.into(),
        applied: true,
        ..Default::default()
    }
}

#[test]
fn a_used_address_is_told_at_once_and_the_default_moves_away() {
    let taken = TcpListener::bind(ANY_PORT).unwrap().local_addr().unwrap();
    let _holder = TcpListener::bind(taken).unwrap();
    let failure = serve(Some(taken), Live::new("train")).unwrap_err();
    assert_eq!(failure.kind, FailureKind::Unavailable);
    assert!(failure.message.starts_with(&format!("cannot serve metrics at {taken}: ")), "{failure}");
    assert!(failure.message.ends_with("give a free port with --metrics HOST:PORT"), "{failure}");
    let (first, second) = (serve(None, Live::new("train")).unwrap(), serve(None, Live::new("train")).unwrap());
    assert_ne!(first, second);
    assert!(first.ip().is_loopback() && second.ip().is_loopback());
}

#[test]
fn every_path_has_its_status_and_nothing_can_be_written() {
    let address = serve(Some(ANY_PORT), Live::new("train")).unwrap();
    for (request, status) in [
        ("GET /", "200 OK"),
        ("GET /metrics?x=1", "200 OK"),
        ("GET /healthz", "200 OK"),
        ("GET /readyz", "503 Service Unavailable"),
        ("GET /status.json", "200 OK"),
        ("HEAD /status.json", "200 OK"),
        ("GET /../../etc/passwd", "404 Not Found"),
        ("GET /%2e%2e/%2e%2e/etc/passwd", "404 Not Found"),
        ("GET /metrics/", "404 Not Found"),
        ("POST /metrics", "405 Method Not Allowed"),
        ("DELETE /", "405 Method Not Allowed"),
        ("PUT /x", "404 Not Found"),
    ] {
        let (head, body) = ask(address, request);
        assert!(head.starts_with(&format!("HTTP/1.1 {status}\r\n")), "{request}: {head}");
        assert!(head.to_lowercase().contains("content-security-policy: default-src 'none'"), "{request}: {head}");
        assert_eq!(body.is_empty(), request.starts_with("HEAD") || status.starts_with("405"), "{request}: {body}");
    }
}

#[test]
fn the_status_tells_batches_validations_checkpoints_and_messages() {
    let live = Live::new("train");
    live.plan(Plan { epochs: 2, epoch_steps: 5, batches: 12, ..Plan::default() });
    (0..3).for_each(|step| live.observe(&batch(step, metrics(1.0 / 3.0))));
    live.observe(&batch(3, LossMetrics { applied: false, ..metrics(f64::NAN) }));
    let mut counts = [0.0; 100];
    (counts[33], counts[36]) = (3.0, 1.0);
    live.observe(&validation(4, metrics(1.0 / 3.0), Confusion::from_counts(&counts).unwrap()));
    live.observe(&saved(4));
    live.observe(&RunEvent::warning("<b>\"odd\"</b>"));
    let status = serde_json::to_value(live.status()).unwrap();
    assert_eq!(status["state"], "starting");
    assert_eq!(status["run"]["step"], 4);
    assert_eq!(status["run"]["nonfinite_steps"], 1);
    assert_eq!(status["run"]["last"]["total"], serde_json::Value::Null);
    assert_eq!(status["curves"]["train"]["step"], serde_json::json!([1, 2, 3]));
    assert_eq!(status["curves"]["train"]["total"], serde_json::json!([0.33333, 0.33333, 0.33333]));
    assert_eq!(status["curves"]["train"]["accuracy"][0], 0.25);
    assert_eq!(status["validations"][0]["accuracy"][3], 0.75);
    assert_eq!(status["validations"][0]["frames"][3], 4);
    assert_eq!(status["validations"][0]["accuracy"][0], serde_json::Value::Null);
    assert_eq!(status["checkpoints"][0]["file"], "b.safetensors");
    assert_eq!(status["messages"][0]["text"], "<b>\"odd\"</b>");
}

#[test]
fn many_events_are_kept_in_bounded_memory() {
    let live = Live::new("train");
    for step in 0..5000 {
        live.observe(&batch(step, metrics(1.0)));
        live.observe(&validation(step, metrics(1.0), Confusion::default()));
        live.observe(&saved(step));
        live.observe(&RunEvent::warning(step.to_string()));
    }
    let state = live.locked();
    assert!(state.validations.len() <= KEPT && state.checkpoints.len() <= KEPT && state.messages.len() <= KEPT);
    assert!(state.train.xs().len() <= KEPT);
    assert_eq!((state.validations[0].step, state.train.xs().last().copied()), (0, Some(5000.0)));
    drop(state);
    assert!(serde_json::to_string(&live.status()).unwrap().len() < 200_000);
}

#[test]
fn a_run_that_goes_on_shows_its_past() {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("run.jsonl");
    let log = run_log::RunLog::open(&path, 0, run_log::History::Other, None).unwrap();
    let mut counts = [0.0; 100];
    counts[11] = 3.0;
    log.observe(&batch(0, metrics(0.5)));
    log.observe(&validation(1, metrics(0.5), Confusion::from_counts(&counts).unwrap()));
    log.observe(&saved(4));
    let live = Live::new("train");
    replay::events(&path).iter().for_each(|line| live.recall(line));
    let status = serde_json::to_value(live.status()).unwrap();
    assert_eq!(status["curves"]["train"]["total"], serde_json::json!([0.5]));
    assert_eq!(status["curves"]["train"]["accuracy"], serde_json::json!([0.25]));
    assert_eq!((&status["validations"][0]["step"], &status["validations"][0]["accuracy"][1]), (&1.into(), &1.0.into()));
    assert_eq!(status["checkpoints"][0]["file"], "b.safetensors");
    assert!(status["checkpoints"][0]["time"].as_f64() > Some(1.7e9), "{status:#}");
}
