//! How a run is put together, and done: an experiment and a pipeline, what they are checked for, the data, the model, who
//! watches, where it goes on and why it ends. The command line, tests and programs of one's own all begin here.
//!
//! ```no_run
//! use trackflow::session::Session;
//!
//! let outcome = Session::builder()
//!     .experiment("demo")
//!     .set("TRAIN.EPOCH=1")
//!     .save_dir("/tmp/demo")
//!     .max_steps(20)
//!     .run()?;
//! println!("{:?}: {:?}", outcome.ended, outcome.checkpoint);
//! # Ok::<(), trackflow::failure::Failure>(())
//! ```
//!
//! A session ends no process and hears no signal unless it is told that the process is its own
//! ([`SessionBuilder::owns_process`]). What it says on its way goes through [`crate::telemetry::log`].

mod begin;
mod benchmark;
mod builder;
mod changes;
pub mod check;
pub mod children;
mod data_changes;
pub mod find;
pub mod limit;
pub mod load;
pub mod memory;
mod observers;
mod outcome;
mod ranks;
mod reload;
mod request;
mod resume;
mod run;
pub mod sets;
mod signals;
mod start;
mod summary;
pub mod watch;

pub use builder::SessionBuilder;
pub use outcome::Outcome;
pub use request::Metrics;
pub use resume::Resume;

/// Why a run ended that did not fail.
pub use crate::monitor::run_log::Ended;

use crate::{
    flow::Graph,
    monitor::health::Baseline,
    stages::{Facts, RunContext},
    train::experiment::Experiment,
};
use request::Request;
use signals::Signals;
use start::Start;
use tch::Device;

/// A run that has been checked and has not begun: nothing is written yet, and no data is opened.
pub struct Session {
    request: Request,
    facts: Facts,
    /// The files of the experiment and of the pipeline, as messages call them.
    sources: [String; 2],
    graph: Graph<RunContext>,
    /// The pipeline's file with all defaults filled in.
    resolved: String,
    device: Device,
    baseline: Option<Baseline>,
    signals: Option<Signals>,
    start: Start,
}

impl Session {
    /// The parts of a run, with the defaults of `trackflow train`.
    pub fn builder() -> SessionBuilder {
        SessionBuilder::new()
    }

    /// What is trained, and how.
    pub fn experiment(&self) -> &Experiment {
        &self.facts.experiment
    }

    /// The pipeline that prepares the clips and trains.
    pub fn pipeline(&self) -> &Graph<RunContext> {
        &self.graph
    }

    /// Where it is computed.
    pub fn device(&self) -> Device {
        self.device
    }
}
