//! The check at the start of a run that the frames are there and whole, so that no run fails hours later.

use std::fmt;

use rayon::prelude::*;

use crate::data::dataset::{Dataset, FrameFile, Sequence};
use crate::data::outage;
use crate::data::pictures::Oddities;
use crate::data::problems::Problems;
use crate::data::retry::Origin;
use crate::failure::Result;
use crate::telemetry::preparation::Preparation;
use crate::vision::decode::{Container, DecodeError, DecodeReason, Header, check_complete, header};

/// Up to this many frames, every one is opened; of more, an even sample of this many.
pub const FULL_CHECK: usize = 50_000;

/// The largest coordinate of a box that is no mistake, in pixels.
const FAR: f64 = 1e5;

/// What [`verify`] looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verified {
    /// Frames of all data sets.
    pub frames: usize,
    /// Frames whose files were opened.
    pub opened: usize,
    /// What a user should know of how some are read, a line each.
    pub notes: Vec<String>,
}

impl Verified {
    /// Whether only a sample was opened.
    pub fn is_sample(&self) -> bool {
        self.opened < self.frames
    }
}

impl fmt::Display for Verified {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.is_sample() {
            true => write!(f, "{} of {} frames checked, evenly chosen", self.opened, self.frames),
            false => write!(f, "all {} frames checked", self.frames),
        }
    }
}

/// Checks that counts agree, that boxes are sane, and that frame files exist, are not empty, and begin and end as
/// JPEG or PNG files do; on rayon's threads.
///
/// # Errors
/// 66 with all problems (a long list is capped and counted).
pub fn verify(datasets: &[Dataset]) -> Result<Verified> {
    verify_up_to(datasets, FULL_CHECK)
}

/// Checks the annotations alone: counts and boxes.
///
/// # Errors
/// 66 with all problems.
pub fn annotations(datasets: &[Dataset]) -> Result<()> {
    let mut problems = Problems::default();
    datasets.iter().flat_map(|dataset| &dataset.sequences).for_each(|sequence| annotation(sequence, &mut problems));
    problems.into_result()
}

fn verify_up_to(datasets: &[Dataset], limit: usize) -> Result<Verified> {
    let sequences: Vec<&Sequence> = datasets.iter().flat_map(|dataset| &dataset.sequences).collect();
    let mut problems = Problems::default();
    sequences.iter().for_each(|sequence| annotation(sequence, &mut problems));

    // Frame `k` of the sample is frame ⌊k·frames/opened⌋ of all: even, and the same in every run.
    let ends: Vec<usize> = sequences
        .iter()
        .scan(0, |end, sequence| {
            *end += sequence.len();
            Some(*end)
        })
        .collect();
    let frames = ends.last().copied().unwrap_or(0);
    let opened = frames.min(limit);
    let progress = Preparation::begin("checking frames", "files", opened);
    let found: Vec<(Problems, Oddities)> = (0..opened)
        .into_par_iter()
        .map(|k| {
            let frame = (k as u128 * frames as u128 / opened as u128) as usize;
            let which = ends.partition_point(|&end| end <= frame);
            let first = if which == 0 { 0 } else { ends[which - 1] };
            let file = sequences[which].file(frame - first);
            let (mut problems, mut oddities) = (Problems::default(), Oddities::default());
            match self::frame(&file) {
                Ok(header) => oddities.note(which, &file.path, &header),
                Err(broken) if broken.is_away => problems.away(&file.path, broken),
                Err(broken) => problems.file(&file.path, broken),
            }
            progress.add(1);
            (problems, oddities)
        })
        .collect();
    drop(progress);
    let mut oddities = Oddities::default();
    for (found, odd) in found {
        problems.extend(found);
        oddities.extend(odd);
    }
    problems.into_result()?;
    // The number of each set's first sequence.
    let mut first = 0;
    let mut notes = Vec::new();
    for dataset in datasets {
        let end = first + dataset.sequences.len();
        notes.extend(oddities.notes(first..end).into_iter().map(|note| format!("{}: {note}", dataset.name)));
        first = end;
    }
    Ok(Verified { frames, opened, notes })
}

fn annotation(sequence: &Sequence, problems: &mut Problems) {
    let folder = sequence.frames.folder();
    if sequence.frames.len() != sequence.len() {
        let what = format!("{} frames for {} boxes", sequence.frames.len(), sequence.len());
        problems.file(folder, format_args!("{what}; there must be one for each"));
    }
    for frame in (0..sequence.len()).filter(|&frame| sequence.visible()[frame]) {
        let object = sequence.object(frame);
        if [object.x, object.y, object.w, object.h].iter().any(|v| v.abs() > FAR) {
            let what = format!("frame {} has the box {object:?}", frame + 1);
            problems.file(folder, format_args!("{what}; correct it or write 0,0,0,0"));
        }
    }
}

/// How much of a file's end is looked at before all of it is.
const TAIL: u64 = 4096;

/// Why a frame's file is broken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Broken {
    /// A short name.
    pub kind: &'static str,
    /// What exactly, and the remedy.
    pub what: String,
    /// Whether the system did not give it: the file may be sound.
    pub is_away: bool,
}

impl From<DecodeError> for Broken {
    fn from(error: DecodeError) -> Self {
        let what = match error.reason {
            // Its words name the remedy.
            DecodeReason::Unsupported => format!("{error}, or leave the sequence out"),
            DecodeReason::Empty | DecodeReason::Truncated => {
                format!("{error}; extract the data set's archive again, or leave the sequence out")
            }
            DecodeReason::Corrupt => format!("{error}; copy the file again, or leave the sequence out"),
        };
        Self { kind: error.reason.name(), what, is_away: false }
    }
}

impl From<std::io::Error> for Broken {
    fn from(error: std::io::Error) -> Self {
        let is_away = outage::origin(&error) == Origin::System;
        let (kind, remedy) = match error.kind() {
            _ if is_away => ("unreadable", outage::REMEDY),
            std::io::ErrorKind::NotFound => ("missing", "copy it there, or leave the sequence out"),
            std::io::ErrorKind::PermissionDenied => ("unreadable", "let this user read it"),
            std::io::ErrorKind::InvalidData => ("corrupt", "pack the data set again"),
            _ => ("unreadable", "copy the file again, or leave the sequence out"),
        };
        Self { kind, what: format!("cannot be read: {error}; {remedy}"), is_away }
    }
}

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.what)
    }
}

/// The header of a frame whose file is whole, from its first and last bytes alone where they tell.
pub(super) fn frame(file: &FrameFile) -> std::result::Result<Header, Broken> {
    let ends = ends(file)?;
    if ends.whole {
        return Ok(check_complete(&ends.tail)?);
    }
    let complete = match Container::detect(&ends.head)? {
        Container::Jpeg => ends.tail.windows(2).any(|pair| pair == [0xFF, 0xD9]),
        Container::Png => {
            let holds = |kind: &[u8; 4]| ends.tail.windows(4).any(|name| name == kind);
            // What turns the picture may stand behind its pixels.
            holds(b"IEND") && !holds(b"eXIf")
        }
    };
    match header(&ends.head) {
        Ok(header) if complete => return Ok(header),
        Err(error) if error.reason == DecodeReason::Unsupported => return Err(error.into()),
        _ => {}
    }
    // An end marker further inside (much appended data) is still an end, and a header behind a thumbnail one too.
    let bytes = file.read()?;
    Ok(check_complete(&bytes)?)
}

struct Ends {
    head: Vec<u8>,
    tail: Vec<u8>,
    /// Whether `tail` is the whole file.
    whole: bool,
}

fn ends(file: &FrameFile) -> std::io::Result<Ends> {
    let length = file.length()?;
    let head = file.start(TAIL)?;
    let tail = file.read_range(length.saturating_sub(TAIL)..length)?;
    Ok(Ends { head, tail, whole: length <= TAIL })
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::data::dataset::FrameFiles;

    /// A picture of some 20 kB: more than its tail is read only when it must be.
    fn jpeg() -> Vec<u8> {
        let mut rng = crate::data::random::CounterRng::new(&[3]);
        let mut byte = || rng.bits() as u8;
        let picture = image::RgbImage::from_fn(160, 160, |_, _| image::Rgb([byte(), byte(), byte()]));
        let mut bytes = std::io::Cursor::new(Vec::new());
        picture.write_to(&mut bytes, image::ImageFormat::Jpeg).unwrap();
        bytes.into_inner()
    }

    fn dataset(folder: &Path, frames: usize, boxes: Vec<[f32; 4]>) -> Dataset {
        let files = FrameFiles::listed(folder, (1..=frames).map(|i| format!("{i:04}.jpg")).collect());
        Dataset::new("T", vec![Sequence::new("s", files, boxes, None)])
    }

    #[test]
    fn every_kind_of_damage_is_found_in_one_go() {
        let folder = tempfile::tempdir().unwrap();
        let good = jpeg();
        assert!(good.len() as u64 > 2 * TAIL);
        let mut zeroed = good.clone();
        zeroed[good.len() / 2..].fill(0);
        let appended = [good.as_slice(), &[0; 3 * TAIL as usize]].concat();
        let files: [&[u8]; 6] = [&good, &good[..good.len() - 2], b"", &zeroed, b"<html>404</html>", &appended];
        for (i, bytes) in files.iter().enumerate() {
            std::fs::write(folder.path().join(format!("{:04}.jpg", i + 1)), bytes).unwrap();
        }
        let failure = verify(&[dataset(folder.path(), 7, vec![[1.0, 1.0, 9.0, 9.0]; 7])]).unwrap_err();
        let at = |line: &str| line.strip_prefix(&format!("{}/", folder.path().display())).unwrap()[..18].to_owned();
        let lines: Vec<String> = failure.message.lines().map(at).collect();
        let expected = [
            "0002.jpg: truncate",
            "0003.jpg: empty: n",
            "0004.jpg: truncate",
            "0005.jpg: unsuppor",
            "0007.jpg: cannot b",
        ];
        assert_eq!(lines, expected, "{failure}");
    }

    #[test]
    fn boxes_far_away_and_counts_that_differ_are_found() {
        let folder = tempfile::tempdir().unwrap();
        for i in 1..=3 {
            std::fs::write(folder.path().join(format!("{i:04}.jpg")), jpeg()).unwrap();
        }
        let far = vec![[1.0, 1.0, 9.0, 9.0], [1e7, 1.0, 9.0, 9.0]];
        let failure = verify(&[dataset(folder.path(), 3, far)]).unwrap_err();
        assert_eq!(failure.message.lines().count(), 2, "{failure}");
        assert!(failure.message.contains("3 frames for 2 boxes") && failure.message.contains("frame 2 has the box"));
    }

    #[test]
    fn a_large_set_is_sampled_evenly() {
        let folder = tempfile::tempdir().unwrap();
        // Only every tenth of 100 frames exists: the sample of ten sees just these.
        for i in (1..=100).step_by(10) {
            std::fs::write(folder.path().join(format!("{i:04}.jpg")), jpeg()).unwrap();
        }
        let set = [dataset(folder.path(), 100, vec![[1.0, 1.0, 9.0, 9.0]; 100])];
        let verified = verify_up_to(&set, 10).unwrap();
        assert_eq!((verified.frames, verified.opened, verified.is_sample()), (100, 10, true));
        assert_eq!(verified.to_string(), "10 of 100 frames checked, evenly chosen");
        let all = verify_up_to(&set, 100).unwrap_err();
        assert!(all.message.ends_with("and 70 more problems like these"), "{all}");
        assert_eq!(verify(&[]).unwrap(), Verified { frames: 0, opened: 0, notes: Vec::new() });
    }
}
