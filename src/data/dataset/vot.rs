//! VOT: `list.txt` and `<sequence>/{color/00000001.jpg,…,groundtruth.txt}`, boxes or the corners of a polygon a line.

use super::catalog::{CheckedSequence, Subset};
use super::{Ask, Layout, ScanContext, SequenceFiles, annotation};

pub(super) struct Vot;

impl Layout for Vot {
    fn folders(&self, _part: Subset) -> &'static [&'static str] {
        &["vot", "vot2018", "VOT2018", "VOT", "vot/sequences"]
    }

    fn key(&self, _part: Subset) -> &'static str {
        "vot_dir"
    }

    fn sequences(&self, ask: &Ask<'_>, scan: &mut ScanContext) -> Vec<CheckedSequence> {
        let list = ask.root.join("list.txt");
        let names = match scan.exists(&list) {
            true => scan.lines(&list).into_iter().map(|(_, name)| name).collect(),
            false => scan.folders(ask.root),
        };
        let style = annotation::Style { polygons: true, ..annotation::Style::default() };
        let mut entries = Vec::new();
        for name in names {
            let folder = ask.root.join(&name);
            let colour = folder.join("color");
            let frames = if scan.exists(&colour) { colour } else { folder.clone() };
            entries.push(SequenceFiles { style, ..SequenceFiles::new(name, frames, folder.join("groundtruth.txt")) });
        }
        annotation::sequences(ask, entries, scan, |_, _, _| None)
    }
}
