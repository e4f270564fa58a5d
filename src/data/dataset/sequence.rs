//! One annotated video, and a set of them.

use std::path::PathBuf;
use std::sync::Arc;

use super::FrameFiles;
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

    /// The file of a frame.
    pub fn path(&self, frame: usize) -> PathBuf {
        self.frames.path(frame)
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
}

impl Dataset {
    /// How many frames all sequences have together.
    pub fn frames(&self) -> usize {
        self.sequences.iter().map(Sequence::len).sum()
    }
}
