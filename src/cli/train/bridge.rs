//! Bridges: programs in Python that follow `run.jsonl` beside a run and pass its numbers on. The run neither waits for them
//! nor depends on them, but for a while at its end.

use crate::{
    failure::{Failure, Result},
    telemetry::log,
};
use std::{
    fs::File,
    io::Write,
    os::unix::process::CommandExt,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

/// The program, which python3 is given on its standard input.
const PROGRAM: &str = include_str!("../../../scripts/bridge");

/// Names another python3 than that of the PATH.
const PYTHON: &str = "TRACKFLOW_PYTHON";

/// How long a run that is over waits for what is still to be sent.
const PATIENCE: Duration = Duration::from_secs(60);

/// Where numbers can go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Target {
    /// Weights & Biases.
    Wandb,
    /// MLflow.
    Mlflow,
}

impl Target {
    /// As the bridge calls it, and Python its package.
    fn name(self) -> &'static str {
        match self {
            Self::Wandb => "wandb",
            Self::Mlflow => "mlflow",
        }
    }

    /// Whether the bridge could start.
    ///
    /// # Errors
    /// 69: there is no python3, or it has no such package.
    pub fn check(self) -> Result<()> {
        let name = self.name();
        let mut command = bridge(self);
        command.args(["--run", ".", "--check"]).stdout(Stdio::null()).stderr(Stdio::piped());
        let remedy = format!("pip install {name}, name a Python that has it ({PYTHON}), or leave --use_{name} out");
        let output = start(&mut command).and_then(Child::wait_with_output).map_err(|error| {
            Failure::unavailable(format!("--use_{name} 1: {} does not start: {error}; {remedy}", python().display()))
        })?;
        if output.status.success() {
            return Ok(());
        }
        let said = String::from_utf8_lossy(&output.stderr);
        let last = said.trim().lines().last().unwrap_or("no reason is given").to_string();
        Err(Failure::unavailable(format!("--use_{name} 1: {last}; {remedy}")))
    }
}

fn python() -> PathBuf {
    std::env::var_os(PYTHON).map_or_else(|| "python3".into(), PathBuf::from)
}

fn bridge(target: Target) -> Command {
    let mut command = Command::new(python());
    command.args(["-", target.name()]).stdin(Stdio::piped());
    command
}

fn start(command: &mut Command) -> std::io::Result<Child> {
    let mut child = command.spawn()?;
    if let Some(mut input) = child.stdin.take() {
        // A Python that ends before it has read everything says why by itself.
        let _ = input.write_all(PROGRAM.as_bytes());
    }
    Ok(child)
}

/// A bridge beside a run.
pub(super) struct Bridge {
    target: Target,
    child: Child,
    output: PathBuf,
}

impl Bridge {
    /// Starts it for the run in `save_dir` that this process is about to begin.
    ///
    /// # Errors
    /// 74 where its output cannot be written, 69 where it does not start.
    pub fn start(target: Target, save_dir: &Path) -> Result<Self> {
        let name = target.name();
        let output = save_dir.join(format!("bridge-{name}.txt"));
        let opened = std::fs::create_dir_all(save_dir).and_then(|()| {
            let out = File::options().create(true).append(true).open(&output)?;
            Ok((out.try_clone()?, out))
        });
        let (out, err) =
            opened.map_err(|error| Failure::output(format!("{}: cannot be written: {error}", output.display())))?;
        let mut command = bridge(target);
        command.arg("--run").arg(save_dir).arg("--pid").arg(std::process::id().to_string());
        // A group of its own: Ctrl-C is for the run, whose end it is to send.
        command.stdout(out).stderr(err).process_group(0);
        let child = start(&mut command)
            .map_err(|error| Failure::unavailable(format!("--use_{name} 1: the bridge does not start: {error}")))?;
        log::say(&format!(
            "{name}: a bridge (process {}) follows this run; what it says: {}",
            child.id(),
            output.display()
        ));
        Ok(Self { target, child, output })
    }

    /// Waits a while for the rest to be sent; after that it goes on by itself. A run that failed may not have begun: then
    /// there is nothing to send.
    pub fn finish(mut self, went_well: bool) {
        let name = self.target.name();
        if !went_well && !self.has_begun() {
            let _ = self.child.kill();
            let _ = self.child.wait();
            return;
        }
        let begin = Instant::now();
        loop {
            match self.child.try_wait() {
                // Its code is the run's, or 1.
                Ok(Some(_)) if self.is_complete() => return log::say(&format!("{name}: everything was passed on")),
                Ok(Some(status)) => {
                    return log::warn(&format!(
                        "{name}: the bridge ended early ({status}): {}; what is missing is sent by scripts/bridge {name} --run DIR",
                        self.output.display()
                    ));
                }
                Ok(None) if begin.elapsed() < PATIENCE => std::thread::sleep(Duration::from_millis(50)),
                Ok(None) => {
                    return log::warn(&format!(
                        "{name}: the bridge (process {}) is still sending; it ends by itself",
                        self.child.id()
                    ));
                }
                Err(error) => return log::warn(&format!("{name}: the bridge cannot be waited for: {error}")),
            }
        }
    }

    /// Whether this process has written the first line of its call.
    fn has_begun(&self) -> bool {
        let log = std::fs::read_to_string(self.output.with_file_name("run.jsonl")).unwrap_or_default();
        let pid = u64::from(std::process::id());
        log.lines()
            .rev()
            .filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok())
            .any(|event| event["event"] == "run" && event["pid"].as_u64() == Some(pid))
    }

    /// Whether the last thing that it said is that it is done.
    fn is_complete(&self) -> bool {
        std::fs::read_to_string(&self.output).is_ok_and(|text| text.trim_end().ends_with("done"))
    }
}
