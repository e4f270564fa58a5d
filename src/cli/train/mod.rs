//! `trackflow train`: arguments in, a session out; bridges to what else watches runs beside it.

mod args;
mod bridge;
mod launch;

pub use args::{LogFormat, Mode, TrainArgs};

use crate::{
    failure::Result,
    session::{Ended, Metrics, Session, SessionBuilder},
    telemetry::{log, machine},
    train::ranks::RankInfo,
};
use bridge::{Bridge, Target};

/// Trains. The value is the exit code: 0, or 128 + the signal that stopped the run after saving.
///
/// # Errors
/// Everything that keeps the run from starting, and whatever ends it.
pub fn train(args: &TrainArgs) -> Result<i32> {
    if args.log == LogFormat::Json {
        log::use_json();
    }
    if let Some(code) = launch::launch(args)? {
        return Ok(code);
    }
    let place = RankInfo::of_environment()?;
    if let Some(place) = &place {
        log::speak_as(place.rank);
        machine::share_with(place.local_size);
    }
    let writes = place.as_ref().is_none_or(|place| place.rank == 0);
    let session = session(args).place(place).build()?;
    let targets = [(Target::Wandb, args.use_wandb), (Target::Mlflow, args.use_mlflow)];
    let wanted: Vec<Target> =
        targets.into_iter().filter(|(_, wanted)| *wanted == 1 && writes).map(|(target, _)| target).collect();
    wanted.iter().try_for_each(|target| target.check())?;
    let bridges = wanted.iter().map(|target| Bridge::start(*target, &args.save_dir)).collect::<Result<Vec<_>>>()?;
    let outcome = session.run();
    bridges.into_iter().for_each(|bridge| bridge.finish(outcome.is_ok()));
    let outcome = outcome?;
    if args.config == "demo" && matches!(outcome.ended, Ended::Complete) {
        next_after_the_demo(args);
    }
    Ok(outcome.exit_code())
}

/// What to try when the demo is done.
fn next_after_the_demo(args: &TrainArgs) {
    let out = args.save_dir.display();
    let data = args.data_dir.clone().unwrap_or_else(|| args.save_dir.join("data").join(&args.config));
    let data = data.display();
    log::say("");
    log::say("next, a page of what it learnt, and its tracker on held-out scenes, drawn into every frame:");
    log::say(&format!("  trackflow report --run {out} --out {out}/report.html"));
    log::say(&format!(
        "  trackflow track --config demo --dataset GOT10K_official_val --data_dir {data} --save_dir {out} --draw {out}/drawn"
    ));
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
        .trace(args.trace.clone().map(|file| (file, args.trace_steps.clone())))
        .verbose(args.verbose)
        .program(std::env::current_exe().ok())
        .owns_process(true)
}
