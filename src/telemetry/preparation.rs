//! Work before the first step of a run that takes its time: rendering scenes, reading annotations, checking frames. How
//! far it is shows on the terminal as a bar, and whoever serves a page asks for it with [`current`].

use super::terminal::{hide_bar, show_bar};
use indicatif::ProgressBar;
use std::sync::{
    Arc, Mutex, MutexGuard, PoisonError,
    atomic::{AtomicU64, Ordering},
};

/// How far a preparation is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Preparing {
    /// What is done: `rendering synthetic scenes`.
    pub what: String,
    /// What is counted: `sequences`.
    pub unit: &'static str,
    /// So many are done.
    pub done: u64,
    /// Of so many.
    pub total: u64,
}

#[derive(Debug)]
struct Shared {
    what: String,
    unit: &'static str,
    total: u64,
    done: AtomicU64,
}

/// A preparation that is under way, until this is dropped.
#[derive(Debug)]
pub struct Preparation {
    shared: Arc<Shared>,
    bar: Option<ProgressBar>,
}

/// Those that are under way, the newest last.
static OPEN: Mutex<Vec<Arc<Shared>>> = Mutex::new(Vec::new());

fn open() -> MutexGuard<'static, Vec<Arc<Shared>>> {
    OPEN.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Preparation {
    /// Begins `what`, which is done when `total` `unit`s are.
    #[must_use = "it is over when this is dropped"]
    pub fn begin(what: impl Into<String>, unit: &'static str, total: usize) -> Self {
        let shared = Arc::new(Shared { what: what.into(), unit, total: total as u64, done: AtomicU64::new(0) });
        open().push(Arc::clone(&shared));
        let bar = show_bar(shared.total, "{prefix} {wide_bar} {pos}/{len} {msg}, {eta} left");
        if let Some(bar) = &bar {
            bar.set_prefix(shared.what.clone());
            bar.set_message(unit);
        }
        Self { shared, bar }
    }

    /// So many more are done.
    pub fn add(&self, count: usize) {
        self.shared.done.fetch_add(count as u64, Ordering::Relaxed);
        if let Some(bar) = &self.bar {
            bar.inc(count as u64);
        }
    }
}

impl Drop for Preparation {
    fn drop(&mut self) {
        open().retain(|one| !Arc::ptr_eq(one, &self.shared));
        if let Some(bar) = &self.bar {
            hide_bar(bar);
        }
    }
}

/// The preparation that began last and is not over.
pub fn current() -> Option<Preparing> {
    open().last().map(|shared| Preparing {
        what: shared.what.clone(),
        unit: shared.unit,
        done: shared.done.load(Ordering::Relaxed).min(shared.total),
        total: shared.total,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_preparation_is_known_until_it_is_over() {
        let what = "a preparation of this test";
        let mine = || open().iter().any(|one| one.what == what);
        let one = Preparation::begin(what, "things", 3);
        (0..5).for_each(|_| one.add(1));
        assert!(mine());
        // Other tests may prepare something at the same time.
        if let Some(now) = current().filter(|now| now.what == what) {
            assert_eq!((now.done, now.total, now.unit), (3, 3, "things"));
        }
        drop(one);
        assert!(!mine());
    }
}
