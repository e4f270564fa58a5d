//! LaSOT: `<class>/<class>-<n>/{img/00000001.jpg,…,groundtruth.txt,full_occlusion.txt,out_of_view.txt}`, also without
//! the class folders.

use std::collections::HashSet;
use std::path::Path;

use super::catalog::{Found, Part};
use super::split::{self, Split};
use super::{Ask, Entry, Inquiry, Layout, annotation};

pub(super) struct Lasot;

impl Layout for Lasot {
    fn folders(&self, _part: Part) -> &'static [&'static str] {
        &["lasot", "LaSOT", "LASOT", "LaSOTBenchmark"]
    }

    fn key(&self, _part: Part) -> &'static str {
        "lasot_dir"
    }

    fn sequences(&self, ask: &Ask<'_>, inquiry: &mut Inquiry) -> Vec<Found> {
        let mut entries = entries(ask.root, inquiry);
        if ask.part != Part::All {
            choose(ask, &mut entries, inquiry);
        }
        without_flags(&entries, inquiry);
        annotation::sequences(ask, entries, inquiry, visible)
    }
}

/// LaSOT's extension: 150 sequences more, all for testing, in the same layout.
pub(super) struct LasotExt;

impl Layout for LasotExt {
    fn folders(&self, _part: Part) -> &'static [&'static str] {
        &["lasot_extension_subset", "lasot_ext", "LaSOT_ext", "LaSOT_extension_subset"]
    }

    fn key(&self, _part: Part) -> &'static str {
        "lasot_ext_dir"
    }

    fn sequences(&self, ask: &Ask<'_>, inquiry: &mut Inquiry) -> Vec<Found> {
        let entries = entries(ask.root, inquiry);
        without_flags(&entries, inquiry);
        annotation::sequences(ask, entries, inquiry, visible)
    }
}

/// The files that mark the frames in which the object is not to be seen.
const FLAGS: [&str; 2] = ["full_occlusion.txt", "out_of_view.txt"];

/// Says how many of `entries` do not tell where the object is hidden: such frames then count as showing it.
fn without_flags(entries: &[Entry], inquiry: &mut Inquiry) {
    let lacks = |entry: &&Entry| {
        let folder = entry.boxes.parent().unwrap_or(Path::new(""));
        FLAGS.iter().any(|name| !folder.join(name).exists())
    };
    let mut lacking = entries.iter().filter(lacks);
    let Some(first) = lacking.next() else { return };
    let (count, of) = (1 + lacking.count(), entries.len());
    let what = format!("{} of {of} sequences lack {} or {}", count, FLAGS[0], FLAGS[1]);
    inquiry.notes.push(format!("{what} (first {}): their frames count as showing the object", first.name));
}

/// Every folder with a box file, in the root or in a class's folder.
fn entries(root: &Path, inquiry: &mut Inquiry) -> Vec<Entry> {
    let mut entries = Vec::new();
    for folder in inquiry.folders(root) {
        let path = root.join(&folder);
        if inquiry.exists(&path.join("groundtruth.txt")) {
            entries.push(entry(&path, folder));
            continue;
        }
        for name in inquiry.folders(&path) {
            entries.push(entry(&path.join(&name), name));
        }
    }
    entries
}

/// Leaves the sequences of the part that is asked for.
fn choose(ask: &Ask<'_>, entries: &mut Vec<Entry>, inquiry: &mut Inquiry) {
    let (root, train) = (ask.root, ask.part == Part::Train);
    let names: Vec<String> = entries.iter().map(|entry| entry.name.clone()).collect();
    let lists = [OFFICIAL.train, OFFICIAL.held_out].concat();
    if split::find(&lists, root, inquiry).is_none() {
        let own = if train { OFFICIAL.train[0] } else { OFFICIAL.held_out[0] };
        let what = format!("no {own} in {}: all {} sequences are used", root.display(), names.len());
        inquiry.notes.push(what);
        return;
    }
    let chosen: HashSet<String> = split::choose(&OFFICIAL, train, root, names, inquiry).into_iter().collect();
    entries.retain(|entry| chosen.contains(&entry.name));
}

/// Neither fully occluded nor out of view, where those files exist.
fn visible(entry: &Entry, frames: usize, inquiry: &mut Inquiry) -> Option<Vec<bool>> {
    let folder = entry.boxes.parent()?;
    let mut visible = None;
    for name in FLAGS {
        let path = folder.join(name);
        if !inquiry.exists(&path) {
            continue;
        }
        let hidden = annotation::flags(&path, frames, inquiry)?;
        let visible = visible.get_or_insert_with(|| vec![true; frames]);
        for (visible, hidden) in visible.iter_mut().zip(hidden) {
            *visible &= hidden == 0;
        }
    }
    visible
}

fn entry(folder: &Path, name: String) -> Entry {
    Entry::new(name, folder.join("img"), folder.join("groundtruth.txt"))
}

/// The data set's own lists, and the reference's.
const OFFICIAL: Split = Split {
    train: &["training_set.txt", "lasot_train_split.txt"],
    held_out: &["testing_set.txt", "lasot_test_split.txt"],
};
