//! `DATA`: data sets, clip sampling and crops.

use super::{at_least_one, family::Kind, fraction, not_negative, positive};
use crate::settings::{FromNode, Section};
use std::path::PathBuf;

/// `DATA`.
#[derive(Clone, Debug)]
pub struct Data {
    /// OSTrack: search frames come less than so many frames after the template. HIPTrack: caps `max_jump`.
    pub max_sample_interval: usize,
    /// HIPTrack: largest gap in frames between neighbouring frames of a clip. OSTrack has none.
    pub max_jump: Option<usize>,
    /// Sequences with fewer frames give no clips.
    pub min_frames: usize,
    /// How the frames of a clip are chosen; `causal` is the one there is.
    pub sampler_mode: &'static str,
    /// Mean of each RGB channel, on the 0..1 scale.
    pub mean: [f64; 3],
    /// Standard deviation of each RGB channel, on the 0..1 scale.
    pub std: [f64; 3],
    /// The template's crop.
    pub template: Crop,
    /// The search regions' crop.
    pub search: Crop,
    /// Search frames in a clip.
    pub search_frames: usize,
    /// What is trained on.
    pub train: Sets,
    /// What is validated on.
    pub val: Sets,
    /// Probability that a clip is turned to grey.
    pub grey_probability: f64,
    /// Probability that a clip is mirrored.
    pub flip_probability: f64,
    /// Brightness is scaled by a factor from `1 ± brightness_jitter`.
    pub brightness_jitter: f64,
    /// Whether every frame file is opened before the run (of many, an even sample), or annotations alone are checked.
    pub check_frames: bool,
    /// So many clips may be planned again before a run ends, whatever their share.
    pub max_rejected: usize,
    /// Beyond that, this share of all clips.
    pub max_rejected_share: f64,
    /// A file is not read again after failing so often.
    pub quarantine_after: usize,
    /// Seconds for which data that is away (a server, a mount) is waited for.
    pub patience: f64,
    /// A synthetic data set to make before training, if any; `--data_dir` takes its place.
    pub synth: Option<Synth>,
}

/// How a crop is cut out of a frame.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Crop {
    /// Side of the crop after resampling, in pixels.
    pub size: usize,
    /// Side of the window, as a multiple of √(box area).
    pub factor: f64,
    /// Largest shift of the window's centre, as a multiple of √(box area), spread over ± half of it.
    pub centre_jitter: f64,
    /// Standard deviation of the logarithm of the window's scale.
    pub scale_jitter: f64,
}

/// Data sets mixed by ratio.
#[derive(Clone, Debug, PartialEq)]
pub struct Sets {
    /// Names as in the reference (`GOT10K_train_full`).
    pub names: Vec<String>,
    /// Relative share of each.
    pub ratios: Vec<f64>,
    /// Clips in an epoch.
    pub clips_per_epoch: usize,
    /// Folder of condition labels; relative paths start at the data folder. `None`: no labels.
    pub labels: Option<PathBuf>,
}

/// `DATA.SYNTH`: a synthetic data set, made once.
#[derive(Clone, Debug, PartialEq)]
pub struct Synth {
    /// Training sequences.
    pub sequences: usize,
    /// Held-out sequences.
    pub val_sequences: usize,
    /// Frames in each.
    pub frames: usize,
    /// Seed of the scenes.
    pub seed: u64,
    /// Width of a frame in pixels.
    pub width: usize,
    /// Height of a frame in pixels.
    pub height: usize,
}

impl Data {
    pub(super) fn read(mut section: Section<'_>, kind: &Kind, notes: &mut Vec<String>) -> Self {
        let max_sample_interval = section.checked("MAX_SAMPLE_INTERVAL", 200, |interval| match kind.new_hip {
            true => at_least_one(interval),
            // The search frame is 1 to MAX_SAMPLE_INTERVAL - 1 frames after the template.
            false => (*interval < 2).then(|| {
                "must be at least 2: the search frame comes 1 to MAX_SAMPLE_INTERVAL - 1 frames after the template"
                    .into()
            }),
        });
        let max_jump = max_jump(&mut section, kind);
        if let Some(jump) = max_jump.filter(|jump| *jump > max_sample_interval) {
            notes.push(format!(
                "DATA.MAX_SAMPLE_INTERVAL {max_sample_interval} is below MAX_JUMP {jump}, so it is the largest gap between frames"
            ));
        }
        let min_frames = section.checked("MIN_FRAMES", 20, at_least_one);
        let sampler_mode = sampler_mode(&mut section);
        let mean = channels(&mut section, "MEAN", [0.485, 0.456, 0.406], not_negative);
        let std = channels(&mut section, "STD", [0.229, 0.224, 0.225], positive);
        let grey_probability = section.checked("GREY_PROBABILITY", 0.05, fraction);
        let flip_probability = section.checked("FLIP_PROBABILITY", 0.5, fraction);
        let brightness_jitter = section.checked("BRIGHTNESS_JITTER", 0.2, fraction);
        let check_frames = section.choice("CHECK", "frames", &["frames", "annotations"]) == "frames";
        let max_rejected = section.value("MAX_REJECTED", 10usize);
        let max_rejected_share = section.checked("MAX_REJECTED_SHARE", 0.01, fraction);
        let quarantine_after = section.checked("QUARANTINE_AFTER", 3, at_least_one);
        let patience = section
            .says(
                "seconds for which data that is away is waited for before the run ends: a server, a mount, descriptors",
            )
            .checked("PATIENCE", 120.0, not_negative);
        let mut template = section.section("TEMPLATE");
        if template.value("NUMBER", 1usize) != 1 {
            template.problem("NUMBER", "a clip has exactly 1 template");
        }
        let template = Crop::read(template, Crop { size: 128, factor: 2.0, centre_jitter: 0.0, scale_jitter: 0.0 });
        let mut search = section.section("SEARCH");
        let search_frames = search.checked("NUMBER", if kind.new_hip { 3 } else { 1 }, at_least_one);
        let search = Crop::read(search, Crop { size: 320, factor: 5.0, centre_jitter: 4.5, scale_jitter: 0.5 });
        let train = Sets::read(section.section("TRAIN"), &["LASOT", "GOT10K_vottrain"], 60_000, None);
        // Whoever labels training data and says nothing of validation validates on the same labels.
        let labels = train.labels.as_ref().filter(|_| kind.class_head);
        let mut val_section = section.section("VAL");
        if let (Some(labels), None) = (labels, val_section.node("CLS_ANN_DIR")) {
            let folder = labels.display();
            notes.push(format!(
                "DATA.VAL.CLS_ANN_DIR is absent: validation has the labels of DATA.TRAIN.CLS_ANN_DIR ({folder})"
            ));
        }
        let val = Sets::read(val_section, &["GOT10K_votval"], 10_000, labels);
        if kind.class_head && train.labels.is_none() && !train.names.iter().any(|name| name.starts_with("packed:")) {
            section.warning("TRAIN", "no CLS_ANN_DIR: the condition head has nothing to learn from");
        }
        let synth = section.node("SYNTH").is_some().then(|| Synth::read(section.section("SYNTH")));
        section.close();
        Self {
            max_sample_interval,
            max_jump,
            min_frames,
            sampler_mode,
            mean,
            std,
            template,
            search,
            search_frames,
            train,
            val,
            grey_probability,
            flip_probability,
            brightness_jitter,
            check_frames,
            max_rejected,
            max_rejected_share,
            quarantine_after,
            patience,
            synth,
        }
    }
}

/// The largest gap between frames of a HIPTrack.
fn max_jump(section: &mut Section<'_>, kind: &Kind) -> Option<usize> {
    if kind.new_hip {
        return Some(section.checked("MAX_JUMP", 8, at_least_one));
    }
    let message = format!("{}; OSTrack's largest gap is MAX_SAMPLE_INTERVAL's", kind.only_hiptrack());
    section.refused("MAX_JUMP", 8usize, message);
    None
}

/// How frames are chosen. The modes of the reference that draw a second template are known by name.
fn sampler_mode(section: &mut Section<'_>) -> &'static str {
    let key = "SAMPLER_MODE";
    let found = section.node(key).and_then(String::from_node).unwrap_or_default();
    let message = match found.as_str() {
        "trident" | "trident_pro" | "stark" => {
            format!("{found} draws a second, moving template (STARK's), and these trackers take one; use causal")
        }
        "interval" | "order" | "random" => {
            format!("{found} is no mode that the reference can sample in (`Illegal frame sample mode`); use causal")
        }
        _ => return section.choice(key, "causal", &["causal"]),
    };
    section.refused(key, "causal".to_string(), message);
    "causal"
}

fn channels(
    section: &mut Section<'_>,
    key: &'static str,
    default: [f64; 3],
    complaint: fn(&f64) -> Option<String>,
) -> [f64; 3] {
    let list = section.value(key, default.to_vec());
    if let Some(message) = list.iter().find_map(complaint) {
        section.problem(key, message);
    }
    <[f64; 3]>::try_from(list).unwrap_or_else(|list| {
        section.problem(key, format!("expected one number for each of R, G, B, found {}", list.len()));
        default
    })
}

impl Crop {
    fn read(mut section: Section<'_>, default: Self) -> Self {
        let crop = Self {
            size: section.checked("SIZE", default.size, at_least_one),
            factor: section.checked("FACTOR", default.factor, positive),
            centre_jitter: section.checked("CENTER_JITTER", default.centre_jitter, not_negative),
            scale_jitter: section.checked("SCALE_JITTER", default.scale_jitter, not_negative),
        };
        section.close();
        crop
    }
}

impl Sets {
    fn read(mut section: Section<'_>, names: &[&str], clips: usize, labels: Option<&PathBuf>) -> Self {
        let names = section.value("DATASETS_NAME", names.iter().map(ToString::to_string).collect::<Vec<_>>());
        if names.is_empty() {
            section.problem("DATASETS_NAME", "needs at least one data set");
        }
        let ratios = section.value("DATASETS_RATIO", vec![1.0; names.len()]);
        if ratios.len() != names.len() {
            let message = format!("has {} ratios for {} data sets of DATASETS_NAME", ratios.len(), names.len());
            section.problem("DATASETS_RATIO", message);
        }
        if let Some(message) = ratios.iter().find_map(positive) {
            section.problem("DATASETS_RATIO", message);
        }
        let clips_per_epoch = section.checked("SAMPLE_PER_EPOCH", clips, at_least_one);
        let labels = match section.optional::<PathBuf>("CLS_ANN_DIR") {
            None => {
                labels.iter().for_each(|labels| section.resolve("CLS_ANN_DIR", *labels));
                labels.cloned()
            }
            // Nothing, said in so many words.
            Some(path) => Some(path).filter(|path| !path.as_os_str().is_empty()),
        };
        section.close();
        Self { names, ratios, clips_per_epoch, labels }
    }
}

impl Synth {
    fn read(mut section: Section<'_>) -> Self {
        let synth = Self {
            sequences: section.checked("SEQUENCES", 80, at_least_one),
            val_sequences: section.checked("VAL_SEQUENCES", 30, at_least_one),
            frames: section.checked("FRAMES", 30, at_least_one),
            seed: section.value("SEED", 0),
            width: section.checked("WIDTH", 320, at_least_one),
            height: section.checked("HEIGHT", 240, at_least_one),
        };
        section.close();
        synth
    }
}
