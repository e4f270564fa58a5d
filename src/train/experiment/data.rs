//! `DATA`: data sets, clip sampling and crops.

use super::{family::Kind, sets::SetDefaults, sets::Sets};
use crate::settings::{Config, FromNode, Section};

/// `DATA`.
#[derive(Clone, Debug, Config)]
#[config(context = Kind)]
pub struct Data {
    /// In frames. OSTrack: the search frame comes 1 to this minus 1 frames after the template. HIPTrack: a cap on MAX_JUMP.
    #[config(key = "MAX_SAMPLE_INTERVAL", default = 200, min = 1, check = |interval| short_interval(*interval, context))]
    pub max_sample_interval: usize,
    /// HIPTrack: the largest gap, in frames, between neighbouring frames of a clip. OSTrack has none.
    #[config(
        key = "MAX_JUMP", as = usize, default = 8, min = 1,
        refused = (!context.new_hip).then(|| format!("{}; OSTrack's largest gap is MAX_SAMPLE_INTERVAL's", context.only_hiptrack())),
        map = |jump| context.new_hip.then_some(jump)
    )]
    pub max_jump: Option<usize>,
    /// Sequences with fewer frames give no clips.
    #[config(key = "MIN_FRAMES", default = 20, min = 1)]
    pub min_frames: usize,
    /// How the frames of a clip are chosen. causal, the only one there is: the search frames follow the template in time.
    #[config(key = "SAMPLER_MODE", choices = ["causal"], default = "causal", refused = other_mode(section))]
    pub sampler_mode: &'static str,
    /// What is subtracted from each of R, G and B, which go from 0 to 1.
    #[config(
        key = "MEAN", as = Vec<f64>, default = MEAN.to_vec(), min = 0, max = 1, check = three,
        map = |channels| channels.try_into().unwrap_or(MEAN)
    )]
    pub mean: [f64; 3],
    /// What each of R, G and B is divided by after that.
    #[config(
        key = "STD", as = Vec<f64>, default = STD.to_vec(), above = 0, check = three,
        map = |channels| channels.try_into().unwrap_or(STD)
    )]
    pub std: [f64; 3],
    /// Probability that all crops of a clip are turned to grey.
    #[config(key = "GREY_PROBABILITY", default = 0.05, min = 0, max = 1)]
    pub grey_probability: f64,
    /// Probability that a clip is mirrored left to right (COMPAT: reference: each crop by itself).
    #[config(key = "FLIP_PROBABILITY", default = 0.5, min = 0, max = 1)]
    pub flip_probability: f64,
    /// Brightness is scaled by a factor drawn from 1 ± this.
    #[config(key = "BRIGHTNESS_JITTER", default = 0.2, min = 0, max = 1)]
    pub brightness_jitter: f64,
    /// What is checked before the run. frames: every frame file is opened too (of many, an even sample); annotations: they
    /// alone.
    #[config(
        key = "CHECK", choices = ["frames", "annotations"], default = "frames", resume = free,
        map = |check| check == "frames"
    )]
    pub check_frames: bool,
    /// So many clips may be given up and planned again before the run ends, whatever their share.
    #[config(key = "MAX_REJECTED", default = 10, resume = free)]
    pub max_rejected: usize,
    /// Beyond MAX_REJECTED, this share of all clips may be given up.
    #[config(key = "MAX_REJECTED_SHARE", default = 0.01, min = 0, max = 1, resume = free)]
    pub max_rejected_share: f64,
    /// After so many failures a frame file is not read again.
    #[config(key = "QUARANTINE_AFTER", default = 3, min = 1, resume = free)]
    pub quarantine_after: usize,
    /// The template's crop.
    #[config(key = "TEMPLATE", nested = &CropDefaults { crop: TEMPLATE, is_template: true })]
    pub template: Crop,
    /// The search frames' crops.
    #[config(
        key = "SEARCH",
        nested = &CropDefaults { crop: Crop { number: if context.new_hip { 3 } else { 1 }, ..SEARCH }, is_template: false }
    )]
    pub search: Crop,
    /// Search frames in a clip.
    #[config(value = search.number)]
    pub search_frames: usize,
    /// What is trained on.
    #[config(key = "TRAIN", nested = &SetDefaults { names: &["LASOT", "GOT10K_vottrain"], clips: 60_000, labels: None })]
    pub train: Sets,
    /// What is validated on.
    #[config(
        key = "VAL", resume = noted("validations change, training does not"),
        // Whoever labels training data and says nothing of validation validates on the same labels.
        nested = &SetDefaults {
            names: &["GOT10K_votval"],
            clips: 10_000,
            labels: train.labels.as_ref().filter(|_| context.class_head),
        }
    )]
    pub val: Sets,
    /// Seconds for which data that is away (a server, a mount) or that the system cannot open is waited for before the run
    /// ends.
    #[config(key = "PATIENCE", default = 120.0, min = 0, resume = free)]
    pub patience: f64,
    /// A synthetic data set that is made before training; --data_dir takes its place. Absent: none.
    #[config(key = "SYNTH", nested = &(), absent_acts)]
    pub synth: Option<Synth>,
}

/// How a crop is cut out of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Config)]
#[config(context = CropDefaults)]
pub struct Crop {
    /// So many frames of a clip are cropped like this: 1 template, and the search frames.
    #[config(
        key = "NUMBER", default = context.crop.number, min = 1,
        check = |number| (context.is_template && *number > 1).then(|| "a clip has exactly 1 template".to_string())
    )]
    pub number: usize,
    /// Side of the crop after resampling, in pixels.
    #[config(key = "SIZE", default = context.crop.size, min = 1)]
    pub size: usize,
    /// Side of the window that is cut out, as a multiple of √(area of the box).
    #[config(key = "FACTOR", default = context.crop.factor, above = 0)]
    pub factor: f64,
    /// Largest shift of the window's centre: up to half of it each way, as a multiple of √(area of the box).
    #[config(key = "CENTER_JITTER", default = context.crop.centre_jitter, min = 0)]
    pub centre_jitter: f64,
    /// Standard deviation of the logarithm of the window's scale.
    #[config(key = "SCALE_JITTER", default = context.crop.scale_jitter, min = 0)]
    pub scale_jitter: f64,
}

/// What absent keys of a crop mean.
pub(super) struct CropDefaults {
    crop: Crop,
    is_template: bool,
}

/// `DATA.SYNTH`: a synthetic data set, made once.
#[derive(Clone, Debug, PartialEq, Config)]
pub struct Synth {
    /// Training sequences.
    #[config(key = "SEQUENCES", default = 80, min = 1)]
    pub sequences: usize,
    /// Held-out sequences.
    #[config(key = "VAL_SEQUENCES", default = 30, min = 1)]
    pub val_sequences: usize,
    /// Frames in each sequence.
    #[config(key = "FRAMES", default = 30, min = 1)]
    pub frames: usize,
    /// Seed of the scenes.
    #[config(key = "SEED", default = 0)]
    pub seed: u64,
    /// Width of a frame in pixels.
    #[config(key = "WIDTH", default = 320, min = 1)]
    pub width: usize,
    /// Height of a frame in pixels.
    #[config(key = "HEIGHT", default = 240, min = 1)]
    pub height: usize,
}

const MEAN: [f64; 3] = [0.485, 0.456, 0.406];
const STD: [f64; 3] = [0.229, 0.224, 0.225];
const TEMPLATE: Crop = Crop { number: 1, size: 128, factor: 2.0, centre_jitter: 0.0, scale_jitter: 0.0 };
const SEARCH: Crop = Crop { number: 1, size: 320, factor: 5.0, centre_jitter: 4.5, scale_jitter: 0.5 };

impl Data {
    pub(super) fn read_noting(mut section: Section<'_>, kind: &Kind, notes: &mut Vec<String>) -> Self {
        let data = Self::read(&mut section, kind);
        if let Some(jump) = data.max_jump.filter(|jump| *jump > data.max_sample_interval) {
            notes.push(format!(
                "DATA.MAX_SAMPLE_INTERVAL {} is below MAX_JUMP {jump}, so it is the largest gap between frames",
                data.max_sample_interval
            ));
        }
        let says_labels = section.node("VAL").is_some_and(|val| val.get("CLS_ANN_DIR").is_some());
        if let Some(labels) = data.train.labels.as_ref().filter(|_| kind.class_head && !says_labels) {
            let folder = labels.display();
            notes.push(format!(
                "DATA.VAL.CLS_ANN_DIR is absent: validation has the labels of DATA.TRAIN.CLS_ANN_DIR ({folder})"
            ));
        }
        let is_packed = |name: &String| name.starts_with("packed:");
        if kind.class_head && data.train.labels.is_none() && !data.train.names.iter().any(is_packed) {
            section.warning("TRAIN", "no CLS_ANN_DIR: the condition head has nothing to learn from");
        }
        section.close();
        data
    }
}

/// The search frame of an OSTrack is 1 to `MAX_SAMPLE_INTERVAL` - 1 frames after the template.
fn short_interval(interval: usize, kind: &Kind) -> Option<String> {
    (!kind.new_hip && interval == 1).then(|| {
        "must be at least 2: the search frame comes 1 to MAX_SAMPLE_INTERVAL - 1 frames after the template".to_string()
    })
}

/// The modes of the reference that draw a second template are known by name.
fn other_mode(section: &mut Section<'_>) -> Option<String> {
    let found = section.node("SAMPLER_MODE").and_then(String::from_node)?;
    match found.as_str() {
        "trident" | "trident_pro" | "stark" => {
            Some(format!("{found} draws a second, moving template (STARK's), and these trackers take one; use causal"))
        }
        "interval" | "order" | "random" => Some(format!(
            "{found} is no mode that the reference can sample in (`Illegal frame sample mode`); use causal"
        )),
        _ => None,
    }
}

#[allow(clippy::ptr_arg, reason = "it checks a key of this type")]
fn three(channels: &Vec<f64>) -> Option<String> {
    (channels.len() != 3).then(|| format!("expected one number for each of R, G, B, found {}", channels.len()))
}
