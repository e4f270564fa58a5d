//! Annotation files: boxes and flags, one frame a line or comma-separated; every fault is noted with its line.

use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use rayon::prelude::*;

use super::frames::Scanned;
use super::order::Gap;
use super::remarks::Remark;
use super::request::Purpose;
use super::{Ask, CheckedSequence, FrameFiles, ScanContext, Sequence, SequenceFiles, exact, span, split, suspicion};
use crate::text::excerpt;

/// How a file writes its boxes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Style {
    /// Eight numbers are the corners of a polygon; the object is its axis-aligned hull.
    pub polygons: bool,
    /// `NaN` stands for a frame without the object.
    pub nan_is_absent: bool,
    /// A file with one box tells where the object starts, and nothing of the other frames.
    pub first_only: bool,
    /// The picture's first pixel is 1, not 0; a box of zeros is none.
    pub from_one: bool,
}

impl Style {
    /// A box as the file has it, counted from 0.
    pub fn counted_from_zero<T: Copy + PartialEq + Default + std::ops::Sub<Output = T>>(
        self,
        row: [T; 4],
        one: T,
    ) -> [T; 4] {
        match self.from_one && row != [T::default(); 4] {
            true => [row[0] - one, row[1] - one, row[2], row[3]],
            false => row,
        }
    }
}

/// The sequences of `entries` that the user's list names (all without a list), read in parallel on rayon's threads.
/// `visible` tells which frames the annotators marked as showing the object, where the layout has such files.
pub(super) fn sequences(
    ask: &Ask<'_>,
    entries: Vec<SequenceFiles>,
    scan: &mut ScanContext,
    visible: impl Fn(&SequenceFiles, usize, &mut ScanContext) -> Option<Vec<bool>> + Sync,
) -> Vec<CheckedSequence> {
    let entries = split::keep(ask, entries, |entry| &entry.name, scan);
    let siblings = Siblings::default();
    let read: Vec<(CheckedSequence, ScanContext)> =
        entries.par_iter().map(|entry| sequence(entry, ask.purpose, &siblings, &visible)).collect();
    read.into_iter()
        .map(|(found, own)| {
            scan.join(own);
            found
        })
        .collect()
}

/// The folders beside one that is missing, listed once.
#[derive(Default)]
struct Siblings(OnceLock<(PathBuf, Vec<String>)>);

impl Siblings {
    /// `; did you mean X?` or nothing.
    fn meant(&self, missing: &Path) -> String {
        let (Some(parent), Some(name)) = (missing.parent(), missing.file_name().and_then(|name| name.to_str())) else {
            return String::new();
        };
        let list = || (parent.to_owned(), ScanContext::default().folders(parent));
        let (listed, names) = self.0.get_or_init(list);
        if listed == parent { split::meant(name, names.iter().map(String::as_str)) } else { String::new() }
    }
}

fn sequence(
    entry: &SequenceFiles,
    purpose: Purpose,
    siblings: &Siblings,
    visible: &impl Fn(&SequenceFiles, usize, &mut ScanContext) -> Option<Vec<bool>>,
) -> (CheckedSequence, ScanContext) {
    let mut own = ScanContext::default();
    let (has_boxes, has_frames) = (own.exists(&entry.boxes), own.exists(&entry.frames));
    let lost = match &entry.lost {
        Some(what) => Some((entry.boxes.parent().unwrap_or(&entry.frames), what.clone())),
        None if !has_boxes && !has_frames => {
            let hint = siblings.meant(&entry.frames);
            let hint = if hint.is_empty() { "; put the sequence there, or take it off the list".into() } else { hint };
            Some((entry.frames.as_path(), format!("no such folder{hint}")))
        }
        None => None,
    };
    if let Some((path, what)) = lost {
        own.problems.file(path, what);
        let nothing = FrameFiles::listed(&entry.frames, Vec::new());
        let sequence = Sequence::new(&entry.name, nothing, Vec::new(), None);
        return (CheckedSequence { sequence, problems: std::mem::take(&mut own.problems), truth: None }, own);
    }
    let mut boxes = boxes(entry, &mut own);
    // Scores need no pictures, and many keep none beside their results.
    let exact = purpose == Purpose::Scoring;
    let bare =
        exact && has_boxes && (!has_frames || FrameFiles::scan(&entry.frames).is_ok_and(|found| found.is_empty()));
    let scanned = if bare { Scanned::nothing(&entry.frames) } else { own.frames(&entry.frames) };
    let mut frames = scanned.files.clone();
    if let Some((first, last)) = entry.span {
        boxes.truncate(last + 1 - first);
        frames = span::part(frames, (first, last), boxes.len());
    }
    let first_only = boxes.len() == 1 && frames.len() > 1;
    if entry.style.first_only && first_only {
        boxes.resize(frames.len(), [0.0; 4]);
    }
    // An unreadable file or folder has been noted above; its count says nothing more.
    if own.problems.is_empty() && !bare {
        if frames.len() == boxes.len() {
            suspicion::look(entry, &boxes, &frames, &mut own);
        } else if first_only && purpose == Purpose::Training && entry.style.polygons {
            let what = format!("one box for {} frames: enough to track from, not to train with", frames.len());
            own.problems.file(&entry.boxes, format_args!("{what}; give a box for every frame"));
        } else {
            own.problems.file(&entry.boxes, mismatch(entry, frames.len(), boxes.len(), &scanned));
        }
    }
    own.remarks.extend(scanned.remarks);
    let visible = visible(entry, boxes.len(), &mut own);
    let truth = (exact && own.problems.is_empty()).then(|| exact::truth(entry, visible.clone(), &mut own));
    let sequence = Sequence::new(&entry.name, frames, boxes, visible);
    (CheckedSequence { sequence, problems: std::mem::take(&mut own.problems), truth: truth.flatten() }, own)
}

/// What is said where there is not a box for every frame: how many are missing, where that shows, and what can be done.
fn mismatch(entry: &SequenceFiles, frames: usize, boxes: usize, scanned: &Scanned) -> String {
    let unread = FrameFiles::unread(&entry.frames);
    let what = format!("{frames} frames in {}{unread}, but boxes for {boxes}", entry.frames.display());
    if boxes == 0 {
        return format!("{what}: the file is empty; put the sequence's own there");
    }
    if frames == 0 {
        return format!("{what}: no picture (.jpg, .jpeg, .png) is there; put the frames there");
    }
    if let Some(Gap { missing, around: (before, after) }) = scanned.gap.as_ref().filter(|_| frames < boxes) {
        let where_ =
            format!("the numbers of the frames leave {missing} out, the first after `{before}`: `{after}` is next");
        return format!("{what}; {where_}: put the missing files there, or remove their lines");
    }
    if frames < boxes {
        return format!("{what}; put the missing frames there, or remove the lines of those that are lost");
    }
    let notes = scanned.remarks.notes();
    let why = if notes.is_empty() { String::new() } else { format!(" ({})", notes.join("; ")) };
    format!("{what}{why}; remove the pictures that are no frames of it, or write 0,0,0,0 for frames without the object")
}

/// The numbers of a line, whichever of comma, semicolon, tab and space the data set separates them with.
pub(super) fn fields(line: &str) -> impl Iterator<Item = &str> {
    line.split([',', ';', '\t', ' ']).map(str::trim).filter(|field| !field.is_empty())
}

/// The boxes of a file, `x, y, w, h` per line. A line with a fault is noted and stands as a box without area, so that
/// the following ones keep their frame.
fn boxes(entry: &SequenceFiles, scan: &mut ScanContext) -> Vec<[f32; 4]> {
    let Some(text) = scan.text(&entry.boxes) else { return Vec::new() };
    let (problems, remarks) = (&mut scan.problems, &mut scan.remarks);
    let lines = text.trim_end().lines().enumerate();
    lines
        .map(|(i, line)| match parse(line, entry.style) {
            Ok(object @ [x, y, w, h]) => {
                // Four times the same, as in -1,-1,-1,-1, is a usual way to write that there is none.
                if (w < 0.0 || h < 0.0) && [y, w, h].iter().any(|value| *value != x) {
                    remarks.add(Remark::Negative, format!("{}:{}: {x},{y},{w},{h}", entry.boxes.display(), i + 1));
                }
                object
            }
            Err(what) => {
                problems.line(&entry.boxes, i + 1, what);
                [0.0; 4]
            }
        })
        .collect()
}

/// The box of a line, or what is wrong with it.
fn parse(line: &str, style: Style) -> Result<[f32; 4], String> {
    if is_ambiguous(line) {
        return Err(format!(
            "`{}` may be four numbers with decimal commas or four points; write decimals with a point, or all numbers with \
             one separator",
            excerpt(line.trim())
        ));
    }
    let mut values = [0.0f32; 8];
    let mut count = 0;
    for field in fields(line) {
        let value: f32 = field.parse().map_err(|_| format!("`{}` is not a number; write x,y,w,h", excerpt(field)))?;
        if value.is_nan() && style.nan_is_absent {
            return Ok([0.0; 4]);
        }
        if !value.is_finite() {
            return Err(format!("the box holds `{}`; write 0,0,0,0 for a frame without the object", excerpt(field)));
        }
        if let Some(slot) = values.get_mut(count) {
            *slot = value;
        }
        count += 1;
    }
    match count {
        4 => Ok(style.counted_from_zero([values[0], values[1], values[2], values[3]], 1.0)),
        8 if style.polygons => Ok(hull(&values)),
        _ => {
            let noun = if count == 1 { "number" } else { "numbers" };
            let corners = if style.polygons { ", or eight for a polygon's corners" } else { "" };
            Err(format!("{count} {noun} where a box needs 4; write x,y,w,h{corners}"))
        }
    }
}

/// Whether a line is four pairs `1,5` that something else than a comma separates.
fn is_ambiguous(line: &str) -> bool {
    let pair = |text: &str| matches!(text.split_once(','), Some((a, b)) if a.parse::<i64>().is_ok() && b.parse::<u64>().is_ok());
    let parts: Vec<&str> = line.split([';', '\t', ' ']).filter(|part| !part.is_empty()).collect();
    parts.len() == 4 && parts.into_iter().all(pair)
}

/// The smallest upright box around the corners `x1, y1, …, x4, y4`.
fn hull(corners: &[f32; 8]) -> [f32; 4] {
    let (mut low, mut high) = ([f32::INFINITY; 2], [f32::NEG_INFINITY; 2]);
    for (i, &value) in corners.iter().enumerate() {
        low[i % 2] = low[i % 2].min(value);
        high[i % 2] = high[i % 2].max(value);
    }
    [low[0], low[1], high[0] - low[0], high[1] - low[1]]
}

/// Small integers, separated by commas or lines; `frames` of them are expected.
pub(super) fn flags(path: &Path, frames: usize, scan: &mut ScanContext) -> Option<Vec<u8>> {
    let text = scan.text(path)?;
    let problems = &mut scan.problems;
    let mut values = Vec::with_capacity(frames);
    for (i, line) in text.trim_end().lines().enumerate() {
        for field in fields(line) {
            match field.parse() {
                Ok(value) => values.push(value),
                Err(_) => {
                    problems.line(
                        path,
                        i + 1,
                        format_args!("`{}` is not a flag; write one of 0 to 8 per frame", excerpt(field)),
                    );
                    return None;
                }
            }
        }
    }
    if values.len() != frames {
        let remedy = "there must be one a frame: put the sequence's own file there";
        problems.file(path, format_args!("{} flags for {frames} annotated frames; {remedy}", values.len()));
        return None;
    }
    Some(values)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn parsed(text: &str) -> (Vec<[f32; 4]>, Vec<String>) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("gt.txt");
        std::fs::write(&path, text).unwrap();
        let mut scan = ScanContext::default();
        let found = boxes(&SequenceFiles::new("s".into(), folder.path().into(), path.clone()), &mut scan);
        let prefix = format!("{}:", path.display());
        (found, scan.problems.lines().iter().map(|line| line.replace(&prefix, "gt.txt:")).collect())
    }

    #[test]
    fn commas_tabs_and_spaces_separate() {
        let expected = vec![[1.0, 2.0, 3.5, 4.0]; 2];
        for text in ["1,2,3.5,4\n1.0,2,3.5,4\n", "1\t2\t3.5\t4\r\n1\t2\t3.5\t4", "1 2  3.5 4\n1, 2, 3.5, 4\n\n"] {
            assert_eq!(parsed(text), (expected.clone(), Vec::new()));
        }
    }

    #[test]
    fn every_fault_is_reported_with_its_line() {
        let (boxes, problems) = parsed("1,2,3,4\nNaN,NaN,NaN,NaN\n1,2,3\n1,2,x,4\n\n5,6,7,8,9\n5,6,7,8\n");
        assert_eq!(boxes.len(), 7);
        assert_eq!(boxes[6], [5.0, 6.0, 7.0, 8.0]);
        insta::assert_snapshot!(problems.join("\n"), @r"
        gt.txt:2: the box holds `NaN`; write 0,0,0,0 for a frame without the object
        gt.txt:3: 3 numbers where a box needs 4; write x,y,w,h
        gt.txt:4: `x` is not a number; write x,y,w,h
        gt.txt:5: 0 numbers where a box needs 4; write x,y,w,h
        gt.txt:6: 5 numbers where a box needs 4; write x,y,w,h
        ");
    }

    #[test]
    fn polygons_become_upright_boxes_and_nan_a_frame_without_the_object() {
        let free = Style { polygons: true, nan_is_absent: true, ..Style::default() };
        assert_eq!(parse("10 5\t20,8,18,30 8 27", free), Ok([8.0, 5.0, 12.0, 25.0]));
        for decimals in ["20,5;30,5;30,25;24,75", "20,5\t30,5\t30,25\t24,75", "20,5 30,5 30,25 24,75"] {
            assert!(parse(decimals, free).unwrap_err().contains("decimal commas or four points"), "{decimals}");
        }
        assert_eq!(parse("1, 2, 3, 4", free), Ok([1.0, 2.0, 3.0, 4.0]));
        assert_eq!(parse("NaN,NaN,NaN,NaN", free), Ok([0.0; 4]));
        assert!(parse("1,2,3,4,5,6", free).unwrap_err().contains("6 numbers"));
        assert!(parse("1,2,3,4,5,6,7,8", Style::default()).unwrap_err().contains("8 numbers"));
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(values in prop::collection::vec(prop::array::uniform4(-1e4f32..1e4), 1..20)) {
            let text: String = values.iter().map(|[x, y, w, h]| format!("{x},{y},{w},{h}\n")).collect();
            prop_assert_eq!(parsed(&text), (values, Vec::new()));
        }

        #[test]
        fn no_text_breaks_the_parser(text in "[0-9a-z.,;+\\- \t\n]{0,80}") {
            let lines = text.trim_end().lines().count();
            prop_assert_eq!(parsed(&text).0.len(), lines);
        }
    }
}
