//! The verbs of the program, one file each. `main.rs` only parses and dispatches.

pub mod data;
pub mod doctor;
pub mod find;
pub mod train;

use crate::failure::Result;
use clap::{Parser, Subcommand};

/// Trains multi-task visual object trackers as a dataflow of actors over bounded channels.
#[derive(Debug, Parser)]
#[command(version, about, max_term_width = 120)]
pub struct Cli {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Train a tracker
    Train(Box<train::TrainArgs>),
    /// Check that this machine can train, and where the data is
    Doctor(doctor::DoctorArgs),
    /// Make and inspect data sets
    Data(data::DataArgs),
}

impl Cli {
    /// Does what the command line says. The value is the exit code of a run that did not fail.
    ///
    /// # Errors
    /// Whatever the verb reports; its kind decides the exit code.
    pub fn run(self) -> Result<i32> {
        match self.verb {
            Verb::Train(args) => train::train(&args),
            Verb::Doctor(args) => doctor::doctor(&args).map(|()| 0),
            Verb::Data(args) => data::data(&args).map(|()| 0),
        }
    }
}
