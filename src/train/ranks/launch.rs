//! Starts the ranks of this machine as processes of the same program, where no launcher does it (`--mode multiple`,
//! `--mode multi_node`).

use crate::{
    failure::{Failure, Result},
    telemetry::log,
};
use std::{
    ffi::OsString,
    net::TcpListener,
    os::unix::process::{CommandExt, ExitStatusExt},
    process::{Child, Command, ExitStatus},
    sync::mpsc::{Receiver, TryRecvError},
    thread,
    time::{Duration, Instant},
};

/// The machines that take part.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Machines {
    /// This one's number, from 0.
    pub number: usize,
    /// How many there are.
    pub of: usize,
    /// Where rank 0 serves the store; none where this machine is the only one, which then finds a free port.
    pub meeting: Option<(String, u16)>,
}

/// How long the others may take to notice that a rank has gone, and to end.
const LINGER: Duration = Duration::from_secs(60);

/// Starts `count` ranks with `arguments` and waits for them; each signal that comes in is passed on to all. The value is
/// the exit code: that of the rank that ended first, other than as it should.
///
/// # Errors
/// A process cannot be started.
pub fn launch(machines: &Machines, count: usize, arguments: &[OsString], signals: &Receiver<i32>) -> Result<i32> {
    let (host, port) = match &machines.meeting {
        Some(meeting) => meeting.clone(),
        None => ("127.0.0.1".to_string(), free_port()?),
    };
    let program = std::env::current_exe()
        .map_err(|error| Failure::unavailable(format!("the program does not find itself: {error}")))?;
    let size = machines.of * count;
    let mut ranks: Vec<Rank> = Vec::new();
    for local in 0..count {
        let number = machines.number * count + local;
        let mut command = Command::new(&program);
        command.args(arguments).process_group(0);
        for name in super::VARIABLES {
            command.env_remove(name);
        }
        command.env("RANK", number.to_string()).env("WORLD_SIZE", size.to_string());
        command.env("LOCAL_RANK", local.to_string()).env("LOCAL_WORLD_SIZE", count.to_string());
        command.env("MASTER_ADDR", &host).env("MASTER_PORT", port.to_string());
        die_with_parent(&mut command);
        match command.spawn() {
            Ok(child) => ranks.push(Rank { number, child, ended: None }),
            Err(error) => {
                ranks.iter_mut().for_each(|rank| rank.kill());
                return Err(Failure::unavailable(format!("rank {number} cannot be started: {error}")));
            }
        }
    }
    Ok(wait(&mut ranks, signals))
}

struct Rank {
    number: usize,
    child: Child,
    ended: Option<ExitStatus>,
}

impl Rank {
    fn send(&self, signal: i32) {
        if self.ended.is_none() {
            // SAFETY: it touches no memory; the child has not been waited for, so its number is its own.
            unsafe { libc::kill(self.child.id() as libc::pid_t, signal) };
        }
    }

    fn kill(&mut self) {
        // One that is gone needs no killing.
        let _ = self.child.kill();
        self.ended = self.child.wait().ok();
    }
}

fn wait(ranks: &mut [Rank], signals: &Receiver<i32>) -> i32 {
    let mut code = 0;
    let mut since: Option<Instant> = None;
    loop {
        match signals.try_recv() {
            Ok(signal) => ranks.iter().for_each(|rank| rank.send(signal)),
            Err(TryRecvError::Empty | TryRecvError::Disconnected) => {}
        }
        for rank in ranks.iter_mut().filter(|rank| rank.ended.is_none()) {
            let Ok(Some(status)) = rank.child.try_wait() else { continue };
            rank.ended = Some(status);
            if status.success() {
                continue;
            }
            if let Some(signal) = status.signal() {
                log::warn(&format!("rank {} was ended by signal {signal}", rank.number));
            }
            if code == 0 {
                // Nobody knows what a process would have said that was killed.
                code = status.code().unwrap_or(70);
            }
            since.get_or_insert_with(Instant::now);
        }
        if ranks.iter().all(|rank| rank.ended.is_some()) {
            return code;
        }
        if since.is_some_and(|since| since.elapsed() > LINGER) {
            for rank in ranks.iter_mut().filter(|rank| rank.ended.is_none()) {
                log::warn(&format!("rank {} did not end by itself and is killed", rank.number));
                rank.kill();
            }
        }
        thread::sleep(Duration::from_millis(20));
    }
}

fn free_port() -> Result<u16> {
    let found = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr());
    found.map(|address| address.port()).map_err(|error| Failure::unavailable(format!("no port is free: {error}")))
}

/// Lets the system end the child should this process be killed.
fn die_with_parent(command: &mut Command) {
    #[cfg(target_os = "linux")]
    {
        let parent = std::process::id();
        // SAFETY: between fork and exec it makes system calls alone.
        unsafe {
            command.pre_exec(move || {
                libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGTERM);
                // The parent may have gone before.
                if libc::getppid() as u32 == parent {
                    Ok(())
                } else {
                    Err(std::io::Error::other("its parent has gone"))
                }
            });
        }
    }
}
