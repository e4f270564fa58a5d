//! The `trackflow` program: parses the command line and dispatches.

use clap::{Parser, error::ErrorKind};
use std::sync::atomic::{AtomicBool, Ordering};
use trackflow::{
    cli::Cli,
    failure::{Failure, FailureKind},
    native,
    telemetry::log,
};

/// Whether standard output was closed when the process began.
static CLOSED: AtomicBool = AtomicBool::new(false);

/// Runs before `main`, by when the standard library has opened what was closed as /dev/null, and before libtorch takes its
/// first memory.
#[cfg(target_os = "linux")]
#[used]
#[unsafe(link_section = ".preinit_array")]
static LOOK: extern "C" fn() = {
    extern "C" fn look() {
        if trackflow::telemetry::machine::address_space().is_some() {
            native::memory::say_when_exhausted(FailureKind::Memory.exit_code());
        }
        // SAFETY: it asks for the flags of a descriptor, which may be a closed one.
        CLOSED.store(unsafe { libc::fcntl(libc::STDOUT_FILENO, libc::F_GETFD) } == -1, Ordering::Relaxed);
    }
    look
};

fn main() {
    native::memory::keep_freed();
    if CLOSED.load(Ordering::Relaxed) {
        log::stdout_is_closed();
    }
    let done = std::panic::catch_unwind(run).unwrap_or_else(|_| {
        Err(Failure::stage("this is a fault of the program (above: where); please report it with what was done"))
    });
    std::process::exit(done.unwrap_or_else(|failure| {
        log::error(&failure.message);
        failure.kind.exit_code()
    }));
}

fn run() -> trackflow::failure::Result<i32> {
    match Cli::try_parse() {
        Ok(cli) => cli.run(),
        Err(error) => {
            let printed = error.print();
            match error.kind() {
                ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => {
                    if let Err(error) = &printed {
                        log::unwritten(error);
                    }
                    log::written().map(|()| 0)
                }
                // Nothing is left to be done when the terminal is gone.
                _ => Ok(FailureKind::Usage.exit_code()),
            }
        }
    }
}
