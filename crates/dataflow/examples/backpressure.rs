//! Backpressure, shown by counts: the sink stands still, and the source is asked for exactly as many items as there are
//! places and workers on the way. Simulated stages serve: any would do.

use std::sync::Arc;
use std::thread;
use std::time::Duration;

use trackflow_dataflow::failure::{Failure, Result};
use trackflow_dataflow::settings::{Diagnostics, Node};
use trackflow_dataflow::sim::{KINDS, Sim};
use trackflow_dataflow::{Run, Shutdown, compile};

const PIPELINE: &str = "\
name: held-up
stages:
  numbers: { kind: count, capacity: 3, options: { items: 100 } }
  work: { kind: sleep, workers: 4, capacity: 5, options: { ms: 0.1 } }
  sink: { kind: collect, options: { stalled: true } }
";

/// Items taken from the source while the sink stands still, the most that can be, and items that arrived in the end.
///
/// # Errors
/// The failure of a stage.
pub fn counts() -> Result<(u64, u64, u64)> {
    let graph = compile(&Diagnostics::new(), &Node::parse("held-up.yaml", PIPELINE)?, KINDS)?;
    let most: usize = graph.nodes().iter().map(|node| node.workers).sum::<usize>()
        + graph.nodes()[..2].iter().map(|node| node.capacity).sum::<usize>();
    let sim = Sim::default();
    let run = Run::build(&graph, &Arc::new(sim.clone()), Shutdown::new())?;
    let board = run.board();
    let running = thread::spawn(move || run.join());
    while board.stages()[0].taken < most as u64 {
        thread::sleep(Duration::from_millis(1));
    }
    // Time for one that would be too many.
    thread::sleep(Duration::from_millis(50));
    let taken = board.stages()[0].taken;
    sim.valve.open();
    let outcome = running.join().map_err(|_| Failure::stage("the run panicked"))?;
    outcome.result?;
    Ok((taken, most as u64, sim.journal().len() as u64))
}

/// Says what [`counts`] counts.
///
/// # Errors
/// As [`counts`].
pub fn main() -> Result<()> {
    let (taken, most, arrived) = counts()?;
    println!("the sink stands still: {taken} of 100 items are taken (3 + 5 places, 1 + 4 + 1 workers: {most})");
    println!("it goes on: {arrived} have arrived");
    Ok(())
}
