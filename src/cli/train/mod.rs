//! `trackflow train`: arguments in, a session out.

mod args;

pub use args::{LogFormat, Mode, TrainArgs};

use crate::{
    failure::Result,
    session::{Metrics, Session, SessionBuilder},
    telemetry::log,
};

/// Trains. The value is the exit code: 0, or 128 + the signal that stopped the run after saving.
///
/// # Errors
/// Everything that keeps the run from starting, and whatever ends it.
pub fn train(args: &TrainArgs) -> Result<i32> {
    let session = session(args);
    if args.log == LogFormat::Json {
        log::use_json();
    }
    session.run().map(|outcome| outcome.exit_code())
}

/// What the command line asks for.
fn session(args: &TrainArgs) -> SessionBuilder {
    Session::builder()
        .script(&args.script)
        .experiment(&args.config)
        .set_all(&args.set)
        .pipeline(&args.pipeline)
        .save_dir(&args.save_dir)
        .data_dir(args.data_dir.clone())
        .device(args.device)
        .seed(args.seed)
        .max_steps(args.max_steps)
        .metrics(args.metrics.map_or(Metrics::Usual, Metrics::At))
        .resume(args.resume.clone())
        .allow_changes(args.allow_changes)
        .baseline(args.baseline.clone())
        .time_limit(args.time_limit)
        .one_at_a_time(args.one_at_a_time)
        .verbose(args.verbose)
        .program(std::env::current_exe().ok())
        .owns_process(true)
}
