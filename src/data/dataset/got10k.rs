//! GOT-10k: `train/<sequence>/{00000001.jpg,…,groundtruth.txt[,absence.label,cover.label]}` and `list.txt`.

use std::path::Path;

use super::catalog::{Part, folders_in};
use super::split::{self, Split};
use super::{Entry, Layout, annotation};
use crate::data::problems::Problems;

pub(super) struct Got10k;

impl Layout for Got10k {
    fn folders(&self, part: Part) -> &'static [&'static str] {
        match part {
            Part::OfficialVal => &["got10k/val", "GOT-10k/val", "GOT10K/val", "GOT10k/val"],
            _ => &["got10k/train", "GOT-10k/train", "GOT10K/train", "GOT10k/train"],
        }
    }

    fn entries(&self, root: &Path, part: Part, notes: &mut Vec<String>) -> Result<Vec<Entry>, Problems> {
        let list = root.join("list.txt");
        let names = if list.exists() { split::lines(&list)? } else { folders_in(root)? };
        let names = match part {
            Part::VotTrain => split::choose(&VOT, true, root, names, notes)?,
            Part::VotVal => split::choose(&VOT, false, root, names, notes)?,
            Part::Train => split::only(&["train_full.txt", "got10k_train_full_split.txt"], root, names)?,
            Part::OfficialVal | Part::All => names,
        };
        Ok(names
            .into_iter()
            .map(|name| {
                let frames = root.join(&name);
                Entry { boxes: frames.join("groundtruth.txt"), frames, name }
            })
            .collect())
    }

    /// In view (`absence.label` is 0) and not fully covered (`cover.label` is above 0), where those files exist.
    fn visible(&self, entry: &Entry, frames: usize, problems: &mut Problems) -> Option<Vec<bool>> {
        let mut read = |name: &str| {
            let path = entry.frames.join(name);
            path.exists().then(|| annotation::flags(&path, frames, problems)).flatten()
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
}

/// The reference ships its split as lists of numbers (lines of `list.txt`, from 0); the fork, as names.
const VOT: Split = Split {
    train: &["vottrain.txt", "got10k_vot_train_split.txt"],
    held_out: &["votval.txt", "got10k_vot_val_split.txt"],
};
