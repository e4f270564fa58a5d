//! Simulated stages: they pass numbers on, wait, drop, regroup and break, so that the engine can be tested, and a
//! pipeline's shape tried, without any data.

mod stages;

use std::collections::HashSet;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

pub use stages::{Batch, Collect, Count, Discard, DropEvery, Fault, Flaky, Hold, Order, Sleep, Ungroup, Work};

use crate::channel::emitter::Emitter;
use crate::channel::merge;
use crate::settings::Section;
use crate::stage::count;
use crate::stage::item_ops::StreamItem;
use crate::stage::kind::{Kind, StageContext};
use crate::stage::port::Port;

/// What a simulated run shares: a valve for stages that stall, and what the sink has seen.
#[derive(Clone, Debug, Default)]
pub struct Sim {
    /// Opens the way for stages that wait.
    pub valve: Valve,
    journal: Arc<Mutex<Vec<u64>>>,
    /// Numbers at which a `flaky` has failed once.
    failed: Arc<Mutex<HashSet<u64>>>,
}

impl Sim {
    /// The numbers that have reached a `collect`, in their order of arrival.
    pub fn journal(&self) -> Vec<u64> {
        lock(&self.journal).clone()
    }

    /// Whether `number` fails for the first time.
    fn fails_first(&self, number: u64) -> bool {
        lock(&self.failed).insert(number)
    }

    fn note(&self, number: u64) {
        lock(&self.journal).push(number);
    }
}

impl StageContext for Sim {
    type Facts = ();
}

impl StreamItem for u64 {
    fn rank(&self) -> Option<(u64, u64)> {
        Some((0, *self))
    }

    fn identity(&self) -> Option<String> {
        Some(format!("number {self}"))
    }
}

/// Closed at first; once open it stays open. Clones are one valve.
#[derive(Clone, Debug, Default)]
pub struct Valve(Arc<(Mutex<bool>, Condvar)>);

impl Valve {
    /// Lets everyone pass from now on.
    pub fn open(&self) {
        *lock(&self.0.0) = true;
        self.0.1.notify_all();
    }

    /// Waits until the valve is open or the run is cancelled.
    pub fn pass(&self, out: &Emitter) {
        let mut open = lock(&self.0.0);
        while !*open && !out.cancelled() {
            let waited = self.0.1.wait_timeout(open, Duration::from_millis(10));
            open = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

const NUMBERS: Port = Port::ranked::<u64>("numbers");
const GROUPS: Port = Port::of::<Vec<u64>>("groups of numbers");

/// A stage from numbers to numbers with any number of workers.
const PASS: Kind<Sim> = Kind {
    name: "",
    description: "",
    input: Some(NUMBERS),
    output: Some(NUMBERS),
    ordered: false,
    workers: 1,
    max_workers: 64,
    capacity: 4,
    parse: |_| Box::new(Order),
};

/// All simulated kinds.
pub static KINDS: &[Kind<Sim>] = &[
    Kind {
        name: "count",
        description: "emits 0, 1, 2, …",
        input: None,
        parse: |options| Box::new(Count::parse(options)),
        ..PASS
    },
    Kind {
        name: "sleep",
        description: "waits before it passes a number on",
        parse: |options| Box::new(Sleep::parse(options)),
        ..PASS
    },
    Kind {
        name: "drop",
        description: "drops every n-th number",
        parse: |options| Box::new(DropEvery::parse(options)),
        ..PASS
    },
    Kind {
        name: "hold",
        description: "holds one number until the valve opens",
        parse: |options| Box::new(Hold::parse(options)),
        ..PASS
    },
    Kind {
        name: "fault",
        description: "fails or panics at one number",
        parse: |options| Box::new(Fault::parse(options)),
        ..PASS
    },
    Kind {
        name: "flaky",
        description: "fails or panics now and then, at some numbers always",
        parse: |options| Box::new(Flaky::parse(options)),
        ..PASS
    },
    Kind {
        name: "order",
        description: "passes numbers on in order",
        ordered: true,
        parse: |_| Box::new(Order),
        ..PASS
    },
    merge::kind(),
    Kind {
        name: "batch",
        description: "groups numbers",
        output: Some(GROUPS),
        ordered: true,
        parse: |options| Box::new(Batch::parse(options)),
        ..PASS
    },
    Kind {
        name: "work",
        description: "waits for each group, in order, before it passes it on",
        input: Some(GROUPS),
        output: Some(GROUPS),
        ordered: true,
        parse: |options| Box::new(Work::parse(options)),
        ..PASS
    },
    Kind {
        name: "split",
        description: "ungroups numbers",
        input: Some(GROUPS),
        ordered: true,
        parse: |_| Box::new(Ungroup),
        ..PASS
    },
    Kind {
        name: "collect",
        description: "writes numbers down in order",
        output: None,
        ordered: true,
        parse: |options| Box::new(Collect::parse(options)),
        ..PASS
    },
    Kind {
        name: "discard",
        description: "takes numbers as they come",
        output: None,
        parse: |options| Box::new(Discard::parse(options)),
        ..PASS
    },
    Kind { name: "drain", description: "takes items of any type as they come", ..count::kind() },
];

fn at_least_one(value: &u64) -> Option<String> {
    (*value == 0).then(|| "must be at least 1".into())
}

impl Count {
    fn parse(options: &mut Section<'_>) -> Self {
        Self {
            items: options.describe("how many numbers").value("items", 1000),
            first: options.describe("the first of them").value("first", 0),
        }
    }
}

impl Sleep {
    fn parse(options: &mut Section<'_>) -> Self {
        let range = |value: &f64| (!(0.0..=3_600_000.0).contains(value)).then(|| "must be from 0 to 3600000".into());
        let mean = options.describe("milliseconds for each number").checked("ms", 1.0, range).clamp(0.0, 3_600_000.0);
        Self {
            mean: Duration::from_secs_f64(mean / 1000.0),
            jitter: options
                .describe("anything from 0 to twice that instead, which depends on the number alone")
                .value("jitter", false),
        }
    }
}

impl Work {
    fn parse(options: &mut Section<'_>) -> Self {
        let range = |value: &f64| (!(0.0..=3_600_000.0).contains(value)).then(|| "must be from 0 to 3600000".into());
        let mean = options.describe("milliseconds for each group").checked("ms", 1.0, range).clamp(0.0, 3_600_000.0);
        Self { time: Duration::from_secs_f64(mean / 1000.0) }
    }
}

impl DropEvery {
    fn parse(options: &mut Section<'_>) -> Self {
        Self { every: options.describe("drops the numbers that this divides").checked("every", 2, at_least_one) }
    }
}

impl Hold {
    fn parse(options: &mut Section<'_>) -> Self {
        Self { at: options.describe("the number that is held").value("at", 0) }
    }
}

impl Fault {
    fn parse(options: &mut Section<'_>) -> Self {
        let at = options.describe("the number at which it breaks").value("at", 0);
        match options.describe("whether it returns an error or panics").choice("how", "fail", &["fail", "panic"]) {
            "panic" => Self::panic(at),
            _ => Self::fail(at),
        }
    }
}

impl Flaky {
    fn parse(options: &mut Section<'_>) -> Self {
        Self {
            once: options.describe("fails once at the numbers that this divides; 0: at none").value("once", 0),
            always: options.describe("fails always at the numbers that this divides; 0: at none").value("always", 0),
            panics: options.describe("whether it panics rather than return an error").value("panics", false),
        }
    }
}

impl Batch {
    fn parse(options: &mut Section<'_>) -> Self {
        let size = options.describe("numbers in a group").checked("size", 2, at_least_one);
        Self { size: usize::try_from(size).unwrap_or(usize::MAX) }
    }
}

impl Collect {
    fn parse(options: &mut Section<'_>) -> Self {
        Self { stalled: options.describe("whether it waits for the valve first").value("stalled", false) }
    }
}

impl Discard {
    fn parse(options: &mut Section<'_>) -> Self {
        Self { stalled: options.describe("whether it waits for the valve first").value("stalled", false) }
    }
}
