//! A close look at a data set, sequence by sequence: what `trackflow data verify` reports.

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};

use rayon::prelude::*;

use crate::data::dataset::{Found, FrameFile, Scan, Sequence};
use crate::data::verify;
use crate::vision::decode::DecoderKind;

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
}

impl Inspection {
    /// Whether nothing is wrong.
    pub fn is_sound(&self) -> bool {
        self.faulty.is_empty() && self.general.is_empty()
    }
}

/// Width and height of a frame, or what is wrong with its file.
type Look = std::result::Result<(u32, u32), Fault>;

/// Checks everything about `scan`: annotations, counts, boxes against the frames' sizes, and each frame's file (header
/// and end, or all pixels when `deep`), in parallel on rayon's threads. `progress` hears of every sequence's frames.
pub fn inspect(scan: &Scan, deep: bool, progress: impl Fn(usize) + Sync) -> Inspection {
    // Of pictures with many objects each is opened once.
    let shared: HashMap<PathBuf, Look> = if scan.images {
        let all = scan.sequences.iter().flat_map(|found| files(&found.sequence));
        let files: BTreeMap<PathBuf, FrameFile> = all.map(|(_, file)| (file.path.clone(), file)).collect();
        files.into_par_iter().map(|(path, file)| (path, look(&file, deep))).collect()
    } else {
        HashMap::new()
    };
    let checked: Vec<(Option<Report>, usize)> = scan
        .sequences
        .par_iter()
        .map(|found| {
            let (faults, opened) = sequence(found, deep, &shared);
            progress(found.sequence.len());
            let (name, frames) = (found.sequence.name.to_string(), found.sequence.len());
            ((!faults.is_empty()).then_some(Report { sequence: name, frames, faults }), opened)
        })
        .collect();
    let seen = |found: &Found| found.sequence.visible().iter().filter(|&&seen| seen).count();
    let mut general = scan.problems.lines().to_vec();
    if general.is_empty() && scan.sequences.is_empty() {
        general.push(format!("{}: holds no sequences of {}", scan.root.display(), scan.name));
    }
    Inspection {
        sequences: scan.sequences.len(),
        frames: scan.sequences.iter().map(|found| found.sequence.len()).sum(),
        visible: scan.sequences.iter().map(seen).sum(),
        opened: shared.len() + checked.iter().map(|(_, opened)| opened).sum::<usize>(),
        faulty: checked.into_iter().filter_map(|(report, _)| report).collect(),
        general,
    }
}

fn files(sequence: &Sequence) -> impl Iterator<Item = (usize, FrameFile)> {
    (0..sequence.frames.len()).map(|frame| (frame, sequence.file(frame)))
}

fn sequence(found: &Found, deep: bool, shared: &HashMap<PathBuf, Look>) -> (Vec<Fault>, usize) {
    let sequence = &found.sequence;
    let annotation = |text: &String| Fault { kind: "annotation", text: text.clone() };
    let mut faults: Vec<Fault> = found.problems.lines().iter().map(annotation).collect();
    let mut opened = 0;
    for (frame, file) in files(sequence) {
        let look = match shared.get(&file.path) {
            Some(look) => look.clone(),
            None => {
                opened += 1;
                look(&file, deep)
            }
        };
        match look {
            Ok(size) => faults.extend(object(sequence, frame, &file.path, size)),
            Err(fault) => faults.push(fault),
        }
    }
    (faults, opened)
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
    let text = format!("{}: {what}; correct it or write 0,0,0,0", path.display());
    Some(Fault { kind: "box", text })
}

fn look(file: &FrameFile, deep: bool) -> Look {
    let fault = |kind: &'static str, what: String| Fault {
        kind,
        text: format!("{}: {what}; {}", file.path.display(), verify::remedy(kind)),
    };
    if !deep {
        return verify::frame(file).map_err(|broken| fault(broken.kind, broken.what));
    }
    let bytes = file.read().map_err(|error| {
        let kind = if error.kind() == std::io::ErrorKind::NotFound { "missing" } else { "unreadable" };
        fault(kind, error.to_string())
    })?;
    let mut decoder = DecoderKind::best().decoder().map_err(|error| fault("unreadable", error.to_string()))?;
    let decoded = decoder.decode(&bytes, None).map_err(|error| fault(error.reason.name(), error.to_string()))?;
    Ok(decoded.frame)
}
