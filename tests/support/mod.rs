//! What the tests through the program share: a tiny data set, a tiny experiment, and runs of the program.

#![allow(dead_code, reason = "each test file uses its own part")]

use libtest_mimic::{Failed, Trial};
use std::{
    io::{BufRead, BufReader, Lines, Read, Write},
    net::TcpStream,
    path::{Path, PathBuf},
    process::{Child, ChildStdout, Command, Output, Stdio},
    sync::{
        OnceLock,
        mpsc::{Receiver, channel},
    },
    time::{Duration, Instant},
};
use tempfile::TempDir;

/// The program, with nothing of the caller's settings.
pub fn program() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_trackflow"));
    command.current_dir(env!("CARGO_MANIFEST_DIR")).env_remove("RUST_BACKTRACE").env("TRACKFLOW_CACHE", "");
    command
}

/// A small synthetic data set, made once for all tests of a file.
pub fn data() -> &'static Path {
    static DATA: OnceLock<TempDir> = OnceLock::new();
    DATA.get_or_init(|| {
        let home = tempfile::tempdir().unwrap();
        let size = ["--sequences", "10", "--val_sequences", "3", "--frames", "20", "--width", "128", "--height", "96"];
        let output = program().args(["data", "synth", "--out"]).arg(home.path()).args(size).output().unwrap();
        assert!(output.status.success(), "{}", text(&output));
        home
    })
    .path()
}

/// The tiny experiment: 3 epochs of 4 steps.
pub fn experiment() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/support/tiny.yaml")
}

/// `trackflow train` of the tiny experiment into `save_dir`.
pub fn train(save_dir: &Path) -> Command {
    let mut command = program();
    command.args(["train", "--script", "hiptrack", "--config"]).arg(experiment());
    command.arg("--save_dir").arg(save_dir).args(["--mode", "single", "--device", "cpu", "--metrics", "127.0.0.1:0"]);
    command.arg("--data_dir").arg(data());
    // Tests wait for lines of batches.
    command.arg("--verbose");
    command
}

/// Runs `command` where python3 has a real PyTorch; `None`, loudly, where none is to be had.
pub fn with_torch(command: &Command) -> Option<Output> {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/tools/with_torch.py");
    let cache = Path::new(env!("CARGO_TARGET_TMPDIR")).join("torch");
    std::fs::create_dir_all(&cache).unwrap();
    let mut python = Command::new("python3");
    python.arg(script).arg(cache).arg(command.get_program()).args(command.get_args());
    let Ok(output) = python.output() else {
        eprintln!("SKIPPED: nothing was compared with real PyTorch: there is no python3");
        return None;
    };
    if output.status.code() == Some(75) {
        eprintln!("SKIPPED: nothing was compared with real PyTorch: {}", text(&output).trim());
        return None;
    }
    Some(output)
}

/// Everything that a run printed.
pub fn text(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

/// Starts `command`; the lines of both its outputs come as they are written.
pub fn spawn_reading(command: &mut Command) -> (Running, Receiver<String>) {
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let (send, lines) = channel();
    let (out, err) = (child.stdout.take().unwrap(), child.stderr.take().unwrap());
    let other = send.clone();
    std::thread::spawn(move || BufReader::new(out).lines().map_while(Result::ok).try_for_each(|line| send.send(line)));
    std::thread::spawn(move || BufReader::new(err).lines().map_while(Result::ok).try_for_each(|line| other.send(line)));
    (Running(child), lines)
}

/// How long a test waits for what must happen, on a machine as busy as it may be.
pub const PATIENCE: Duration = Duration::from_secs(600);

/// Waits until `condition` holds.
pub fn wait_until(what: &str, mut condition: impl FnMut() -> bool) {
    let begin = Instant::now();
    while !condition() {
        assert!(begin.elapsed() < PATIENCE, "{what} has not happened");
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// The points at which a run of the program stops, and the time that it believes has passed.
pub struct Failpoints(TempDir);

impl Failpoints {
    /// Lets `command` stop where these say.
    pub fn of(command: &mut Command) -> Self {
        let folder = tempfile::tempdir().unwrap();
        command.env("TRACKFLOW_FAILPOINTS", folder.path());
        Self(folder)
    }

    /// The folder, for another command of the same test.
    pub fn path(&self) -> &Path {
        self.0.path()
    }

    /// The next one that comes to `point` with something that contains `part` stops there.
    pub fn arm(&self, point: &str, part: &str) {
        // Renamed into place: what is read is never half of it.
        let unfinished = self.0.path().join("unfinished");
        std::fs::write(&unfinished, part).unwrap();
        std::fs::rename(unfinished, self.0.path().join(point)).unwrap();
    }

    /// Whether somebody has stopped at `point`.
    pub fn is_reached(&self, point: &str) -> bool {
        self.0.path().join(format!("{point}.reached")).exists()
    }

    /// Lets whoever has stopped at `point` go on.
    pub fn release(&self, point: &str) {
        std::fs::remove_file(self.0.path().join(format!("{point}.reached"))).unwrap();
    }

    /// Lets so many seconds pass for the run, and waits until it has noticed.
    pub fn pass_time(&self, seconds: u64) {
        self.arm("time", &seconds.to_string());
        wait_until("the run looking at its clock", || !self.0.path().join("time").exists());
    }
}

/// Runs to the end and expects exit code 0.
pub fn succeed(command: &mut Command) -> String {
    let output = command.output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", text(&output));
    text(&output)
}

/// Runs to the end and expects this exit code; the value is what was printed on standard error.
pub fn fail(command: &mut Command, code: i32) -> String {
    let output = command.output().unwrap();
    assert_eq!(output.status.code(), Some(code), "{}", text(&output));
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(errors.contains("error: "), "{errors}");
    assert!(!errors.contains("panicked") && !errors.contains("backtrace"), "{errors}");
    errors
}

/// What a run computed, batch by batch: everything in `run.jsonl` but times. Numbers are compared as they are printed,
/// which tells every bit.
pub fn losses(save_dir: &Path) -> Vec<String> {
    let log = std::fs::read_to_string(save_dir.join("run.jsonl")).unwrap();
    log.lines()
        .map(|line| serde_json::from_str::<serde_json::Map<String, serde_json::Value>>(line).unwrap())
        .filter(|event| event["event"] == "batch" || event["event"] == "pass")
        .map(|mut event| {
            event.retain(|key, _| key != "time" && !key.ends_with("_seconds"));
            serde_json::Value::Object(event).to_string()
        })
        .collect()
}

/// The files below `folder`, by name, sorted.
pub fn files(folder: &Path) -> Vec<String> {
    let mut found = Vec::new();
    let mut open = vec![folder.to_path_buf()];
    while let Some(next) = open.pop() {
        for entry in std::fs::read_dir(next).into_iter().flatten().flatten() {
            match entry.path().is_dir() {
                true => open.push(entry.path()),
                false => found.push(entry.path().strip_prefix(folder).unwrap().display().to_string()),
            }
        }
    }
    found.sort();
    found
}

/// Where a run that was just started says that it serves its page and its metrics.
pub fn address(lines: &mut Lines<BufReader<ChildStdout>>) -> String {
    let stated = |line: String| Some(line.strip_prefix("metrics: http://")?.trim_end_matches("/metrics").to_string());
    lines.map(|line| line.unwrap()).find_map(stated).unwrap()
}

/// A process that does not outlive the test.
pub struct Running(pub Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Starts a run of which nobody reads what it says; where it serves its page and its metrics.
pub fn start(command: &mut Command) -> (Running, String) {
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let address = address(&mut lines);
    // A full pipe would stop it.
    std::thread::spawn(move || lines.for_each(drop));
    (Running(child), address)
}

/// A test that needs a program which may not be `there`; then it counts as ignored, not as passed.
pub fn trial(name: &str, there: bool, run: fn()) -> Trial {
    let run = move || {
        run();
        Ok::<(), Failed>(())
    };
    Trial::test(name, run).with_ignored_flag(!there)
}

/// Head and body of what `address` answers.
pub fn get(address: &str, path: &str) -> (String, String) {
    ask(address, &format!("GET {path} HTTP/1.0\r\nHost: {address}\r\n\r\n"))
}

/// The same for a whole request, which has to end the connection.
pub fn ask(address: &str, request: &str) -> (String, String) {
    let mut stream = TcpStream::connect(address).unwrap();
    // Who is refused early may not read all of it.
    let _ = stream.write_all(request.as_bytes());
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    let answer = String::from_utf8_lossy(&answer);
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((&answer, ""));
    (head.to_string(), body.to_string())
}
