//! A packed set: shards (tar files) with the frames, and beside each its index.
//!
//! `pack.json` says what was packed and how large each shard must be; it is written last. `shard-000000.jsonl` has a
//! line for each sequence: name, boxes, visible frames, and where in the shard each frame lies.

use std::path::Path;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::catalog::Subset;
use super::file::MemberLocation;
use super::{Ask, CheckedSequence, FrameFiles, Layout, ScanContext, Sequence, split};
use crate::data::problems::Problems;
use crate::text::{self, excerpt};

/// Where packed sets are looked for, below the data folder.
pub const FOLDER: &str = "packed";
/// The file that makes a folder a packed set.
pub const SUMMARY: &str = "pack.json";
/// What [`Summary::format`] must be.
pub const FORMAT: &str = "trackflow pack 1";

const REMEDY: &str = "run `trackflow data pack` again with the same --out: whole shards are kept";

/// What was packed, and how.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Summary {
    /// [`FORMAT`].
    pub format: String,
    /// The set's name in experiments.
    pub name: String,
    /// Whether its sequences are pictures with one object each.
    pub images: bool,
    /// How frames were rewritten.
    pub how: How,
    /// Whether JPEG files kept their Exif orientation, which earlier versions left out.
    #[serde(default)]
    pub keeps_orientation: bool,
    /// Bytes of the frames' own files.
    pub source_bytes: u64,
    /// The shards, in order.
    pub shards: Vec<Shard>,
}

/// How frames are rewritten.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "mode", rename_all = "lowercase")]
pub enum How {
    /// The same pixels; JPEG files in tiles about `tile` minimum coded units wide.
    Lossless {
        /// Wanted width of a tile in minimum coded units.
        tile: u32,
    },
    /// Scaled down to what crops need, and compressed again.
    Scaled {
        /// Wanted width of a tile in minimum coded units.
        tile: u32,
        /// JPEG quality, 1 to 100.
        quality: u8,
        /// Side of a crop ÷ its search area factor, the larger of template's and search's: pixels that √(w·h) of the
        /// object's box is scaled to where it has more.
        object: f64,
    },
}

/// A shard.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Shard {
    /// Its file's name.
    pub file: String,
    /// How many bytes it has.
    pub bytes: u64,
    /// How many sequences.
    pub sequences: usize,
    /// How many frames.
    pub frames: usize,
    /// Bytes of the frames' own files.
    pub source_bytes: u64,
}

/// A sequence in a shard's index.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct IndexEntry {
    /// Its name.
    pub sequence: String,
    /// The folder of its members.
    pub folder: String,
    /// The names of its members.
    pub names: Vec<String>,
    /// `x, y, w, h` in pixels of the frames as they are in the shard.
    pub boxes: Vec<[f32; 4]>,
    /// Whether each frame shows the object.
    pub visible: Vec<bool>,
    /// Where each member lies.
    #[serde(rename = "places")]
    pub locations: Vec<MemberLocation>,
}

/// Whether `folder` holds a packed set.
pub fn is_pack(folder: &Path) -> bool {
    folder.join(SUMMARY).is_file()
}

/// The index of a shard.
pub fn index_name(shard: &str) -> String {
    format!("{}.jsonl", shard.trim_end_matches(".tar"))
}

impl Summary {
    /// Reads the summary of the packed set in `folder`.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn read(folder: &Path) -> Result<Self, String> {
        let text = text::read(&folder.join(SUMMARY)).map_err(|error| error.to_string())?;
        Self::parse(&text)
    }

    fn parse(text: &str) -> Result<Self, String> {
        let summary: Self = serde_json::from_str(text).map_err(|error| error.to_string())?;
        match summary.format == FORMAT {
            true => Ok(summary),
            false => Err(format!("its format is `{}`; this program reads `{FORMAT}`", excerpt(summary.format))),
        }
    }
}

/// `packed:PATH`.
pub(super) struct Packed;

impl Layout for Packed {
    fn folders(&self, _part: Subset) -> &'static [&'static str] {
        &[FOLDER]
    }

    fn key(&self, _part: Subset) -> &'static str {
        "data_dir"
    }

    fn is_images(&self, root: &Path) -> bool {
        Summary::read(root).is_ok_and(|summary| summary.images)
    }

    fn sequences(&self, ask: &Ask<'_>, scan: &mut ScanContext) -> Vec<CheckedSequence> {
        let file = ask.root.join(SUMMARY);
        if !scan.exists(&file) {
            scan.problems.file(&file, format_args!("no such file: packing was not finished; {REMEDY}"));
            return Vec::new();
        }
        let Some(text) = scan.text(&file) else { return Vec::new() };
        let summary = match Summary::parse(&text) {
            Ok(summary) => summary,
            Err(what) => {
                scan.problems.file(&file, format_args!("{what}; {REMEDY}"));
                return Vec::new();
            }
        };
        if !summary.keeps_orientation {
            let what = "packed by an earlier version, which ignored the Exif orientation of JPEG images";
            scan.notes.push(format!("{what}; if they turn some, pack the set again"));
        }
        if let How::Scaled { quality, .. } = summary.how {
            scan.notes.push(format!("frames are scaled to what crops need, JPEG quality {quality}"));
        }
        let mut found = Vec::new();
        for shard in &summary.shards {
            let path: Arc<Path> = ask.root.join(&shard.file).into();
            scan.exists(&path);
            match std::fs::metadata(&path) {
                Ok(data) if data.len() == shard.bytes => {}
                Ok(data) => {
                    let what = format!("has {} bytes of {}: a torn shard", data.len(), shard.bytes);
                    scan.problems.file(&path, format_args!("{what}; {REMEDY}"));
                    continue;
                }
                Err(error) => {
                    scan.problems.file(&path, format_args!("{error}; {REMEDY}"));
                    continue;
                }
            }
            let index = ask.root.join(index_name(&shard.file));
            let lines = scan.lines(&index);
            if lines.len() != shard.sequences {
                let what = format!("has {} sequences of {}", lines.len(), shard.sequences);
                scan.problems.file(&index, format_args!("{what}; {REMEDY}"));
            }
            for (number, line) in &lines {
                match serde_json::from_str::<IndexEntry>(line) {
                    Ok(entry) => found.push(sequence(entry, &path, shard.bytes)),
                    Err(error) => {
                        let what = text::printable(&error.to_string()).into_owned();
                        scan.problems.line(&index, *number, format_args!("{what}; {REMEDY}"));
                    }
                }
            }
        }
        split::keep(ask, found, |found| &found.sequence.name, scan)
    }
}

fn sequence(entry: IndexEntry, shard: &Arc<Path>, bytes: u64) -> CheckedSequence {
    let mut problems = Problems::default();
    let lengths = [entry.names.len(), entry.boxes.len(), entry.visible.len(), entry.locations.len()];
    let inside = |location: &MemberLocation| location.head <= location.length && location.end() <= bytes;
    if lengths.iter().any(|length| *length != lengths[0]) || !entry.locations.iter().all(inside) {
        problems.file(shard, format_args!("{}: its index is damaged; {REMEDY}", entry.sequence));
    }
    let frames = FrameFiles::packed(shard, &entry.folder, entry.names, entry.locations);
    let sequence = Sequence::new(&entry.sequence, frames, entry.boxes, Some(entry.visible));
    CheckedSequence { sequence, problems, truth: None }
}
