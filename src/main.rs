//! The `trackflow` program: parses the command line and dispatches.

use clap::{Parser, error::ErrorKind};
use trackflow::{cli::Cli, failure::FailureKind, native, telemetry::log};

fn main() {
    native::memory::keep_freed();
    std::process::exit(match Cli::try_parse() {
        Ok(cli) => cli.run().unwrap_or_else(|failure| {
            log::error(&failure.message);
            failure.kind.exit_code()
        }),
        Err(error) => {
            // Nothing is left to be done when the terminal is gone.
            let _ = error.print();
            match error.kind() {
                ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => 0,
                _ => FailureKind::Usage.exit_code(),
            }
        }
    });
}
