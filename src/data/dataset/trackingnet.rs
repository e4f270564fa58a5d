//! TrackingNet: `TRAIN_<n>/{anno/<sequence>.txt,frames/<sequence>/{0.jpg,1.jpg,…}}` for as many parts as were fetched.

use std::path::Path;

use super::catalog::{Part, folders_in};
use super::{Entry, Layout};
use crate::data::problems::Problems;

pub(super) struct TrackingNet;

impl Layout for TrackingNet {
    fn folders(&self, _part: Part) -> &'static [&'static str] {
        &["trackingnet", "TrackingNet", "TRACKINGNET"]
    }

    fn entries(&self, root: &Path, _part: Part, notes: &mut Vec<String>) -> Result<Vec<Entry>, Problems> {
        let mut parts: Vec<(u32, String)> = folders_in(root)?
            .into_iter()
            .filter_map(|name| Some((name.strip_prefix("TRAIN_")?.parse().ok()?, name)))
            .collect();
        parts.sort();
        if parts.len() < PARTS && !parts.is_empty() {
            notes.push(format!("{} of the {PARTS} parts TRAIN_0 to TRAIN_{}", parts.len(), PARTS - 1));
        }
        let mut entries = Vec::new();
        let mut problems = Problems::default();
        for (_, part) in parts {
            let part = root.join(part);
            let annotations = part.join("anno");
            match annotated(&annotations) {
                Ok(names) => entries.extend(names.into_iter().map(|name| Entry {
                    frames: part.join("frames").join(&name),
                    boxes: annotations.join(format!("{name}.txt")),
                    name,
                })),
                Err(error) => {
                    problems.file(&annotations, format_args!("cannot be listed: {error}; fetch the part again"));
                }
            }
        }
        if problems.is_empty() { Ok(entries) } else { Err(problems) }
    }

    /// TrackingNet marks nothing: every frame with a box shows the object.
    fn visible(&self, _entry: &Entry, _frames: usize, _problems: &mut Problems) -> Option<Vec<bool>> {
        None
    }
}

/// The parts of the training set.
const PARTS: usize = 12;

/// The names of the annotated sequences, sorted.
fn annotated(folder: &Path) -> std::io::Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let name = entry?.file_name();
        if let Some(name) = name.to_str().and_then(|name| name.strip_suffix(".txt")).filter(|n| !n.starts_with('.')) {
            names.push(name.to_owned());
        }
    }
    names.sort();
    Ok(names)
}
