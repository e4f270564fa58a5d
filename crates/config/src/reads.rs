//! The files and folders that are being read at this moment, so that a disk or a server that does not answer has a name.
//!
//! A thread inside such a read cannot be woken by anyone. All that can be done is to say what it waits for, and not to
//! wait for it in turn.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use crate::text;

/// A read that takes longer is spoken of, and again each time that it has taken twice as long.
const SLOW: Duration = Duration::from_secs(10);

/// How often the reads are looked at.
const PERIOD: Duration = Duration::from_secs(1);

/// At most so many are named at a time.
const NAMED: usize = 3;

#[derive(Default)]
struct Open {
    next: u64,
    reads: BTreeMap<u64, (PathBuf, Instant)>,
}

static OPEN: Mutex<Open> = Mutex::new(Open { next: 0, reads: BTreeMap::new() });

fn open() -> MutexGuard<'static, Open> {
    OPEN.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A read; it is over when this is dropped.
#[derive(Debug)]
pub struct Read(u64);

/// Notes that the calling thread is about to read `path`.
#[must_use = "the read is over when this is dropped"]
pub fn begin(path: &Path) -> Read {
    let mut open = open();
    let number = open.next;
    open.next += 1;
    open.reads.insert(number, (path.to_path_buf(), Instant::now()));
    Read(number)
}

/// As [`std::fs::metadata`].
///
/// # Errors
/// As there.
pub fn metadata(path: &Path) -> std::io::Result<std::fs::Metadata> {
    let _read = begin(path);
    std::fs::metadata(path)
}

impl Drop for Read {
    fn drop(&mut self) {
        open().reads.remove(&self.0);
    }
}

/// What is being read since `least` or longer, the longest first, a line each: `diagnostics PATH for 12 s`.
pub fn lasting(least: Duration) -> Vec<String> {
    let now = Instant::now();
    // The numbers are in the order of the beginnings.
    let long: Vec<(PathBuf, Duration)> = open()
        .reads
        .values()
        .map(|(path, since)| (path.clone(), now.saturating_duration_since(*since)))
        .take_while(|(_, time)| *time >= least)
        .collect();
    let line = |(path, time): &(PathBuf, Duration)| format!("reading {} for {} s", text::path(path), time.as_secs());
    let mut lines: Vec<String> = long.iter().take(NAMED).map(line).collect();
    if long.len() > NAMED {
        lines.push(format!("and {} more files", long.len() - NAMED));
    }
    lines
}

/// What is being read for a second or longer.
pub fn waiting() -> Vec<String> {
    lasting(Duration::from_secs(1))
}

/// From here on to the end of the process, `warn` hears of reads that take long.
pub fn watch(warn: fn(&str)) {
    let watch = move || {
        let mut next = SLOW;
        loop {
            thread::sleep(PERIOD);
            let oldest = open().reads.values().next().map(|(_, since)| since.elapsed());
            match oldest {
                Some(time) if time >= next => {
                    warn(&format!("a disk or a server does not answer: {}", lasting(SLOW.min(time)).join("; ")));
                    next = 2 * time;
                }
                Some(time) if time >= SLOW => {}
                _ => next = SLOW,
            }
        }
    };
    // Whoever cannot start a thread hears of it where threads are needed.
    let _ = thread::Builder::new().name("reads".into()).spawn(watch);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_read_has_a_name_until_it_is_over() {
        let path = Path::new("/nowhere/of/this/test.jpg");
        let named = || lasting(Duration::ZERO).iter().any(|line| line.contains("this/test.jpg for 0 s"));
        let (read, again) = (begin(path), begin(path));
        assert!(named());
        drop(read);
        assert!(named());
        drop(again);
        assert!(!named());
    }
}
