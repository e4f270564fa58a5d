//! What checkpoints got on `TEST.BENCHMARK`: a line for each, beside them.

use crate::failure::{Failure, Result};
use serde::{Deserialize, Serialize};
use std::{collections::BTreeMap, fs::OpenOptions, io::Write, path::Path};

/// The file's name.
pub const NAME: &str = "benchmark.jsonl";

/// The scores of a checkpoint.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Benchmark {
    /// The checkpoint's file name.
    pub checkpoint: String,
    /// From 1.
    pub epoch: usize,
    /// The mean over all data sets, a share of 1: AO where a data set has one, else AUC.
    pub score: f64,
    /// By data set.
    pub datasets: BTreeMap<String, f64>,
}

/// All scores in `folder`, in the order in which they came; lines that are damaged are none.
pub fn read(folder: &Path) -> Vec<Benchmark> {
    let text = std::fs::read_to_string(folder.join(NAME)).unwrap_or_default();
    text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
}

/// Adds `scores` in `folder`.
///
/// # Errors
/// 74 when they cannot be written.
pub fn note(folder: &Path, scores: &Benchmark) -> Result<()> {
    let path = folder.join(NAME);
    let failed =
        |error: &dyn std::fmt::Display| Failure::output(format!("{}: cannot be written: {error}", path.display()));
    let line = serde_json::to_string(scores).map_err(|error| failed(&error))?;
    let mut file = OpenOptions::new().create(true).append(true).open(&path).map_err(|error| failed(&error))?;
    writeln!(file, "{line}").map_err(|error| failed(&error))
}
