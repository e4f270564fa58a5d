//! Faults of data files, gathered so that a user sees all of them at once.

use std::fmt::Display;
use std::io;
use std::path::Path;

use crate::data::outage;
use crate::data::retry::Origin;
use crate::failure::{Failure, FailureKind, Result};
use crate::text::{self, TextError};

/// How many problems a message lists; the others are counted.
pub const LISTED: usize = 20;

/// A list of faults, each a line complete in itself (`file:line: what; remedy`).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Problems {
    lines: Vec<String>,
    /// Whether one of them is the system's, and no fault of a file.
    away: bool,
}

impl Problems {
    /// Notes a fault of a whole file or folder.
    pub fn file(&mut self, path: &Path, what: impl Display) {
        self.lines.push(format!("{}: {what}", text::path(path)));
    }

    /// Notes why a file or folder cannot be read, or listed (`verb`); `remedy` is for what is not the system's fault.
    pub fn io(&mut self, path: &Path, verb: &str, error: &io::Error, remedy: &str) {
        let of_system = outage::origin(error) == Origin::System;
        let remedy = if of_system { outage::REMEDY } else { remedy };
        self.away |= of_system;
        self.file(path, format_args!("cannot be {verb}: {error}; {remedy}"));
    }

    /// Notes that the system does not give a file, which may be sound.
    pub fn away(&mut self, path: &Path, what: impl Display) {
        self.away = true;
        self.file(path, what);
    }

    /// Notes a fault in a line of a file, counted from 1.
    pub fn line(&mut self, path: &Path, line: usize, what: impl Display) {
        self.lines.push(format!("{}:{line}: {what}", text::path(path)));
    }

    /// Notes why a file is no text.
    pub fn text(&mut self, path: &Path, error: &TextError) {
        match error.line() {
            Some(line) => self.line(path, line, error),
            None => self.file(path, error),
        }
    }

    /// Adds all of `other`.
    pub fn extend(&mut self, other: Self) {
        self.lines.extend(other.lines);
        self.away |= other.away;
    }

    /// Whether nothing is wrong.
    pub fn is_empty(&self) -> bool {
        self.lines.is_empty()
    }

    /// All faults in the order in which they were noted.
    pub fn lines(&self) -> &[String] {
        &self.lines
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.lines.len()
    }

    /// Nothing, or one failure (66) with every fault, however many there are.
    pub fn all_into_result(self) -> Result<()> {
        if self.lines.is_empty() { Ok(()) } else { Err(Failure::new(self.kind(), self.lines.join("\n"))) }
    }

    /// Nothing, or one failure (66) with the first [`LISTED`] faults and the number of the others.
    pub fn into_result(self) -> Result<()> {
        if self.lines.is_empty() {
            return Ok(());
        }
        let mut message = self.lines[..self.lines.len().min(LISTED)].join("\n");
        if self.lines.len() > LISTED {
            message.push_str(&format!("\nand {} more problems like these", self.lines.len() - LISTED));
        }
        Err(Failure::new(self.kind(), message))
    }

    fn kind(&self) -> FailureKind {
        if self.away { FailureKind::Away } else { FailureKind::Input }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_list_is_capped_and_counted() {
        let mut problems = Problems::default();
        assert_eq!(problems.clone().into_result(), Ok(()));
        for line in 1..=23 {
            problems.line(Path::new("a.txt"), line, "bad");
        }
        let failure = problems.into_result().unwrap_err();
        assert_eq!(failure.kind.exit_code(), 66);
        let lines: Vec<&str> = failure.message.lines().collect();
        assert_eq!(lines.len(), LISTED + 1);
        assert_eq!(lines[0], "a.txt:1: bad");
        assert_eq!(lines[LISTED], "and 3 more problems like these");
    }
}
