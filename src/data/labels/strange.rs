//! Names in label files that no condition has.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::parse::{self, Line};
use crate::data::problems::Problems;

/// The strange names of one file or of several, each with where it stands first.
#[derive(Debug, Default)]
pub(super) struct Strange {
    names: BTreeMap<(&'static str, String), Occurrence>,
}

#[derive(Debug)]
struct Occurrence {
    file: PathBuf,
    line: usize,
    /// Further lines, and further files.
    more: [usize; 2],
    is_fault: bool,
}

impl Strange {
    /// Takes note of the strange names in a line of `file`, and says whether the line is of no use: a name in it is
    /// misspelt, or it has no other. Labels of other programs may name more than the ten conditions; what resembles none
    /// of them is left out, and said.
    pub fn note(&mut self, file: &Path, line: usize, found: &Line) -> bool {
        let mut useless = !found.answers;
        for (group, name) in &found.unknown {
            let is_fault = !found.answers || parse::is_misspelt(name);
            useless |= is_fault;
            match self.names.get_mut(&(*group, name.clone())) {
                Some(place) => {
                    place.more[0] += 1;
                    place.is_fault |= is_fault;
                }
                None => {
                    let place = Occurrence { file: file.to_owned(), line, more: [0; 2], is_fault };
                    self.names.insert((*group, name.clone()), place);
                }
            }
        }
        useless
    }

    /// Moves the names that are faults to `problems`, one line each.
    pub fn report(&mut self, problems: &mut Problems) {
        for ((group, name), place) in &self.names {
            if place.is_fault {
                let more = match place.more[0] {
                    0 => String::new(),
                    count => format!(" (and on {count} more line{})", if count == 1 { "" } else { "s" }),
                };
                problems.line(&place.file, place.line, format!("{group}.{name}: {}{more}", parse::unknown(name)));
            }
        }
        self.names.retain(|_, place| !place.is_fault);
    }

    /// Adds those of another file.
    pub fn add(&mut self, other: Self) {
        for (key, place) in other.names {
            match self.names.get_mut(&key) {
                Some(mine) => {
                    mine.more[0] += 1 + place.more[0];
                    mine.more[1] += 1 + place.more[1];
                }
                None => drop(self.names.insert(key, place)),
            }
        }
    }

    /// A line for each name.
    pub fn notes(&self) -> Vec<String> {
        let note = |((group, name), place): (&(&'static str, String), &Occurrence)| {
            let Occurrence { file, line, more: [lines, files], .. } = place;
            let more = match (lines, files) {
                (0, _) => String::new(),
                (lines, 0) => format!(" and on {lines} more lines"),
                (lines, files) => format!(" and on {lines} more lines, in {files} more files"),
            };
            let what = parse::unknown(name);
            format!("{}:{line}{more}: {group}.{name} is skipped: {what}", file.display())
        };
        self.names.iter().map(note).collect()
    }
}
