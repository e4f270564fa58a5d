//! The ten scene conditions that the classification head distinguishes.

use std::fmt;

/// The scene-condition class of a frame; the discriminant is the class index of the head.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
pub enum Condition {
    /// Something stands in front of the object.
    Occlusion = 0,
    /// The light changes.
    IlluminationChange = 1,
    /// The object's size in the picture changes.
    ScaleVariation = 2,
    /// The object or the camera moves fast against the exposure.
    MotionBlur = 3,
    /// The object's texture or colour changes.
    AppearanceVariation = 4,
    /// Part of the object is outside the picture.
    PartialVisibility = 5,
    /// The object is recorded with few pixels.
    LowResolution = 6,
    /// The background looks like the object.
    BackgroundClutter = 7,
    /// The object is hardly brighter or darker than the background.
    LowContrast = 8,
    /// Nothing of the above.
    Normal = 9,
}

/// The label of a frame without a condition; losses and metrics leave it out.
pub const UNLABELLED: i64 = -100;

impl Condition {
    /// How many classes the head has.
    pub const COUNT: usize = 10;

    /// All conditions in the order of their class index.
    pub const ALL: [Self; Self::COUNT] = [
        Self::Occlusion,
        Self::IlluminationChange,
        Self::ScaleVariation,
        Self::MotionBlur,
        Self::AppearanceVariation,
        Self::PartialVisibility,
        Self::LowResolution,
        Self::BackgroundClutter,
        Self::LowContrast,
        Self::Normal,
    ];

    /// The class index, `0..10`.
    pub fn index(self) -> usize {
        self as usize
    }

    /// The name in tables, metrics and file names.
    pub fn name(self) -> &'static str {
        match self {
            Self::Occlusion => "occlusion",
            Self::IlluminationChange => "illumination_change",
            Self::ScaleVariation => "scale_variation",
            Self::MotionBlur => "motion_blur",
            Self::AppearanceVariation => "appearance_variation",
            Self::PartialVisibility => "partial_visibility",
            Self::LowResolution => "low_resolution",
            Self::BackgroundClutter => "background_clutter",
            Self::LowContrast => "low_contrast",
            Self::Normal => "normal",
        }
    }
}

impl fmt::Display for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
