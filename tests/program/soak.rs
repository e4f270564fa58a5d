//! A run with faults for minutes (`make soak`: for hours): damaged frames, workers that die, a disk that is slow now and
//! then, a pipeline file that changes. Memory stays flat, no clip is lost, and every loss is that of a quiet run.

use crate::support::{self, losses, program, succeed, text};
use std::{
    fs,
    path::{Path, PathBuf},
    process::Stdio,
    time::{Duration, Instant},
};

/// The part of the run in which buffers still find their size.
const WARM_UP: f64 = 0.3;
/// Growth of the memory after that, as a share of it, that measuring can explain.
const GROWTH: f64 = 0.03;
/// Batches that are compared with a quiet run.
const COMPARED: usize = 200;

/// A data set of which three frames are damaged, each in its own way.
fn data(home: &Path) -> PathBuf {
    let data = home.join("data");
    let size = ["--sequences", "12", "--val_sequences", "3", "--frames", "20", "--width", "128", "--height", "96"];
    succeed(program().args(["data", "synth", "--out"]).arg(&data).args(size));
    let frame =
        |sequence: usize, frame: usize| data.join(format!("got10k/train/SYN_Train_{sequence:06}/{frame:08}.jpg"));
    let truncated = fs::read(frame(2, 9)).unwrap();
    fs::write(frame(2, 9), &truncated[..truncated.len() / 2]).unwrap();
    fs::write(frame(5, 3), b"").unwrap();
    fs::write(frame(8, 12), b"no picture").unwrap();
    data
}

/// The pipeline: quiet, or with what disturbs it.
fn pipeline(path: &Path, disturbance: &str, workers: usize, capacity: usize) {
    let text = format!(
        "name: soak\nstages:\n  sample: {{kind: sample, capacity: {capacity}}}\n  \
         decode: {{kind: decode, workers: {workers}, capacity: {capacity}, max_failures: 100000000}}\n  \
         crop: {{kind: crop, workers: 1, max_failures: 100000000}}\n{disturbance}  augment: {{kind: augment}}\n  \
         collate: {{kind: collate}}\n  upload: {{kind: upload}}\n  step: {{kind: step}}\n  \
         aggregate: {{kind: aggregate}}\n  checkpoint: {{kind: checkpoint}}\n"
    );
    fs::write(path, text).unwrap();
}

fn train(home: &Path, name: &str, pipeline: &Path) -> std::process::Command {
    let mut command = program();
    command.args(["train", "--device", "cpu", "--metrics", "127.0.0.1:0", "--config"]).arg(support::experiment());
    command.arg("--data_dir").arg(home.join("data")).arg("--pipeline").arg(pipeline);
    command.arg("--save_dir").arg(home.join(name));
    let sets = [
        "DATA.TRAIN.SAMPLE_PER_EPOCH=150",
        // Otherwise the damaged frames are found before anything runs.
        "DATA.CHECK=annotations",
        "DATA.MAX_REJECTED_SHARE=0.9",
        "TRAIN.PHASES.joint.EPOCHS=1000000",
        "TRAIN.VAL_EPOCH_INTERVAL=4",
    ];
    command.args(sets.iter().flat_map(|set| ["--set", set]));
    command
}

/// Resident bytes of the process.
fn resident(pid: u32) -> Option<f64> {
    let statm = fs::read_to_string(format!("/proc/{pid}/statm")).ok()?;
    Some(statm.split(' ').nth(1)?.parse::<f64>().ok()? * 4096.0)
}

/// How much a straight line through the points (least squares) rises from the first to the last, as a share of their mean.
fn rise(points: &[(f64, f64)]) -> f64 {
    let n = points.len() as f64;
    let mean = |of: fn(&(f64, f64)) -> f64| points.iter().map(of).sum::<f64>() / n;
    let (x, y) = (mean(|point| point.0), mean(|point| point.1));
    let slope = points.iter().map(|point| (point.0 - x) * (point.1 - y)).sum::<f64>()
        / points.iter().map(|point| (point.0 - x).powi(2)).sum::<f64>();
    slope * (points[points.len() - 1].0 - points[0].0) / y
}

#[test]
fn a_disturbed_run_computes_what_a_quiet_one_does_in_memory_that_stays_flat() {
    let seconds = std::env::var("TRACKFLOW_SOAK_SECONDS").map_or(120.0, |text| text.parse().expect("seconds"));
    let home = tempfile::tempdir().unwrap();
    let home = home.path();
    data(home);
    let (quiet, disturbed) = (home.join("quiet.yaml"), home.join("disturbed.yaml"));
    pipeline(&quiet, "", 1, 8);
    succeed(train(home, "quiet", &quiet).args(["--max_steps", &COMPARED.to_string()]));

    let disturbance = "  disturb: {kind: disturb, workers: 2, max_failures: 100000000, options: {panic_every: 397, \
                       wait_every: 211, wait_ms: 150}}\n";
    pipeline(&disturbed, disturbance, 1, 8);
    let begin = Instant::now();
    let mut child = train(home, "run", &disturbed).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let mut stdout = child.stdout.take().unwrap();
    let said = std::thread::spawn(move || {
        let mut said = String::new();
        std::io::Read::read_to_string(&mut stdout, &mut said).map(|_| said)
    });
    let mut points = Vec::new();
    for round in 0.. {
        let passed = begin.elapsed().as_secs_f64();
        if passed > seconds {
            break;
        }
        assert_eq!(child.try_wait().unwrap(), None, "the run ended: {}", said.join().unwrap().unwrap());
        points.extend(resident(child.id()).filter(|_| passed > WARM_UP * seconds).map(|bytes| (passed, bytes)));
        if round % 40 == 39 {
            pipeline(&disturbed, disturbance, 1 + round % 3, [8, 3, 20][round / 40 % 3]);
            // SAFETY: the process is ours and has not been waited for.
            unsafe { libc::kill(child.id() as i32, libc::SIGHUP) };
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    // SAFETY: as above.
    unsafe { libc::kill(child.id() as i32, libc::SIGTERM) };
    assert_eq!(child.wait().unwrap().code(), Some(143));
    let said = said.join().unwrap().unwrap();

    let (rise, memory) = (rise(&points), points[points.len() - 1].1 / 1e6);
    let done = losses(&home.join("run"));
    println!("{} batches in {seconds} s, {memory:.0} MB, which grew by {:.2} %", done.len(), 100.0 * rise);
    assert!(rise < GROWTH, "memory grew by {:.1} % from {:.0} MB", 100.0 * rise, points[0].1 / 1e6);

    let expected = losses(&home.join("quiet"));
    assert!(expected.len() >= COMPARED && done.len() > expected.len(), "{} batches:\n{said}", done.len());
    assert_eq!(done[..COMPARED], expected[..COMPARED]);
    // Every batch is there once, in its order, with all its clips.
    let positions: Vec<u64> = done
        .iter()
        .map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap())
        .filter(|event| event["event"] == "batch")
        .map(|event| event["position"].as_u64().unwrap())
        .collect();
    assert!(positions.iter().copied().eq(0..positions.len() as u64), "positions have gaps");
    for word in ["went through at the second attempt", "reload: decode: workers", "planned again: "] {
        assert!(said.contains(word), "no `{word}`:\n{said}");
    }
    assert!(!said.contains("is skipped: stage"), "a clip was lost:\n{said}");
    let output = train(home, "run", &disturbed).args(["--max_steps", "1"]).output().unwrap();
    assert_eq!(output.status.code(), Some(0), "it does not go on: {}", text(&output));
}
