//! The machine of faults: random schedules, by seed, of what happens to runs of weeks. Whatever happens, the run goes on
//! to the losses of one that nothing happened to, with a log that is whole, and leaves nothing behind.
//!
//! Faults come after so many lines of progress, not after so much time. `make soak` runs many schedules
//! (`TRACKFLOW_SCHEDULES`), from `TRACKFLOW_SCHEDULE_SEED` on.

use crate::support::{Running, files, losses, program, spawn_reading, succeed};
use std::{
    fmt::Write as _,
    fs,
    io::Write,
    net::TcpStream,
    os::unix::ffi::OsStrExt,
    path::{Path, PathBuf},
    process::Command,
    sync::mpsc::{Receiver, RecvTimeoutError},
    time::{Duration, Instant, SystemTime},
};
use trackflow::{data::random::CounterRng, train::checkpoint::Folder};

/// Longer than anything takes on a busy machine.
const LONG: Duration = Duration::from_secs(300);

#[derive(Clone, Copy, Debug)]
enum Fault {
    Kill,
    Term,
    Save,
    Pause,
    GoodReload,
    BadReload,
    FullDisk,
    DataAway,
    FrozenReads,
    FewFiles,
    SecondRun,
    OddTimes,
    BadClients,
}

const FAULTS: [Fault; 13] = [
    Fault::Kill,
    Fault::Term,
    Fault::Save,
    Fault::Pause,
    Fault::GoodReload,
    Fault::BadReload,
    Fault::FullDisk,
    Fault::DataAway,
    Fault::FrozenReads,
    Fault::FewFiles,
    Fault::SecondRun,
    Fault::OddTimes,
    Fault::BadClients,
];

/// One run under a schedule.
struct Bench {
    data: PathBuf,
    away: PathBuf,
    out: PathBuf,
    pipeline: PathBuf,
}

/// A process that trains.
struct Process {
    child: Running,
    lines: Receiver<String>,
    address: Option<String>,
    clients: Vec<TcpStream>,
    said: String,
}

impl Bench {
    fn new(home: &Path) -> Self {
        let data = home.join("data");
        let size = ["--sequences", "8", "--val_sequences", "3", "--frames", "20", "--width", "128", "--height", "96"];
        succeed(program().args(["data", "synth", "--out"]).arg(&data).args(size));
        let bench = Self { data, away: home.join("away"), out: home.join("out"), pipeline: home.join("flow.yaml") };
        bench.write_pipeline(2, 8);
        bench
    }

    fn write_pipeline(&self, workers: u64, capacity: u64) {
        let text = format!(
            "name: schedules\nstages:\n  sample: {{kind: sample, capacity: {capacity}}}\n  \
             decode: {{kind: decode, workers: {workers}, capacity: {capacity}}}\n  crop: {{kind: crop}}\n  \
             augment: {{kind: augment}}\n  collate: {{kind: collate}}\n  upload: {{kind: upload}}\n  \
             step: {{kind: step}}\n  aggregate: {{kind: aggregate}}\n  checkpoint: {{kind: checkpoint}}\n"
        );
        fs::write(&self.pipeline, text).unwrap();
    }

    fn command(&self, out: &Path) -> Command {
        let mut command = program();
        command
            .args(["train", "--verbose", "--device", "cpu", "--metrics", "127.0.0.1:0", "--config"])
            .arg(crate::support::experiment());
        command.arg("--data_dir").arg(&self.data).arg("--pipeline").arg(&self.pipeline).arg("--save_dir").arg(out);
        let sets = [
            "DATA.TRAIN.SAMPLE_PER_EPOCH=30",
            // Nothing of what happens is a frame's fault.
            "DATA.MAX_REJECTED=0",
            "TRAIN.PHASES.joint.EPOCHS=3",
            "TRAIN.SAVE_INTERVAL=7",
            "TRAIN.PRINT_INTERVAL=1",
        ];
        command.args(sets.iter().flat_map(|set| ["--set", set]));
        command
    }

    fn start(&self) -> Process {
        let (child, lines) = spawn_reading(&mut self.command(&self.out));
        Process { child, lines, address: None, clients: Vec::new(), said: String::new() }
    }

    fn frames(&self) -> Vec<PathBuf> {
        let train = self.data.join("got10k");
        files(&train).iter().filter(|name| name.ends_with(".jpg")).map(|name| train.join(name)).collect()
    }
}

impl Process {
    /// Reads on until there were `count` lines with one of `words`. The value is false where the process ended before.
    fn wait(&mut self, words: &[&str], count: u64) -> bool {
        let (begin, mut seen) = (Instant::now(), 0);
        while seen < count {
            assert!(begin.elapsed() < LONG, "nobody said {words:?}:\n{}", self.said);
            match self.lines.recv_timeout(Duration::from_secs(1)) {
                Ok(line) => {
                    seen += u64::from(words.iter().any(|word| line.contains(word)));
                    if let Some(rest) = line.strip_prefix("metrics: http://") {
                        self.address = Some(rest.trim_end_matches("/metrics").to_string());
                    }
                    self.said += &format!("{line}\n");
                }
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return false,
            }
        }
        true
    }

    /// Waits until the run has noticed that its data is back: an outage is spoken of once, so that another one before that
    /// would be waited for in vain. The value is false where the process ended before.
    fn wait_for_data(&mut self) -> bool {
        let count = |said: &str, words: &str| said.lines().filter(|line| line.contains(words)).count();
        while count(&self.said, "the data is away") > count(&self.said, "the data is back") {
            if !self.wait(&["the data is back"], 1) {
                return false;
            }
        }
        true
    }

    fn signal(&self, signal: i32) {
        // SAFETY: `kill` touches no memory; the child is ours and has not been waited for.
        unsafe { libc::kill(self.child.0.id() as i32, signal) };
    }

    fn limit(&self, of: libc::__rlimit_resource_t, most: libc::rlim_t) {
        let limit = libc::rlimit {
            rlim_cur: most,
            rlim_max: if of == libc::RLIMIT_NOFILE { 1024 } else { libc::RLIM_INFINITY },
        };
        // SAFETY: the child is ours and has not been waited for; the old limit is not asked for.
        unsafe { libc::prlimit(self.child.0.id() as i32, of, &limit, std::ptr::null_mut()) };
    }

    /// The exit code; `None` where a signal ended it.
    fn end(mut self) -> (Option<i32>, String) {
        self.wait(&[], 1);
        let status = self.child.0.wait().unwrap();
        (status.code(), std::mem::take(&mut self.said))
    }
}

/// What became of a process after a fault.
enum After {
    GoesOn(Process),
    Ended(Option<i32>, String),
}

fn ended((code, said): (Option<i32>, String)) -> After {
    After::Ended(code, said)
}

fn strike(bench: &Bench, mut process: Process, fault: Fault, rng: &mut CounterRng) -> After {
    match fault {
        Fault::Kill => {
            process.signal(libc::SIGKILL);
            return ended(process.end());
        }
        Fault::Term => {
            process.signal(libc::SIGTERM);
            return ended(process.end());
        }
        Fault::Save => process.signal(libc::SIGUSR1),
        Fault::Pause => {
            process.signal(libc::SIGSTOP);
            std::thread::sleep(Duration::from_millis(50));
            process.signal(libc::SIGCONT);
        }
        Fault::GoodReload | Fault::BadReload => {
            match fault {
                Fault::GoodReload => bench.write_pipeline(1 + rng.bits() % 3, 1 + rng.bits() % 20),
                _ => fs::write(&bench.pipeline, "stages: {decode: {kind: deocde}}").unwrap(),
            }
            process.signal(libc::SIGHUP);
            let heard = process.wait(&["reload: "], 1);
            if matches!(fault, Fault::BadReload) {
                bench.write_pipeline(2, 8);
            }
            if !heard {
                return ended(process.end());
            }
        }
        Fault::FullDisk => {
            process.limit(libc::RLIMIT_FSIZE, 5_000);
            let heard = process.wait(&["trying again for"], 1);
            if !heard {
                return ended(process.end());
            }
            process.limit(libc::RLIMIT_FSIZE, libc::RLIM_INFINITY);
        }
        Fault::DataAway => {
            if !process.wait_for_data() {
                return ended(process.end());
            }
            fs::rename(&bench.data, &bench.away).unwrap();
            let heard = process.wait(&["the data is away"], 1);
            fs::rename(&bench.away, &bench.data).unwrap();
            if !heard || !process.wait_for_data() {
                return ended(process.end());
            }
        }
        Fault::FewFiles => {
            process.limit(libc::RLIMIT_NOFILE, 3);
            let heard = process.wait(&["the data is away", "Too many open files"], 1);
            process.limit(libc::RLIMIT_NOFILE, 1024);
            if !heard {
                return ended(process.end());
            }
        }
        Fault::FrozenReads => {
            let frames = bench.frames();
            for frame in &frames {
                fs::hard_link(frame, frame.with_extension("aside")).unwrap();
                let pipe = frame.with_extension("pipe");
                let name = std::ffi::CString::new(pipe.as_os_str().as_bytes()).unwrap();
                // SAFETY: the name is a string that ends with a NUL.
                assert_eq!(unsafe { libc::mkfifo(name.as_ptr(), 0o600) }, 0);
                // At no moment is the file missing.
                fs::rename(&pipe, frame).unwrap();
            }
            process.signal(libc::SIGTERM);
            let end = process.end();
            frames.iter().for_each(|frame| fs::rename(frame.with_extension("aside"), frame).unwrap());
            return ended(end);
        }
        Fault::SecondRun => {
            let output = bench.command(&bench.out).output().unwrap();
            // The first one may be through by now.
            assert!([Some(69), Some(0)].contains(&output.status.code()), "{}", crate::support::text(&output));
        }
        Fault::OddTimes => {
            for file in files(&bench.out) {
                let seconds = rng.bits() % 4_000_000_000;
                let time = SystemTime::UNIX_EPOCH + Duration::from_secs(seconds);
                // A file may be gone by now.
                if let Ok(file) = fs::File::options().append(true).open(bench.out.join(file)) {
                    file.set_modified(time).unwrap();
                }
            }
        }
        Fault::BadClients => {
            let address = process.address.clone().unwrap();
            let requests: [&[u8]; 3] = [b"", b"GET /heal", b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n"];
            for number in 0..100 {
                let Ok(mut client) = TcpStream::connect(&address) else { break };
                let _ = client.write_all(requests[number % 3]);
                process.clients.push(client);
            }
        }
    }
    After::GoesOn(process)
}

/// Runs the schedule of `seed`; the value is the number of faults, and what they were.
fn schedule(seed: u64, expected: &[String], story: &mut String) -> usize {
    let home = tempfile::tempdir().unwrap();
    let bench = Bench::new(home.path());
    let mut rng = CounterRng::new(&[seed]);
    let count = 3 + (rng.bits() % 6) as usize;
    let mut process = bench.start();
    let mut done = false;
    for _ in 0..count {
        let fault = FAULTS[(rng.bits() % FAULTS.len() as u64) as usize];
        let lines = 1 + rng.bits() % 12;
        let _ = write!(story, "{fault:?} after {lines}, ");
        let mut after = match process.wait(&["[train: ", "[val: "], lines) {
            true => strike(&bench, process, fault, &mut rng),
            false => ended(process.end()),
        };
        if let After::Ended(code, said) = &after {
            let codes = [None, Some(0), Some(143)];
            assert!(codes.contains(code), "{code:?}: {said}");
            assert!(!said.contains("panicked") && !said.contains("damaged"), "{said}");
            done = *code == Some(0);
            after = After::GoesOn(bench.start());
        }
        let After::GoesOn(next) = after else { unreachable!() };
        process = next;
        if done {
            break;
        }
    }
    let (code, said) = process.end();
    assert_eq!(code, Some(0), "{said}");
    assert!(!said.contains("panicked"), "{said}");
    assert_eq!(losses(&bench.out), expected, "other losses: {said}");
    // Nothing is left behind, and the newest checkpoint is whole.
    let left = files(home.path());
    let odd = |name: &&String| name.contains(".tmp") || name.contains(".lock") || name.contains(".aside");
    assert_eq!(left.iter().find(odd), None);
    let mut torn = Vec::new();
    let folder = Folder::open(&bench.out.join("checkpoints/train/hiptrack/tiny")).unwrap();
    let newest = folder.newest(|failure| torn.push(failure.to_string())).unwrap();
    assert!(newest.is_some() && torn.is_empty(), "{torn:?}");
    let batches = expected.iter().filter(|line| line.contains("\"event\":\"batch\"")).count() as u64;
    assert_eq!(folder.list().last().unwrap().position, batches);
    // Every line of the log is one event, and the batches stand in their order.
    let log = fs::read_to_string(bench.out.join("run.jsonl")).unwrap();
    let events = log.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap());
    let positions = events.filter(|event| event["event"] == "batch").map(|event| event["position"].as_u64().unwrap());
    assert!(positions.eq(0..batches));
    count
}

#[test]
fn random_faults_lose_nothing() {
    let number = |name: &str, default: u64| std::env::var(name).map_or(default, |text| text.parse().unwrap());
    let (schedules, first) = (number("TRACKFLOW_SCHEDULES", 3), number("TRACKFLOW_SCHEDULE_SEED", 1));
    let home = tempfile::tempdir().unwrap();
    let bench = Bench::new(home.path());
    succeed(&mut bench.command(&bench.out));
    let expected = losses(&bench.out);
    let mut faults = 0;
    for seed in first..first + schedules {
        let mut story = String::new();
        let ran = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| schedule(seed, &expected, &mut story)));
        match ran {
            Ok(count) => faults += count,
            Err(panic) => {
                println!("TRACKFLOW_SCHEDULE_SEED={seed}: {story}");
                std::panic::resume_unwind(panic);
            }
        }
        if schedules > 10 {
            println!("{seed}: {story}");
        }
    }
    println!("{schedules} schedules, {faults} faults: nothing was lost");
}
