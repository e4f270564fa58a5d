//! LaSOT: `<class>/<class>-<n>/{img/00000001.jpg,…,groundtruth.txt,full_occlusion.txt,out_of_view.txt}`, also without
//! the class folders.

use std::collections::HashSet;
use std::path::Path;

use super::catalog::{CheckedSequence, Subset};
use super::split::{self, SplitFiles};
use super::{Ask, Layout, ScanContext, SequenceFiles, annotation};

pub(super) struct Lasot;

impl Layout for Lasot {
    fn folders(&self, _part: Subset) -> &'static [&'static str] {
        &["lasot", "LaSOT", "LASOT", "LaSOTBenchmark"]
    }

    fn key(&self, _part: Subset) -> &'static str {
        "lasot_dir"
    }

    fn sequences(&self, ask: &Ask<'_>, scan: &mut ScanContext) -> Vec<CheckedSequence> {
        let mut entries = entries(ask.root, scan);
        if ask.part != Subset::All {
            choose(ask, &mut entries, scan);
        }
        without_flags(&entries, scan);
        annotation::sequences(ask, entries, scan, visible)
    }
}

/// LaSOT's extension: 150 sequences more, all for testing, in the same layout.
pub(super) struct LasotExt;

impl Layout for LasotExt {
    fn folders(&self, _part: Subset) -> &'static [&'static str] {
        &["lasot_extension_subset", "lasot_ext", "LaSOT_ext", "LaSOT_extension_subset"]
    }

    fn key(&self, _part: Subset) -> &'static str {
        "lasot_ext_dir"
    }

    fn sequences(&self, ask: &Ask<'_>, scan: &mut ScanContext) -> Vec<CheckedSequence> {
        let entries = entries(ask.root, scan);
        without_flags(&entries, scan);
        annotation::sequences(ask, entries, scan, visible)
    }
}

/// The files that mark the frames in which the object is not to be seen.
const FLAGS: [&str; 2] = ["full_occlusion.txt", "out_of_view.txt"];

/// Says how many of `entries` do not tell where the object is hidden: such frames then count as showing it.
fn without_flags(entries: &[SequenceFiles], scan: &mut ScanContext) {
    let lacks = |entry: &&SequenceFiles| {
        let folder = entry.boxes.parent().unwrap_or(Path::new(""));
        FLAGS.iter().any(|name| !folder.join(name).exists())
    };
    let mut lacking = entries.iter().filter(lacks);
    let Some(first) = lacking.next() else { return };
    let (count, of) = (1 + lacking.count(), entries.len());
    let what = format!("{} of {of} sequences lack {} or {}", count, FLAGS[0], FLAGS[1]);
    scan.notes.push(format!("{what} (first {}): their frames count as showing the object", first.name));
}

/// Every folder with a box file, in the root or in a class's folder.
fn entries(root: &Path, scan: &mut ScanContext) -> Vec<SequenceFiles> {
    let mut entries = Vec::new();
    for folder in scan.folders(root) {
        let path = root.join(&folder);
        if scan.exists(&path.join("groundtruth.txt")) {
            entries.push(entry(&path, folder));
            continue;
        }
        for name in scan.folders(&path) {
            entries.push(entry(&path.join(&name), name));
        }
    }
    entries
}

/// Leaves the sequences of the part that is asked for.
fn choose(ask: &Ask<'_>, entries: &mut Vec<SequenceFiles>, scan: &mut ScanContext) {
    let (root, train) = (ask.root, ask.part == Subset::Train);
    let names: Vec<String> = entries.iter().map(|entry| entry.name.clone()).collect();
    let lists = [OFFICIAL.train, OFFICIAL.held_out].concat();
    if split::find(&lists, root, scan).is_none() {
        let own = if train { OFFICIAL.train[0] } else { OFFICIAL.held_out[0] };
        let what = format!("no {own} in {}: all {} sequences are used", root.display(), names.len());
        scan.notes.push(what);
        return;
    }
    let chosen: HashSet<String> = split::choose(&OFFICIAL, train, root, names, scan).into_iter().collect();
    entries.retain(|entry| chosen.contains(&entry.name));
}

/// Neither fully occluded nor out of view, where those files exist.
fn visible(entry: &SequenceFiles, frames: usize, scan: &mut ScanContext) -> Option<Vec<bool>> {
    let folder = entry.boxes.parent()?;
    let mut visible = None;
    for name in FLAGS {
        let path = folder.join(name);
        if !scan.exists(&path) {
            continue;
        }
        let hidden = annotation::flags(&path, frames, scan)?;
        let visible = visible.get_or_insert_with(|| vec![true; frames]);
        for (visible, hidden) in visible.iter_mut().zip(hidden) {
            *visible &= hidden == 0;
        }
    }
    visible
}

fn entry(folder: &Path, name: String) -> SequenceFiles {
    SequenceFiles::new(name, folder.join("img"), folder.join("groundtruth.txt"))
}

/// The data set's own lists, and the reference's.
const OFFICIAL: SplitFiles = SplitFiles {
    train: &["training_set.txt", "lasot_train_split.txt"],
    held_out: &["testing_set.txt", "lasot_test_split.txt"],
};
