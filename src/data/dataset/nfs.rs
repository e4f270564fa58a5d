//! Need for Speed at 30 frames a second, in the three forms that people keep it in:
//!
//! - `sequences/<s>/00001.jpg` and `anno/nfs_<s>.txt`: a box for each frame (OSTrack, pytracking);
//! - `<s>/30/<s>/00001.jpg` and `<s>/30/<s>.txt`, as published: corners for 240 frames a second, so that every eighth
//!   line belongs to a frame; a line is `id x1 y1 x2 y2 frame lost occluded generated "label"`;
//! - the same with `<s>/30/<s>_new.txt` (HIPTrack): `x1,y1,x2,y2` alone.

use std::path::Path;

use rayon::prelude::*;

use super::catalog::{CheckedSequence, Subset};
use super::request::Purpose;
use super::{Ask, Layout, ScanContext, Sequence, SequenceFiles, Truth, annotation, split};

pub(super) struct Nfs;

/// Annotated frames for each picture.
const STRIDE: usize = 8;

impl Layout for Nfs {
    fn folders(&self, _part: Subset) -> &'static [&'static str] {
        &["nfs", "NFS", "NfS", "Nfs"]
    }

    fn key(&self, _part: Subset) -> &'static str {
        "nfs_dir"
    }

    fn sequences(&self, ask: &Ask<'_>, scan: &mut ScanContext) -> Vec<CheckedSequence> {
        let (annotations, pictures) = (ask.root.join("anno"), ask.root.join("sequences"));
        if scan.exists(&annotations) {
            let files = scan.files(&annotations);
            let entry = |file: &String| {
                let stem = file.strip_suffix(".txt")?;
                let name = stem.strip_prefix("nfs_").unwrap_or(stem);
                Some(SequenceFiles::new(name.to_owned(), pictures.join(name), annotations.join(file)))
            };
            let entries = files.iter().filter_map(entry).collect();
            return annotation::sequences(ask, entries, scan, |_, _, _| None);
        }
        let mut entries = Vec::new();
        for name in scan.folders(ask.root) {
            let folder = ask.root.join(&name).join("30");
            let files = [folder.join(format!("{name}_new.txt")), folder.join(format!("{name}.txt"))];
            match files.iter().find(|file| scan.exists(file)) {
                Some(boxes) => entries.push(SequenceFiles::new(name.clone(), folder.join(&name), boxes.clone())),
                None => scan.notes.push(format!("{}: no {name}.txt, skipped", folder.display())),
            }
        }
        let entries = split::keep(ask, entries, |entry| &entry.name, scan);
        let read: Vec<(CheckedSequence, ScanContext)> =
            entries.par_iter().map(|entry| sequence(entry, ask.purpose == Purpose::Scoring)).collect();
        let mut found = Vec::with_capacity(read.len());
        for (sequence, own) in read {
            scan.join(own);
            found.push(sequence);
        }
        found
    }
}

fn sequence(entry: &SequenceFiles, exact: bool) -> (CheckedSequence, ScanContext) {
    let mut own = ScanContext::default();
    own.exists(&entry.frames);
    let scanned = own.frames(&entry.frames);
    own.remarks.extend(scanned.remarks);
    let mut frames = scanned.files;
    let mut boxes = corners(&entry.boxes, &mut own);
    // A copy that was thinned out already has a line for each frame.
    if boxes.len() != frames.len() {
        boxes = boxes.into_iter().step_by(STRIDE).collect();
    }
    let count = frames.len().min(boxes.len());
    match frames.len().abs_diff(boxes.len()) {
        0 => {}
        // The last frame of a film, whose annotation ends within it.
        1 if count > 0 => {
            let what = format!("{} frames and {} boxes, the last one skipped", frames.len(), boxes.len());
            own.notes.push(format!("{}: {what}", entry.name));
        }
        _ if own.problems.is_empty() => {
            let what = format!("boxes for {} frames, but there are {}", boxes.len(), frames.len());
            let remedy = format!(
                "one line in {STRIDE} belongs to a frame: put missing frames there, or take the sequence off the list"
            );
            own.problems.file(&entry.boxes, format_args!("{what} in {}; {remedy}", entry.frames.display()));
        }
        _ => {}
    }
    frames = frames.slice(0, count);
    boxes.truncate(count);
    let single = boxes.iter().map(|values| values.map(|value| value as f32)).collect();
    let sequence = Sequence::new(&entry.name, frames, single, None);
    let truth =
        (exact && own.problems.is_empty()).then(|| Truth { file: entry.boxes.clone(), boxes, ..Truth::default() });
    (CheckedSequence { sequence, problems: std::mem::take(&mut own.problems), truth }, own)
}

/// All boxes of a file of corners.
fn corners(file: &Path, scan: &mut ScanContext) -> Vec<[f64; 4]> {
    let Some(text) = scan.text(file) else { return Vec::new() };
    let mut boxes = Vec::new();
    for (at, line) in text.trim_end().lines().enumerate() {
        let fields: Vec<&str> = annotation::fields(line).collect();
        // With more than the corners, the first number is the object's.
        let corners = if fields.len() == 4 { &fields[..] } else { fields.get(1..5).unwrap_or_default() };
        let numbers: Vec<f64> = corners.iter().filter_map(|field| field.parse().ok()).collect();
        match numbers[..] {
            [x0, y0, x1, y1] if numbers.iter().all(|number| number.is_finite()) => {
                boxes.push([x0, y0, x1 - x0, y1 - y0]);
            }
            _ => {
                let what = "no corners; a line is `id x1 y1 x2 y2 …` or `x1,y1,x2,y2`";
                scan.problems.line(file, at + 1, what);
                boxes.push([0.0; 4]);
            }
        }
    }
    boxes
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use crate::data::dataset::{Purpose, Roots, scan_for};

    fn write(path: &Path, text: &str) {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    fn frames(folder: &Path, count: usize) {
        (1..=count).for_each(|frame| write(&folder.join(format!("{frame:05}.jpg")), ""));
    }

    /// The boxes of the only sequence, its problems and the notes.
    fn read(root: &Path) -> (Vec<[f64; 4]>, Vec<String>, Vec<String>) {
        let mut scan = scan_for(Purpose::Scoring, "NFS", &Roots::below(root)).unwrap();
        let found = scan.sequences.remove(0);
        assert_eq!(&*found.sequence.name, "bee");
        (found.truth.map(|truth| truth.boxes).unwrap_or_default(), found.problems.lines().to_vec(), scan.notes)
    }

    #[test]
    fn all_three_forms_give_the_same_boxes() {
        let expected = [[10.5, 20.0, 30.0, 40.0], [18.5, 20.0, 30.0, 40.0]];
        let plain = tempfile::tempdir().unwrap();
        frames(&plain.path().join("nfs/sequences/bee"), 2);
        write(&plain.path().join("nfs/anno/nfs_bee.txt"), "10.5\t20\t30\t40\n18.5\t20\t30\t40\n");
        assert_eq!(read(plain.path()), (expected.to_vec(), Vec::new(), Vec::new()));
        let published = tempfile::tempdir().unwrap();
        let folder = published.path().join("nfs/bee/30");
        frames(&folder.join("bee"), 2);
        let lines = |form: fn(usize, f64) -> String, count: usize| -> String {
            (0..count).map(|at| form(at, 10.5 + at as f64)).collect()
        };
        let long: fn(usize, f64) -> String = |at, x| format!("0 {x} 20 {} 60 {at} 0 0 1 \"a bee\"\n", x + 30.0);
        write(&folder.join("bee.txt"), &lines(long, 16));
        assert_eq!(read(published.path()), (expected.to_vec(), Vec::new(), Vec::new()));
        // The film ends a little later than its annotation; two frames later is too late.
        frames(&folder.join("bee"), 3);
        let (boxes, problems, notes) = read(published.path());
        assert_eq!((boxes.len(), problems.len(), notes.len()), (2, 0, 1));
        frames(&folder.join("bee"), 4);
        assert!(read(published.path()).1[0].contains("boxes for 2 frames, but there are 4"));
        frames(&folder.join("bee"), 3);
        fs::remove_file(folder.join("bee/00003.jpg")).unwrap();
        fs::remove_file(folder.join("bee/00004.jpg")).unwrap();
        write(&folder.join("bee_new.txt"), &lines(|_, x| format!("{x},20,{},60\n", x + 30.0), 16));
        fs::remove_file(folder.join("bee.txt")).unwrap();
        assert_eq!(read(published.path()).0, expected);
        write(&folder.join("bee_new.txt"), "1,2,3\n");
        assert!(read(published.path()).1[0].contains("bee_new.txt:1: no corners"));
    }
}
