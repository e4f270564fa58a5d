//! Simulated stages: they pass numbers on, wait, drop, regroup and break, so that the engine can be tested, and a
//! pipeline's shape tried, without any data.

mod stages;

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

pub use stages::{Batch, Collect, Count, Discard, Drop, Fault, Hold, Order, Sleep, Split};

use super::kind::{Kind, Port};
use super::outbox::Outbox;
use crate::settings::Section;

/// What a simulated run shares: a valve for stages that stall, and what the sink has seen.
#[derive(Clone, Debug, Default)]
pub struct Sim {
    /// Opens the way for stages that wait.
    pub valve: Valve,
    journal: Arc<Mutex<Vec<u64>>>,
}

impl Sim {
    /// The numbers that have reached a `collect`, in their order of arrival.
    pub fn journal(&self) -> Vec<u64> {
        lock(&self.journal).clone()
    }

    fn note(&self, number: u64) {
        lock(&self.journal).push(number);
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
        about: "Emits 0, 1, 2, …",
        input: None,
        parse: |options| Box::new(Count::parse(options)),
        ..PASS
    },
    Kind {
        name: "sleep",
        about: "Waits before it passes a number on",
        parse: |options| Box::new(Sleep::parse(options)),
        ..PASS
    },
    Kind { name: "drop", about: "Drops every n-th number", parse: |options| Box::new(Drop::parse(options)), ..PASS },
    Kind {
        name: "hold",
        about: "Holds one number until the valve opens",
        parse: |options| Box::new(Hold::parse(options)),
        ..PASS
    },
    Kind {
        name: "fault",
        about: "Fails or panics at one number",
        parse: |options| Box::new(Fault::parse(options)),
        ..PASS
    },
    Kind { name: "order", about: "Passes numbers on in order", ordered: true, parse: |_| Box::new(Order), ..PASS },
    Kind {
        name: "batch",
        about: "Groups numbers",
        output: Some(GROUPS),
        ordered: true,
        parse: |options| Box::new(Batch::parse(options)),
        ..PASS
    },
    Kind {
        name: "split",
        about: "Ungroups numbers",
        input: Some(GROUPS),
        ordered: true,
        parse: |_| Box::new(Split),
        ..PASS
    },
    Kind {
        name: "collect",
        about: "Writes numbers down in order",
        output: None,
        ordered: true,
        parse: |options| Box::new(Collect::parse(options)),
        ..PASS
    },
    Kind {
        name: "discard",
        about: "Takes numbers as they come",
        output: None,
        parse: |options| Box::new(Discard::parse(options)),
        ..PASS
    },
];

impl Count {
    fn parse(options: &mut Section<'_>) -> Self {
        Self { items: options.value("items", 1000) }
    }
}

impl Sleep {
    fn parse(options: &mut Section<'_>) -> Self {
        let at_least_zero =
            |value: &f64| (!(0.0..=3_600_000.0).contains(value)).then(|| "must be from 0 to 3600000".into());
        Self {
            mean: Duration::from_secs_f64(options.checked("ms", 1.0, at_least_zero).clamp(0.0, 3_600_000.0) / 1000.0),
            jitter: options.value("jitter", false),
        }
    }
}

impl Drop {
    fn parse(options: &mut Section<'_>) -> Self {
        Self { every: options.checked("every", 2, |every| (*every == 0).then(|| "must be at least 1".into())) }
    }
}

impl Hold {
    fn parse(options: &mut Section<'_>) -> Self {
        Self { at: options.value("at", 0) }
    }
}

impl Fault {
    fn parse(options: &mut Section<'_>) -> Self {
        let at = options.value("at", 0);
        match options.choice("how", "fail", &["fail", "panic"]) {
            "panic" => Self::panic(at),
            _ => Self::fail(at),
        }
    }
}

impl Batch {
    fn parse(options: &mut Section<'_>) -> Self {
        Self { size: options.checked("size", 2, |size| (*size == 0).then(|| "must be at least 1".into())) }
    }
}

impl Collect {
    fn parse(options: &mut Section<'_>) -> Self {
        Self { stalled: options.value("stalled", false) }
    }
}

impl Discard {
    fn parse(options: &mut Section<'_>) -> Self {
        Self { stalled: options.value("stalled", false) }
    }
}
