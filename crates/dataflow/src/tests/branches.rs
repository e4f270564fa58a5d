//! Branches and merges: exact counts under a stalled sink, orders that do not depend on timing, and nothing lost.

use std::sync::Arc;
use std::time::Duration;

use proptest::prelude::*;

use super::{Running, node, run};
use crate::merge::Merge;
use crate::sim::{Collect, Count, Discard, DropEvery, Flaky, Sim, Sleep};
use crate::{Graph, Node, Run, Settings, Shutdown, StopReason, Turns};

fn count(first: u64, items: u64, capacity: usize) -> Node<Sim> {
    node("count", Count { items, first }).capacity(capacity)
}

fn sleep(micros: u64, workers: usize, capacity: usize) -> Node<Sim> {
    let mean = Duration::from_micros(micros);
    node("sleep", Sleep { mean, jitter: true }).workers(workers).capacity(capacity)
}

fn merge(turns: Turns, capacity: usize) -> Node<Sim> {
    node("merge", Merge { turns }).capacity(capacity)
}

fn collect(stalled: bool) -> Node<Sim> {
    node("collect", Collect { stalled })
}

/// Names stages by their place and links them.
fn graph(nodes: Vec<(Node<Sim>, &[usize])>) -> Graph<Sim> {
    let inputs = nodes.iter().map(|(_, inputs)| inputs.to_vec()).collect();
    let named = nodes.into_iter().enumerate().map(|(index, (mut node, _))| {
        node.id = format!("{}{index}", node.id);
        node
    });
    Graph::new("test", named.collect(), inputs).unwrap()
}

fn two_sources(turns: Turns, speeds: [u64; 2], items: [u64; 2]) -> Graph<Sim> {
    graph(vec![
        (count(0, items[0], 2), &[]),
        (sleep(speeds[0], 3, 2), &[0]),
        (count(1000, items[1], 2), &[]),
        (sleep(speeds[1], 2, 3), &[2]),
        (merge(turns, 2), &[1, 3]),
        (collect(false), &[4]),
    ])
}

#[test]
fn a_merge_by_ratio_is_the_same_whatever_the_speeds() {
    let ratio = Turns::Ratio(vec![2, 1]);
    let mut expected = Vec::new();
    for round in 0..20 {
        expected.extend([2 * round, 1000 + round, 2 * round + 1]);
    }
    for speeds in [[0, 300], [300, 0], [100, 100]] {
        let sim = Sim::default();
        assert_eq!(run(&two_sources(ratio.clone(), speeds, [40, 20]), &sim).result, Ok(()));
        assert_eq!(sim.journal(), expected, "{speeds:?}");
    }
}

#[test]
fn an_input_that_has_ended_leaves_its_turns_to_the_others() {
    let sim = Sim::default();
    assert_eq!(run(&two_sources(Turns::Ratio(vec![1, 1]), [50, 50], [3, 8]), &sim).result, Ok(()));
    assert_eq!(sim.journal(), [0, 1000, 1, 1001, 2, 1002, 1003, 1004, 1005, 1006, 1007]);
}

#[test]
fn a_merge_in_the_order_of_the_run_restores_what_was_divided() {
    let sim = Sim::default();
    // Each branch drops what the other keeps: even numbers here, the multiples of 3 there (and odd others in neither).
    let divided = graph(vec![
        (count(0, 90, 2), &[]),
        (node("drop", DropEvery { every: 2 }).workers(3), &[0]),
        (count(90, 90, 2), &[]),
        (sleep(80, 2, 1), &[2]),
        (merge(Turns::Order, 1), &[1, 3]),
        (collect(false), &[4]),
    ]);
    assert_eq!(run(&divided, &sim).result, Ok(()));
    assert_eq!(sim.journal(), (0..180).filter(|n| *n >= 90 || n % 2 == 1).collect::<Vec<_>>());
}

#[test]
fn each_branch_gets_every_item() {
    let sim = Sim::default();
    let tee = graph(vec![
        (count(0, 200, 2), &[]),
        (sleep(30, 4, 2), &[0]),
        (collect(false), &[1]),
        (sleep(200, 2, 1), &[1]),
        (node("discard", Discard { stalled: false }).workers(2), &[3]),
    ]);
    let outcome = run(&tee, &sim);
    assert_eq!(outcome.result, Ok(()));
    assert_eq!(sim.journal(), (0..200).collect::<Vec<_>>());
    let discard = outcome.stages.iter().find(|stage| stage.kind == "discard").unwrap();
    assert_eq!(discard.taken, 200);
    assert_eq!(outcome.stages[1].emitted, 200, "an item counts once, however many take it");
}

/// With the merged sink stalled, each source is held by the places on its own way.
#[test]
fn a_stalled_merge_holds_exactly_what_there_is_room_for() {
    let sim = Sim::default();
    let stalled = graph(vec![
        (count(0, 300, 2), &[]),
        (sleep(20, 3, 4), &[0]),
        (count(1000, 300, 1), &[]),
        (merge(Turns::Ratio(vec![1, 1]), 2), &[1, 2]),
        (collect(true), &[3]),
    ]);
    let running = Running::start(&stalled, &sim);
    // The sink holds 0, the channel before it 1000 and 1, the merge 1001: so two of each source are through.
    // First source: 2 released; its way has 2 + 4 places and 3 workers, and it holds one more itself.
    running.stays_at(2 + (2 + 4 + 3) + 1);
    let stages = running.board.stages();
    let second = stages.iter().find(|stage| stage.id == "count2").unwrap();
    // Second source: 2 released, 1 place, and one in its hands.
    assert_eq!(second.taken, 2 + 1 + 1);
    sim.valve.open();
    let outcome = running.join();
    assert_eq!(outcome.result, Ok(()));
    assert_eq!(sim.journal(), (0..300).flat_map(|n| [n, 1000 + n]).collect::<Vec<_>>());
}

/// A branch that stalls holds the other up when its own places are full: nothing is dropped for it.
#[test]
fn a_stalled_branch_holds_the_source() {
    let sim = Sim::default();
    let stalled = graph(vec![
        (count(0, 100, 3), &[]),
        (node("discard", Discard { stalled: false }), &[0]),
        (node("discard", Discard { stalled: true }), &[0]),
    ]);
    let running = Running::start(&stalled, &sim);
    // The stalled sink holds one, its channel three, the source one.
    running.stays_at(3 + 2);
    let other = running.board.stages()[1].taken;
    assert_eq!(other, 5, "the other branch comes first in the file, and has what the source holds");
    sim.valve.open();
    let outcome = running.join();
    assert!(outcome.stages.iter().all(|stage| stage.taken == 100), "{:?}", outcome.stages);
}

#[test]
fn a_stop_drains_every_source_and_branch() {
    for moment in 0..12u64 {
        let sim = Sim::default();
        let endless = graph(vec![
            (count(0, u64::MAX, 2), &[]),
            (sleep(30, 3, 2), &[0]),
            (count(1 << 40, 1 << 40, 2), &[]),
            (merge(Turns::Ratio(vec![3, 2]), 2), &[1, 2]),
            (collect(false), &[3]),
            (node("discard", Discard { stalled: false }), &[3]),
        ]);
        let running = Running::start(&endless, &sim);
        std::thread::sleep(Duration::from_micros(moment * moment * 37));
        running.stop.stop(StopReason::Signal(15));
        let outcome = running.join();
        assert_eq!(outcome.result, Ok(()));
        let taken = |id: &str| outcome.stages.iter().find(|stage| stage.id == id).unwrap().taken;
        let journal = sim.journal();
        let (a, b): (Vec<u64>, Vec<u64>) = journal.iter().partition(|number| **number < 1 << 40);
        assert_eq!(a, (0..taken("count0")).collect::<Vec<_>>());
        assert_eq!(b, (1 << 40..(1 << 40) + taken("count2")).collect::<Vec<_>>());
        assert_eq!(taken("discard5"), journal.len() as u64);
    }
}

/// A tree of stages by what is added to it: a branch, a stage, a merge with a new source.
fn build(parts: &[(u8, usize, usize, u64, usize)], items: u64) -> Graph<Sim> {
    let mut nodes: Vec<(Node<Sim>, Vec<usize>)> = vec![(count(0, items, 2), Vec::new())];
    let mut tips = vec![0usize];
    let mut sources = 1;
    for &(what, workers, capacity, micros, at) in parts {
        let tip = at % tips.len();
        let from = tips[tip];
        match what {
            0 | 1 => nodes.push((sleep(micros, workers, capacity), vec![from])),
            2 => nodes.push((node("order", crate::sim::Order).capacity(capacity), vec![from])),
            3 => {
                tips.push(from);
                continue;
            }
            4 => {
                let flaky = Flaky { once: 0, always: micros + 3, panics: workers > 1 };
                nodes.push((node("flaky", flaky).workers(workers).capacity(capacity).max_failures(1000), vec![from]));
            }
            _ => {
                nodes.push((count(sources << 32, items, capacity), Vec::new()));
                sources += 1;
                let inputs = vec![from, nodes.len() - 1];
                nodes.push((merge(Turns::Ratio(vec![workers as u64, capacity as u64]), capacity), inputs));
            }
        }
        tips[tip] = nodes.len() - 1;
    }
    for tip in tips {
        nodes.push((node("discard", Discard { stalled: false }).workers(2), vec![tip]));
    }
    let (named, inputs): (Vec<_>, Vec<_>) = nodes
        .into_iter()
        .enumerate()
        .map(|(index, (mut node, inputs))| {
            node.id = format!("{}{index}", node.id);
            (node, inputs)
        })
        .unzip();
    Graph::new("random", named, inputs).unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    /// No tree of stages gets stuck, whatever fails and whenever it is stopped; what a stage emits is what each of its
    /// consumers takes, and what it takes it emits or has left out by name.
    #[test]
    fn random_trees_deliver_everything(
        items in 0u64..60,
        stop_after in prop::option::of(0u64..3000),
        parts in prop::collection::vec((0u8..6, 1usize..4, 1usize..3, 0u64..80, 0usize..8), 0..9),
    ) {
        let stop = Shutdown::new();
        let settings = Settings { notify: crate::to_nobody(), ..Settings::default() };
        let run = Run::build_with(&build(&parts, items), &Arc::default(), stop.clone(), settings).unwrap();
        let stopper = stop_after.map(|micros| std::thread::spawn(move || {
            std::thread::sleep(Duration::from_micros(micros));
            stop.stop(StopReason::Signal(15));
        }));
        let outcome = run.join();
        stopper.into_iter().for_each(|thread| thread.join().unwrap());
        prop_assert_eq!(outcome.result, Ok(()));
        let emitted = |id: &str| outcome.stages.iter().find(|stage| stage.id == id).map(|stage| stage.emitted);
        for stage in &outcome.stages {
            let given: u64 = stage.inputs.iter().filter_map(|input| emitted(input)).sum();
            prop_assert!(stage.inputs.is_empty() || stage.taken == given, "{:?}", stage);
            prop_assert!(!stage.inputs.is_empty() || stage.taken == items || outcome.stopped.is_some());
            prop_assert!(stage.kind == "discard" || stage.emitted + stage.skipped == stage.taken, "{:?}", stage);
        }
    }
}
