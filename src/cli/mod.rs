//! The verbs of the program, one file each. `main.rs` only parses and dispatches.

/// The standard macro, but nothing in the text acts on the terminal ([`crate::text::printable`]), and whoever closed the
/// pipe has read enough. What programs read is printed with [`crate::telemetry::log::data`].
macro_rules! println {
    () => { $crate::telemetry::log::line("") };
    ($($text:tt)*) => { $crate::telemetry::log::line(&format!($($text)*)) };
}

/// As above.
macro_rules! eprintln {
    ($($text:tt)*) => {{
        use std::io::Write;
        let _ = writeln!(std::io::stderr(), "{}", $crate::text::printable(&format!($($text)*)));
    }};
}

pub mod bench;
pub mod checkpoint;
pub mod data;
pub mod doctor;
pub mod evaluate;
pub mod find;
pub mod graph;
pub mod load;
pub mod report;
pub mod schema;
pub mod simulate;
pub mod stages;
pub mod table;
pub mod top;
pub mod track;
pub mod train;
pub mod tune;
pub mod validate;
mod watch;

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
    /// Check an experiment and a pipeline, and print the plan
    Validate(validate::ValidateArgs),
    /// Draw a pipeline
    Graph(graph::GraphArgs),
    /// List the kinds of stage and their options
    Stages(stages::StagesArgs),
    /// Print the JSON Schema of experiment or pipeline files
    Schema(schema::SchemaArgs),
    /// Run a pipeline of simulated stages
    Simulate(simulate::SimulateArgs),
    /// Find the workers with which a pipeline is fastest
    Tune(Box<tune::TuneArgs>),
    /// Write what runs did as a page: curves, conditions, gradients, where the time went
    Report(report::ReportArgs),
    /// Watch a running job
    Top(top::TopArgs),
    /// Follow objects through videos with a trained tracker
    Track(Box<track::TrackArgs>),
    /// Score result files as benchmarks do
    Evaluate(Box<evaluate::EvaluateArgs>),
    /// Check that this machine can train, and where the data is
    Doctor(doctor::DoctorArgs),
    /// Make and inspect data sets
    Data(data::DataArgs),
    /// Inspect, convert, compare and strip files of weights
    Checkpoint(checkpoint::CheckpointArgs),
    /// Measure what parts of a run cost
    Bench(bench::BenchArgs),
}

impl Cli {
    /// Does what the command line says. The value is the exit code of a run that did not fail.
    ///
    /// # Errors
    /// Whatever the verb reports; its kind decides the exit code.
    pub fn run(self) -> Result<i32> {
        // `trackflow … | head` ends quietly when nobody reads on; training goes on whoever watches.
        if !matches!(self.verb, Verb::Train(_)) {
            // SAFETY: restores the default of a signal before any thread is started.
            unsafe { libc::signal(libc::SIGPIPE, libc::SIG_DFL) };
        }
        match self.verb {
            Verb::Train(args) => train::train(&args),
            Verb::Validate(args) => validate::validate(&args).map(|()| 0),
            Verb::Graph(args) => graph::graph(&args).map(|()| 0),
            Verb::Stages(args) => stages::stages(&args).map(|()| 0),
            Verb::Schema(args) => schema::schema(&args).map(|()| 0),
            Verb::Simulate(args) => simulate::simulate(&args),
            Verb::Tune(args) => tune::tune(&args).map(|()| 0),
            Verb::Report(args) => report::report(&args).map(|()| 0),
            Verb::Top(args) => top::top(&args).map(|()| 0),
            Verb::Track(args) => track::track(&args),
            Verb::Evaluate(args) => evaluate::evaluate(&args).map(|()| 0),
            Verb::Doctor(args) => doctor::doctor(&args).map(|()| 0),
            Verb::Data(args) => data::data(&args).map(|()| 0),
            Verb::Checkpoint(args) => checkpoint::checkpoint(&args),
            Verb::Bench(args) => bench::bench(&args).map(|()| 0),
        }
    }
}
