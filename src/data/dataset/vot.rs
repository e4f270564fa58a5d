//! VOT: `list.txt` and `<sequence>/{color/00000001.jpg,…,groundtruth.txt}`, boxes or the corners of a polygon a line.

use super::catalog::{Found, Part};
use super::{Ask, Entry, Inquiry, Layout, annotation};

pub(super) struct Vot;

impl Layout for Vot {
    fn folders(&self, _part: Part) -> &'static [&'static str] {
        &["vot", "vot2018", "VOT2018", "VOT", "vot/sequences"]
    }

    fn key(&self, _part: Part) -> &'static str {
        "vot_dir"
    }

    fn sequences(&self, ask: &Ask<'_>, inquiry: &mut Inquiry) -> Vec<Found> {
        let list = ask.root.join("list.txt");
        let names = match inquiry.exists(&list) {
            true => inquiry.lines(&list).into_iter().map(|(_, name)| name).collect(),
            false => inquiry.folders(ask.root),
        };
        let style = annotation::Style { polygons: true, ..annotation::Style::default() };
        let mut entries = Vec::new();
        for name in names {
            let folder = ask.root.join(&name);
            let colour = folder.join("color");
            let frames = if inquiry.exists(&colour) { colour } else { folder.clone() };
            entries.push(Entry { style, ..Entry::new(name, frames, folder.join("groundtruth.txt")) });
        }
        annotation::sequences(ask, entries, inquiry, |_, _, _| None)
    }
}
