//! A stop at any moment loses nothing and doubles nothing.

use std::sync::Arc;
use std::thread;
use std::time::Duration;

use super::{Running, chain, node};
use crate::sim::{Batch, Collect, Count, Sim, Sleep, Ungroup};
use crate::{Emitter, Graph, Payload, Shutdown, Stage, StageConfig, StopReason, pack, unpack};

fn endless() -> Graph<Sim> {
    chain(vec![
        node("count", Count { items: u64::MAX, ..Count::default() }).capacity(2),
        node("sleep", Sleep { mean: Duration::from_micros(30), jitter: true }).workers(4).capacity(3),
        node("batch", Batch { size: 3 }).capacity(1),
        node("split", Ungroup).capacity(2),
        node("collect", Collect { stalled: false }),
    ])
}

#[test]
fn what_was_taken_arrives_when_stopped_at_any_moment() {
    for moment in 0..24u64 {
        let sim = Sim::default();
        let running = Running::start(&endless(), &sim);
        thread::sleep(Duration::from_micros(moment * moment * 17));
        running.stop.stop(StopReason::Signal(15));
        let outcome = running.join();
        assert_eq!(outcome.result, Ok(()));
        assert_eq!(outcome.stopped, Some(StopReason::Signal(15)));
        assert_eq!(sim.journal(), (0..outcome.stages[0].taken).collect::<Vec<_>>());
    }
}

#[test]
fn a_run_stopped_before_it_starts_takes_nothing() {
    let (sim, stop) = (Sim::default(), Shutdown::new());
    stop.stop(StopReason::Reached("nothing to do".into()));
    let outcome = crate::run(&endless(), &Arc::new(sim), stop);
    assert_eq!((outcome.result, outcome.stages[0].taken), (Ok(()), 0));
}

#[test]
fn a_stop_while_the_sink_is_stalled_drains_when_it_goes_on() {
    let sim = Sim::default();
    let graph = chain(vec![
        node("count", Count { items: u64::MAX, ..Count::default() }).capacity(2),
        node("collect", Collect { stalled: true }),
    ]);
    let running = Running::start(&graph, &sim);
    running.stays_at(4);
    running.stop.stop(StopReason::Signal(2));
    sim.valve.open();
    assert_eq!(running.join().result, Ok(()));
    assert_eq!(sim.journal(), [0, 1, 2, 3]);
}

/// Asks for a stop at number `at`, and discards what comes after, as a trainer does at its last step.
struct Until(u64);

impl StageConfig<Sim> for Until {
    fn worker(&self, _: &Sim, _: usize) -> crate::failure::Result<Box<dyn Stage>> {
        Ok(Box::new(Self(self.0)))
    }
}

impl Stage for Until {
    fn process(&mut self, payload: Payload, out: &mut Emitter) -> crate::failure::Result<()> {
        if !out.stopping() {
            let number: u64 = unpack(payload)?;
            out.emit(pack(number));
            if number == self.0 {
                out.request_stop("the last step");
            }
        }
        Ok(())
    }
}

#[test]
fn a_stage_stops_the_run_and_discards_the_rest() {
    let sim = Sim::default();
    let graph = chain(vec![
        node("count", Count { items: u64::MAX, ..Count::default() }).capacity(4),
        node("order", Until(41)),
        node("collect", Collect { stalled: false }),
    ]);
    let outcome = Running::start(&graph, &sim).join();
    assert_eq!(outcome.stopped, Some(StopReason::Reached("the last step".into())));
    assert_eq!(outcome.stopped.map(|reason| reason.exit_code()), Some(0));
    assert_eq!(sim.journal(), (0..=41).collect::<Vec<_>>());
}
