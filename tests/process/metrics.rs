//! `/metrics` of a run, as Prometheus would scrape it.

use crate::support::train;
use std::{
    io::{BufRead, BufReader, Read, Write},
    net::TcpStream,
    process::Stdio,
    time::{Duration, Instant},
};
use trackflow::telemetry::{names, process::Process};

fn scrape(address: &str) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.write_all(b"GET /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

#[test]
fn a_run_can_be_scraped_while_it_trains() {
    let _alone = crate::alone();
    let home = tempfile::tempdir().unwrap();
    let mut command = train(home.path());
    command.args(["--set", "TRAIN.PHASES.joint.EPOCHS=2000", "--set", "TRAIN.VAL_EPOCH_INTERVAL=1"]);
    let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut address = String::new();
    for line in lines.by_ref() {
        let line = line.unwrap();
        if let Some(found) = line.strip_prefix("metrics: http://") {
            address = found.trim_end_matches("/metrics").to_string();
        }
        if line.contains("validation after epoch 3") {
            break;
        }
    }
    let parts = [
        "trackflow_channel_capacity{from=\"sample\",to=\"decode\"} 16",
        "trackflow_channel_send_blocked_seconds_total{from=\"upload\",to=\"step\"}",
        "trackflow_stage_workers{stage=\"decode\",kind=\"decode\"} 2",
        "trackflow_train_loss{term=\"total\"}",
        "trackflow_train_step_seconds_bucket{le=\"0.5\"}",
        "trackflow_train_data_wait_seconds_count",
        "trackflow_train_learning_rate{group=\"backbone\"}",
        "trackflow_validation_iou",
        "trackflow_checkpoint_saves_total",
    ];
    // The meters of channels and stages are published once a second.
    let mut answer = String::new();
    for _ in 0..200 {
        answer = scrape(&address);
        if parts.iter().all(|part| answer.contains(part)) {
            break;
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    let id = i32::try_from(child.id()).unwrap();
    // SAFETY: the child is ours and has not been waited for, so its number is its own.
    assert_eq!(unsafe { libc::kill(id, libc::SIGTERM) }, 0);
    let drained = lines.count();
    assert_eq!(child.wait().unwrap().code(), Some(143), "after {drained} more lines");
    for part in parts {
        assert!(answer.contains(part), "{part} is missing in {answer}");
    }
}

/// An observation takes 24 bytes (it and its time) until somebody folds it into its bucket: a scrape, or the upkeep every five seconds.
#[test]
fn observations_do_not_pile_up_when_nobody_scrapes() {
    let _alone = crate::alone();
    let recorder = trackflow::telemetry::record().unwrap();
    let resident = || Process::now().memory.unwrap();
    let steps = metrics::histogram!(names::TRAIN_STEP_SECONDS);
    steps.record(0.25);
    let (before, begin) = (resident(), Instant::now());
    let mut count = 1u64;
    while begin.elapsed() < Duration::from_secs(13) || 24 * count <= 80 << 20 {
        (0..15_000).for_each(|_| steps.record(0.25));
        count += 15_000;
        std::thread::sleep(Duration::from_millis(20));
    }
    // A scrape folds them; other tests of this process may have recorded some before.
    let counted = || -> u64 {
        let text = recorder.render();
        let line = text.lines().find_map(|line| line.strip_prefix("trackflow_train_step_seconds_count "));
        line.unwrap().parse().unwrap()
    };
    let (grown, all) = (resident().saturating_sub(before), 24 * count);
    // What came in five seconds may be there, as nothing was folded yet; all of it would be more than twice as much.
    assert!(all > 64 << 20, "{count} observations are too few to tell");
    assert!(grown < all * 6 / 10, "{grown} bytes more after {count} observations, which take {all}");
    let first = counted();
    steps.record(0.25);
    assert!(first >= count && counted() == first + 1, "{first} were counted of {count}");
}
