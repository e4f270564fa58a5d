//! GOT-10k: `train/<sequence>/{00000001.jpg,…,groundtruth.txt[,absence.label,cover.label]}` and `list.txt`. MVTD is
//! shipped in the same layout.

use super::catalog::{CheckedSequence, Subset};
use super::split::{self, SplitFiles};
use super::{Ask, Layout, ScanContext, SequenceFiles, annotation};

pub(super) struct Got10k;

impl Layout for Got10k {
    fn folders(&self, part: Subset) -> &'static [&'static str] {
        match part {
            Subset::OfficialVal => &["got10k/val", "GOT-10k/val", "GOT10K/val", "GOT10k/val"],
            Subset::Test => &["got10k/test", "GOT-10k/test", "GOT10K/test", "GOT10k/test"],
            _ => &["got10k/train", "GOT-10k/train", "GOT10K/train", "GOT10k/train"],
        }
    }

    fn key(&self, part: Subset) -> &'static str {
        match part {
            Subset::OfficialVal => "got10k_val_dir",
            Subset::Test => "got10k_test_dir",
            _ => "got10k_dir",
        }
    }

    fn sequences(&self, ask: &Ask<'_>, scan: &mut ScanContext) -> Vec<CheckedSequence> {
        sequences(ask, scan)
    }
}

pub(super) struct Mvtd;

impl Layout for Mvtd {
    fn folders(&self, part: Subset) -> &'static [&'static str] {
        match part {
            Subset::Test => &["mvtd/test", "MVTD/test"],
            _ => &["mvtd/train", "MVTD/train"],
        }
    }

    fn key(&self, part: Subset) -> &'static str {
        match part {
            Subset::Test => "mvtd_test_dir",
            _ => "mvtd_dir",
        }
    }

    fn sequences(&self, ask: &Ask<'_>, scan: &mut ScanContext) -> Vec<CheckedSequence> {
        sequences(ask, scan)
    }
}

fn sequences(ask: &Ask<'_>, scan: &mut ScanContext) -> Vec<CheckedSequence> {
    let root = ask.root;
    let list = root.join("list.txt");
    let names = if scan.exists(&list) { named(&list, scan) } else { scan.folders(root) };
    let names = match ask.part {
        Subset::VotTrain => split::choose(&VOT, true, root, names, scan),
        Subset::VotVal => split::choose(&VOT, false, root, names, scan),
        Subset::Train => split::only(&["train_full.txt", "got10k_train_full_split.txt"], root, names, scan),
        Subset::OfficialVal | Subset::Test | Subset::All => names,
    };
    let entries = names.into_iter().map(|name| {
        let frames = root.join(&name);
        let boxes = frames.join("groundtruth.txt");
        // Of the test set, only the first box is published.
        let style = annotation::Style { first_only: ask.part == Subset::Test, ..annotation::Style::default() };
        SequenceFiles { style, ..SequenceFiles::new(name, frames, boxes) }
    });
    annotation::sequences(ask, entries.collect(), scan, visible)
}

/// In view (`absence.label` is 0) and not fully covered (`cover.label` is above 0), where those files exist.
fn visible(entry: &SequenceFiles, frames: usize, scan: &mut ScanContext) -> Option<Vec<bool>> {
    let mut read = |name: &str| {
        let path = entry.frames.join(name);
        // Whether the file exists shows in the stamp of its folder, which is a source already.
        path.exists().then(|| annotation::flags(&path, frames, scan)).flatten()
    };
    let (absence, cover) = (read("absence.label"), read("cover.label"));
    if absence.is_none() && cover.is_none() {
        return None;
    }
    let mut visible = vec![true; frames];
    for (visible, absent) in visible.iter_mut().zip(absence.iter().flatten()) {
        *visible &= *absent == 0;
    }
    for (visible, cover) in visible.iter_mut().zip(cover.iter().flatten()) {
        *visible &= *cover > 0;
    }
    Some(visible)
}

/// The reference ships its split as lists of numbers (lines of `list.txt`, from 0); the fork, as names.
const VOT: SplitFiles = SplitFiles {
    train: &["vottrain.txt", "got10k_vot_train_split.txt"],
    held_out: &["votval.txt", "got10k_vot_val_split.txt"],
};

/// The names that a list holds.
fn named(list: &std::path::Path, scan: &mut ScanContext) -> Vec<String> {
    split::unique(list, scan).into_iter().map(|(_, name)| name).collect()
}
