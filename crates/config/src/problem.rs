//! The problems of a settings file, collected, and the values that were settled on.

use super::field::Field;
use super::node::{KeyValue, Origin};
use super::unknown::Unknown;
use crate::failure::{Failure, Result};
use std::cell::RefCell;
use std::fmt;

/// One mistake in a settings file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Where it is written.
    pub origin: Origin,
    /// The dotted path of the key.
    pub path: String,
    /// What is wrong and what to do about it.
    pub message: String,
}

/// One pass over one or more settings files.
#[derive(Debug, Default)]
pub struct Diagnostics {
    problems: RefCell<Vec<Problem>>,
    unknown: RefCell<Vec<Unknown>>,
    warnings: RefCell<Vec<Problem>>,
    recorded: RefCell<Vec<(String, String)>>,
    fields: RefCell<Vec<Field>>,
}

impl Diagnostics {
    /// A pass without any problem yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a problem; reading goes on.
    pub fn report(&self, origin: &Origin, path: &str, message: impl Into<String>) {
        self.problems.borrow_mut().push(Problem {
            origin: origin.clone(),
            path: path.to_string(),
            message: message.into(),
        });
    }

    /// Adds something that a user should know and that is no mistake.
    pub fn warn(&self, origin: &Origin, path: &str, message: impl Into<String>) {
        self.warnings.borrow_mut().push(Problem {
            origin: origin.clone(),
            path: path.to_string(),
            message: message.into(),
        });
    }

    /// Adds a key of `section` that nobody asked for, beside those that were.
    pub(super) fn unknown(&self, section: &str, entry: &KeyValue, known: &[&'static str]) {
        self.unknown.borrow_mut().push(Unknown::new(section, entry, known));
    }

    /// All problems, in the order of the file.
    pub fn problems(&self) -> Vec<Problem> {
        let fields = self.fields.borrow();
        let unknown = self.unknown.borrow();
        let unknown = unknown.iter().map(|unknown| Problem {
            origin: unknown.origin.clone(),
            path: unknown.path.clone(),
            message: unknown.message(&fields),
        });
        sorted(self.problems.borrow().iter().cloned().chain(unknown))
    }

    /// All warnings, in the order of the file.
    pub fn warnings(&self) -> Vec<Problem> {
        sorted(self.warnings.borrow().iter().cloned())
    }

    /// Every key that was asked for, in the order of reading.
    pub fn fields(&self) -> Vec<Field> {
        self.fields.borrow().clone()
    }

    pub(super) fn record(&self, field: Field) {
        self.fields.borrow_mut().push(field);
    }

    /// Every value that was read or defaulted, as YAML under its dotted path, in the order of reading.
    pub fn values(&self) -> Vec<(String, String)> {
        self.recorded.borrow().clone()
    }

    /// The values below `path` as one line of YAML: `{ms: 2.0, blur: {probability: 0.1}}`.
    pub fn recorded_below(&self, path: &str) -> String {
        let recorded = self.recorded.borrow();
        let below =
            recorded.iter().filter_map(|(key, value)| Some((key.strip_prefix(path)?.strip_prefix('.')?, value)));
        let mut text = "{".to_string();
        let mut open: Vec<&str> = Vec::new();
        for (path, value) in below {
            let mut parts: Vec<&str> = path.split('.').collect();
            let Some(key) = parts.pop() else { continue };
            let shared = open.iter().zip(&parts).take_while(|(a, b)| a == b).count();
            text += &"}".repeat(open.len() - shared);
            open.truncate(shared);
            if !text.ends_with('{') {
                text += ", ";
            }
            for part in &parts[shared..] {
                text += &format!("{part}: {{");
                open.push(part);
            }
            text += &format!("{key}: {value}");
        }
        text + &"}".repeat(open.len() + 1)
    }

    /// Whether nothing is wrong so far.
    pub fn is_clean(&self) -> bool {
        self.problems.borrow().is_empty() && self.unknown.borrow().is_empty()
    }

    pub(super) fn record_default(&self, path: &str, rendered: String) {
        self.recorded.borrow_mut().push((path.to_string(), rendered));
    }

    /// Every value that was read or defaulted, as YAML in the order of reading.
    pub fn resolved(&self) -> String {
        let mut text = String::new();
        let mut open: Vec<String> = Vec::new();
        for (path, rendered) in self.recorded.borrow().iter() {
            let mut parts: Vec<&str> = path.split('.').collect();
            let Some(key) = parts.pop() else { continue };
            let shared = open.iter().zip(&parts).take_while(|(a, b)| a.as_str() == **b).count();
            open.truncate(shared);
            for part in &parts[shared..] {
                text.push_str(&format!("{}{part}:\n", "  ".repeat(open.len())));
                open.push((*part).to_string());
            }
            text.push_str(&format!("{}{key}: {rendered}\n", "  ".repeat(open.len())));
        }
        text
    }

    /// All problems as one configuration failure, in the order of the file.
    ///
    /// # Errors
    /// When there is at least one problem.
    pub fn finish(&self) -> Result<()> {
        let problems = self.problems();
        if problems.is_empty() {
            return Ok(());
        }
        let lines: Vec<String> = problems.iter().map(ToString::to_string).collect();
        Err(Failure::config(lines.join("\n")))
    }
}

fn sorted(problems: impl Iterator<Item = Problem>) -> Vec<Problem> {
    let mut problems: Vec<Problem> = problems.collect();
    problems.sort_by(|a, b| a.origin.cmp(&b.origin));
    problems.dedup();
    problems
}

impl fmt::Display for Problem {
    /// `file:line:column: KEY.PATH: what is wrong; remedy`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.path.as_str() {
            "" => write!(f, "{}: {}", self.origin, self.message),
            path => write!(f, "{}: {path}: {}", self.origin, self.message),
        }
    }
}
