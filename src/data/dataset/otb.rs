//! OTB: `<Sequence>/{img/0001.jpg,…,groundtruth_rect.txt}`; videos with several objects have `groundtruth_rect.<n>.txt`.

use std::path::Path;

use super::catalog::{CheckedSequence, Subset};
use super::{Ask, Layout, ScanContext, SequenceFiles, annotation};

pub(super) struct Otb;

/// Sequences whose frames do not start at 1, or whose folder holds more frames than their annotation: the numbers of
/// the first and the last frame (<http://cvlab.hanyang.ac.kr/tracker_benchmark>).
const SPANS: [(&str, usize, usize); 8] = [
    ("BlurCar1", 247, 988),
    ("BlurCar3", 3, 359),
    ("BlurCar4", 18, 397),
    ("David", 300, 770),
    ("Football1", 1, 74),
    ("Freeman3", 1, 460),
    ("Freeman4", 1, 283),
    ("Diving", 1, 215),
];

fn span(name: &str) -> Option<(usize, usize)> {
    SPANS.iter().find(|(known, ..)| known.eq_ignore_ascii_case(name)).map(|&(_, first, last)| (first, last))
}

/// Whether a file is there and says nothing.
fn is_blank(file: &Path) -> bool {
    std::fs::metadata(file).is_ok_and(|data| data.len() <= 64)
        && std::fs::read(file).is_ok_and(|bytes| bytes.trim_ascii().is_empty())
}

impl Layout for Otb {
    fn folders(&self, _part: Subset) -> &'static [&'static str] {
        &["otb", "OTB", "OTB100", "OTB2015", "otb100"]
    }

    fn key(&self, _part: Subset) -> &'static str {
        "otb_dir"
    }

    /// OTB marks nothing: every frame with a box shows the object.
    fn sequences(&self, ask: &Ask<'_>, scan: &mut ScanContext) -> Vec<CheckedSequence> {
        let mut entries = Vec::new();
        for folder in scan.folders(ask.root) {
            let path = ask.root.join(&folder);
            // Which of the files exist shows in the stamp of their folder.
            scan.exists(&path);
            let mut numbered: Vec<usize> =
                (1..=9).filter(|n| path.join(format!("groundtruth_rect.{n}.txt")).exists()).collect();
            // Human4 is shipped with an empty file of a first object beside that of its second.
            if numbered.len() > 1 {
                numbered.retain(|n| {
                    let file = path.join(format!("groundtruth_rect.{n}.txt"));
                    let holds_boxes = !is_blank(&file);
                    if !holds_boxes {
                        scan.notes.push(format!("{}: is empty, skipped", file.display()));
                    }
                    holds_boxes
                });
            }
            let mut add = |name: String, file: String| {
                let entry = SequenceFiles::new(name, path.join("img"), path.join(file));
                entries.push(SequenceFiles { span: span(&entry.name), ..entry });
            };
            if numbered.is_empty() || path.join("groundtruth_rect.txt").exists() {
                add(folder, "groundtruth_rect.txt".into());
                continue;
            }
            for n in &numbered {
                let name = if numbered.len() == 1 { folder.clone() } else { format!("{folder}.{n}") };
                add(name, format!("groundtruth_rect.{n}.txt"));
            }
        }
        annotation::sequences(ask, entries, scan, |_, _, _| None)
    }
}
