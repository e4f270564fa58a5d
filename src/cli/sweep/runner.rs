//! Runs of `trackflow train`, several at once, each in a process and a folder of its own.

use crate::{
    failure::{Failure, Result},
    flow::{Shutdown, StopReason},
    session::children::Children,
};
use crossbeam_channel::unbounded;
use std::{
    collections::VecDeque,
    fs::{self, File},
    os::unix::process::CommandExt,
    path::PathBuf,
    process::{Command, Stdio},
    sync::{Arc, Mutex, PoisonError},
    thread,
    time::{Duration, Instant},
};

/// A run that is to be done.
#[derive(Clone, Debug)]
pub(super) struct Job {
    /// `class head, CLS_WEIGHT=0.1, seed 3`.
    pub name: String,
    /// Its --save_dir; `output.txt` in it holds what it printed.
    pub folder: PathBuf,
    /// What follows `trackflow train`.
    pub arguments: Vec<String>,
}

/// How a run ended.
#[derive(Debug)]
pub(super) struct Done {
    /// Its place among the jobs.
    pub index: usize,
    /// Its exit code; `None` where a signal ended it.
    pub code: Option<i32>,
    pub time: Duration,
}

/// Does `jobs`, as many at once as there are `devices`, and calls `done` after each. A job that fails does not stop the
/// others; a stop is passed on to those that run, which save, and no other is started.
///
/// # Errors
/// A process or a thread cannot be started.
pub(super) fn run(jobs: &[Job], devices: &[String], stop: &Shutdown, mut done: impl FnMut(Done)) -> Result<()> {
    let open: Mutex<VecDeque<usize>> = Mutex::new((0..jobs.len()).collect());
    let children = Arc::new(Children::default());
    let running = Arc::clone(&children);
    stop.on_stop(move || running.end(libc::SIGTERM));
    let (sender, receiver) = unbounded::<Result<Done>>();
    thread::scope(|scope| {
        for device in devices {
            let (open, children, sender) = (&open, &*children, sender.clone());
            scope.spawn(move || {
                while let Some(index) = next(open, stop) {
                    let result = one(&jobs[index], device, children);
                    let result = result.map(|(code, time)| Done { index, code, time });
                    let failed = result.is_err();
                    // Nobody listens any more where another run could not be started.
                    if sender.send(result).is_err() || failed {
                        return;
                    }
                }
            });
        }
        drop(sender);
        let mut failure = None;
        for one in receiver {
            match one {
                Ok(one) => done(one),
                Err(error) => {
                    stop.stop(StopReason::Reached("a run could not be started".into()));
                    failure.get_or_insert(error);
                }
            }
        }
        failure.map_or(Ok(()), Err)
    })
}

fn next(open: &Mutex<VecDeque<usize>>, stop: &Shutdown) -> Option<usize> {
    if stop.is_stopping() {
        return None;
    }
    open.lock().unwrap_or_else(PoisonError::into_inner).pop_front()
}

fn one(job: &Job, device: &str, children: &Children) -> Result<(Option<i32>, Duration)> {
    let failed = |error: std::io::Error| Failure::output(format!("{}: {error}", job.folder.display()));
    fs::create_dir_all(&job.folder).map_err(failed)?;
    let output = File::options().create(true).append(true).open(job.folder.join("output.txt")).map_err(failed)?;
    let errors = output.try_clone().map_err(failed)?;
    let program = std::env::current_exe().map_err(|error| Failure::unavailable(format!("trackflow: {error}")))?;
    let mut command = Command::new(program);
    command.arg("train").args(&job.arguments).args(["--device", device]).arg("--save_dir").arg(&job.folder);
    // A group of its own: the terminal's signals come through this process, once.
    command.stdin(Stdio::null()).stdout(output).stderr(errors).process_group(0);
    // SAFETY: prctl is safe between fork and exec.
    unsafe {
        command.pre_exec(|| {
            // Where this process is killed, its runs save and end too.
            libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGTERM);
            Ok(())
        });
    }
    let begin = Instant::now();
    let unavailable = |error: std::io::Error| Failure::unavailable(format!("trackflow train: {error}"));
    let mut child = command.spawn().map_err(unavailable)?;
    let status = children.wait(&mut child).map_err(unavailable)?;
    Ok((status.code(), begin.elapsed()))
}
