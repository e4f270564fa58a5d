//! Processes that this one waits for, and may have to end before they are done.

use std::{
    io,
    process::{Child, ExitStatus},
    sync::{Mutex, MutexGuard, PoisonError},
};

/// Children that run. Whoever waits for one does nothing else meanwhile; whoever ends them does so at once.
#[derive(Debug, Default)]
pub struct Children(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    running: Vec<u32>,
    /// What ends those that are still to come.
    signal: Option<i32>,
}

impl Children {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until `child` has ended; where all are to end, that is soon.
    ///
    /// # Errors
    /// The system cannot say how it ended.
    pub fn wait(&self, child: &mut Child) -> io::Result<ExitStatus> {
        let process = child.id();
        let mut state = self.state();
        state.running.push(process);
        if let Some(signal) = state.signal {
            send(process, signal);
        }
        drop(state);
        let ended = ended(process);
        // Not before here is its number free for another process.
        self.state().running.retain(|other| *other != process);
        ended?;
        child.wait()
    }

    /// Sends `signal` to each of them, once: to those that run, and to those that are still to come.
    pub fn end(&self, signal: i32) {
        let mut state = self.state();
        if state.signal.replace(signal).is_none() {
            state.running.iter().for_each(|process| send(*process, signal));
        }
    }

    /// Whether they are to end.
    pub fn are_ending(&self) -> bool {
        self.state().signal.is_some()
    }
}

/// Waits until the child `process` has ended, and leaves it to be asked how.
fn ended(process: u32) -> io::Result<()> {
    loop {
        // SAFETY: an all-zero `siginfo_t` is valid, and the call writes to nothing else.
        let failed = unsafe {
            let mut info: libc::siginfo_t = std::mem::zeroed();
            libc::waitid(libc::P_PID, process, &raw mut info, libc::WEXITED | libc::WNOWAIT) != 0
        };
        match failed.then(io::Error::last_os_error) {
            None => return Ok(()),
            Some(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Some(error) => return Err(error),
        }
    }
}

fn send(process: u32, signal: i32) {
    if let Ok(process) = i32::try_from(process) {
        // SAFETY: `kill` touches no memory; the process is a child that nobody has waited for yet.
        unsafe { libc::kill(process, signal) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{os::unix::process::ExitStatusExt, process::Command, sync::Arc, thread};

    #[test]
    fn children_end_when_they_are_told_whether_they_run_or_are_to_come() {
        let sleep = || Command::new("sleep").arg("1000").spawn().unwrap();
        let children = Arc::new(Children::default());
        assert_eq!(children.wait(&mut Command::new("true").spawn().unwrap()).unwrap().code(), Some(0));
        let (first, waiting) = (sleep(), Arc::clone(&children));
        let waits = thread::spawn(move || {
            let mut first = first;
            waiting.wait(&mut first).unwrap()
        });
        while children.state().running.is_empty() {
            thread::yield_now();
        }
        assert!(!children.are_ending());
        children.end(libc::SIGTERM);
        assert_eq!(waits.join().unwrap().signal(), Some(libc::SIGTERM));
        assert_eq!(children.wait(&mut sleep()).unwrap().signal(), Some(libc::SIGTERM));
        assert!(children.are_ending() && children.state().running.is_empty());
    }
}
