//! OTB: `<Sequence>/{img/0001.jpg,…,groundtruth_rect.txt}`; videos with several objects have `groundtruth_rect.<n>.txt`.

use std::path::Path;

use super::catalog::{Part, folders_in};
use super::{Entry, FrameFiles, Layout};
use crate::data::problems::Problems;

pub(super) struct Otb;

/// Sequences whose folder holds more frames than their annotation: first and last frame, counted from 1
/// (<http://cvlab.hanyang.ac.kr/tracker_benchmark>).
const SPANS: [(&str, usize, usize); 5] =
    [("David", 300, 770), ("Football1", 1, 74), ("Freeman3", 1, 460), ("Freeman4", 1, 283), ("Diving", 1, 215)];

impl Otb {
    fn span(entry: &Entry) -> Option<(usize, usize)> {
        SPANS.iter().find(|(name, ..)| name.eq_ignore_ascii_case(&entry.name)).map(|&(_, first, last)| (first, last))
    }
}

impl Layout for Otb {
    fn folders(&self, _part: Part) -> &'static [&'static str] {
        &["otb", "OTB", "OTB100", "OTB2015", "otb100"]
    }

    fn entries(&self, root: &Path, _part: Part, _notes: &mut Vec<String>) -> Result<Vec<Entry>, Problems> {
        let mut entries = Vec::new();
        for folder in folders_in(root)? {
            let path = root.join(&folder);
            let numbered: Vec<usize> =
                (1..=9).filter(|n| path.join(format!("groundtruth_rect.{n}.txt")).exists()).collect();
            let entry = |name: String, file: String| Entry { name, frames: path.join("img"), boxes: path.join(file) };
            if numbered.is_empty() || path.join("groundtruth_rect.txt").exists() {
                entries.push(entry(folder, "groundtruth_rect.txt".into()));
                continue;
            }
            for n in &numbered {
                let name = if numbered.len() == 1 { folder.clone() } else { format!("{folder}.{n}") };
                entries.push(entry(name, format!("groundtruth_rect.{n}.txt")));
            }
        }
        Ok(entries)
    }

    /// OTB marks nothing: every frame with a box shows the object.
    fn visible(&self, _entry: &Entry, _frames: usize, _problems: &mut Problems) -> Option<Vec<bool>> {
        None
    }

    fn trim(&self, entry: &Entry, frames: FrameFiles) -> FrameFiles {
        match Self::span(entry) {
            // Only where the whole video is there; a shorter folder has been trimmed already.
            Some((first, last)) if frames.len() >= last => frames.slice(first - 1, last),
            _ => frames,
        }
    }

    fn most_boxes(&self, entry: &Entry) -> usize {
        Self::span(entry).map_or(usize::MAX, |(first, last)| last + 1 - first)
    }
}
