//! With a stalled sink exactly capacities + workers items are taken, whatever the shape.

use std::time::Duration;

use super::{Running, chain, node};
use crate::Node;
use crate::sim::{Collect, Count, Discard, DropEvery, Hold, Order, Sim, Sleep};

const ITEMS: u64 = 300;

fn count(capacity: usize) -> Node<Sim> {
    node("count", Count { items: ITEMS, ..Count::default() }).capacity(capacity)
}

fn sleep(workers: usize, capacity: usize) -> Node<Sim> {
    node("sleep", Sleep { mean: Duration::from_micros(50), jitter: true }).workers(workers).capacity(capacity)
}

fn order(capacity: usize) -> Node<Sim> {
    node("order", Order).capacity(capacity)
}

fn stalled() -> Node<Sim> {
    node("collect", Collect { stalled: true })
}

/// Stalls the sink, counts, opens it, and sees everything arrive in order.
fn check(nodes: Vec<Node<Sim>>, taken: u64) {
    let places: usize = nodes.iter().map(|node| node.workers).sum::<usize>()
        + nodes[..nodes.len() - 1].iter().map(|node| node.capacity).sum::<usize>();
    assert_eq!(places as u64, taken, "the expectation itself");
    let sim = Sim::default();
    let running = Running::start(&chain(nodes), &sim);
    running.stays_at(taken);
    assert!(running.board.channels().iter().all(|channel| channel.depth <= channel.capacity));
    sim.valve.open();
    let outcome = running.join();
    assert_eq!(outcome.result, Ok(()));
    assert_eq!(sim.journal(), (0..ITEMS).collect::<Vec<_>>());
    for channel in &outcome.channels {
        assert_eq!((channel.items, channel.depth), (ITEMS, 0), "{channel:?}");
    }
    assert!(outcome.channels[0].send_blocked > Duration::ZERO);
    assert!(outcome.stages.iter().all(|stage| stage.taken == ITEMS), "{:?}", outcome.stages);
}

#[test]
fn a_channel_between_two() {
    check(vec![count(3), stalled()], 3 + 2);
}

#[test]
fn a_stage_with_one_worker() {
    check(vec![count(1), sleep(1, 2), stalled()], 1 + 2 + 3);
}

#[test]
fn a_stage_with_many_workers_before_an_ordered_sink() {
    check(vec![count(2), sleep(5, 4), stalled()], 2 + 4 + 7);
}

#[test]
fn several_segments() {
    check(vec![count(2), sleep(4, 1), order(3), sleep(3, 2), sleep(2, 2), stalled()], (2 + 1 + 3 + 2 + 2) + 12);
}

#[test]
fn an_ordered_stage_at_once() {
    check(vec![count(1), order(1), order(1), stalled()], 3 + 4);
}

#[test]
fn workers_of_an_unordered_sink_count_too() {
    let sim = Sim::default();
    let sink = node("discard", Discard { stalled: true }).workers(3);
    let running = Running::start(&chain(vec![count(2), sleep(2, 4), sink]), &sim);
    running.stays_at(2 + 4 + 1 + 2 + 3);
    sim.valve.open();
    assert_eq!(running.join().stages[2].taken, ITEMS);
}

/// One slow item lets others pass; they wait in the tail's buffer, and nothing new is admitted for that.
#[test]
fn a_straggler_does_not_let_the_reorder_buffer_grow() {
    let sim = Sim::default();
    let hold = node("hold", Hold { at: 7 }).workers(4).capacity(3);
    let sink = node("collect", Collect { stalled: false });
    let running = Running::start(&chain(vec![count(2), hold, sink]), &sim);
    // Released: 0..7. Window: 2 + 3 + 4. One more is in the source's hands.
    running.stays_at(7 + (2 + 3 + 4) + 1);
    assert_eq!(sim.journal(), (0..7).collect::<Vec<_>>());
    sim.valve.open();
    assert_eq!(running.join().result, Ok(()));
    assert_eq!(sim.journal(), (0..ITEMS).collect::<Vec<_>>());
}

/// Tombstones release their places, and nobody waits for what was dropped.
#[test]
fn dropped_items_do_not_hold_up_the_order() {
    let sim = Sim::default();
    let drop = node("drop", DropEvery { every: 3 }).workers(3).capacity(1);
    let running =
        Running::start(&chain(vec![count(1), drop, sleep(2, 1), node("collect", Collect { stalled: false })]), &sim);
    let outcome = running.join();
    assert_eq!(outcome.result, Ok(()));
    assert_eq!(sim.journal(), (0..ITEMS).filter(|n| !n.is_multiple_of(3)).collect::<Vec<_>>());
    assert_eq!((outcome.stages[1].taken, outcome.stages[1].emitted, outcome.stages[2].taken), (300, 200, 200));
}
