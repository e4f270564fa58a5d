//! Annotated video data sets: one model of a sequence, and one file per layout that they are shipped in.

mod annotation;
mod catalog;
mod frames;
mod got10k;
mod lasot;
mod otb;
mod sequence;
mod split;
mod trackingnet;

pub use catalog::{known_names, load};
pub use frames::FrameFiles;
pub use sequence::{Dataset, Sequence};

use std::path::{Path, PathBuf};

use crate::data::problems::Problems;
use catalog::Part;

/// Where the parts of one sequence lie.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Entry {
    /// The sequence's name, unique in its data set.
    name: String,
    /// The folder with the frames.
    frames: PathBuf,
    /// The file with the boxes.
    boxes: PathBuf,
}

/// How a data set lies on disk.
trait Layout: Sync {
    /// The folders, relative to the data directory, where users keep this `part`; the first that exists is taken.
    fn folders(&self, part: Part) -> &'static [&'static str];

    /// The sequences of `part` under `root`, in the data set's own order. What the user should know about the choice
    /// (a missing split file, for example) goes to `notes`.
    fn entries(&self, root: &Path, part: Part, notes: &mut Vec<String>) -> Result<Vec<Entry>, Problems>;

    /// Which frames the annotators marked as showing the object, where the layout has such files; `frames` values.
    fn visible(&self, entry: &Entry, frames: usize, problems: &mut Problems) -> Option<Vec<bool>>;

    /// Frames that belong to the sequence, for sequences whose folder holds more than their annotation.
    fn trim(&self, _entry: &Entry, frames: FrameFiles) -> FrameFiles {
        frames
    }

    /// How many boxes of the annotation belong to the sequence, at most.
    fn most_boxes(&self, _entry: &Entry) -> usize {
        usize::MAX
    }
}

#[cfg(test)]
mod tests;
