//! TrackingNet: `TEST` or `TRAIN_<n>/{anno/<sequence>.txt,frames/<sequence>/{0.jpg,1.jpg,…}}` for as many parts as were fetched.

use std::path::Path;

use super::catalog::{CheckedSequence, Subset};
use super::{Ask, Layout, ScanContext, SequenceFiles, annotation};

pub(super) struct TrackingNet;

impl Layout for TrackingNet {
    fn folders(&self, _part: Subset) -> &'static [&'static str] {
        &["trackingnet", "TrackingNet", "TRACKINGNET"]
    }

    fn key(&self, _part: Subset) -> &'static str {
        "trackingnet_dir"
    }

    /// TrackingNet marks nothing: every frame with a box shows the object.
    fn sequences(&self, ask: &Ask<'_>, scan: &mut ScanContext) -> Vec<CheckedSequence> {
        if ask.part == Subset::Test {
            // Only the first box is published.
            let style = annotation::Style { first_only: true, ..annotation::Style::default() };
            let entries =
                entries(&ask.root.join("TEST"), scan).into_iter().map(|entry| SequenceFiles { style, ..entry });
            let entries = entries.collect();
            return annotation::sequences(ask, entries, scan, |_, _, _| None);
        }
        let mut parts: Vec<(u32, String)> = scan
            .folders(ask.root)
            .into_iter()
            .filter_map(|name| Some((name.strip_prefix("TRAIN_")?.parse().ok()?, name)))
            .collect();
        parts.sort();
        if parts.len() < PARTS && !parts.is_empty() {
            scan.notes.push(format!("{} of the {PARTS} parts TRAIN_0 to TRAIN_{}", parts.len(), PARTS - 1));
        }
        let mut entries = Vec::new();
        for (_, part) in parts {
            entries.extend(self::entries(&ask.root.join(part), scan));
        }
        annotation::sequences(ask, entries, scan, |_, _, _| None)
    }
}

/// The sequences of one part: a box file each.
fn entries(part: &Path, scan: &mut ScanContext) -> Vec<SequenceFiles> {
    let annotations = part.join("anno");
    let files = scan.files(&annotations);
    let entry = |file: &String| {
        let name = file.strip_suffix(".txt")?;
        Some(SequenceFiles::new(name.to_owned(), part.join("frames").join(name), annotations.join(file)))
    };
    files.iter().filter_map(entry).collect()
}

/// The parts of the training set.
const PARTS: usize = 12;
