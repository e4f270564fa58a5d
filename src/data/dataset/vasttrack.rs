//! VastTrack: `{train,test}/<Category>/<Category>-<n>/{imgs/00001.jpg,…,Groundtruth.txt,nlp.txt}`, names with spaces
//! in them. Positions are counted from 1 there; a frame without the object is `0,0,0,0`.

use super::catalog::{CheckedSequence, Subset};
use super::{Ask, Layout, ScanContext, SequenceFiles, annotation};

pub(super) struct VastTrack;

/// What the file of boxes is called, by sequence.
const BOXES: [&str; 2] = ["Groundtruth.txt", "groundtruth.txt"];

impl Layout for VastTrack {
    fn folders(&self, part: Subset) -> &'static [&'static str] {
        match part {
            Subset::Test => &["vasttrack/test", "VastTrack/test", "VASTTRACK/test"],
            _ => &["vasttrack/train", "VastTrack/train", "VASTTRACK/train"],
        }
    }

    fn key(&self, part: Subset) -> &'static str {
        match part {
            Subset::Test => "vasttrack_test_dir",
            _ => "vasttrack_dir",
        }
    }

    fn sequences(&self, ask: &Ask<'_>, scan: &mut ScanContext) -> Vec<CheckedSequence> {
        let style = annotation::Style { from_one: true, ..annotation::Style::default() };
        let mut entries = Vec::new();
        for category in scan.folders(ask.root) {
            let category = ask.root.join(category);
            for name in scan.folders(&category) {
                let folder = category.join(&name);
                let file = BOXES.iter().find(|file| scan.exists(&folder.join(file))).unwrap_or(&BOXES[0]);
                entries
                    .push(SequenceFiles { style, ..SequenceFiles::new(name, folder.join("imgs"), folder.join(file)) });
            }
        }
        if !entries.is_empty() {
            scan.notes.push("positions are counted from 1 in its files: 1 is taken off x and y".into());
        }
        annotation::sequences(ask, entries, scan, |_, _, _| None)
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use crate::data::dataset::{Purpose, Roots, load, scan_for};

    #[test]
    fn positions_lose_the_one_that_they_are_counted_from() {
        let root = tempfile::tempdir().unwrap();
        let sequence = |part: &str, category: &str, n: usize, file: &str, boxes: &str| {
            let folder = root.path().join(format!("vasttrack/{part}/{category}/{category}-{n}"));
            fs::create_dir_all(folder.join("imgs")).unwrap();
            for frame in 1..=boxes.lines().count() {
                fs::write(folder.join(format!("imgs/{frame:05}.jpg")), "").unwrap();
            }
            fs::write(folder.join(file), boxes).unwrap();
        };
        sequence("train", "Accessory Box", 2, "Groundtruth.txt", "5,6,7,8\n0,0,0,0\n1,1,7,8\n");
        sequence("test", "Bee", 1, "groundtruth.txt", "5,6,7,8\n6,7,8,9\n");
        let roots = Roots::below(root.path());
        let train = &load(&["VASTTRACK".to_owned()], &roots).unwrap()[0];
        assert_eq!(&*train.sequences[0].name, "Accessory Box-2");
        assert_eq!(train.sequences[0].boxes(), [[4.0, 5.0, 7.0, 8.0], [0.0; 4], [0.0, 0.0, 7.0, 8.0]]);
        assert_eq!(train.sequences[0].visible(), [true, false, true]);
        assert!(train.notes[0].contains("counted from 1"), "{:?}", train.notes);
        let test = scan_for(Purpose::Scoring, "VASTTRACK_test", &roots).unwrap();
        assert_eq!(test.sequences[0].truth.as_ref().unwrap().boxes, [[4.0, 5.0, 7.0, 8.0], [5.0, 6.0, 8.0, 9.0]]);
    }
}
