//! Runs whose surroundings fail: reads that never return, data that is away, descriptors that are used up, failures far
//! from the step. Whatever was computed is saved, and the process ends when it is asked to.

mod bad_reads;

use crate::support::{Running, data, fail, files, losses, spawn_reading, succeed, text, train};
use std::{
    fs,
    os::unix::ffi::OsStrExt,
    path::{Path, PathBuf},
    process::Command,
    sync::mpsc::Receiver,
    time::{Duration, Instant},
};
use trackflow::train::checkpoint::Folder;

/// Longer than anything here takes on a busy machine, and shorter than anyone waits.
const LONG: Duration = Duration::from_secs(300);

/// A data set of a test's own.
fn own_data(home: &Path) -> PathBuf {
    let copy = home.join("data");
    succeed(Command::new("cp").arg("-r").arg(data()).arg(&copy));
    copy
}

/// The tiny experiment on `data`.
fn on(data: &Path, save_dir: &Path) -> Command {
    let mut command = train(save_dir);
    command.arg("--data_dir").arg(data).args(["--set", "TRAIN.PRINT_INTERVAL=1"]);
    command
}

/// The same, long enough that nobody waits for its end.
fn long(data: &Path, save_dir: &Path) -> Command {
    let mut command = on(data, save_dir);
    command.args(["--set", "DATA.TRAIN.SAMPLE_PER_EPOCH=3000", "--set", "DATA.MAX_REJECTED=0"]);
    command
}

/// A process, and the lines that it writes.
struct Printed {
    child: Running,
    lines: Receiver<String>,
}

impl Printed {
    fn start(command: &mut Command) -> Self {
        let (child, lines) = spawn_reading(command);
        Self { child, lines }
    }

    /// Waits for a line with these words.
    fn describe(&self, words: &str) -> String {
        let (begin, mut said) = (Instant::now(), String::new());
        while begin.elapsed() < LONG {
            match self.lines.recv_timeout(Duration::from_secs(1)) {
                Ok(line) if line.contains(words) => return line,
                Ok(line) => said += &format!("{line}\n"),
                Err(std::sync::mpsc::RecvTimeoutError::Timeout) => {}
                Err(_) => break,
            }
        }
        panic!("nobody said `{words}`:\n{said}");
    }

    fn signal(&self, signal: i32) {
        // SAFETY: `kill` touches no memory; the child is ours and has not been waited for.
        assert_eq!(unsafe { libc::kill(self.child.0.id() as i32, signal) }, 0);
    }

    /// The exit code, and what was said since the last wait.
    fn ends(mut self) -> (Option<i32>, String) {
        let begin = Instant::now();
        while begin.elapsed() < LONG {
            if let Some(status) = self.child.0.try_wait().unwrap() {
                return (status.code(), self.lines.iter().collect::<Vec<_>>().join("\n"));
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        panic!("it does not end: {}", self.lines.try_iter().collect::<Vec<_>>().join("\n"));
    }
}

/// Puts a pipe that nobody writes to in the place of `file`: who opens it waits without end.
fn freeze(file: &Path) {
    fs::hard_link(file, file.with_extension("aside")).unwrap();
    let pipe = file.with_extension("pipe");
    let name = std::ffi::CString::new(pipe.as_os_str().as_bytes()).unwrap();
    // SAFETY: the name is a string that ends with a NUL.
    assert_eq!(unsafe { libc::mkfifo(name.as_ptr(), 0o600) }, 0);
    // At no moment is the file missing.
    fs::rename(&pipe, file).unwrap();
}

/// The frames below `folder`.
fn frames(folder: &Path) -> Vec<PathBuf> {
    files(folder).iter().filter(|name| name.ends_with(".jpg")).map(|name| folder.join(name)).collect()
}

/// Gives the frames below `folder` back.
fn thaw(folder: &Path) {
    for name in files(folder).iter().filter(|name| name.ends_with(".aside")) {
        let aside = folder.join(name);
        fs::rename(&aside, aside.with_extension("jpg")).unwrap();
    }
}

/// The position after what was computed, as the log has it, and as the newest checkpoint has it.
fn positions(out: &Path) -> (u64, u64) {
    let batches = losses(out).iter().filter(|line| line.contains("\"event\":\"batch\"")).count();
    let folder = Folder::open(&out.join("checkpoints/train/hiptrack/tiny")).unwrap();
    (batches as u64, folder.list().last().map_or(0, |newest| newest.position))
}

fn last_event(out: &Path) -> serde_json::Value {
    let log = fs::read_to_string(out.join("run.jsonl")).unwrap();
    serde_json::from_str(log.lines().last().unwrap()).unwrap()
}

/// That `out` goes on from where it ended to the numbers of a run that nothing happened to.
fn goes_on(data: &Path, home: &Path, out: &Path) {
    let (batches, saved) = positions(out);
    assert!(batches > 0 && batches == saved, "{batches} batches are in the log, {saved} in the checkpoint");
    assert!(files(out).iter().all(|name| !name.ends_with(".tmp")), "{:?}", files(out));
    assert!(!out.join(".lock").exists());
    succeed(long(data, out).args(["--max_steps", "3"]));
    let whole = home.join("whole");
    let steps =
        losses(out).iter().filter(|line| line.contains("\"event\":\"batch\"") && line.contains("\"train\"")).count();
    succeed(long(data, &whole).args(["--max_steps", &steps.to_string()]));
    assert_eq!(losses(out), losses(&whole));
}

#[test]
fn a_signal_ends_a_run_whose_reads_hang_and_nothing_is_lost() {
    let home = tempfile::tempdir().unwrap();
    let (data, out) = (own_data(home.path()), home.path().join("out"));
    let run = Printed::start(&mut long(&data, &out));
    run.describe("[train: 1,");
    let train = data.join("got10k/train");
    frames(&train).iter().for_each(|frame| freeze(frame));
    let slow = run.describe("a disk or a server does not answer: ");
    assert!(slow.contains("got10k/train/SYN_Train_") && slow.contains(".jpg for "), "{slow}");
    run.signal(libc::SIGTERM);
    let asked = Instant::now();
    let (code, said) = run.ends();
    // 10 seconds on a machine that has nothing else to do.
    assert!(asked.elapsed() < Duration::from_secs(60), "{:?}", asked.elapsed());
    assert_eq!(code, Some(143), "{said}");
    assert!(said.contains("not waiting any longer for `decode`") && said.contains(".jpg for "), "{said}");
    assert_eq!(last_event(&out)["exit_code"], 143);
    thaw(&train);
    goes_on(&data, home.path(), &out);
}

#[test]
fn a_time_limit_ends_a_run_whose_validation_hangs() {
    let home = tempfile::tempdir().unwrap();
    let (data, out) = (own_data(home.path()), home.path().join("out"));
    let run = Printed::start(on(&data, &out).args(["--time_limit", "30s"]));
    run.describe("[train: 1,");
    let val = data.join("got10k/val");
    frames(&val).iter().for_each(|frame| freeze(frame));
    let (code, said) = run.ends();
    thaw(&val);
    // A machine that is fast enough is through before anything hangs.
    if code != Some(0) {
        assert_eq!(code, Some(75), "{said}");
        let (batches, saved) = positions(&out);
        assert!(batches > 0 && batches == saved, "{batches} batches are in the log, {saved} in the checkpoint");
    }
    succeed(&mut on(&data, &out));
    let whole = home.path().join("whole");
    succeed(&mut on(&data, &whole));
    assert_eq!(losses(&out), losses(&whole));
}

#[test]
fn the_start_and_every_verb_that_reads_hear_the_first_signal() {
    let home = tempfile::tempdir().unwrap();
    let (data, out) = (own_data(home.path()), home.path().join("out"));
    let truth = data.join("got10k/train/SYN_Train_000003/groundtruth.txt");
    freeze(&truth);
    let of = |arguments: &[&str]| {
        let mut command = crate::support::program();
        command.args(arguments).arg("--data_dir").arg(&data);
        command
    };
    let config = crate::support::experiment();
    let config = config.to_str().unwrap();
    let verbs = [
        long(&data, &out),
        of(&["validate", "--script", "hiptrack", "--config", config]),
        of(&["data", "verify", "GOT10K_train_full"]),
        of(&["data", "stats", "GOT10K_train_full"]),
        of(&["data", "pack", "GOT10K_train_full"]),
    ];
    let running: Vec<Printed> = verbs.into_iter().map(|mut verb| Printed::start(&mut verb)).collect();
    for (verb, run) in running.into_iter().enumerate() {
        let slow = run.describe("a disk or a server does not answer: ");
        assert!(slow.contains("SYN_Train_000003/groundtruth.txt for "), "{slow}");
        run.signal(libc::SIGTERM);
        let (code, said) = run.ends();
        // Without anything to be saved, the signal itself ends a process.
        assert_eq!(code, (verb == 0).then_some(143), "{said}");
        if verb == 0 {
            assert!(said.contains("stopped before the first step") && said.contains("groundtruth.txt for "), "{said}");
        }
    }
    assert!(!out.join(".lock").exists());
}

#[test]
fn data_that_is_away_is_waited_for() {
    let home = tempfile::tempdir().unwrap();
    let (data, out, away) = (own_data(home.path()), home.path().join("out"), home.path().join("away"));
    let mut command = long(&data, &out);
    command.args(["--max_steps", "400"]);
    let run = Printed::start(&mut command);
    for (word, round) in ["[train: 1,", "the data is back"].into_iter().zip(1..) {
        run.describe(word);
        fs::rename(&data, &away).unwrap();
        let said = run.describe("the data is away: ");
        assert!(said.contains("waiting for it, up to 120 s (DATA.PATIENCE)"), "{round}: {said}");
        fs::rename(&away, &data).unwrap();
    }
    run.describe("the data is back after");
    // Descriptors, used up by whomever.
    let limit = |most: u64| {
        let limit = libc::rlimit { rlim_cur: most, rlim_max: 1024 };
        let id = run.child.0.id() as i32;
        // SAFETY: the child is ours and has not been waited for; the old limit is not asked for.
        assert_eq!(unsafe { libc::prlimit(id, libc::RLIMIT_NOFILE, &limit, std::ptr::null_mut()) }, 0);
    };
    limit(3);
    let said = run.describe("the data is away: ");
    assert!(said.contains("Too many open files"), "{said}");
    limit(1024);
    run.describe("the data is back after");
    let (code, said) = run.ends();
    assert_eq!(code, Some(0), "{said}");
    goes_on(&data, home.path(), &out);
}

#[test]
fn data_that_does_not_come_back_ends_the_run_after_saving() {
    let home = tempfile::tempdir().unwrap();
    let (data, out, away) = (own_data(home.path()), home.path().join("out"), home.path().join("away"));
    let run = Printed::start(long(&data, &out).args(["--set", "DATA.PATIENCE=1"]));
    run.describe("[train: 1,");
    fs::rename(&data, &away).unwrap();
    let (code, said) = run.ends();
    fs::rename(&away, &data).unwrap();
    assert_eq!(code, Some(66), "{said}");
    assert!(said.contains("the data was away for 1 s (DATA.PATIENCE)"), "{said}");
    assert_eq!(last_event(&out)["reason"], "failure");
    goes_on(&data, home.path(), &out);
}

#[test]
fn a_run_that_fails_saves_what_it_has_done() {
    let home = tempfile::tempdir().unwrap();
    let (data, out) = (own_data(home.path()), home.path().join("out"));
    // More broken frames than are allowed.
    let run = Printed::start(&mut long(&data, &out));
    run.describe("[train: 1,");
    let train = data.join("got10k/train");
    let aside = home.path().join("aside");
    succeed(Command::new("cp").arg("-r").arg(&train).arg(&aside));
    frames(&train).iter().for_each(|frame| fs::write(frame, b"broken").unwrap());
    let (code, said) = run.ends();
    assert_eq!(code, Some(66), "{said}");
    assert!(said.contains("could not be made"), "{said}");
    fs::remove_dir_all(&train).unwrap();
    fs::rename(&aside, &train).unwrap();
    goes_on(&data, home.path(), &out);
    // A stage that dies.
    let out = home.path().join("dies");
    let pipeline = home.path().join("dies.yaml");
    let stages = "name: dies\nstages:\n  sample: {kind: sample}\n  decode: {kind: decode}\n  crop: {kind: crop}\n  \
                  disturb: {kind: disturb, max_failures: 0, options: {panic_every: 20}}\n  augment: {kind: augment}\n  \
                  collate: {kind: collate}\n  upload: {kind: upload}\n  step: {kind: step}\n  \
                  aggregate: {kind: aggregate}\n  checkpoint: {kind: checkpoint}\n";
    fs::write(&pipeline, stages).unwrap();
    let mut command = long(&data, &out);
    command.args(["--set", "TRAIN.VAL_BEFORE=False"]).arg("--pipeline").arg(&pipeline);
    let errors = fail_with_panic(&mut command);
    assert!(errors.contains("stage `disturb` (kind disturb) panicked"), "{errors}");
    let (batches, saved) = positions(&out);
    assert!(batches > 0 && batches == saved, "{batches} batches are in the log, {saved} in the checkpoint");
}

/// As [`fail`] with 70, where the message is about a panic.
fn fail_with_panic(command: &mut Command) -> String {
    let output = command.output().unwrap();
    assert_eq!(output.status.code(), Some(70), "{}", text(&output));
    text(&output)
}

#[test]
fn a_missing_data_set_at_the_start_is_no_outage() {
    let home = tempfile::tempdir().unwrap();
    let errors = fail(&mut on(&home.path().join("nowhere"), &home.path().join("out")), 66);
    assert!(!errors.contains("DATA.PATIENCE"), "{errors}");
}
