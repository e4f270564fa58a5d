//! What a plan says about one clip.

use std::path::PathBuf;
use std::sync::Arc;

use crate::data::dataset::FrameFile;
use crate::data::labels::Soft;
use crate::vision::rect::Rect;
use crate::vision::window::Window;

/// One frame of a clip: which, what part of it, and what is done to its crop.
#[derive(Clone, Debug, PartialEq)]
pub struct FramePlan {
    /// The frame's file.
    pub file: FrameFile,
    /// The frame's place in its sequence, from 0.
    pub frame: usize,
    /// The object's box in the frame, in pixels.
    pub object: Rect,
    /// The part of the frame to cut out.
    pub window: Window,
    /// The object's box in the crop, in units of the crop's size, before any flip.
    pub crop_box: Rect,
    /// Whether the crop and its box are mirrored; the same for all frames of a clip unless
    /// [`super::PlanOptions::flip_per_crop`] says otherwise.
    pub flip: bool,
    /// What the crop's values are multiplied by; drawn for each frame, as light changes in a video.
    pub brightness: f32,
}

/// A sequence that was drawn for a clip but could not give one, or a plan whose frames could not be had.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Redraw {
    /// Its data set.
    pub dataset: Arc<str>,
    /// The sequence.
    pub sequence: Arc<str>,
    /// A short name, for counters.
    pub reason: &'static str,
    /// What a user should see, best with the file.
    pub detail: String,
    /// The file that is broken, when it is a file's fault.
    pub file: Option<PathBuf>,
}

/// Everything about one clip that is random.
#[derive(Clone, Debug, PartialEq)]
pub struct ClipPlan {
    /// The epoch that the clip is for.
    pub epoch: u64,
    /// The clip's place in the epoch, from 0.
    pub index: u64,
    /// How often the clip had to be planned again.
    pub attempt: u64,
    /// The data set it comes from.
    pub dataset: Arc<str>,
    /// The sequence it comes from.
    pub sequence: Arc<str>,
    /// The frame that shows what to look for.
    pub template: FramePlan,
    /// The frames to look in: later ones than the template in ascending order, or earlier ones in descending order.
    pub search: Vec<FramePlan>,
    /// The condition class of each search frame, or [`crate::data::condition::UNLABELLED`].
    pub labels: Vec<i64>,
    /// What is known of the conditions of each search frame beyond the class.
    pub soft: Vec<Soft>,
    /// Whether all crops are made grey.
    pub grey: bool,
    /// What was drawn before this, in all attempts; empty nearly always.
    pub redraws: Vec<Redraw>,
}

impl ClipPlan {
    /// Template and search frames, in this order.
    pub fn frames(&self) -> impl Iterator<Item = &FramePlan> {
        std::iter::once(&self.template).chain(&self.search)
    }
}
