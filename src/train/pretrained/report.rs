//! What came of loading weights.

use super::Source;
use super::source::{PROMPTS, TEMPORAL};
use crate::weights::one_line;
use crate::{
    failure::{Failure, Result},
    model::LoadReport,
    weights::Other,
};
use std::{collections::BTreeMap, path::Path};

/// Names that are printed before a list is cut.
const MOST_LISTED: usize = 12;

/// What came of loading weights.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// Whose they are.
    pub source: Source,
    /// What matched, what was unexpected, and what had another shape.
    pub report: LoadReport,
    /// The model's tensors that the source need not have; they start from scratch.
    pub scratch: Vec<String>,
    /// The model's tensors that the source should have had.
    pub missing: Vec<String>,
    /// The source's tensors that are of no use here, as expected.
    pub ignored: Vec<String>,
    /// The keys under which the weights were found, joined by dots; empty where there are none.
    pub under: String,
    /// Other weights in the file, and how to choose them.
    pub others: Vec<(Other, String)>,
}

impl Loaded {
    pub(super) fn new(source: Source, mut report: LoadReport, ignored: Vec<String>) -> Self {
        let (scratch, missing) = report.missing.drain(..).partition(|name| source.may_lack(name));
        Self { source, report, scratch, missing, ignored, under: String::new(), others: Vec::new() }
    }

    /// An error that lists all that is missing or has another shape.
    ///
    /// # Errors
    /// There is such.
    pub fn require(&self, path: &Path) -> Result<()> {
        let missing = self.missing.iter().map(|name| format!("{name}: missing"));
        let reshaped = self.report.reshaped.iter();
        let reshaped = reshaped.map(|(name, have, given)| format!("{name}: shape {given:?}, the model has {have:?}"));
        let lines: Vec<String> = missing.chain(reshaped).collect();
        if lines.is_empty() {
            return Ok(());
        }
        let (path, source, count) = (path.display(), self.source, lines.len());
        let head = format!("{path}: weights of {source}, of another architecture: {count} tensors do not fit");
        Err(Failure::input(format!("{head}\n{}", lines.join("\n"))))
    }

    /// Those of the source's tensors without which it is another tracker: what joins the search features in HIPTrack, and
    /// what DropTrack adds to every token. A model that lacks them (OSTrack) computes something else with the rest.
    pub fn foreign(&self) -> Vec<String> {
        let foreign = |name: &&String| PROMPTS.iter().chain([&TEMPORAL]).any(|part| name.starts_with(part));
        self.report.unexpected.iter().filter(foreign).cloned().collect()
    }

    /// An error that lists [what is foreign](Self::foreign) by its parts.
    ///
    /// # Errors
    /// There is such.
    pub fn require_same_tracker(&self, path: &Path) -> Result<()> {
        let foreign = self.foreign();
        if foreign.is_empty() {
            return Ok(());
        }
        let (path, count) = (path.display(), foreign.len());
        let whose = if self.source == Source::Tracker { "HIPTrack" } else { "DropTrack" };
        let temporal = foreign.iter().any(|name| name.starts_with(TEMPORAL));
        let temporal = if temporal { format!(", among them {TEMPORAL}x and _z") } else { String::new() };
        Err(Failure::input(format!(
            "{path}: weights of {whose}, but the model is plain OSTrack (MODEL.NEW_HIP: False, or --script ostrack): \
             {count} tensors are unexpected, {}{temporal}; without them it is another tracker. Use it with --script \
             hiptrack and MODEL.NEW_HIP: True, or give weights of OSTrack or of a plain ViT",
            parts(&foreign)
        )))
    }

    /// What was loaded, for the user: a line, and one more for what was unexpected.
    pub fn lines(&self, path: &Path) -> Vec<String> {
        let under = if self.under.is_empty() { String::new() } else { format!(" under {}", one_line(&self.under)) };
        let mut first =
            format!("{}: {}, {} tensors loaded{under}", path.display(), self.source, self.report.matched.len());
        if !self.scratch.is_empty() && self.source != Source::Resnet18 {
            first += &format!("; from scratch: {}", parts(&self.scratch));
        }
        if !self.ignored.is_empty() {
            first += &format!("; skipped: {}", parts(&self.ignored));
        }
        let mut lines = vec![first];
        for (other, remedy) in &self.others {
            let Other { key, tensors } = other;
            let key = one_line(key);
            lines.push(format!(
                "{}: {tensors} other tensors under {key} were not taken ({remedy} takes them)",
                path.display()
            ));
        }
        let unexpected = &self.report.unexpected;
        if !unexpected.is_empty() {
            let names: Vec<&str> = unexpected.iter().take(MOST_LISTED).map(String::as_str).collect();
            let more = unexpected.len().saturating_sub(MOST_LISTED);
            let more = if more > 0 { format!(" and {more} more") } else { String::new() };
            let names = names.join(", ");
            lines.push(format!(
                "warning: {}: {} unexpected tensors were not used: {names}{more}",
                path.display(),
                unexpected.len()
            ));
        }
        lines
    }
}

/// `box_head (89), cls_head (4)`: names by their first part.
pub(super) fn parts(names: &[String]) -> String {
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for name in names {
        *counts.entry(name.split('.').next().unwrap_or(name)).or_default() += 1;
    }
    counts.iter().map(|(part, count)| format!("{part} ({count})")).collect::<Vec<_>>().join(", ")
}
