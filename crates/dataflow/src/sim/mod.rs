//! Simulated stages: they pass numbers on, wait, drop, regroup and break, so that the engine can be tested, and a
//! pipeline's shape tried, without any data.

mod stages;

use std::collections::HashSet;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

pub use stages::{Batch, Collect, Count, Discard, DropEvery, Fault, Flaky, Hold, Order, Sleep, Split, Work};

use crate::channel::merge;
use crate::channel::outbox::Outbox;
use crate::settings::Section;
use crate::stage::count;
use crate::stage::handling::Traveller;
use crate::stage::kind::{Kind, Port, World};

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

impl World for Sim {
    type Facts = ();
}

impl Traveller for u64 {
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
    pub fn pass(&self, out: &Outbox) {
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

const NUMBERS: Port = Port { name: "numbers" };
const GROUPS: Port = Port { name: "groups of numbers" };

/// A stage from numbers to numbers with any number of workers.
const PASS: Kind<Sim> = Kind {
    name: "",
    about: "",
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
        about: "emits 0, 1, 2, …",
        input: None,
        parse: |options| Box::new(Count::parse(options)),
        ..PASS
    },
    Kind {
        name: "sleep",
        about: "waits before it passes a number on",
        parse: |options| Box::new(Sleep::parse(options)),
        ..PASS
    },
    Kind {
        name: "drop",
        about: "drops every n-th number",
        parse: |options| Box::new(DropEvery::parse(options)),
        ..PASS
    },
    Kind {
        name: "hold",
        about: "holds one number until the valve opens",
        parse: |options| Box::new(Hold::parse(options)),
        ..PASS
    },
    Kind {
        name: "fault",
        about: "fails or panics at one number",
        parse: |options| Box::new(Fault::parse(options)),
        ..PASS
    },
    Kind {
        name: "flaky",
        about: "fails or panics now and then, at some numbers always",
        parse: |options| Box::new(Flaky::parse(options)),
        ..PASS
    },
    Kind { name: "order", about: "passes numbers on in order", ordered: true, parse: |_| Box::new(Order), ..PASS },
    merge::kind(),
    Kind {
        name: "batch",
        about: "groups numbers",
        output: Some(GROUPS),
        ordered: true,
        parse: |options| Box::new(Batch::parse(options)),
        ..PASS
    },
    Kind {
        name: "work",
        about: "waits for each group, in order, before it passes it on",
        input: Some(GROUPS),
        output: Some(GROUPS),
        ordered: true,
        parse: |options| Box::new(Work::parse(options)),
        ..PASS
    },
    Kind {
        name: "split",
        about: "ungroups numbers",
        input: Some(GROUPS),
        ordered: true,
        parse: |_| Box::new(Split),
        ..PASS
    },
    Kind {
        name: "collect",
        about: "writes numbers down in order",
        output: None,
        ordered: true,
        parse: |options| Box::new(Collect::parse(options)),
        ..PASS
    },
    Kind {
        name: "discard",
        about: "takes numbers as they come",
        output: None,
        parse: |options| Box::new(Discard::parse(options)),
        ..PASS
    },
    Kind { name: "drain", about: "takes items of any type as they come", ..count::kind() },
];

fn at_least_one(value: &u64) -> Option<String> {
    (*value == 0).then(|| "must be at least 1".into())
}

impl Count {
    fn parse(options: &mut Section<'_>) -> Self {
        Self {
            items: options.says("how many numbers").value("items", 1000),
            first: options.says("the first of them").value("first", 0),
        }
    }
}

impl Sleep {
    fn parse(options: &mut Section<'_>) -> Self {
        let range = |value: &f64| (!(0.0..=3_600_000.0).contains(value)).then(|| "must be from 0 to 3600000".into());
        let mean = options.says("milliseconds for each number").checked("ms", 1.0, range).clamp(0.0, 3_600_000.0);
        Self {
            mean: Duration::from_secs_f64(mean / 1000.0),
            jitter: options
                .says("anything from 0 to twice that instead, which depends on the number alone")
                .value("jitter", false),
        }
    }
}

impl Work {
    fn parse(options: &mut Section<'_>) -> Self {
        let range = |value: &f64| (!(0.0..=3_600_000.0).contains(value)).then(|| "must be from 0 to 3600000".into());
        let mean = options.says("milliseconds for each group").checked("ms", 1.0, range).clamp(0.0, 3_600_000.0);
        Self { time: Duration::from_secs_f64(mean / 1000.0) }
    }
}

impl DropEvery {
    fn parse(options: &mut Section<'_>) -> Self {
        Self { every: options.says("drops the numbers that this divides").checked("every", 2, at_least_one) }
    }
}

impl Hold {
    fn parse(options: &mut Section<'_>) -> Self {
        Self { at: options.says("the number that is held").value("at", 0) }
    }
}

impl Fault {
    fn parse(options: &mut Section<'_>) -> Self {
        let at = options.says("the number at which it breaks").value("at", 0);
        match options.says("whether it returns an error or panics").choice("how", "fail", &["fail", "panic"]) {
            "panic" => Self::panic(at),
            _ => Self::fail(at),
        }
    }
}

impl Flaky {
    fn parse(options: &mut Section<'_>) -> Self {
        Self {
            once: options.says("fails once at the numbers that this divides; 0: at none").value("once", 0),
            always: options.says("fails always at the numbers that this divides; 0: at none").value("always", 0),
            panics: options.says("whether it panics rather than return an error").value("panics", false),
        }
    }
}

impl Batch {
    fn parse(options: &mut Section<'_>) -> Self {
        let size = options.says("numbers in a group").checked("size", 2, at_least_one);
        Self { size: usize::try_from(size).unwrap_or(usize::MAX) }
    }
}

impl Collect {
    fn parse(options: &mut Section<'_>) -> Self {
        Self { stalled: options.says("whether it waits for the valve first").value("stalled", false) }
    }
}

impl Discard {
    fn parse(options: &mut Section<'_>) -> Self {
        Self { stalled: options.says("whether it waits for the valve first").value("stalled", false) }
    }
}
