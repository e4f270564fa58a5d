//! The data sets by the names of the experiment file, and reading them.

use std::path::{Path, PathBuf};

use rayon::prelude::*;

use super::annotation;
use super::got10k::Got10k;
use super::lasot::Lasot;
use super::otb::Otb;
use super::trackingnet::TrackingNet;
use super::{Dataset, Entry, FrameFiles, Layout, Sequence};
use crate::data::problems::Problems;
use crate::failure::{Failure, Result};

/// The part of a data set that a name stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Part {
    /// What is for training.
    Train,
    /// GOT-10k train without the sequences that the VOT challenge uses.
    VotTrain,
    /// The sequences of GOT-10k train that are held out for validation.
    VotVal,
    /// GOT-10k's own validation set.
    OfficialVal,
    /// Everything there is.
    All,
}

/// The reference's names first, in its spelling.
const KNOWN: [(&str, &dyn Layout, Part); 7] = [
    ("LASOT", &Lasot, Part::Train),
    ("GOT10K_vottrain", &Got10k, Part::VotTrain),
    ("GOT10K_votval", &Got10k, Part::VotVal),
    ("GOT10K_train_full", &Got10k, Part::Train),
    ("GOT10K_official_val", &Got10k, Part::OfficialVal),
    ("TRACKINGNET", &TrackingNet, Part::Train),
    ("OTB", &Otb, Part::All),
];

/// The names that [`load`] understands.
pub fn known_names() -> impl Iterator<Item = &'static str> {
    KNOWN.iter().map(|(name, ..)| *name)
}

/// Reads the annotations of the named data sets under `data_dir`, in the order of `names`, in parallel on rayon's
/// threads.
///
/// # Errors
/// 78 for a name that does not exist (all of them at once); 66 for folders that are missing and for annotations with
/// faults, again all at once. No picture is opened: that is [`crate::data::verify::verify`]'s task.
pub fn load(names: &[String], data_dir: &Path) -> Result<Vec<Dataset>> {
    let (mut known, mut unknown) = (Vec::new(), Vec::new());
    for name in names {
        match KNOWN.iter().find(|(known, ..)| known == name) {
            Some(entry) => known.push(entry),
            None => unknown.push(unknown_name(name)),
        }
    }
    if !unknown.is_empty() {
        return Err(Failure::config(unknown.join("\n")));
    }
    let mut problems = Problems::default();
    let mut datasets = Vec::new();
    for &&(name, layout, part) in &known {
        match read(name, layout, part, data_dir) {
            Ok(dataset) => datasets.push(dataset),
            Err(found) => problems.extend(found),
        }
    }
    problems.into_result()?;
    Ok(datasets)
}

fn unknown_name(name: &str) -> String {
    let close =
        known_names().map(|known| (strsim::damerau_levenshtein(&name.to_lowercase(), &known.to_lowercase()), known));
    let hint = match close.min() {
        Some((distance, known)) if distance <= known.len() / 3 => format!("did you mean {known}? "),
        _ => String::new(),
    };
    let all: Vec<&str> = known_names().collect();
    format!("{name}: unknown data set; {hint}known are {}", all.join(", "))
}

fn read(name: &str, layout: &dyn Layout, part: Part, data_dir: &Path) -> std::result::Result<Dataset, Problems> {
    let root = root(name, layout.folders(part), data_dir)?;
    let mut notes = Vec::new();
    let entries = layout.entries(&root, part, &mut notes)?;
    if entries.is_empty() {
        let mut problems = Problems::default();
        problems.file(&root, format_args!("holds no sequences of {name}; extract the data set there"));
        return Err(problems);
    }
    let read: Vec<(Sequence, Problems)> = entries.par_iter().map(|entry| sequence(layout, entry)).collect();
    let mut problems = Problems::default();
    let mut sequences = Vec::with_capacity(read.len());
    for (sequence, found) in read {
        sequences.push(sequence);
        problems.extend(found);
    }
    if !problems.is_empty() {
        return Err(problems);
    }
    let notes = notes.into_iter().map(|note| format!("{name}: {note}")).collect();
    Ok(Dataset { name: name.into(), sequences, notes })
}

fn root(name: &str, folders: &[&str], data_dir: &Path) -> std::result::Result<PathBuf, Problems> {
    if let Some(found) = folders.iter().map(|folder| data_dir.join(folder)).find(|path| path.is_dir()) {
        return Ok(found);
    }
    let mut problems = Problems::default();
    let expected = data_dir.join(folders.first().copied().unwrap_or_default());
    let others = match folders.get(1..) {
        Some(others) if !others.is_empty() => format!(" (nor {} beside it)", others.join(", ")),
        _ => String::new(),
    };
    let what = format!("no such folder{others}; {name} is looked for there: put it there or name another --data_dir");
    problems.file(&expected, what);
    Err(problems)
}

fn sequence(layout: &dyn Layout, entry: &Entry) -> (Sequence, Problems) {
    let mut problems = Problems::default();
    if !entry.boxes.exists() && !entry.frames.exists() {
        problems.file(&entry.frames, "no such folder; extract the sequence, or take it off the list");
        return (Sequence::new(&entry.name, FrameFiles::listed(&entry.frames, Vec::new()), Vec::new(), None), problems);
    }
    let mut boxes = annotation::boxes(&entry.boxes, &mut problems);
    boxes.truncate(layout.most_boxes(entry));
    let frames = match FrameFiles::scan(&entry.frames) {
        Ok(frames) => layout.trim(entry, frames),
        Err(error) => {
            problems
                .file(&entry.frames, format_args!("cannot be listed: {error}; extract the data set's archive again"));
            FrameFiles::listed(&entry.frames, Vec::new())
        }
    };
    // An unreadable file or folder has been noted above; its count says nothing more.
    if problems.is_empty() && frames.len() != boxes.len() {
        let folder = entry.frames.display();
        let what = format!("{} frames in {folder}, but boxes for {}", frames.len(), boxes.len());
        problems.file(&entry.boxes, format_args!("{what}; extract the data set's archive again"));
    }
    let visible = layout.visible(entry, boxes.len(), &mut problems);
    (Sequence::new(&entry.name, frames, boxes, visible), problems)
}

/// The folders in `parent`, by name in sorted order.
pub(super) fn folders_in(parent: &Path) -> std::result::Result<Vec<String>, Problems> {
    let list = || -> std::io::Result<Vec<String>> {
        let mut names = Vec::new();
        for entry in std::fs::read_dir(parent)? {
            let entry = entry?;
            let name = entry.file_name().to_string_lossy().into_owned();
            // `path().is_dir()` follows links, as large data sets are often linked together.
            if !name.starts_with('.') && entry.path().is_dir() {
                names.push(name);
            }
        }
        names.sort();
        Ok(names)
    };
    list().map_err(|error| {
        let mut problems = Problems::default();
        problems.file(parent, format_args!("cannot be listed: {error}"));
        problems
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unknown_names_are_listed_with_what_was_meant() {
        let names = ["GOT10K_vottrian", "COCO17", "lasot"].map(str::to_owned);
        let failure = load(&names, Path::new("nowhere")).unwrap_err();
        assert_eq!(failure.kind.exit_code(), 78);
        let lines: Vec<&str> = failure.message.lines().collect();
        assert!(lines[0].starts_with("GOT10K_vottrian: unknown data set; did you mean GOT10K_vottrain?"), "{lines:?}");
        assert!(lines[1].starts_with("COCO17: unknown data set; known are LASOT, GOT10K_vottrain,"), "{lines:?}");
        assert!(lines[2].contains("did you mean LASOT?"), "{lines:?}");
    }

    #[test]
    fn every_missing_folder_is_named_with_the_remedy() {
        let names = ["GOT10K_vottrain", "OTB"].map(str::to_owned);
        let failure = load(&names, Path::new("/nowhere")).unwrap_err();
        assert_eq!(failure.kind.exit_code(), 66);
        let lines: Vec<&str> = failure.message.lines().collect();
        assert_eq!(lines.len(), 2);
        assert!(lines[0].starts_with("/nowhere/got10k/train: no such folder"), "{lines:?}");
        assert!(lines.iter().all(|line| line.contains("--data_dir")), "{lines:?}");
    }
}
