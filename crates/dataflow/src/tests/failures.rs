//! A stage that breaks ends the run: named, once, with its kind, and without anyone left behind.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use super::{Running, chain, node, run};
use crate::failure::{Failure, FailureKind, Result};
use crate::sim::{Collect, Count, Fault, Sim, Sleep, Valve};
use crate::{Emitter, Graph, Node, Payload, Source, Stage, StageConfig, pack};

fn around(node_in_the_middle: Node<Sim>) -> Graph<Sim> {
    chain(vec![
        node("count", Count { items: 10_000, ..Count::default() }).capacity(2),
        node("sleep", Sleep { mean: Duration::ZERO, jitter: false }).workers(3).capacity(2),
        node_in_the_middle.capacity(2),
        node("collect", Collect { stalled: false }),
    ])
}

#[test]
fn an_error_keeps_its_kind_and_gets_the_name() {
    for kind in [FailureKind::Input, FailureKind::Unavailable, FailureKind::Output, FailureKind::Stage] {
        let outcome = run(&around(node("fault", Fault::with(40, kind)).workers(2)), &Sim::default());
        assert_eq!(outcome.result, Err(Failure::new(kind, "stage `fault2`: set to fail at 40")));
        assert_eq!(outcome.stages.iter().map(|stage| stage.failures).sum::<u64>(), 1);
    }
}

#[test]
fn a_panic_is_a_stage_failure_with_name_kind_and_message() {
    let failure = run(&around(node("fault", Fault::panic(9))), &Sim::default()).result.unwrap_err();
    assert_eq!((failure.kind, failure.kind.exit_code()), (FailureKind::Panic, 70));
    let (message, place) = failure.message.split_once(" (at ").unwrap();
    assert_eq!(message, "stage `fault2` (kind fault) panicked: set to panic at 9");
    assert!(place.starts_with("crates/dataflow/src/sim/stages.rs:"), "{place}");
}

/// Fails at its first item, when the valve opens.
struct FailsWhenOpened(Valve);

impl StageConfig<Sim> for FailsWhenOpened {
    fn worker(&self, sim: &Sim, _: usize) -> Result<Box<dyn Stage>> {
        Ok(Box::new(Self(sim.valve.clone())))
    }
}

impl Stage for FailsWhenOpened {
    fn process(&mut self, _: Payload, out: &mut Emitter) -> Result<()> {
        self.0.pass(out);
        Err(Failure::stage("opened"))
    }
}

#[test]
fn everyone_who_is_blocked_wakes() {
    let sim = Sim::default();
    let graph = chain(vec![
        node("count", Count { items: 10_000, ..Count::default() }).capacity(1),
        node("sleep", Sleep { mean: Duration::ZERO, jitter: false }).workers(4).capacity(1),
        node("order", FailsWhenOpened(Valve::default())),
        node("collect", Collect { stalled: false }),
    ]);
    let running = Running::start(&graph, &sim);
    // Upstream all wait to send, the sink waits to receive.
    running.stays_at(1 + 1 + 4 + 2);
    sim.valve.open();
    let outcome = running.join();
    assert_eq!(outcome.result, Err(Failure::stage("stage `order2`: opened")));
    assert_eq!((outcome.stages[0].taken, outcome.stages[3].taken), (8, 0));
}

/// Breaks in the way that it is told, and says whether `finish` was called.
#[derive(Clone)]
struct Odd {
    what: &'static str,
    finished: Arc<AtomicBool>,
    panics_in_drop: bool,
}

impl StageConfig<Sim> for Odd {
    fn source(&self, _: &Sim) -> Result<Box<dyn Source>> {
        Ok(Box::new(self.clone()))
    }

    fn worker(&self, _: &Sim, index: usize) -> Result<Box<dyn Stage>> {
        match self.what {
            "unbuildable" if index == 1 => Err(Failure::unavailable("no such device")),
            "panics when built" => panic!("no"),
            what => {
                let mut worker = self.clone();
                worker.panics_in_drop = what == "drop panics" && index == 0;
                Ok(Box::new(worker))
            }
        }
    }
}

impl Source for Odd {
    fn next(&mut self) -> Result<Option<Payload>> {
        match self.what {
            "source panics" => panic!("out of numbers"),
            _ => Err(Failure::input("no such file")),
        }
    }
}

impl Stage for Odd {
    fn process(&mut self, payload: Payload, out: &mut Emitter) -> Result<()> {
        match self.what {
            "wrong type" => out.emit(pack("text")),
            "twice" => {
                out.emit(payload);
                out.emit(pack(1u64));
            }
            _ => out.emit(payload),
        }
        Ok(())
    }

    fn finish(&mut self, out: &mut Emitter) -> Result<()> {
        self.finished.store(true, Ordering::Relaxed);
        match self.what {
            "late" => out.emit(pack(0u64)),
            "finish fails" => return Err(Failure::output("disk full")),
            _ => {}
        }
        Ok(())
    }
}

impl Drop for Odd {
    fn drop(&mut self) {
        assert!(!self.panics_in_drop, "cannot let go");
    }
}

fn odd(what: &'static str) -> Odd {
    Odd { what, finished: Arc::default(), panics_in_drop: false }
}

#[test]
fn broken_contracts_and_breaks_outside_process() {
    let message = |graph: &Graph<Sim>| run(graph, &Sim::default()).result.unwrap_err();
    let middle = |what| message(&around(node("sleep", odd(what)).workers(2)));
    let rule = "its kind is declared wrongly";
    assert_eq!(
        middle("twice").message,
        format!("stage `sleep2` (kind sleep): a stage that is not ordered emitted two items; {rule}")
    );
    assert_eq!(
        middle("late").message,
        format!("stage `sleep2` (kind sleep): a stage that is not ordered emitted an item in `finish`; {rule}")
    );
    assert_eq!(middle("wrong type").message, "stage `collect3`: expected a u64, received another type");
    assert_eq!(middle("finish fails"), Failure::output("stage `sleep2`: disk full"));
    assert_eq!(middle("unbuildable"), Failure::unavailable("stage `sleep2`: no such device"));
    assert!(middle("panics when built").message.starts_with("stage `sleep2` (kind sleep) panicked: no (at "));
    assert!(middle("drop panics").message.starts_with("stage `sleep2` (kind sleep) panicked: cannot let go (at "));

    let sink = chain(vec![node("count", Count { items: 9, ..Count::default() }), node("collect", odd("passes on"))]);
    assert_eq!(message(&sink).message, format!("stage `collect1` (kind collect): a sink emitted an item; {rule}"));
}

/// A closed channel after a failure is not the natural end: nobody may write a last checkpoint then.
#[test]
fn nobody_finishes_after_a_failure_upstream() {
    for (what, expected) in [
        ("source fails", "stage `count0`: no such file"),
        ("source panics", "stage `count0` (kind count) panicked: out of numbers"),
    ] {
        for _ in 0..20 {
            let watcher = odd("passes on");
            let finished = Arc::clone(&watcher.finished);
            let graph = chain(vec![
                node("count", odd(what)),
                node("order", watcher),
                node("collect", Collect { stalled: false }),
            ]);
            let failure = run(&graph, &Sim::default()).result.unwrap_err();
            assert!(failure.message.starts_with(expected), "{failure}");
            assert!(!finished.load(Ordering::Relaxed));
        }
    }
}
