//! What is said of the keys of a section: mistakes and warnings, where the keys are written.

use super::section::Section;
use std::fmt::Display;

impl Section<'_> {
    /// Adds something that a user should know about `key`, at its value when it is written down.
    pub fn warning(&self, key: &str, message: impl Into<String>) {
        let origin = self.find(key).map_or(self.origin(), |node| &node.origin);
        self.diagnostics().warn(origin, &self.path_of(self.written(key)), message);
    }

    /// Warns that `key` has no effect, and says `why`, where it is written.
    pub fn without_effect(&self, key: &str, why: impl Display) {
        if let Some(node) = self.find(key) {
            self.diagnostics().warn(&node.origin, &self.path_of(self.written(key)), format!("has no effect: {why}"));
        }
    }

    /// Reports a problem with `key` of this section, at the key's value when it is written down.
    pub fn problem(&self, key: &str, message: impl Into<String>) {
        self.conflict(key, &[], message);
    }

    /// Reports that `key` does not go with `others` of this section: where one of them was changed by an argument of the
    /// command line there, else at the first of them that is written down.
    pub fn conflict(&self, key: &str, others: &[&str], message: impl Into<String>) {
        let origins = || std::iter::once(&key).chain(others).filter_map(|key| Some(&self.find(key)?.origin));
        let origin = origins().find(|origin| origin.line == 0).or_else(|| origins().next());
        self.diagnostics().report(origin.unwrap_or(self.origin()), &self.path_of(self.written(key)), message);
    }
}
