//! TNL2K: `<sequence>/{imgs/<any name>,groundtruth.txt,language.txt}`.

use super::catalog::{CheckedSequence, Subset};
use super::{Ask, Layout, ScanContext, SequenceFiles, annotation};

pub(super) struct Tnl2k;

impl Layout for Tnl2k {
    fn folders(&self, _part: Subset) -> &'static [&'static str] {
        &["tnl2k", "TNL2K", "TNL2K_test_subset", "tnl2k/test"]
    }

    fn key(&self, _part: Subset) -> &'static str {
        "tnl2k_dir"
    }

    /// A frame without the object has a box without size.
    fn sequences(&self, ask: &Ask<'_>, scan: &mut ScanContext) -> Vec<CheckedSequence> {
        let entries = scan.folders(ask.root).into_iter().map(|name| {
            let folder = ask.root.join(&name);
            SequenceFiles::new(name, folder.join("imgs"), folder.join("groundtruth.txt"))
        });
        let entries = entries.collect();
        annotation::sequences(ask, entries, scan, |_, _, _| None)
    }
}
