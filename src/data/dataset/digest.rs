//! What identifies the content of a data set, so that a run that goes on can tell whether it was changed meanwhile.

use std::fmt;

use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::{Xxh3, xxh3_64};

use super::{Dataset, Sequence};

/// Up to this many frame files of a data set are asked for their size; of more, an even sample.
const SIZES: usize = 10_000;

/// The content of a data set in a few numbers: XXH3 (64 bits) over each of its parts, the same wherever the data set
/// lies, however many threads read it and whether it came from the cache.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Digest {
    /// Sequences, as chosen by lists.
    pub sequences: usize,
    /// Annotated frames.
    pub frames: usize,
    /// Of the sequences' names in their order.
    pub names: u64,
    /// Of the frames' file names in their order, and of the files' sizes: of all up to 10,000, else of an even sample.
    pub files: u64,
    /// Of the boxes' bits and of which frames show the object.
    pub boxes: u64,
    /// Of the condition labels that are attached.
    pub labels: u64,
}

impl Digest {
    /// What differs between the data set that `self` was taken of and the one that `now` is, in words; empty where
    /// nothing does.
    pub fn changes(&self, now: &Self) -> Vec<String> {
        let mut changes = Vec::new();
        let mut count = |what: &str, was: usize, is: usize| {
            if was != is {
                changes.push(format!("{what}: {is} instead of {was}"));
            }
        };
        count("sequences", self.sequences, now.sequences);
        count("frames", self.frames, now.frames);
        let mut part = |what: &str, was: u64, is: u64| {
            if was != is {
                changes.push(what.to_owned());
            }
        };
        let same_frames = self.names == now.names && self.frames == now.frames;
        if self.sequences == now.sequences {
            part("other sequences, or another order of them", self.names, now.names);
        }
        // Other sequences have other files, boxes and labels: that says nothing more.
        if same_frames {
            part("other frame files (names, order or sizes)", self.files, now.files);
            part("other boxes, or other frames that show the object", self.boxes, now.boxes);
            part("other condition labels", self.labels, now.labels);
        }
        changes
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { sequences, frames, names, files, boxes, labels } = self;
        write!(f, "{sequences}-{frames}-{names:016x}-{files:016x}-{boxes:016x}-{labels:016x}")
    }
}

impl Dataset {
    /// What identifies the content of this data set. No picture is opened; sizes are asked of at most 10,000 files.
    pub fn digest(&self) -> Digest {
        let parts: Vec<[u64; 4]> = self.sequences.par_iter().map(parts).collect();
        let whole = |part: usize| {
            let mut hasher = Xxh3::new();
            parts.iter().for_each(|parts| hasher.update(&parts[part].to_le_bytes()));
            hasher.digest()
        };
        let mut files = Xxh3::new();
        files.update(&whole(1).to_le_bytes());
        self.sizes().into_iter().for_each(|size| files.update(&size.to_le_bytes()));
        Digest {
            sequences: self.sequences.len(),
            frames: self.frames(),
            names: whole(0),
            files: files.digest(),
            boxes: whole(2),
            labels: whole(3),
        }
    }

    /// Sizes of an even sample of the frames' files; of one that is not there, a size that no file has.
    fn sizes(&self) -> Vec<u64> {
        let ends: Vec<usize> = self
            .sequences
            .iter()
            .scan(0, |end, sequence| {
                *end += sequence.len();
                Some(*end)
            })
            .collect();
        let frames = ends.last().copied().unwrap_or(0);
        let asked = frames.min(SIZES);
        let size = |k: usize| {
            let frame = (k as u128 * frames as u128 / asked as u128) as usize;
            let which = ends.partition_point(|&end| end <= frame);
            let first = if which == 0 { 0 } else { ends[which - 1] };
            self.sequences[which].file(frame - first).length().unwrap_or(u64::MAX)
        };
        (0..asked).into_par_iter().map(size).collect()
    }
}

/// Digests of name, file names, boxes and labels.
fn parts(sequence: &Sequence) -> [u64; 4] {
    let mut files = Xxh3::new();
    for frame in 0..sequence.len() {
        let path = sequence.path(frame);
        // Relative to the folder, so that a data set that was moved is the same.
        let name = path.strip_prefix(sequence.frames.folder()).unwrap_or(&path);
        files.update(name.as_os_str().as_encoded_bytes());
        files.update(&[0]);
    }
    let mut boxes = Xxh3::new();
    for (object, seen) in sequence.boxes().iter().zip(sequence.visible()) {
        object.iter().for_each(|value| boxes.update(&value.to_bits().to_le_bytes()));
        boxes.update(&[u8::from(*seen)]);
    }
    let mut labels = Xxh3::new();
    sequence.labels.digest(&mut labels);
    [xxh3_64(sequence.name.as_bytes()), files.digest(), boxes.digest(), labels.digest()]
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::data::dataset::FrameFiles;

    fn dataset(root: &Path, change: impl Fn(&mut Vec<String>, &mut Vec<[f32; 4]>, &mut Vec<bool>)) -> Dataset {
        let make = |name: &str| {
            let mut names: Vec<String> = (1..=3).map(|i| format!("{i:04}.jpg")).collect();
            let (mut boxes, mut seen) = (vec![[1.0, 2.0, 3.0, 4.0]; 3], vec![true; 3]);
            change(&mut names, &mut boxes, &mut seen);
            Sequence::new(name, FrameFiles::listed(&root.join(name), names), boxes, Some(seen))
        };
        Dataset::new("D", vec![make("a"), make("b")])
    }

    #[test]
    fn a_set_that_was_moved_is_the_same_and_one_that_was_changed_is_not() {
        let (here, there) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        for root in [&here, &there] {
            for name in ["a", "b"] {
                std::fs::create_dir(root.path().join(name)).unwrap();
                for i in 1..=3 {
                    std::fs::write(root.path().join(format!("{name}/{i:04}.jpg")), [0; 9]).unwrap();
                }
            }
        }
        let was = dataset(here.path(), |_, _, _| {}).digest();
        let changes = |now: &Dataset| was.changes(&now.digest()).join("; ");
        let pool = rayon::ThreadPoolBuilder::new().num_threads(1).build().unwrap();
        assert_eq!(pool.install(|| dataset(there.path(), |_, _, _| {}).digest()), was);
        let written = serde_json::to_string(&was).unwrap();
        assert_eq!(serde_json::from_str::<Digest>(&written).unwrap(), was);

        let renamed = dataset(there.path(), |names, _, _| names.swap(0, 1));
        assert_eq!(changes(&renamed), "other frame files (names, order or sizes)");
        let moved = dataset(there.path(), |_, boxes, _| boxes[1][0] = f32::from_bits(1.0f32.to_bits() + 1));
        assert_eq!(changes(&moved), "other boxes, or other frames that show the object");
        let hidden = dataset(there.path(), |_, _, seen| seen[2] = false);
        assert_eq!(changes(&hidden), "other boxes, or other frames that show the object");
        let mut fewer = dataset(there.path(), |_, _, _| {});
        fewer.sequences.reverse();
        assert_eq!(changes(&fewer), "other sequences, or another order of them");
        fewer.sequences.pop();
        assert_eq!(changes(&fewer), "sequences: 1 instead of 2; frames: 3 instead of 6");
        std::fs::write(there.path().join("b/0002.jpg"), [0; 8]).unwrap();
        assert_eq!(changes(&dataset(there.path(), |_, _, _| {})), "other frame files (names, order or sizes)");
    }

    #[test]
    fn labels_that_are_attached_count() {
        let root = tempfile::tempdir().unwrap();
        let labels = root.path().join("labels/a/a.jsonl");
        std::fs::create_dir_all(labels.parent().unwrap()).unwrap();
        let line = r#"{"frame_id": 1, "cv_response": {"scale_variation": 1, "low_res": 0, "low_contrast": 0}}"#;
        std::fs::write(&labels, format!("{line}\n")).unwrap();
        let plain = dataset(root.path(), |_, _, _| {});
        let mut labelled = [plain.clone()];
        crate::data::labels::attach(&mut labelled, &root.path().join("labels")).unwrap();
        assert_eq!(plain.digest().changes(&labelled[0].digest()), ["other condition labels"]);
    }
}
