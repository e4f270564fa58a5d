//! TrackingNet: `TRAIN_<n>/{anno/<sequence>.txt,frames/<sequence>/{0.jpg,1.jpg,…}}` for as many parts as were fetched.

use super::catalog::{Found, Part};
use super::{Ask, Entry, Inquiry, Layout, annotation};

pub(super) struct TrackingNet;

impl Layout for TrackingNet {
    fn folders(&self, _part: Part) -> &'static [&'static str] {
        &["trackingnet", "TrackingNet", "TRACKINGNET"]
    }

    fn key(&self, _part: Part) -> &'static str {
        "trackingnet_dir"
    }

    /// TrackingNet marks nothing: every frame with a box shows the object.
    fn sequences(&self, ask: &Ask<'_>, inquiry: &mut Inquiry) -> Vec<Found> {
        let mut parts: Vec<(u32, String)> = inquiry
            .folders(ask.root)
            .into_iter()
            .filter_map(|name| Some((name.strip_prefix("TRAIN_")?.parse().ok()?, name)))
            .collect();
        parts.sort();
        if parts.len() < PARTS && !parts.is_empty() {
            inquiry.notes.push(format!("{} of the {PARTS} parts TRAIN_0 to TRAIN_{}", parts.len(), PARTS - 1));
        }
        let mut entries = Vec::new();
        for (_, part) in parts {
            let part = ask.root.join(part);
            let annotations = part.join("anno");
            for file in inquiry.files(&annotations) {
                if let Some(name) = file.strip_suffix(".txt") {
                    entries.push(Entry::new(name.to_owned(), part.join("frames").join(name), annotations.join(&file)));
                }
            }
        }
        annotation::sequences(ask, entries, inquiry, |_, _, _| None)
    }
}

/// The parts of the training set.
const PARTS: usize = 12;
