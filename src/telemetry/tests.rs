use std::collections::BTreeSet;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::time::Duration;

use metrics::{counter, gauge, histogram};

use super::names::{self, ALL, MetricKind};
use super::{SecondsCounter, serve};
use crate::failure::FailureKind;

const ANY_PORT: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 0);

fn get(address: SocketAddr, request: &str) -> (String, String) {
    let mut stream = TcpStream::connect(address).unwrap();
    write!(stream, "{request} HTTP/1.1\r\nHost: x\r\nAccept: */*\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    (head.to_string(), body.to_string())
}

#[test]
fn a_scrape_shows_every_kind_of_metric_in_the_text_format() {
    let address = serve(Some(ANY_PORT)).unwrap();
    counter!(names::TRAIN_CLIPS).increment(32);
    gauge!(names::TRAIN_LOSS, "term" => "giou").set(0.5);
    histogram!(names::TRAIN_STEP_SECONDS).record(0.25);
    SecondsCounter::new(names::STAGE_BUSY, &[("stage", "a \"b\""), ("kind", "k")])
        .increment(Duration::from_millis(1500));
    let (head, body) = get(address, "GET /metrics?x=1");
    assert!(head.starts_with("HTTP/1.1 200 OK\r\nContent-Type: text/plain; version=0.0.4"), "{head}");
    assert!(head.contains(&format!("Content-Length: {}", body.len())), "{head}");
    for line in [
        "# HELP trackflow_train_clips_total Clips that went through a step.",
        "# TYPE trackflow_train_clips_total counter",
        "trackflow_train_clips_total 32",
        "trackflow_train_loss{term=\"giou\"} 0.5",
        "# TYPE trackflow_train_step_seconds histogram",
        "trackflow_train_step_seconds_bucket{le=\"0.2\"} 0",
        "trackflow_train_step_seconds_bucket{le=\"0.3\"} 1",
        "trackflow_train_step_seconds_bucket{le=\"+Inf\"} 1",
        "trackflow_train_step_seconds_count 1",
        "# TYPE trackflow_stage_busy_seconds_total counter",
        "trackflow_stage_busy_seconds_total{stage=\"a \\\"b\\\"\",kind=\"k\"} 1.5",
    ] {
        assert!(body.lines().any(|other| other == line), "{line}\n{body}");
    }
    assert!(!body.contains("quantile="), "no summaries");
    // A second endpoint serves the same numbers.
    assert!(get(serve(Some(ANY_PORT)).unwrap(), "GET /metrics").1.contains("trackflow_train_clips_total 32"));
}

#[test]
fn other_requests_are_not_found() {
    let address = serve(Some(ANY_PORT)).unwrap();
    assert!(get(address, "GET /").0.starts_with("HTTP/1.1 404 "));
    assert!(get(address, "POST /metrics").0.starts_with("HTTP/1.1 404 "));
}

#[test]
fn a_used_address_is_told_at_once_and_the_default_moves_away() {
    let taken = TcpListener::bind(ANY_PORT).unwrap().local_addr().unwrap();
    let _holder = TcpListener::bind(taken).unwrap();
    let failure = serve(Some(taken)).unwrap_err();
    assert_eq!(failure.kind, FailureKind::Unavailable);
    assert!(failure.message.starts_with(&format!("cannot serve metrics at {taken}: ")), "{failure}");
    assert!(failure.message.ends_with("give a free port with --metrics HOST:PORT"), "{failure}");
    let (first, second) = (serve(None).unwrap(), serve(None).unwrap());
    assert_ne!(first, second);
    assert!(first.ip().is_loopback() && second.ip().is_loopback());
}

#[test]
fn names_follow_the_conventions() {
    let mut seen = BTreeSet::new();
    for metric in ALL {
        assert!(seen.insert(metric.name), "{} twice", metric.name);
        assert!(metric.name.starts_with("trackflow_"), "{}", metric.name);
        assert!(metric.name.chars().all(|c| c.is_ascii_lowercase() || c == '_'), "{}", metric.name);
        let total = matches!(metric.kind, MetricKind::Counter | MetricKind::Seconds);
        assert_eq!(metric.name.ends_with("_total"), total, "{}", metric.name);
        assert!(metric.help.ends_with('.') && metric.help.len() < 120, "{}", metric.name);
        if let MetricKind::Histogram(buckets) = metric.kind {
            assert!(metric.name.ends_with("_seconds") && buckets.is_sorted_by(|a, b| a < b), "{}", metric.name);
        }
    }
}
