//! Annotated data sets: one model of a sequence, and one file per layout that they are shipped in.

mod annotation;
mod cache;
mod catalog;
mod coco;
mod codec;
mod digest;
mod exact;
mod file;
mod folder;
mod frames;
mod got10k;
mod lasot;
mod nfs;
mod order;
mod otb;
pub mod packed;
mod remarks;
mod request;
mod roots;
mod scan_context;
mod sequence;
mod span;
mod split;
mod suspicion;
mod tc128;
mod tnl2k;
mod trackingnet;
mod uav123;
mod vasttrack;
mod vid;
mod vot;

pub use catalog::{CheckedSequence, Scan, known_names, load, load_for, scan, scan_for};
pub use digest::Digest;
pub use exact::Truth;
pub use file::{FrameFile, Member, MemberLocation};
pub use frames::FrameFiles;
pub use request::Purpose;
pub use roots::{KEYS, PATHS_FILE, Roots, cache_folder};
pub use sequence::{Dataset, Opening, Sequence};

use std::path::{Path, PathBuf};

use catalog::Subset;
use scan_context::ScanContext;

/// Where the parts of one sequence lie.
#[derive(Clone, Debug, PartialEq, Eq)]
struct SequenceFiles {
    /// The sequence's name, unique in its data set.
    name: String,
    /// The folder with the frames.
    frames: PathBuf,
    /// The file with the boxes.
    boxes: PathBuf,
    /// First and last frame of the sequence, counted from 1, where the folder holds more.
    span: Option<(usize, usize)>,
    /// How the boxes are written.
    style: annotation::Style,
    /// Why there are no frames, where that is known already.
    lost: Option<String>,
}

impl SequenceFiles {
    fn new(name: String, frames: PathBuf, boxes: PathBuf) -> Self {
        Self { name, frames, boxes, span: None, style: annotation::Style::default(), lost: None }
    }
}

/// What is asked of a layout.
#[derive(Clone, Copy, Debug)]
struct Ask<'a> {
    /// The data set's folder.
    root: &'a Path,
    /// The part of it.
    part: Subset,
    /// A user's own list of sequences.
    list: Option<&'a Path>,
    /// What for.
    purpose: Purpose,
}

/// How a data set lies on disk.
trait Layout: Sync {
    /// The folders, relative to the data directory, where users keep this `part`; the first that exists is taken.
    fn folders(&self, part: Subset) -> &'static [&'static str];

    /// The key of `configs/paths.yaml` that names the folder of this `part`.
    fn key(&self, part: Subset) -> &'static str;

    /// Whether the data set at `root` holds pictures, one object and one frame each, instead of videos.
    fn is_images(&self, _root: &Path) -> bool {
        false
    }

    /// The sequences that are asked for, in the data set's own order, each with what is wrong with it. What is wrong
    /// with the data set as a whole, and what the user should know about it, goes to `scan`.
    fn sequences(&self, ask: &Ask<'_>, scan: &mut ScanContext) -> Vec<CheckedSequence>;
}

#[cfg(test)]
mod tests;
#[cfg(test)]
mod text_tests;
