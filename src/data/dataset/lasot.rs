//! LaSOT: `<class>/<class>-<n>/{img/00000001.jpg,…,groundtruth.txt,full_occlusion.txt,out_of_view.txt}`, also without
//! the class folders.

use std::path::Path;

use super::catalog::{Part, folders_in};
use super::split::{self, Split};
use super::{Entry, Layout, annotation};
use crate::data::problems::Problems;

pub(super) struct Lasot;

impl Layout for Lasot {
    fn folders(&self, _part: Part) -> &'static [&'static str] {
        &["lasot", "LaSOT", "LASOT", "LaSOTBenchmark"]
    }

    fn entries(&self, root: &Path, _part: Part, notes: &mut Vec<String>) -> Result<Vec<Entry>, Problems> {
        let mut entries = Vec::new();
        for folder in folders_in(root)? {
            let path = root.join(&folder);
            if path.join("groundtruth.txt").exists() {
                entries.push(entry(&path, folder));
                continue;
            }
            for name in folders_in(&path)? {
                entries.push(entry(&path.join(&name), name));
            }
        }
        let names: Vec<String> = entries.iter().map(|entry| entry.name.clone()).collect();
        if split::find(OFFICIAL.train, root).or_else(|| split::find(OFFICIAL.held_out, root)).is_none() {
            notes.push(format!("no training_set.txt in {}: all {} sequences are used", root.display(), names.len()));
            return Ok(entries);
        }
        let chosen = split::choose(&OFFICIAL, true, root, names, notes)?;
        entries.retain(|entry| chosen.contains(&entry.name));
        Ok(entries)
    }

    /// Neither fully occluded nor out of view, where those files exist.
    fn visible(&self, entry: &Entry, frames: usize, problems: &mut Problems) -> Option<Vec<bool>> {
        let folder = entry.boxes.parent()?;
        let mut visible = None;
        for name in ["full_occlusion.txt", "out_of_view.txt"] {
            let path = folder.join(name);
            if !path.exists() {
                continue;
            }
            let hidden = annotation::flags(&path, frames, problems)?;
            let visible = visible.get_or_insert_with(|| vec![true; frames]);
            for (visible, hidden) in visible.iter_mut().zip(hidden) {
                *visible &= hidden == 0;
            }
        }
        visible
    }
}

fn entry(folder: &Path, name: String) -> Entry {
    Entry { name, frames: folder.join("img"), boxes: folder.join("groundtruth.txt") }
}

/// The data set's own lists, and the reference's.
const OFFICIAL: Split = Split {
    train: &["training_set.txt", "lasot_train_split.txt"],
    held_out: &["testing_set.txt", "lasot_test_split.txt"],
};
