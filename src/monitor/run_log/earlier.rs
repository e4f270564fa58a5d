//! What becomes of the log that is there when a run begins.

use serde_json::Value;
use std::{
    fs::File,
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
};

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

/// The experiment of the run that wrote last to the log at `path`.
pub(super) fn last_experiment(path: &Path) -> Option<String> {
    let lines = BufReader::new(File::open(path).ok()?).lines().map_while(std::io::Result::ok);
    let begun = lines.filter(|line| line.contains("\"event\":\"run\""));
    let event: Value = serde_json::from_str(&begun.last()?).ok()?;
    event["experiment"].as_str().map(str::to_string)
}

/// The first free name beside `path` for what is no longer its contents.
pub(super) fn aside(path: &Path) -> PathBuf {
    let name = |n: u64| path.with_extension(format!("{n}.jsonl"));
    (1..).map(name).find(|aside| !aside.exists()).unwrap_or_else(|| name(0))
}

/// The lines of a log before and after a position, each part in its order.
pub(super) struct Lines {
    pub before: String,
    pub after: String,
}

/// What was done before `position`, and what after it. Looked at from the end: numbers further up may be those of the run before it was
/// made longer, and stay.
pub(super) fn lines_around(file: File, position: u64, history: History) -> std::io::Result<Lines> {
    let (mut kept, mut dropped): (Vec<String>, Vec<String>) = (Vec::new(), Vec::new());
    let mut within = false;
    let lines: std::io::Result<Vec<Vec<u8>>> = BufReader::new(file).split(b'\n').collect();
    for line in lines?.into_iter().rev() {
        // A killed run may leave half a line at the end; it belongs to a batch that is done again.
        let Ok(event) = serde_json::from_slice::<Value>(&line) else { continue };
        let done = event.get("position").and_then(Value::as_u64);
        // A checkpoint's position counts the batches before it, a batch's is its own number.
        let limit = if event["event"] == "checkpoint" { position + 1 } else { position };
        let before = done.is_none_or(|done| done < limit);
        within |= before && event["event"] == "batch";
        // What has no position (notes, warnings) stays, unless all that came then is another line of the run now.
        let placed = done.is_some() || within || history == History::Same;
        let part = if (before && placed) || within { &mut kept } else { &mut dropped };
        part.push(String::from_utf8_lossy(&line).into_owned() + "\n");
    }
    let in_order = |mut lines: Vec<String>| {
        lines.reverse();
        lines.concat()
    };
    Ok(Lines { before: in_order(kept), after: in_order(dropped) })
}
