//! Reads a `run.jsonl`, of this version or of another.

use super::line::{RunLine, Unread};
use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    fs::File,
    io::{self, BufRead, BufReader},
    path::Path,
};

/// A line of a log.
#[derive(Clone, Debug)]
pub struct ReadLine {
    /// Its number, from 1.
    pub number: usize,
    /// Its text, without its end.
    pub text: Vec<u8>,
    /// What it says, and the places of fields that this version does not know.
    pub event: Result<(RunLine, Vec<String>), Unread>,
}

/// The lines of the log at `path`, without empty ones.
///
/// # Errors
/// The file cannot be opened; then each line that cannot be read.
pub fn lines(path: &Path) -> io::Result<impl Iterator<Item = io::Result<ReadLine>> + use<>> {
    let split = BufReader::new(File::open(path)?).split(b'\n').enumerate();
    let read = |(at, text): (usize, io::Result<Vec<u8>>)| {
        text.map(|text| ReadLine { number: at + 1, event: RunLine::parse(&text), text })
    };
    Ok(split.map(read).filter(|line| !line.as_ref().is_ok_and(|line| line.text.is_empty())))
}

/// What was in a log that this version did not read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SkippedItem {
    /// Lines of events that it does not know, by their names.
    events: BTreeMap<String, usize>,
    /// Places of fields that it does not know.
    fields: BTreeSet<String>,
    /// Damaged lines: their numbers, and why.
    damaged: Vec<(usize, String)>,
}

impl SkippedItem {
    /// The event of `line`, if it has one that is known; takes note of what is left out.
    pub fn sift(&mut self, line: ReadLine) -> Option<RunLine> {
        match line.event {
            Ok((event, unknown)) => {
                self.fields.extend(unknown);
                return Some(event);
            }
            Err(Unread::Unknown { event, .. }) => *self.events.entry(event).or_default() += 1,
            Err(Unread::Damaged(why)) => self.damaged.push((line.number, why)),
        }
        None
    }

    /// Takes back the damage of the last line where that is line `last`: a killed run leaves half a line at the end.
    pub fn forgive_end(&mut self, last: usize) {
        self.damaged.pop_if(|(number, _)| *number == last);
    }

    /// The first damaged line, and why it is damaged.
    pub fn first_damaged(&self) -> Option<&(usize, String)> {
        self.damaged.first()
    }

    /// Whether everything was read.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

impl fmt::Display for SkippedItem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut parts = Vec::new();
        if !self.events.is_empty() || !self.fields.is_empty() {
            let events = self.events.iter().map(|(name, count)| format!("event `{name}` ({count} lines)"));
            let fields = self.fields.iter().map(|field| format!("field `{field}`"));
            let all: Vec<String> = events.chain(fields).collect();
            parts.push(format!("not known to this version of trackflow, skipped: {}", all.join(", ")));
        }
        if let Some((number, why)) = self.damaged.first() {
            let count = self.damaged.len();
            parts.push(format!("{count} damaged lines skipped, the first is line {number}: {why}"));
        }
        f.write_str(&parts.join("; "))
    }
}
