//! What becomes of the log that is there when a run begins.

use crate::train::run_event::{RunEvent, RunLine, Unread, read::ReadLine};
use std::path::{Path, PathBuf};

/// What becomes of the log that is there when a run begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum History {
    /// It is another run's: it is kept under another name, and a new one begins.
    Other,
    /// It is this run's; lines of batches that will be done again, the same, are dropped.
    Same,
    /// It is this run's, which goes back: what was done after that is kept in a file of its own.
    CutAside,
}

/// The experiment of the run that wrote last to the log of `lines`.
pub(super) fn last_experiment(lines: &[ReadLine]) -> Option<String> {
    lines.iter().rev().find_map(|line| match &line.event {
        Ok((RunLine { event: RunEvent::Run(start), .. }, _)) => Some(start.experiment.clone()),
        _ => None,
    })
}

/// The first free name beside `path` for what is no longer its contents.
pub(super) fn aside(path: &Path) -> PathBuf {
    let name = |n: u64| path.with_extension(format!("{n}.jsonl"));
    (1..).map(name).find(|aside| !aside.exists()).unwrap_or_else(|| name(0))
}

/// The lines of a log before and after a position, each part in its order and as it was written.
pub(super) struct Parts {
    pub before: Vec<u8>,
    pub after: Vec<u8>,
    /// Damaged lines that are in neither, but for the last of the log.
    pub torn: usize,
}

/// What was done before `position`, and what after it. Looked at from the end: numbers further up may be those of the run before it was
/// made longer, and stay.
pub(super) fn parts_around(lines: Vec<ReadLine>, position: u64, history: History) -> Parts {
    let (mut kept, mut dropped): (Vec<Vec<u8>>, Vec<Vec<u8>>) = (Vec::new(), Vec::new());
    let mut within = false;
    let mut torn = 0;
    for (at, line) in lines.into_iter().rev().enumerate() {
        let (done, batch) = match &line.event {
            Ok((line, _)) => (line.event.done(), matches!(line.event, RunEvent::Batch(_))),
            // An event of a later version; what has a position there has that of a batch.
            Err(Unread::Unknown { position, .. }) => (position.map(|position| position.saturating_add(1)), false),
            // A killed run may leave half a line at the end; it belongs to a batch that is done again.
            Err(Unread::Damaged(_)) => {
                torn += usize::from(at > 0);
                continue;
            }
        };
        let before = done.is_none_or(|done| done <= position);
        within |= before && batch;
        // What has no position (notes, warnings) stays, unless all that came then is another line of the run now.
        let placed = done.is_some() || within || history == History::Same;
        let part = if (before && placed) || within { &mut kept } else { &mut dropped };
        part.push([&line.text[..], b"\n"].concat());
    }
    let in_order = |mut lines: Vec<Vec<u8>>| {
        lines.reverse();
        lines.concat()
    };
    Parts { before: in_order(kept), after: in_order(dropped), torn }
}
