//! One annotated video, and a set of them.

use std::path::PathBuf;
use std::sync::Arc;

use super::{FrameFile, FrameFiles};
use crate::data::labels::Labels;
use crate::vision::rect::Rect;

/// A video with one object annotated in every frame.
///
/// Boxes are held in single precision, as the reference reads them: millions of frames stay in memory.
#[derive(Clone, Debug)]
pub struct Sequence {
    /// Unique within its data set; condition labels are found by it.
    pub name: Arc<str>,
    /// The frames' files, in order.
    pub frames: FrameFiles,
    /// Scene-condition labels, empty until they are attached.
    pub labels: Labels,
    boxes: Vec<[f32; 4]>,
    visible: Vec<bool>,
}

impl Sequence {
    /// A sequence of as many frames as the shortest of `frames`, `boxes` and `marked` has.
    ///
    /// A frame is visible when it is `marked` so and its box is sane: what has no area cannot be searched for.
    pub fn new(name: &str, frames: FrameFiles, boxes: Vec<[f32; 4]>, marked: Option<Vec<bool>>) -> Self {
        let length = frames.len().min(boxes.len()).min(marked.as_ref().map_or(usize::MAX, Vec::len));
        let mut boxes = boxes;
        boxes.truncate(length);
        let mut visible = marked.unwrap_or_else(|| vec![true; length]);
        visible.truncate(length);
        for (visible, values) in visible.iter_mut().zip(&boxes) {
            *visible &= rect(values).is_sane();
        }
        Self { name: name.into(), frames, labels: Labels::default(), boxes, visible }
    }

    /// How many frames are annotated.
    pub fn len(&self) -> usize {
        self.boxes.len()
    }

    /// Whether there is no frame.
    pub fn is_empty(&self) -> bool {
        self.boxes.is_empty()
    }

    /// The object's box in a frame, in pixels of the frame.
    ///
    /// # Panics
    /// If `frame` is not below [`Sequence::len`].
    pub fn object(&self, frame: usize) -> Rect {
        rect(&self.boxes[frame])
    }

    /// Which frames show the object.
    pub fn visible(&self) -> &[bool] {
        &self.visible
    }

    /// The object's boxes, `x, y, w, h` in pixels of the frames.
    pub fn boxes(&self) -> &[[f32; 4]] {
        &self.boxes
    }

    /// What a frame's file is called.
    pub fn path(&self, frame: usize) -> PathBuf {
        self.frames.path(frame)
    }

    /// Where a frame lies.
    pub fn file(&self, frame: usize) -> FrameFile {
        self.frames.file(frame)
    }
}

fn rect(values: &[f32; 4]) -> Rect {
    let [x, y, w, h] = values.map(f64::from);
    Rect::new(x, y, w, h)
}

/// The sequences of one named data set.
#[derive(Clone, Debug)]
pub struct Dataset {
    /// The name in the experiment's `DATASETS_NAME`.
    pub name: Arc<str>,
    /// In the data set's own order.
    pub sequences: Vec<Sequence>,
    /// What the user should know about how the data set was read, one line each.
    pub notes: Vec<String>,
    /// Whether each sequence is one picture with one object: a clip is that picture several times, each crop jittered
    /// on its own.
    pub images: bool,
    /// How it was opened.
    pub opening: Opening,
}

/// How a data set was opened.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Opening {
    /// How long it took.
    pub seconds: f64,
    /// Whether its annotations were unchanged since an earlier time and not read again.
    pub from_cache: bool,
}

impl Dataset {
    /// A data set of these sequences, made in memory.
    pub fn new(name: &str, sequences: Vec<Sequence>) -> Self {
        Self { name: name.into(), sequences, notes: Vec::new(), images: false, opening: Opening::default() }
    }

    /// What was found, in one line.
    pub fn summary(&self) -> String {
        let frames = self.frames();
        let display: usize =
            self.sequences.iter().map(|sequence| sequence.visible().iter().filter(|&&seen| seen).count()).sum();
        let what = if self.images { "objects in pictures" } else { "sequences" };
        let from = if self.opening.from_cache { "annotations unchanged, from the cache" } else { "read" };
        format!(
            "{}: {} {what}, {frames} frames, {display} of them show the object ({from} in {:.2} s)",
            self.name,
            self.sequences.len(),
            self.opening.seconds
        )
    }

    /// How many frames all sequences have together.
    pub fn frames(&self) -> usize {
        self.sequences.iter().map(Sequence::len).sum()
    }
}
