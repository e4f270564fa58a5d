//! Sequences that stand in two lists of data sets: what is validated on them was trained on.

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::path::{Path, PathBuf};

use xxhash_rust::xxh3::{Xxh3, xxh3_64};

use crate::data::dataset::{Dataset, Sequence, known_names};

/// Sequences of validation that are also trained on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shared {
    /// How many.
    pub sequences: usize,
    /// Of so many.
    pub of: usize,
    /// One of them, under both of its names.
    pub example: String,
}

impl Shared {
    /// `shares 12 of 250 sequences with training`.
    pub fn short(&self) -> String {
        format!("shares {} of {} sequences with training", self.sequences, self.of)
    }
}

impl fmt::Display for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "validation {}, such as {}: on these it measures memorised training data, not tracking of unseen sequences",
            self.short(),
            self.example
        )
    }
}

/// The sequences of `val` that are in `train` too: the same frame files, by whatever path or link they are reached; a
/// sequence of the same name with the same boxes (a copy, or packed); or of the same name in the same part of a known data
/// set (packed and scaled). Of pictures, those that are in both.
pub fn shared(train: &[Dataset], val: &[Dataset]) -> Option<Shared> {
    let mut folders = Folders::default();
    let name = |dataset: &Dataset, sequence: &Sequence| format!("{}: {}", dataset.name, sequence.name);
    // Only as much is looked at as there is to compare with.
    let wanted: HashSet<u64> = all(val).flat_map(|(dataset, sequence)| folders.keys(dataset, sequence, None)).collect();
    if wanted.is_empty() {
        return None;
    }
    let places: HashSet<PathBuf> = folders.known.values().cloned().collect();
    let mut trained: HashMap<u64, (usize, usize)> = HashMap::new();
    for (at, dataset) in train.iter().enumerate() {
        for (index, sequence) in dataset.sequences.iter().enumerate() {
            for key in folders.keys(dataset, sequence, Some(&places)).into_iter().filter(|key| wanted.contains(key)) {
                trained.entry(key).or_insert((at, index));
            }
        }
    }
    let mut found: Option<Shared> = None;
    for (dataset, sequence) in all(val) {
        let Some(&(at, index)) = folders.keys(dataset, sequence, None).iter().find_map(|key| trained.get(key)) else {
            continue;
        };
        let shared = found.get_or_insert_with(|| {
            let (own, other) = (name(dataset, sequence), name(&train[at], &train[at].sequences[index]));
            let example = if own == other { own } else { format!("{own} ({other} in training)") };
            Shared { sequences: 0, of: 0, example }
        });
        shared.sequences += 1;
    }
    let of = val.iter().map(|dataset| dataset.sequences.len()).sum();
    found.map(|shared| Shared { of, ..shared })
}

fn all(sets: &[Dataset]) -> impl Iterator<Item = (&Dataset, &Sequence)> {
    sets.iter().flat_map(|dataset| dataset.sequences.iter().map(move |sequence| (dataset, sequence)))
}

/// The part of a known data set that `name` stands for, whatever list it takes of it, packed or not. Of other folders the
/// name says nothing.
fn part(name: &str) -> Option<&str> {
    let name = name.split('@').next().unwrap_or(name);
    let base =
        name.strip_prefix("packed:").map_or(name, |path| path.trim_end_matches('/').rsplit('/').next().unwrap_or(path));
    match base {
        "GOT10K_vottrain" | "GOT10K_votval" | "GOT10K_train_full" => Some("GOT10K train"),
        base => known_names().find(|known| *known == base),
    }
}

/// Folders by their one true path.
#[derive(Default)]
struct Folders {
    known: HashMap<PathBuf, PathBuf>,
}

impl Folders {
    /// What tells a sequence from others: its name with its boxes, and each of its frame files, if their folder is one of
    /// `places`.
    fn keys(&mut self, dataset: &Dataset, sequence: &Sequence, places: Option<&HashSet<PathBuf>>) -> Vec<u64> {
        let mut boxes = Xxh3::new();
        boxes.update(sequence.name.as_bytes());
        sequence.boxes().iter().flatten().for_each(|value| boxes.update(&value.to_bits().to_le_bytes()));
        let mut keys = vec![boxes.digest()];
        keys.extend(part(&dataset.name).map(|part| xxh3_64(format!("{part}\n{}", sequence.name).as_bytes())));
        let folder = self.folder(sequence.frames.folder());
        if places.is_some_and(|places| !places.contains(&folder)) {
            return keys;
        }
        let file = |frame: usize| {
            let path = sequence.path(frame);
            let name = path.file_name().unwrap_or_default();
            xxh3_64(folder.join(name).as_os_str().as_encoded_bytes())
        };
        keys.extend((0..sequence.len()).map(file));
        keys
    }

    fn folder(&mut self, folder: &Path) -> PathBuf {
        if let Some(known) = self.known.get(folder) {
            return known.clone();
        }
        // A folder inside a shard has no path of its own.
        let real = folder.ancestors().find_map(|part| {
            let rest = folder.strip_prefix(part).ok()?;
            part.canonicalize().ok().map(|real| real.join(rest))
        });
        let real = real.unwrap_or_else(|| folder.to_owned());
        self.known.insert(folder.to_owned(), real.clone());
        real
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::dataset::FrameFiles;

    fn sequence(folder: &Path, name: &str, frames: std::ops::Range<usize>, x: f32) -> Sequence {
        let files = FrameFiles::listed(folder, frames.clone().map(|i| format!("{i:04}.jpg")).collect());
        Sequence::new(name, files, frames.map(|i| [x, i as f32, 5.0, 5.0]).collect(), None)
    }

    #[test]
    fn the_same_frames_are_found_under_other_names_and_paths_and_in_copies() {
        let folder = tempfile::tempdir().unwrap();
        let of = |name: &str| folder.path().join(name);
        std::fs::create_dir(of("a")).unwrap();
        std::os::unix::fs::symlink(of("a"), of("link")).unwrap();
        let val = |sequences: Vec<Sequence>| vec![Dataset::new("V", sequences)];
        let train =
            vec![Dataset::new("T", vec![sequence(&of("a"), "a", 1..5, 1.0), sequence(&of("b"), "b", 1..5, 2.0)])];
        let linked = shared(&train, &val(vec![sequence(&of("link"), "other", 2..4, 9.0)])).unwrap();
        assert_eq!((linked.sequences, linked.of, linked.example.as_str()), (1, 1, "V: other (T: a in training)"));
        let copy = sequence(&of("elsewhere"), "b", 1..5, 2.0);
        let (new, next) = (sequence(&of("c"), "c", 1..5, 1.0), sequence(&of("a"), "a_2", 5..9, 1.0));
        let found = shared(&train, &val(vec![new.clone(), copy, next.clone()])).unwrap();
        assert_eq!(found.short(), "shares 1 of 3 sequences with training");
        assert!(found.to_string().contains("V: b (T: b in training)"), "{found}");
        // Other frames of one folder, and the same name with other boxes, are other sequences.
        assert_eq!(shared(&train, &val(vec![new, next, sequence(&of("d"), "b", 1..5, 3.0)])), None);
        assert_eq!(shared(&train, &[]), None);
        // Scaled shards have other files and other boxes.
        let named = |name: &str, x: f32| vec![Dataset::new(name, vec![sequence(&of(name), "s", 1..3, x)])];
        let packed = named("packed:p/GOT10K_vottrain", 1.0);
        assert_eq!(shared(&packed, &named("GOT10K_votval@own.txt", 2.0)).map(|found| found.sequences), Some(1));
        assert_eq!(shared(&packed, &named("GOT10K_official_val", 2.0)), None);
        assert_eq!(shared(&named("folder:x", 1.0), &named("folder:y", 2.0)), None);
    }
}
