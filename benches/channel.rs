//! What an item costs on its way from thread to thread: through a bare crossbeam channel, through the metered channel,
//! and through the engine (a source and a sink, with numbering, order, clocks around every call, panic catching and
//! cancellation). The three take turns with the same boxed items; medians are printed.
//!
//! `cargo bench --bench channel`

use crossbeam_channel::bounded;
use std::{sync::Arc, time::Instant};
use trackflow::{
    failure::Failure,
    flow::{
        Graph, Kind, Node, Payload, Shutdown, overhead, pack, run,
        sim::{Count, Discard, KINDS, Sim},
    },
};

const ITEMS: u64 = 400_000;
const ROUNDS: usize = 9;

fn kind(name: &str) -> Result<&'static Kind<Sim>, Failure> {
    KINDS.iter().find(|kind| kind.name == name).ok_or_else(|| Failure::config(format!("no simulated kind {name}")))
}

/// Nanoseconds an item through the engine.
fn ours(capacity: usize) -> Result<f64, Failure> {
    let source = Node::new("count", kind("count")?, Count { items: ITEMS, ..Count::default() }).capacity(capacity);
    let sink = Node::new("discard", kind("discard")?, Discard { stalled: false });
    let graph = Graph::chain("bench", vec![source, sink])?;
    let outcome = run(&graph, &Arc::default(), Shutdown::new());
    outcome.result?;
    Ok(outcome.wall.as_nanos() as f64 / ITEMS as f64)
}

/// Nanoseconds an item through a bare channel.
fn bare(capacity: usize) -> f64 {
    let (sender, receiver) = bounded::<Payload>(capacity);
    let start = Instant::now();
    std::thread::scope(|scope| {
        scope.spawn(move || (0..ITEMS).try_for_each(|number| sender.send(pack(number))));
        scope.spawn(move || receiver.iter().for_each(drop));
    });
    start.elapsed().as_nanos() as f64 / ITEMS as f64
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

fn main() -> Result<(), Failure> {
    println!("nanoseconds an item   bare   metered   more   items/s   engine   items/s");
    for capacity in [1, 16, 1024] {
        let (mut engine, mut metered, mut channel) = (Vec::new(), Vec::new(), Vec::new());
        for _ in 0..ROUNDS {
            engine.push(ours(capacity)?);
            metered.push(overhead::pass(ITEMS, capacity).as_nanos() as f64 / ITEMS as f64);
            channel.push(bare(capacity));
        }
        let (engine, metered, channel) = (median(engine), median(metered), median(channel));
        println!(
            "capacity {capacity:>10}   {channel:>4.0}   {metered:>7.0}   {:>4.0}   {:>7.0}   {engine:>6.0}   {:>7.0}",
            metered - channel,
            1e9 / metered,
            1e9 / engine,
        );
    }
    Ok(())
}
