//! TC-128: `<sequence>/{img/0001.jpg,…,<sequence>_gt.txt,<sequence>_frames.txt}`; the last says which frames count.

use std::path::Path;

use super::catalog::{CheckedSequence, Subset};
use super::{Ask, Layout, ScanContext, SequenceFiles, annotation};

/// All of it.
pub(super) struct Tc128;

/// The sequences that are in no other data set: those with `_ce` in their names.
pub(super) struct Tc128Ce;

const FOLDERS: [&str; 4] = ["TC128", "tc128", "Temple-color-128", "tpl"];

/// Frames of the sequences that do not start at 1, for copies without `_frames.txt`.
const SPANS: [(&str, usize, usize); 3] = [("David", 300, 770), ("Busstation_ce2", 6, 400), ("Hurdle_ce2", 27, 330)];

impl Layout for Tc128 {
    fn folders(&self, _part: Subset) -> &'static [&'static str] {
        &FOLDERS
    }

    fn key(&self, _part: Subset) -> &'static str {
        "tc128_dir"
    }

    fn sequences(&self, ask: &Ask<'_>, scan: &mut ScanContext) -> Vec<CheckedSequence> {
        let entries = entries(ask.root, scan);
        annotation::sequences(ask, entries, scan, |_, _, _| None)
    }
}

impl Layout for Tc128Ce {
    fn folders(&self, _part: Subset) -> &'static [&'static str] {
        &FOLDERS
    }

    fn key(&self, _part: Subset) -> &'static str {
        "tc128_dir"
    }

    fn sequences(&self, ask: &Ask<'_>, scan: &mut ScanContext) -> Vec<CheckedSequence> {
        let entries = entries(ask.root, scan).into_iter().filter(|entry| entry.name.contains("_ce")).collect();
        annotation::sequences(ask, entries, scan, |_, _, _| None)
    }
}

/// Every folder with a box file; some copies call it `tpl_<sequence>`.
fn entries(root: &Path, scan: &mut ScanContext) -> Vec<SequenceFiles> {
    let mut entries = Vec::new();
    for folder in scan.folders(root) {
        let path = root.join(&folder);
        let files = scan.files(&path);
        let Some(boxes) = files.iter().find(|file| file.ends_with("_gt.txt")) else {
            scan.notes.push(format!("{}: no *_gt.txt, skipped", path.display()));
            continue;
        };
        let name = folder.strip_prefix("tpl_").unwrap_or(&folder).to_owned();
        let span = match files.iter().find(|file| file.ends_with("_frames.txt")) {
            Some(file) => span(&path.join(file), scan),
            None => SPANS.iter().find(|(known, ..)| *known == name).map(|&(_, first, last)| (first, last)),
        };
        entries.push(SequenceFiles { span, ..SequenceFiles::new(name, path.join("img"), path.join(boxes)) });
    }
    entries
}

/// `first,last`.
fn span(file: &Path, scan: &mut ScanContext) -> Option<(usize, usize)> {
    let text = scan.text(file)?;
    let numbers: Option<Vec<usize>> = annotation::fields(text.trim()).map(|field| field.parse().ok()).collect();
    match numbers.as_deref() {
        Some(&[first, last]) if 0 < first && first <= last => Some((first, last)),
        _ => {
            scan.problems.file(file, "does not state which frames count; write the first and the last: 1,20");
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use crate::data::dataset::{Roots, load};

    #[test]
    fn the_frames_that_count_are_those_of_the_list() {
        let root = tempfile::tempdir().unwrap();
        let write = |file: &str, text: &str| {
            let path = root.path().join("TC128").join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        };
        for frame in 1..=9 {
            write(&format!("Boat_ce2/img/{frame:04}.jpg"), "");
            write(&format!("tpl_Ball/img/{frame:04}.jpg"), "");
        }
        write("Boat_ce2/Boat_ce2_gt.txt", &"1,2,3,4\n".repeat(3));
        write("Boat_ce2/Boat_ce2_frames.txt", "4,6\n");
        write("tpl_Ball/Ball_gt.txt", &"1,2,3,4\n".repeat(9));
        let names = |set: &str| -> Vec<String> {
            let sets = load(&[set.to_owned()], &Roots::below(root.path())).unwrap();
            sets[0].sequences.iter().map(|one| format!("{} {}", one.name, one.path(0).display())).collect()
        };
        let all = names("TC128");
        assert!(all[0].starts_with("Boat_ce2 ") && all[0].ends_with("img/0004.jpg"), "{all:?}");
        assert!(all[1].starts_with("Ball ") && all[1].ends_with("img/0001.jpg"), "{all:?}");
        assert_eq!(names("TC128_ce").len(), 1);
        write("Boat_ce2/Boat_ce2_frames.txt", "all\n");
        let failure = load(&["TC128".to_owned()], &Roots::below(root.path())).unwrap_err();
        assert!(failure.message.contains("Boat_ce2_frames.txt: does not state which frames count"), "{failure}");
    }
}
