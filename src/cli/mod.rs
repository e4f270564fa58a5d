//! The verbs of the program, one file each. `main.rs` only parses and dispatches.

/// The standard macro, but nothing in the text acts on the terminal ([`crate::text::printable`]), and whoever closed the
/// pipe has read enough. What programs read is printed with [`crate::telemetry::log::data`].
macro_rules! println {
    () => { $crate::telemetry::log::line("") };
    ($($text:tt)*) => { $crate::telemetry::log::line(&format!($($text)*)) };
}

/// As above, without the end of the line.
macro_rules! print {
    ($($text:tt)*) => { $crate::telemetry::log::piece(&$crate::text::printable(&format!($($text)*))) };
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
pub mod completions;
pub mod data;
pub mod doctor;
pub mod evaluate;
pub mod graph;
pub mod init;
pub mod man;
pub mod report;
pub mod schema;
pub mod serve;
pub mod simulate;
pub mod stages;
pub mod sweep;
pub mod table;
pub mod top;
pub mod track;
pub mod train;
pub mod tune;
pub mod validate;

use crate::failure::{Failure, Result};
use crate::telemetry::{log, machine, version};
use crate::train::experiment::Experiment;
use clap::{Parser, Subcommand};
use std::sync::OnceLock;

/// Trains multi-task visual object trackers as a dataflow of actors over bounded channels.
#[derive(Debug, Parser)]
#[command(version = version::short(), long_version = version::long(), about, max_term_width = 120)]
pub struct Cli {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Train a tracker
    Train(Box<train::TrainArgs>),
    /// Train one experiment with several settings and seeds, and compare
    Sweep(sweep::SweepArgs),
    /// Check an experiment and a pipeline, and print the plan
    Validate(validate::ValidateArgs),
    /// Draw a pipeline
    Graph(graph::GraphArgs),
    /// List the kinds of stage and their options
    Stages(stages::StagesArgs),
    /// Print the JSON Schema of experiment or pipeline files, or of the log of runs
    Schema(schema::SchemaArgs),
    /// Run a pipeline of simulated stages
    Simulate(simulate::SimulateArgs),
    /// Find the workers with which a pipeline is fastest
    Tune(Box<tune::TuneArgs>),
    /// Write what runs did as a page: curves, conditions, gradients, where the time went
    Report(report::ReportArgs),
    /// Watch a running job
    Top(top::TopArgs),
    /// Show the live page of all runs below a folder, finished and running
    Serve(serve::ServeArgs),
    /// Follow objects through videos with a trained tracker
    Track(Box<track::TrackArgs>),
    /// Score result files as benchmarks do
    Evaluate(Box<evaluate::EvaluateArgs>),
    /// Check that this machine can train, and where the data is
    Doctor(doctor::DoctorArgs),
    /// Write an experiment and a pipeline for a folder of your own data
    Init(init::InitArgs),
    /// Make and inspect data sets
    Data(data::DataArgs),
    /// Inspect, convert, compare and strip files of weights
    Checkpoint(checkpoint::CheckpointArgs),
    /// Measure what parts of a run cost
    Bench(bench::BenchArgs),
    /// Print what a shell needs to complete commands
    Completions(completions::CompletionsArgs),
    /// Write manual pages
    Man(man::ManArgs),
}

impl Cli {
    /// Does what the command line says. The value is the exit code of a run that did not fail.
    ///
    /// # Errors
    /// Whatever the verb reports; its kind decides the exit code.
    pub fn run(self) -> Result<i32> {
        // `trackflow … | head` ends quietly when nobody reads on; what writes results goes on whoever watches.
        if self.verb.only_prints() {
            // SAFETY: restores the default of a signal before any thread is started.
            unsafe { libc::signal(libc::SIGPIPE, libc::SIG_DFL) };
        }
        let descriptors = machine::raise_descriptors();
        if self.verb.runs() {
            room(descriptors)?;
        }
        crate::reads::watch(log::warn);
        let code = self.verb.run()?;
        // Another code than 0 says more.
        if code == 0 { log::written().map(|()| 0) } else { Ok(code) }
    }
}

/// Files that a run has open at a time, with some to spare.
const DESCRIPTORS: u64 = 64;

/// Whether there is what a run cannot do without.
fn room(descriptors: u64) -> Result<()> {
    if descriptors < DESCRIPTORS {
        return Err(Failure::unavailable(format!(
            "this process may have {descriptors} files open at a time, and needs {DESCRIPTORS}; raise the limit: ulimit -n 1024"
        )));
    }
    // libtorch and rayon count the machine's cores, whatever the quota.
    let cores = machine::cores();
    if usize::try_from(tch::get_num_threads()).is_ok_and(|threads| threads > cores) {
        tch::set_num_threads(i32::try_from(cores).unwrap_or(i32::MAX));
    }
    // A process has one pool, however many commands it runs.
    static THREADS: OnceLock<std::result::Result<(), String>> = OnceLock::new();
    let start = || rayon::ThreadPoolBuilder::new().num_threads(cores).build_global().map_err(|error| error.to_string());
    THREADS.get_or_init(start).clone().map_err(|error| {
        Failure::unavailable(format!("threads cannot be started: {error}; raise the limits (ulimit -u, ulimit -v)"))
    })
}

/// Tells what was concluded from keys that the file of `experiment` does not have.
fn note(experiment: &Experiment) {
    experiment.notes.iter().for_each(|note| eprintln!("note: {note}"));
}

impl Verb {
    /// Whether all that it does is to print.
    fn only_prints(&self) -> bool {
        matches!(
            self,
            Self::Validate(_)
                | Self::Graph(_)
                | Self::Stages(_)
                | Self::Schema(_)
                | Self::Top(_)
                | Self::Doctor(_)
                | Self::Completions(_)
        )
    }

    /// Whether it works on data with threads of its own.
    fn runs(&self) -> bool {
        matches!(
            self,
            Self::Train(_)
                | Self::Sweep(_)
                | Self::Simulate(_)
                | Self::Tune(_)
                | Self::Track(_)
                | Self::Init(_)
                | Self::Data(_)
                | Self::Bench(_)
                | Self::Validate(_)
        )
    }

    fn run(self) -> Result<i32> {
        match self {
            Self::Train(args) => train::train(&args),
            Self::Sweep(args) => sweep::sweep(&args),
            Self::Validate(args) => validate::validate(&args).map(|()| 0),
            Self::Graph(args) => graph::graph(&args).map(|()| 0),
            Self::Stages(args) => stages::stages(&args).map(|()| 0),
            Self::Schema(args) => schema::schema(&args).map(|()| 0),
            Self::Simulate(args) => simulate::simulate(&args),
            Self::Tune(args) => tune::tune(&args).map(|()| 0),
            Self::Report(args) => report::report(&args).map(|()| 0),
            Self::Top(args) => top::top(&args).map(|()| 0),
            Self::Serve(args) => serve::serve(&args).map(|()| 0),
            Self::Track(args) => track::track(&args),
            Self::Evaluate(args) => evaluate::evaluate(&args).map(|()| 0),
            Self::Doctor(args) => doctor::doctor(&args).map(|()| 0),
            Self::Init(args) => init::init(&args).map(|()| 0),
            Self::Data(args) => data::data(&args).map(|()| 0),
            Self::Checkpoint(args) => checkpoint::checkpoint(&args),
            Self::Bench(args) => bench::bench(&args).map(|()| 0),
            Self::Completions(args) => completions::completions(&args).map(|()| 0),
            Self::Man(args) => man::man(&args).map(|()| 0),
        }
    }
}
