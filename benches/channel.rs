//! What the engine costs an item: a source and a sink on their threads, with numbering, metering, panic catching and
//! cancellation, against two bare threads that pass the same boxed items through a crossbeam channel. The two take
//! turns; the medians and their ratio are printed.
//!
//! `cargo bench --bench channel`

use crossbeam_channel::bounded;
use std::{sync::Arc, time::Instant};
use trackflow::{
    failure::Failure,
    flow::{
        Graph, Kind, Node, Payload, StopToken, pack, run,
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
    let outcome = run(&graph, &Arc::default(), StopToken::new());
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
    println!("capacity   engine ns/item   items/s   bare crossbeam ns/item   more ns   ratio");
    for capacity in [1, 16, 1024] {
        let (mut engine, mut channel) = (Vec::new(), Vec::new());
        for _ in 0..ROUNDS {
            engine.push(ours(capacity)?);
            channel.push(bare(capacity));
        }
        let (engine, channel) = (median(engine), median(channel));
        println!(
            "{capacity:>8}   {engine:>14.0}   {:>7.0}   {channel:>22.0}   {:>7.0}   {:>5.2}",
            1e9 / engine,
            engine - channel,
            engine / channel
        );
    }
    Ok(())
}
