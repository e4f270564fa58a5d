//! Any folder of pictures with a box file `groundtruth*.txt`: one such sequence, or a folder of several.

use std::path::{Path, PathBuf};

use super::catalog::{Found, Part};
use super::{Ask, Entry, FrameFiles, Inquiry, Layout, annotation};

pub(super) struct AnyFolder;

/// Where the frames of a sequence may lie, below its folder.
const FRAMES: [&str; 7] = ["", "img", "imgs", "images", "frames", "color", "rgb"];

impl Layout for AnyFolder {
    fn folders(&self, _part: Part) -> &'static [&'static str] {
        &[""]
    }

    fn key(&self, _part: Part) -> &'static str {
        "data_dir"
    }

    /// Every frame with a box shows the object.
    fn sequences(&self, ask: &Ask<'_>, inquiry: &mut Inquiry) -> Vec<Found> {
        let mut entries = Vec::new();
        if let Some(entry) = sequence(ask.root, inquiry) {
            entries.push(entry);
        } else {
            for name in inquiry.folders(ask.root) {
                let path = ask.root.join(&name);
                match sequence(&path, inquiry) {
                    Some(entry) => entries.push(entry),
                    None => {
                        let what = format!("{}: no groundtruth*.txt, left out", path.display());
                        inquiry.notes.push(what);
                    }
                }
            }
        }
        annotation::sequences(ask, entries, inquiry, |_, _, _| None)
    }
}

/// The sequence in `folder`, when it has a box file.
fn sequence(folder: &Path, inquiry: &mut Inquiry) -> Option<Entry> {
    let files = inquiry.files(folder);
    let boxes = files.iter().find(|name| name.starts_with("groundtruth") && name.ends_with(".txt"))?;
    let style = annotation::Style { polygons: true, nan_is_absent: true, first_only: false };
    let name = folder.file_name().map_or_else(|| folder.display().to_string(), |name| name.to_string_lossy().into());
    Some(Entry { style, ..Entry::new(name, pictures(folder, inquiry), folder.join(boxes)) })
}

/// The folder with the frames: the first usual one that holds pictures.
fn pictures(folder: &Path, inquiry: &mut Inquiry) -> PathBuf {
    let candidates = FRAMES.iter().map(|name| if name.is_empty() { folder.to_owned() } else { folder.join(name) });
    let mut there: Vec<PathBuf> = candidates.filter(|path| inquiry.exists(path)).collect();
    let holds = |path: &PathBuf| FrameFiles::scan(path).is_ok_and(|frames| !frames.is_empty());
    // Without any, the one with pictures that are not read, which are named then.
    let found =
        there.iter().position(holds).or_else(|| there.iter().position(|path| !FrameFiles::unread(path).is_empty()));
    found.map_or_else(|| folder.to_owned(), |at| there.swap_remove(at))
}
