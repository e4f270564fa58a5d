//! TNL2K: `<sequence>/{imgs/<any name>,groundtruth.txt,language.txt}`.

use super::catalog::{Found, Part};
use super::{Ask, Entry, Inquiry, Layout, annotation};

pub(super) struct Tnl2k;

impl Layout for Tnl2k {
    fn folders(&self, _part: Part) -> &'static [&'static str] {
        &["tnl2k", "TNL2K", "TNL2K_test_subset", "tnl2k/test"]
    }

    fn key(&self, _part: Part) -> &'static str {
        "tnl2k_dir"
    }

    /// A frame without the object has a box without size.
    fn sequences(&self, ask: &Ask<'_>, inquiry: &mut Inquiry) -> Vec<Found> {
        let entries = inquiry.folders(ask.root).into_iter().map(|name| {
            let folder = ask.root.join(&name);
            Entry::new(name, folder.join("imgs"), folder.join("groundtruth.txt"))
        });
        let entries = entries.collect();
        annotation::sequences(ask, entries, inquiry, |_, _, _| None)
    }
}
