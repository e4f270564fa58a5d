//! The blueprints and workers of the simulated kinds.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::thread;
use std::time::Duration;

use super::Sim;
use crate::failure::{Failure, FailureKind, Result};
use crate::{Emitter, Payload, Source, Stage, StageConfig, pack, unpack};

/// Emits `first..first + items`.
#[derive(Default)]
pub struct Count {
    /// How many numbers.
    pub items: u64,
    /// The first.
    pub first: u64,
}

/// Waits for each number: `mean`, or anything from 0 to twice that, which depends on the number alone.
pub struct Sleep {
    /// The mean time.
    pub mean: Duration,
    /// Whether it varies.
    pub jitter: bool,
}

/// Drops the numbers that `every` divides.
pub struct DropEvery {
    /// At least 1.
    pub every: u64,
}

/// Holds number `at` until the valve opens; the others pass.
pub struct Hold {
    /// The number.
    pub at: u64,
}

/// Breaks at number `at`.
pub struct Fault {
    at: u64,
    /// The failure; a panic without one.
    failure: Option<Failure>,
}

/// Breaks now and then.
pub struct Flaky {
    /// Breaks once at the numbers that this divides; 0: at none.
    pub once: u64,
    /// Breaks always at the numbers that this divides; 0: at none.
    pub always: u64,
    /// Whether it panics rather than return an error.
    pub panics: bool,
}

/// Passes numbers on in order.
pub struct Order;

/// Groups numbers; the last group may be smaller.
pub struct Batch {
    /// Numbers in a group, at least 1.
    pub size: usize,
}

/// Waits for each group.
pub struct Work {
    /// How long.
    pub time: Duration,
}

/// Takes groups apart.
pub struct Ungroup;

/// Notes each number in the journal.
pub struct Collect {
    /// Whether it waits for the valve first.
    pub stalled: bool,
}

/// Takes numbers with any number of workers.
pub struct Discard {
    /// Whether it waits for the valve first.
    pub stalled: bool,
}

impl Fault {
    /// Fails as a stage does.
    pub fn fail(at: u64) -> Self {
        Self::with(at, FailureKind::Stage)
    }

    /// Fails with a failure of `kind`.
    pub fn with(at: u64, kind: FailureKind) -> Self {
        Self { at, failure: Some(Failure::new(kind, format!("set to fail at {at}"))) }
    }

    /// Panics.
    pub fn panic(at: u64) -> Self {
        Self { at, failure: None }
    }
}

/// A worker that is one function of a number.
struct Each<F>(F);

impl<F: FnMut(u64, &mut Emitter) -> Result<()> + Send> Stage for Each<F> {
    fn process(&mut self, payload: Payload, out: &mut Emitter) -> Result<()> {
        (self.0)(unpack(payload)?, out)
    }
}

fn each(body: impl FnMut(u64, &mut Emitter) -> Result<()> + Send + 'static) -> Result<Box<dyn Stage>> {
    Ok(Box::new(Each(body)))
}

impl StageConfig<Sim> for Count {
    fn source(&self, _: &Sim) -> Result<Box<dyn Source>> {
        Ok(Box::new(Counter(self.first..self.first.saturating_add(self.items))))
    }
}

struct Counter(std::ops::Range<u64>);

impl Source for Counter {
    fn next(&mut self) -> Result<Option<Payload>> {
        Ok(self.0.next().map(pack))
    }
}

impl StageConfig<Sim> for Sleep {
    fn worker(&self, _: &Sim, _: usize) -> Result<Box<dyn Stage>> {
        let (mean, jitter) = (self.mean, self.jitter);
        each(move |number, out| {
            let factor = if jitter { 2.0 * fraction(number) } else { 1.0 };
            thread::sleep(mean.mul_f64(factor));
            out.emit(pack(number));
            Ok(())
        })
    }
}

/// A number from 0 to 1 that looks random.
fn fraction(number: u64) -> f64 {
    let mut hasher = DefaultHasher::new();
    number.hash(&mut hasher);
    (hasher.finish() >> 11) as f64 / (1u64 << 53) as f64
}

impl StageConfig<Sim> for DropEvery {
    fn worker(&self, _: &Sim, _: usize) -> Result<Box<dyn Stage>> {
        let every = self.every.max(1);
        each(move |number, out| {
            if !number.is_multiple_of(every) {
                out.emit(pack(number));
            }
            Ok(())
        })
    }
}

impl StageConfig<Sim> for Hold {
    fn worker(&self, sim: &Sim, _: usize) -> Result<Box<dyn Stage>> {
        let (at, valve) = (self.at, sim.valve.clone());
        each(move |number, out| {
            if number == at {
                valve.pass(out);
            }
            out.emit(pack(number));
            Ok(())
        })
    }
}

impl StageConfig<Sim> for Fault {
    fn worker(&self, _: &Sim, _: usize) -> Result<Box<dyn Stage>> {
        let (at, failure) = (self.at, self.failure.clone());
        each(move |number, out| match &failure {
            Some(failure) if number == at => Err(failure.clone()),
            None if number == at => panic!("set to panic at {at}"),
            _ => {
                out.emit(pack(number));
                Ok(())
            }
        })
    }
}

impl StageConfig<Sim> for Flaky {
    fn worker(&self, sim: &Sim, _: usize) -> Result<Box<dyn Stage>> {
        let (once, always, panics, sim) = (self.once, self.always, self.panics, sim.clone());
        let divides = |divisor: u64, number: u64| divisor > 0 && number.is_multiple_of(divisor);
        each(move |number, out| {
            if divides(always, number) || divides(once, number) && sim.fails_first(number) {
                if panics {
                    panic!("set to panic at {number}");
                }
                return Err(Failure::stage(format!("set to fail at {number}")));
            }
            out.emit(pack(number));
            Ok(())
        })
    }
}

impl StageConfig<Sim> for Order {
    fn worker(&self, _: &Sim, _: usize) -> Result<Box<dyn Stage>> {
        each(|number, out| {
            out.emit(pack(number));
            Ok(())
        })
    }
}

impl StageConfig<Sim> for Batch {
    fn worker(&self, _: &Sim, _: usize) -> Result<Box<dyn Stage>> {
        Ok(Box::new(Batcher { size: self.size.max(1), group: Vec::new() }))
    }
}

struct Batcher {
    size: usize,
    group: Vec<u64>,
}

impl Stage for Batcher {
    fn process(&mut self, payload: Payload, out: &mut Emitter) -> Result<()> {
        self.group.push(unpack(payload)?);
        if self.group.len() == self.size {
            out.emit(pack(std::mem::take(&mut self.group)));
        }
        Ok(())
    }

    fn finish(&mut self, out: &mut Emitter) -> Result<()> {
        if !self.group.is_empty() {
            out.emit(pack(std::mem::take(&mut self.group)));
        }
        Ok(())
    }
}

impl StageConfig<Sim> for Work {
    fn worker(&self, _: &Sim, _: usize) -> Result<Box<dyn Stage>> {
        Ok(Box::new(Worker(self.time)))
    }
}

struct Worker(Duration);

impl Stage for Worker {
    fn process(&mut self, payload: Payload, out: &mut Emitter) -> Result<()> {
        thread::sleep(self.0);
        out.emit(payload);
        Ok(())
    }
}

impl StageConfig<Sim> for Ungroup {
    fn worker(&self, _: &Sim, _: usize) -> Result<Box<dyn Stage>> {
        Ok(Box::new(Splitter))
    }
}

struct Splitter;

impl Stage for Splitter {
    fn process(&mut self, payload: Payload, out: &mut Emitter) -> Result<()> {
        unpack::<Vec<u64>>(payload)?.into_iter().for_each(|number| out.emit(pack(number)));
        Ok(())
    }
}

impl StageConfig<Sim> for Collect {
    fn worker(&self, sim: &Sim, _: usize) -> Result<Box<dyn Stage>> {
        let (stalled, sim) = (self.stalled, sim.clone());
        each(move |number, out| {
            if stalled {
                sim.valve.pass(out);
            }
            sim.note(number);
            Ok(())
        })
    }
}

impl StageConfig<Sim> for Discard {
    fn worker(&self, sim: &Sim, _: usize) -> Result<Box<dyn Stage>> {
        let (stalled, valve) = (self.stalled, sim.valve.clone());
        each(move |_, out| {
            if stalled {
                valve.pass(out);
            }
            Ok(())
        })
    }
}
