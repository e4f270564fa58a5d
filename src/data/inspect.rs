//! A close look at a data set, sequence by sequence: what `trackflow data verify` reports.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use rayon::prelude::*;

use crate::data::dataset::{CheckedSequence, FrameFile, Scan, Sequence};
use crate::data::pictures::Oddities;
use crate::data::verify::{self, Broken};
use crate::text;
use crate::vision::decode::{DecoderKind, Header, check_complete};

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// A short name: `annotation`, `count`, `box`, or why a frame is broken.
    pub kind: &'static str,
    /// What exactly, with the file and the remedy.
    pub text: String,
}

/// What is wrong with a sequence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// Its name.
    pub sequence: String,
    /// Its annotated frames.
    pub frames: usize,
    /// All faults.
    pub faults: Vec<Fault>,
}

/// What a close look found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Inspection {
    /// Sequences of the data set.
    pub sequences: usize,
    /// Annotated frames.
    pub frames: usize,
    /// Frames that show the object.
    pub visible: usize,
    /// Files that were opened.
    pub opened: usize,
    /// The sequences that have faults, in the data set's order.
    pub faulty: Vec<Report>,
    /// What is wrong with the data set as a whole.
    pub general: Vec<String>,
    /// What a user should know of how some pictures are read, a line each.
    pub notes: Vec<String>,
}

impl Inspection {
    /// Whether nothing is wrong.
    pub fn is_sound(&self) -> bool {
        self.faulty.is_empty() && self.general.is_empty()
    }
}

/// The header of a frame, or what is wrong with its file.
type Look = std::result::Result<Header, Fault>;

/// Checks everything about `scan`: annotations, counts, boxes against the frames' sizes, and each frame's file (header
/// and end, or all pixels when `deep`), in parallel on rayon's threads. `progress` hears of every sequence's frames.
pub fn inspect(scan: &Scan, deep: bool, progress: impl Fn(usize) + Sync) -> Inspection {
    // Of pictures with many objects each is opened once.
    let shared: BTreeMap<PathBuf, Look> = if scan.images {
        let all = scan.sequences.iter().flat_map(|found| files(&found.sequence));
        let files: BTreeMap<PathBuf, FrameFile> = all.map(|(_, file)| (file.path.clone(), file)).collect();
        files.into_par_iter().map(|(path, file)| (path, look(&file, deep))).collect()
    } else {
        BTreeMap::new()
    };
    let checked: Vec<(Option<Report>, usize, Oddities)> = scan
        .sequences
        .par_iter()
        .map(|found| {
            let (faults, opened, odd) = sequence(found, deep, &shared);
            progress(found.sequence.len());
            let (name, frames) = (found.sequence.name.to_string(), found.sequence.len());
            ((!faults.is_empty()).then_some(Report { sequence: name, frames, faults }), opened, odd)
        })
        .collect();
    let seen = |found: &CheckedSequence| found.sequence.visible().iter().filter(|&&seen| seen).count();
    let mut general = scan.problems.lines().to_vec();
    if general.is_empty() && scan.sequences.is_empty() {
        general.push(format!("{}: holds no sequences of {}", scan.root.display(), scan.name));
    }
    let mut oddities = Oddities::default();
    for (path, look) in &shared {
        if let Ok(header) = look {
            oddities.note(0, path, header);
        }
    }
    checked.iter().for_each(|(.., odd)| oddities.extend(odd.clone()));
    Inspection {
        notes: oddities.notes(0..1),
        sequences: scan.sequences.len(),
        frames: scan.sequences.iter().map(|found| found.sequence.len()).sum(),
        visible: scan.sequences.iter().map(seen).sum(),
        opened: shared.len() + checked.iter().map(|(_, opened, _)| opened).sum::<usize>(),
        faulty: checked.into_iter().filter_map(|(report, ..)| report).collect(),
        general,
    }
}

fn files(sequence: &Sequence) -> impl Iterator<Item = (usize, FrameFile)> {
    (0..sequence.frames.len()).map(|frame| (frame, sequence.file(frame)))
}

fn sequence(found: &CheckedSequence, deep: bool, shared: &BTreeMap<PathBuf, Look>) -> (Vec<Fault>, usize, Oddities) {
    let sequence = &found.sequence;
    let annotation = |text: &String| Fault { kind: "annotation", text: text.clone() };
    let mut faults: Vec<Fault> = found.problems.lines().iter().map(annotation).collect();
    let (mut opened, mut oddities) = (0, Oddities::default());
    for (frame, file) in files(sequence) {
        let look = match shared.get(&file.path) {
            Some(look) => look.clone(),
            None => {
                opened += 1;
                let look = look(&file, deep);
                if let Ok(header) = &look {
                    oddities.note(0, &file.path, header);
                }
                look
            }
        };
        match look {
            Ok(header) => faults.extend(object(sequence, frame, &file.path, header.size())),
            Err(fault) => faults.push(fault),
        }
    }
    (faults, opened, oddities)
}

/// What is wrong with the box of a frame of this size.
fn object(sequence: &Sequence, frame: usize, path: &Path, (width, height): (u32, u32)) -> Option<Fault> {
    if !*sequence.visible().get(frame)? {
        return None;
    }
    let object = sequence.object(frame);
    if object.clipped(f64::from(width), f64::from(height)).is_sane() {
        return None;
    }
    let [x, y, w, h] = [object.x, object.y, object.w, object.h];
    let what = format!("the box {x},{y},{w},{h} lies outside the {width}x{height} frame");
    let text = format!("{}: {what}; correct it or write 0,0,0,0", text::path(path));
    Some(Fault { kind: "box", text })
}

fn look(file: &FrameFile, deep: bool) -> Look {
    let found = if deep { whole(file) } else { verify::frame(file) };
    found.map_err(|Broken { kind, what, .. }| Fault { kind, text: format!("{}: {what}", text::path(&file.path)) })
}

/// The header of a frame of which every pixel was decoded.
fn whole(file: &FrameFile) -> std::result::Result<Header, Broken> {
    let bytes = file.read()?;
    let header = check_complete(&bytes)?;
    DecoderKind::best().decoder()?.decode(&bytes, None)?;
    Ok(header)
}
