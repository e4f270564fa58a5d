//! Signals: the first of those that end a run stops it, which then drains and saves; the second ends the process. Others
//! ask for something while it goes on.

use std::{
    io::Write,
    sync::{
        Arc,
        mpsc::{Receiver, channel},
    },
    thread,
};

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM, SIGUSR1, SIGUSR2};
use signal_hook::iterator::{Handle, Signals};

use super::shutdown::{Shutdown, StopReason};
use crate::failure::{Failure, Result};

/// Watches until it is dropped.
pub struct SignalWatch(Handle);

/// The signals that stop a run: those of people and supervisors, and those by which schedulers of clusters announce the
/// end of a job's time.
const STOPPING: [(i32, &str); 4] =
    [(SIGINT, "SIGINT"), (SIGTERM, "SIGTERM"), (SIGUSR2, "SIGUSR2"), (libc::SIGXCPU, "SIGXCPU")];

/// Turns SIGINT, SIGTERM, SIGUSR2 and SIGXCPU into a stop on `stop`, with one line on standard error. A later SIGINT or
/// SIGTERM exits at once, with its code (130 or 143); SIGXCPU is repeated each second, and means nothing new.
///
/// # Errors
/// `Unavailable` when the handlers cannot be installed.
pub fn watch_signals(stop: Shutdown) -> Result<SignalWatch> {
    let failed = |error| Failure::unavailable(format!("cannot watch for signals: {error}"));
    let mut signals = Signals::new(STOPPING.map(|(signal, _)| signal)).map_err(failed)?;
    let handle = signals.handle();
    let watch = move || {
        let mut asked = false;
        for signal in signals.forever() {
            let reason = StopReason::Signal(signal);
            if std::mem::replace(&mut asked, true) {
                match signal {
                    SIGINT | SIGTERM => std::process::exit(reason.exit_code()),
                    _ => continue,
                }
            }
            let name =
                STOPPING.iter().find_map(|(known, name)| (*known == signal).then_some(*name)).unwrap_or("a signal");
            // Nobody may read that any more.
            let _ = writeln!(
                std::io::stderr(),
                "{name}: finishing what is under way and saving; once more to quit without that"
            );
            stop.stop(reason);
        }
    };
    thread::Builder::new().name("signals".into()).spawn(watch).map_err(failed)?;
    Ok(SignalWatch(handle))
}

/// The signals that a process passes on to those that it has started: those that stop them, and those that ask for something.
///
/// # Errors
/// `Unavailable` when the handlers cannot be installed.
pub fn pass_signals() -> Result<(SignalWatch, Receiver<i32>)> {
    let failed = |error| Failure::unavailable(format!("cannot watch for signals: {error}"));
    let all = STOPPING.iter().map(|(signal, _)| *signal).chain([SIGUSR1, SIGHUP]);
    let mut signals = Signals::new(all).map_err(failed)?;
    let (handle, (send, receive)) = (signals.handle(), channel());
    let watch = move || signals.forever().try_for_each(|signal| send.send(signal));
    thread::Builder::new().name("signals".into()).spawn(watch).map_err(failed)?;
    Ok((SignalWatch(handle), receive))
}

/// Makes a write beyond a limit on the size of files (`ulimit -f`) fail as on a full disk, instead of ending the process.
///
/// # Errors
/// `Unavailable` when the handler cannot be installed.
pub fn survive_file_limits() -> Result<()> {
    let failed = |error| Failure::unavailable(format!("cannot watch for signals: {error}"));
    signal_hook::flag::register(libc::SIGXFSZ, Arc::default()).map(drop).map_err(failed)
}

/// Calls `reload` at each SIGHUP, one at a time, instead of ending the process.
///
/// # Errors
/// `Unavailable` when the handler cannot be installed.
pub fn watch_hangups(reload: impl FnMut() + Send + 'static) -> Result<SignalWatch> {
    watch(SIGHUP, "hangups", reload)
}

/// Calls `save` at each SIGUSR1, one at a time, instead of ending the process.
///
/// # Errors
/// `Unavailable` when the handler cannot be installed.
pub fn watch_save_requests(save: impl FnMut() + Send + 'static) -> Result<SignalWatch> {
    watch(SIGUSR1, "save requests", save)
}

fn watch(signal: i32, name: &str, mut act: impl FnMut() + Send + 'static) -> Result<SignalWatch> {
    let failed = |error| Failure::unavailable(format!("cannot watch for signals: {error}"));
    let mut signals = Signals::new([signal]).map_err(failed)?;
    let handle = signals.handle();
    let watch = move || signals.forever().for_each(|_| act());
    thread::Builder::new().name(name.into()).spawn(watch).map_err(failed)?;
    Ok(SignalWatch(handle))
}

impl Drop for SignalWatch {
    fn drop(&mut self) {
        self.0.close();
    }
}

#[cfg(test)]
mod tests {
    use std::io::{BufRead, BufReader};
    use std::process::{Command, Stdio};
    use std::time::Duration;

    use super::*;

    const NAME: &str = "runtime::signals::tests::the_first_signal_stops_and_the_second_exits";

    /// The child: stops at the first signal, and would never end by itself.
    fn child() {
        let stop = Shutdown::new();
        let _watch = watch_signals(stop.clone()).unwrap();
        println!("ready");
        while !stop.is_stopping() {
            thread::sleep(Duration::from_millis(1));
        }
        println!("stopping: {:?}", stop.reason());
        thread::sleep(Duration::from_secs(60));
    }

    #[test]
    fn the_first_signal_stops_and_the_second_exits() {
        if std::env::var_os("TRACKFLOW_SIGNAL_CHILD").is_some() {
            return child();
        }
        for (signal, code) in [(SIGINT, 130), (SIGTERM, 143), (SIGUSR2, 143), (libc::SIGXCPU, 143)] {
            let mut child = Command::new(std::env::current_exe().unwrap())
                .args(["--exact", NAME, "--nocapture"])
                .env("TRACKFLOW_SIGNAL_CHILD", "1")
                .stdout(Stdio::piped())
                .stderr(Stdio::piped())
                .spawn()
                .unwrap();
            let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map(|line| line.unwrap());
            let mut wait = |words: &str| lines.find(|line| line.contains(words)).unwrap();
            // SAFETY: `kill` has no memory effects; the process is our child and has not been waited for.
            let send = |child: &std::process::Child, signal| unsafe { libc::kill(child.id() as i32, signal) };
            wait("ready");
            assert_eq!(send(&child, signal), 0);
            assert!(wait("stopping").contains(&format!("Signal({signal})")));
            // Those of clusters may come again and again; only people and supervisors mean it.
            if ![SIGINT, SIGTERM].contains(&signal) {
                assert_eq!(send(&child, signal), 0);
            }
            let again = if signal == SIGINT { SIGINT } else { SIGTERM };
            assert_eq!(send(&child, again), 0);
            let output = child.wait_with_output().unwrap();
            assert_eq!(output.status.code(), Some(code));
            let said = String::from_utf8(output.stderr).unwrap();
            assert_eq!(said.lines().count(), 1, "{said}");
        }
    }
}
