//! OTB: `<Sequence>/{img/0001.jpg,…,groundtruth_rect.txt}`; videos with several objects have `groundtruth_rect.<n>.txt`.

use super::catalog::{Found, Part};
use super::{Ask, Entry, Inquiry, Layout, annotation};

pub(super) struct Otb;

/// Sequences whose folder holds more frames than their annotation: first and last frame, counted from 1
/// (<http://cvlab.hanyang.ac.kr/tracker_benchmark>).
const SPANS: [(&str, usize, usize); 5] =
    [("David", 300, 770), ("Football1", 1, 74), ("Freeman3", 1, 460), ("Freeman4", 1, 283), ("Diving", 1, 215)];

fn span(name: &str) -> Option<(usize, usize)> {
    SPANS.iter().find(|(known, ..)| known.eq_ignore_ascii_case(name)).map(|&(_, first, last)| (first, last))
}

impl Layout for Otb {
    fn folders(&self, _part: Part) -> &'static [&'static str] {
        &["otb", "OTB", "OTB100", "OTB2015", "otb100"]
    }

    fn key(&self, _part: Part) -> &'static str {
        "otb_dir"
    }

    /// OTB marks nothing: every frame with a box shows the object.
    fn sequences(&self, ask: &Ask<'_>, inquiry: &mut Inquiry) -> Vec<Found> {
        let mut entries = Vec::new();
        for folder in inquiry.folders(ask.root) {
            let path = ask.root.join(&folder);
            // Which of the files exist shows in the stamp of their folder.
            inquiry.exists(&path);
            let numbered: Vec<usize> =
                (1..=9).filter(|n| path.join(format!("groundtruth_rect.{n}.txt")).exists()).collect();
            let mut add = |name: String, file: String| {
                let entry = Entry::new(name, path.join("img"), path.join(file));
                entries.push(Entry { span: span(&entry.name), ..entry });
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
        annotation::sequences(ask, entries, inquiry, |_, _, _| None)
    }
}
