//! Which weights made which results: a line for each sequence, beside the results of its data set.

use crate::failure::{Failure, Result};
use serde::{Deserialize, Serialize};
use std::{
    collections::{BTreeMap, BTreeSet},
    fs::{File, OpenOptions},
    io::{Read, Write},
    path::Path,
};
use xxhash_rust::xxh3::Xxh3;

/// The file's name.
pub const NAME: &str = "trackers.jsonl";

/// The tracker that made a result.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct MadeBy {
    /// The file of weights, as it was named.
    pub weights: String,
    /// Its digest (XXH3, 128 bits), and the key of the weights in it where one was chosen.
    pub weights_xxh3: String,
    /// The digest of everything in the experiment that decides how is tracked.
    pub experiment_xxh3: String,
}

impl MadeBy {
    /// The tracker of the weights under `key` in `file`, run as `experiment` (all of it, as text) says.
    ///
    /// # Errors
    /// 66 when the file cannot be read.
    pub fn of(file: &Path, key: Option<&str>, experiment: &str) -> Result<Self> {
        let failed =
            |error: std::io::Error| Failure::input(format!("{}: cannot be read: {error}", crate::text::path(file)));
        let mut reader = File::open(file).map_err(failed)?;
        let (mut hash, mut buffer) = (Xxh3::new(), vec![0; 1 << 20]);
        loop {
            match reader.read(&mut buffer).map_err(failed)? {
                0 => break,
                count => hash.update(&buffer[..count]),
            }
        }
        hash.update(key.unwrap_or_default().as_bytes());
        let mut text = Xxh3::new();
        text.update(experiment.as_bytes());
        Ok(Self {
            weights: file.display().to_string(),
            weights_xxh3: format!("{:032x}", hash.digest128()),
            experiment_xxh3: format!("{:032x}", text.digest128()),
        })
    }

    /// Whether another tracker's results are these ones.
    pub fn is_same(&self, other: &Self) -> bool {
        self.weights_xxh3 == other.weights_xxh3 && self.experiment_xxh3 == other.experiment_xxh3
    }

    /// What differs in `other`, for a message.
    pub fn difference(&self, other: &Self) -> String {
        let short = |digest: &str| digest.chars().take(12).collect::<String>();
        match self.weights_xxh3 == other.weights_xxh3 {
            false => format!("other weights ({}, {})", other.weights, short(&other.weights_xxh3)),
            true => "the same weights, but other settings of the experiment".to_owned(),
        }
    }
}

#[derive(Serialize, Deserialize)]
struct Line {
    sequence: String,
    #[serde(flatten)]
    made_by: MadeBy,
}

/// Who made the results in `folder`, by the name of their files. Of several lines the last one holds; a line that was
/// cut off is none.
pub fn read(folder: &Path) -> BTreeMap<String, MadeBy> {
    let text = std::fs::read_to_string(folder.join(NAME)).unwrap_or_default();
    text.lines()
        .filter_map(|line| serde_json::from_str::<Line>(line).ok())
        .map(|line| (line.sequence, line.made_by))
        .collect()
}

/// Notes that `made_by` made the results of `sequence` in `folder`.
///
/// # Errors
/// 74 when the file cannot be written.
pub fn note(folder: &Path, sequence: &str, made_by: &MadeBy) -> Result<()> {
    let path = folder.join(NAME);
    let line = Line { sequence: sequence.to_owned(), made_by: made_by.clone() };
    let failed = |error: &dyn std::fmt::Display| {
        Failure::output(format!("{}: cannot be written: {error}; choose another --save_dir", path.display()))
    };
    // A line that a dying process left half written must not swallow this one.
    let text = serde_json::to_string(&line).map_err(|error| failed(&error))?;
    let cut = std::fs::read(&path).is_ok_and(|bytes| bytes.last().is_some_and(|last| *last != b'\n'));
    let text = format!("{}{text}\n", if cut { "\n" } else { "" });
    let mut file = OpenOptions::new().create(true).append(true).open(&path).map_err(|error| failed(&error))?;
    file.write_all(text.as_bytes()).map_err(|error| failed(&error))
}

/// What to say where the results of `sequences` in `folder` come from more than one tracker.
pub fn mixture(folder: &Path, sequences: &[String]) -> Option<String> {
    let made = read(folder);
    let makers: BTreeSet<(&str, &str)> = sequences
        .iter()
        .filter_map(|name| made.get(name))
        .map(|made| (made.weights_xxh3.as_str(), made.experiment_xxh3.as_str()))
        .collect();
    let weights: BTreeSet<&str> =
        sequences.iter().filter_map(|name| made.get(name)).map(|made| made.weights.as_str()).collect();
    let weights: Vec<&str> = weights.into_iter().collect();
    (makers.len() > 1).then(|| {
        let count = makers.len();
        format!("{}: these results are of {count} different trackers: {}", folder.display(), weights.join(", "))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_whole_line_of_a_sequence_holds() {
        let folder = tempfile::tempdir().unwrap();
        let weights = folder.path().join("w");
        std::fs::write(&weights, "1").unwrap();
        let one = MadeBy::of(&weights, None, "a").unwrap();
        std::fs::write(&weights, "2").unwrap();
        let two = MadeBy::of(&weights, None, "a").unwrap();
        assert!(!one.is_same(&two) && one.difference(&two).starts_with("other weights ("));
        assert!(!two.is_same(&MadeBy::of(&weights, Some("ema"), "a").unwrap()));
        let settings = MadeBy::of(&weights, None, "b").unwrap();
        assert!(two.difference(&settings).contains("other settings"));
        let folder = folder.path();
        note(folder, "Deer", &one).unwrap();
        std::fs::write(
            folder.join(NAME),
            std::fs::read_to_string(folder.join(NAME)).unwrap() + "{\"sequence\":\"Deer\",\"weig",
        )
        .unwrap();
        assert_eq!(read(folder)["Deer"], one);
        note(folder, "Deer", &two).unwrap();
        note(folder, "Fish", &one).unwrap();
        assert_eq!(read(folder)["Deer"], two);
        let all = ["Deer".to_owned(), "Fish".to_owned()];
        assert!(mixture(folder, &all).unwrap().contains("2 different trackers"));
        assert_eq!(mixture(folder, &all[..1]), None);
    }
}
