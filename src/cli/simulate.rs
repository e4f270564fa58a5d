//! `trackflow simulate`: runs a pipeline of simulated stages, to try a shape without any data.

use crate::{
    failure::Result,
    flow::{Run, Settings, Shutdown, sim, watch_signals},
    monitor::live::Live,
    session::{find, load, watch},
    settings::Diagnostics,
};
use clap::Args;
use std::{net::SocketAddr, sync::Arc};

/// `trackflow simulate`.
#[derive(Debug, Args)]
pub struct SimulateArgs {
    /// Pipeline of simulated stages: pipelines/<PIPELINE>.yaml, or a path that ends in .yaml
    #[arg(long, default_value = "simulate")]
    pipeline: String,
    /// Threads that stages with `workers: auto` may have in all (default: the machine's cores)
    #[arg(long)]
    cores: Option<usize>,
    /// Address of the live page and /metrics
    #[arg(long, value_name = "HOST:PORT", value_parser = watch::address)]
    metrics: Option<SocketAddr>,
}

/// Runs it, and reports where the time went. The value is the exit code.
///
/// # Errors
/// The file is wrong, or a stage failed.
pub fn simulate(args: &SimulateArgs) -> Result<i32> {
    let diagnostics = Diagnostics::new();
    let graph = find::graph(&diagnostics, &args.pipeline, &find::pipeline(&args.pipeline)?, sim::KINDS)?;
    let live = Live::new("simulate");
    watch::serve(args.metrics, &live)?.iter().for_each(|line| println!("{line}"));
    let stop = Shutdown::new();
    let _signals = watch_signals(stop.clone())?;
    let mut settings =
        Settings { notify: Arc::new(|notice| println!("note: {}", notice.text())), ..Settings::default() };
    settings.cores = args.cores.unwrap_or(settings.cores);
    let sim = sim::Sim::default();
    sim.valve.open();
    let run = Run::build_with(&graph, &Arc::new(sim), stop.clone(), settings)?;
    live.attach(run.board(), load::limits(&graph), stop);
    let outcome = run.join();
    let taken: u64 = outcome.stages.iter().filter(|stage| stage.inputs.is_empty()).map(|stage| stage.taken).sum();
    let wall = outcome.wall.as_secs_f64().max(1e-9);
    println!("{taken} items in {wall:.2} s, {:.1} items/s\n", taken as f64 / wall);
    print!("{}", load::table(&outcome, &load::limits(&graph)));
    outcome.result?;
    Ok(outcome.stopped.map_or(0, |reason| reason.exit_code()))
}
