//! Workers that fail are replaced, what fails twice is left out by name, and every item is accounted for.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use proptest::prelude::*;

use super::{chain, node};
use crate::failure::{Failure, FailureKind};
use crate::sim::{Collect, Count, Fault, Flaky, Sim, Sleep};
use crate::{Graph, Node, Run, RunOutcome, Settings, Shutdown, StopReason};

fn flaky(once: u64, always: u64, panics: bool) -> Node<Sim> {
    node("flaky", Flaky { once, always, panics })
}

fn around(middle: Node<Sim>, items: u64) -> Graph<Sim> {
    chain(vec![
        node("count", Count { items, first: 1 }).capacity(2),
        middle.capacity(2),
        node("collect", Collect { stalled: false }),
    ])
}

/// Runs, and gives what was said meanwhile.
fn run(graph: &Graph<Sim>, sim: &Sim) -> (RunOutcome, Vec<String>) {
    let said = Arc::new(Mutex::new(Vec::new()));
    let ears = Arc::clone(&said);
    let notify: crate::Notify = Arc::new(move |notice| ears.lock().unwrap().push(notice.text().to_string()));
    let settings = Settings { notify, ..Settings::default() };
    let run = Run::build_with(graph, &Arc::new(sim.clone()), Shutdown::new(), settings).unwrap();
    let outcome = run.join();
    let said = said.lock().unwrap().clone();
    (outcome, said)
}

#[test]
fn an_item_that_fails_once_goes_through_at_the_second_attempt() {
    for panics in [false, true] {
        let sim = Sim::default();
        let (outcome, said) = run(&around(flaky(10, 0, panics).workers(3).max_failures(100), 50), &sim);
        assert_eq!(outcome.result, Ok(()));
        assert_eq!(sim.journal(), (1..=50).collect::<Vec<_>>());
        let stage = &outcome.stages[1];
        assert_eq!((stage.failures, stage.restarts, stage.skipped, stage.taken), (5, 5, 0, 50));
        assert_eq!(said.len(), 5);
        assert!(said.iter().any(|text| text.starts_with("number 20 went through at the second attempt")), "{said:?}");
    }
}

#[test]
fn an_item_that_fails_twice_is_left_out_by_name() {
    let sim = Sim::default();
    let (outcome, said) = run(&around(flaky(0, 20, true).workers(2).max_failures(4), 59), &sim);
    assert_eq!(outcome.result, Ok(()));
    assert_eq!(sim.journal(), (1..60).filter(|n| n % 20 != 0).collect::<Vec<_>>());
    let stage = &outcome.stages[1];
    assert_eq!((stage.failures, stage.restarts, stage.skipped), (4, 4, 2));
    let mut names: Vec<&str> = stage.skipped_items.iter().map(|left| left.identity.as_str()).collect();
    names.sort_unstable();
    assert_eq!(names, ["number 20", "number 40"]);
    assert!(said.iter().any(|text| text.starts_with("number 20 is skipped: stage `flaky1` (kind flaky) panicked")));
}

#[test]
fn a_used_up_budget_ends_the_run() {
    let (outcome, _) = run(&around(flaky(0, 5, false).max_failures(5), 1000), &Sim::default());
    let failure = outcome.result.unwrap_err();
    assert_eq!(failure.message, "stage `flaky1`: set to fail at 15; 5 failures were allowed (max_failures)");
    assert_eq!(failure.kind, FailureKind::Stage);
}

#[test]
fn failures_that_are_not_about_one_item_end_the_run_at_once() {
    let middle = node("fault", Fault::with(7, FailureKind::Output)).max_failures(100);
    let (outcome, _) = run(&around(middle, 100), &Sim::default());
    assert_eq!(outcome.result, Err(Failure::output("stage `fault1`: set to fail at 7")));
}

#[test]
fn ordered_stages_are_never_replaced() {
    let graph = chain(vec![
        node("count", Count { items: 9, first: 0 }),
        node("order", Fault::fail(4)).max_failures(100),
        node("collect", Collect { stalled: false }),
    ]);
    let (outcome, _) = run(&graph, &Sim::default());
    assert_eq!(outcome.result, Err(Failure::stage("stage `order1`: set to fail at 4")));
}

/// The number that a stage which breaks at the multiples of `always` lets through.
fn passes(number: u64, always: u64) -> bool {
    always == 0 || !number.is_multiple_of(always)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 32, failure_persistence: None, ..ProptestConfig::default() })]

    /// With random delays, failures and a stop at a random moment, every item that was taken arrives once, in order, or
    /// is among those that were left out.
    #[test]
    fn every_item_is_delivered_once_or_accounted_for(
        items in 1u64..150,
        workers in 1usize..5,
        once in 0u64..20,
        always in prop::sample::select(vec![0u64, 17, 29]),
        panics in any::<bool>(),
        micros in 0u64..60,
        stop_after in prop::option::of(0u64..4000),
    ) {
        let sim = Sim::default();
        let mean = Duration::from_micros(micros);
        let graph = chain(vec![
            node("count", Count { items, first: 1 }).capacity(2),
            node("sleep", Sleep { mean, jitter: true }).workers(workers).capacity(1),
            flaky(if once < 12 { 0 } else { once }, always, panics).workers(workers).capacity(2).max_failures(1000),
            node("sleep", Sleep { mean, jitter: true }).workers(2).capacity(2),
            node("collect", Collect { stalled: false }),
        ]);
        let stop = Shutdown::new();
        let settings = Settings { notify: crate::to_nobody(), ..Settings::default() };
        let run = Run::build_with(&graph, &Arc::new(sim.clone()), stop.clone(), settings).unwrap();
        let stopper = stop_after.map(|micros| std::thread::spawn(move || {
            std::thread::sleep(Duration::from_micros(micros));
            stop.stop(StopReason::Signal(15));
        }));
        let outcome = run.join();
        stopper.into_iter().for_each(|thread| thread.join().unwrap());
        prop_assert_eq!(outcome.result, Ok(()));
        let taken = outcome.stages[0].taken;
        prop_assert_eq!(sim.journal(), (1..=taken).filter(|n| passes(*n, always)).collect::<Vec<_>>());
        let skipped = (1..=taken).filter(|n| !passes(*n, always)).count() as u64;
        prop_assert_eq!(outcome.stages[2].skipped, skipped);
    }
}
