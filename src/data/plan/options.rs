//! The options of a planner.

use crate::failure::{Failure, Result};

/// How the crops of one kind (template or search) are made.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct CropOptions {
    /// Width and height of the crop in pixels.
    pub size: u32,
    /// Side of the window by the square root of the box's area.
    pub factor: f64,
    /// Largest shift of the window, both ways together, by the square root of the jittered box's area.
    pub centre_jitter: f64,
    /// Standard deviation of the logarithm of the jittered box's size.
    pub scale_jitter: f64,
}

/// What the clips are for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PlanMode {
    /// New clips in every epoch, augmented.
    Training,
    /// The same clips in every epoch, not augmented; windows stay jittered, as that makes the task.
    Validation,
}

/// How the frames of a clip are chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SamplerMode {
    /// Template and search frames in the order of time, or all against it: HIPTrack's `causal`.
    Causal,
    /// Search frames after the template, each less than `max_gap` frames later: OSTrack's `causal`.
    Forward,
}

/// All options of a [`super::Planner`]; the default is the reference's training set-up.
#[derive(Clone, Debug, PartialEq)]
pub struct PlanOptions {
    /// Template crops.
    pub template: CropOptions,
    /// Search crops.
    pub search: CropOptions,
    /// Search frames per clip.
    pub search_frames: usize,
    /// Sequences with fewer frames give no clips (20 in the reference).
    pub min_frames: usize,
    /// Largest distance between neighbouring frames of a clip, in frames; for `Forward` search frames come less than that
    /// after the template.
    pub max_gap: usize,
    /// How frames are chosen.
    pub sampler: SamplerMode,
    /// Clips per epoch.
    pub clips_per_epoch: usize,
    /// Probability that a clip is mirrored.
    pub flip: f64,
    /// Whether each crop is mirrored or not by itself (the reference does so), instead of all of a clip together.
    pub flip_per_crop: bool,
    /// Probability that a clip is grey.
    pub grey: f64,
    /// Brightness factors are drawn from `1 ± brightness`.
    pub brightness: f64,
    /// The seed of the run.
    pub seed: u64,
    /// What the clips are for.
    pub mode: PlanMode,
}

impl Default for PlanOptions {
    fn default() -> Self {
        Self {
            template: CropOptions { size: 192, factor: 2.0, centre_jitter: 0.0, scale_jitter: 0.0 },
            search: CropOptions { size: 384, factor: 5.0, centre_jitter: 4.5, scale_jitter: 0.5 },
            search_frames: 5,
            min_frames: 20,
            max_gap: 70,
            sampler: SamplerMode::Causal,
            clips_per_epoch: 60_000,
            flip: 0.5,
            flip_per_crop: false,
            grey: 0.05,
            brightness: 0.2,
            seed: 42,
            mode: PlanMode::Training,
        }
    }
}

impl PlanOptions {
    /// A sequence needs this many frames to be sampled from.
    pub fn least_frames(&self) -> usize {
        self.min_frames.max(self.search_frames + 1)
    }

    /// Refuses what cannot be planned, all at once.
    pub(super) fn check(&self) -> Result<()> {
        let mut wrong = Vec::new();
        for (name, crop) in [("template", &self.template), ("search", &self.search)] {
            if crop.size == 0 {
                wrong.push(format!("{name} size is 0; give pixels"));
            }
            if !(crop.factor.is_finite() && crop.factor > 0.0) {
                wrong.push(format!("{name} factor is {}; give a number above 0", crop.factor));
            }
            for (what, value) in [("centre jitter", crop.centre_jitter), ("scale jitter", crop.scale_jitter)] {
                if !(value.is_finite() && value >= 0.0) {
                    wrong.push(format!("{name} {what} is {value}; give a number from 0 on"));
                }
            }
        }
        for (what, value) in [("search frames", self.search_frames), ("largest gap", self.max_gap)] {
            if value == 0 {
                wrong.push(format!("{what} is 0; give at least 1"));
            }
        }
        for (what, value) in [("flip", self.flip), ("grey", self.grey), ("brightness", self.brightness)] {
            if !(0.0..=1.0).contains(&value) {
                wrong.push(format!("{what} is {value}; give a number from 0 to 1"));
            }
        }
        if wrong.is_empty() { Ok(()) } else { Err(Failure::config(wrong.join("\n"))) }
    }
}
