//! However a run ends, a stage that keeps state gives it to those behind it, and nobody waits for a thread that hangs.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use super::{chain, node};
use crate::failure::{Failure, FailureKind, Result};
use crate::sim::{Collect, Count, Sim};
use crate::{
    Emitter, Graph, Node, Payload, Run, Settings, Shutdown, Stage, StageConfig, StopReason, pack, to_nobody, unpack,
};

/// What its worker does at number 5.
#[derive(Clone, Copy, PartialEq)]
enum Trick {
    Hang,
    Fail,
    HangAndElsewhereFail,
    None,
}

/// Passes numbers on, up to a trick.
struct Tricky(Trick, Arc<AtomicBool>);

impl StageConfig<Sim> for Tricky {
    fn worker(&self, _: &Sim, _: usize) -> Result<Box<dyn Stage>> {
        Ok(Box::new(Self(self.0, Arc::clone(&self.1))))
    }
}

impl Stage for Tricky {
    fn process(&mut self, payload: Payload, out: &mut Emitter) -> Result<()> {
        let number: u64 = unpack(payload)?;
        match (self.0, number) {
            (Trick::Hang, 5) | (Trick::HangAndElsewhereFail, 6) => {
                self.1.store(true, Ordering::Release);
                // As a read of a dead mount does, which hears of nothing.
                std::thread::sleep(Duration::from_secs(3600));
            }
            (Trick::Fail, 5) => return Err(Failure::input("set to fail")),
            (Trick::HangAndElsewhereFail, 5) => {
                while !self.1.load(Ordering::Acquire) {
                    std::thread::sleep(Duration::from_millis(1));
                }
                return Err(Failure::input("set to fail"));
            }
            _ => out.emit(pack(number)),
        }
        Ok(())
    }
}

/// Adds up, and says the sum at its end; fails at a number.
struct Sum {
    fails_at: u64,
    sum: u64,
    after: Arc<AtomicBool>,
}

impl StageConfig<Sim> for Sum {
    fn worker(&self, _: &Sim, _: usize) -> Result<Box<dyn Stage>> {
        Ok(Box::new(Self { after: Arc::clone(&self.after), ..*self }))
    }

    fn keeps_state(&self) -> bool {
        true
    }
}

impl Stage for Sum {
    fn process(&mut self, payload: Payload, _: &mut Emitter) -> Result<()> {
        let number: u64 = unpack(payload)?;
        assert!(number != self.fails_at, "set to panic");
        self.sum += number;
        self.after.store(number == 4, Ordering::Release);
        Ok(())
    }

    fn finish(&mut self, out: &mut Emitter) -> Result<()> {
        out.emit(pack(self.sum));
        Ok(())
    }

    fn salvage(&mut self, out: &mut Emitter) -> Result<()> {
        self.finish(out)
    }
}

fn run(trick: Trick, fails_at: u64) -> (Result<()>, Vec<u64>) {
    let (sim, stop) = (Sim::default(), Shutdown::new());
    let (hangs, after) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicBool::new(false)));
    let sum = Sum { fails_at, sum: 0, after: Arc::clone(&after) };
    let graph: Graph<Sim> = chain(vec![
        node("count", Count { items: 100, ..Count::default() }),
        Node::workers(node("sleep", Tricky(trick, Arc::clone(&hangs))), 2),
        node("merge", sum),
        node("collect", Collect { stalled: false }),
    ]);
    let settings = Settings { notify: to_nobody(), grace: Some(Duration::from_millis(100)), ..Settings::default() };
    let run = Run::build_with(&graph, &Arc::new(sim.clone()), stop.clone(), settings).unwrap();
    let run = std::thread::spawn(move || run.join());
    if trick == Trick::Hang {
        while !hangs.load(Ordering::Acquire) || !after.load(Ordering::Acquire) {
            std::thread::sleep(Duration::from_millis(1));
        }
        stop.stop(StopReason::Signal(15));
    }
    let outcome = run.join().unwrap();
    (outcome.result, sim.journal())
}

#[test]
fn a_stop_does_not_wait_for_a_thread_that_hangs() {
    assert_eq!(run(Trick::Hang, 100), (Ok(()), vec![10]));
}

#[test]
fn a_failure_before_it_ends_the_run_after_saving() {
    for trick in [Trick::Fail, Trick::HangAndElsewhereFail] {
        let (result, journal) = run(trick, 100);
        assert_eq!(result.unwrap_err().kind, FailureKind::Input);
        assert_eq!(journal.len(), 1);
        assert!(journal[0] <= 10, "nothing after the failure counts: {journal:?}");
    }
}

#[test]
fn a_failure_of_its_own_saves_what_was_sound() {
    let (result, journal) = run(Trick::None, 7);
    let message = result.unwrap_err().message;
    assert!(message.contains("`merge2` (kind merge) panicked: set to panic"), "{message}");
    assert_eq!(journal, [21]);
}
