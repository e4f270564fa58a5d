//! Parity with the reference's own numbers: what the PyTorch implementation computed on weights and inputs that a
//! formula gives. The folder is named by `TRACKFLOW_GOLDEN` (default `../shared/golden`), that of plain OSTrack by
//! `TRACKFLOW_GOLDEN_OSTRACK` (default `../shared/golden_ostrack`), and every `seed<N>.safetensors` in them is checked.
//! Where there are no goldens, the tests are ignored and say so.
//!
//! One test with goldens at a time, as the whole model takes gigabytes. Each says which values it covers, fails when it
//! did not read one of them, and a last one fails when a value is covered by no test.

mod functions;
mod golden;
mod network;
mod optimizer;
mod ostrack;
mod ostrack_tracker;
mod pixels;
mod recipe;
mod tracker;

use golden::{Golden, folder, matches, ostrack_folder, seeds};
use libtest_mimic::{Arguments, Failed, Trial};
use std::path::PathBuf;

/// A test of single functions and the golden values that it covers.
type FunctionTest = (&'static str, &'static [&'static str], fn(&Golden));
/// A test of the whole model.
type ModelTest = (&'static str, &'static [&'static str], fn(&Golden, u64));

const FUNCTIONS: [FunctionTest; 13] = [
    ("heat_maps", &["heatmap.*"], functions::heat_maps),
    ("focal_loss", &["focal.*"], functions::focal_loss),
    ("generalised_iou", &["giou.*"], functions::generalised_iou),
    ("class_losses", &["cls.*"], functions::class_losses),
    ("masks", &["mask.*", "mask_ce.*", "mask_xywh.*"], functions::masks),
    ("keep_rates", &["keep_rate.*"], functions::keep_rates),
    ("memory", &["hip.*"], functions::memory_affinity_and_readout),
    ("crops", &["crop.*"], pixels::crops),
    ("boxes_in_crops", &["t2c.*"], pixels::boxes_in_crops),
    ("augmentation", &["tojitter.*", "gray.*"], pixels::augmentation),
    ("flips", &["flip_*"], pixels::flips),
    ("tracker_arithmetic", &["clip_box.*", "hann.24", "hann1d.*"], pixels::tracker_arithmetic),
    ("adamw", &["adamw.*"], optimizer::five_steps),
];

const MODEL: [ModelTest; 6] = [
    ("keeping_all", &["in.*", "backbone.ce10.*", "k10.*", "grad10.*", "step.*"], network::keeping_all),
    ("eliminating", &["backbone.ce07.*", "k07.*", "grad07.*"], network::eliminating),
    ("eliminating_by_all", &["backbone.ce07_nomask.*"], network::eliminating_by_all),
    ("batch_statistics", &["trainbn.*"], network::batch_statistics),
    ("tracker_on_crops", &["track.*", "track_mem2_int3.*"], tracker::crops),
    ("tracker_on_video", &["video.*"], tracker::video),
];

/// The same of plain OSTrack.
const OSTRACK: [ModelTest; 6] = [
    ("parts", &["pretrain.*", "target.score_map"], ostrack::parts),
    ("keeping_all", &["in.*", "backbone.ce10.*", "k10.*", "grad10.*", "step.*"], ostrack::keeping_all),
    ("eliminating", &["backbone.ce07.*", "k07.*", "grad07.*"], ostrack::eliminating),
    ("batch_statistics", &["trainbn.*"], ostrack::batch_statistics),
    ("tracker_on_video", &["video.*"], ostrack_tracker::video),
    ("tracker_keeping_all", &["video10.*"], ostrack_tracker::video_keeping_all),
];

/// Golden values that no test reads.
const NOT_READ: [&str; 3] = [
    // Which pixels of a crop are padding: the reference computes it, and nothing reads it.
    "crop.*.att",
    // The sum of a crop from a second picture, for which the goldens give no formula.
    "crop.smooth.*",
    // Boxes for the template tokens of GT_BOX, which is refused: the reference mixes up samples with it.
    "mask.boxes_xywh",
];

fn covered(keys: &Golden, covers: impl Iterator<Item = &'static str> + Clone) {
    let known = |key: &&str| covers.clone().chain(NOT_READ).any(|pattern| matches(pattern, key));
    let unknown: Vec<_> = keys.keys().filter(|key| !known(key)).collect();
    assert!(unknown.is_empty(), "golden values that no test covers: {}", unknown.join(", "));
}

fn trial(name: String, there: bool, run: impl FnOnce() + Send + 'static) -> Trial {
    let run = move || {
        run();
        Ok::<(), Failed>(())
    };
    Trial::test(name, run).with_ignored_flag(!there)
}

/// The tests of a whole model; without goldens, they are listed once, as ignored.
fn of_models(prefix: &str, folder: PathBuf, seeds: Vec<u64>, tests: &'static [ModelTest]) -> Vec<Trial> {
    let all = if seeds.is_empty() { vec![(1, false)] } else { seeds.into_iter().map(|seed| (seed, true)).collect() };
    let mut trials = Vec::new();
    for (seed, there) in all {
        for (name, covers, run) in tests {
            let folder = folder.clone();
            trials.push(trial(format!("{prefix}seed{seed}::{name}"), there, move || {
                let golden = Golden::model(&folder, seed);
                run(&golden, seed);
                golden.check_read(covers, &NOT_READ);
            }));
        }
        let folder = folder.clone();
        trials.push(trial(format!("{prefix}seed{seed}::no_value_is_forgotten"), there, move || {
            covered(&Golden::model(&folder, seed), tests.iter().flat_map(|(_, covers, _)| *covers).copied());
        }));
    }
    trials
}

fn main() {
    let (functions_there, hiptrack) = (folder().join("func.npz").is_file(), seeds(&folder()));
    if !functions_there || hiptrack.is_empty() {
        eprintln!("SKIPPED: goldens are missing at {} (TRACKFLOW_GOLDEN names the folder)", folder().display());
    }
    let ostrack = seeds(&ostrack_folder());
    if ostrack.is_empty() {
        let folder = ostrack_folder();
        eprintln!("SKIPPED: goldens are missing at {} (TRACKFLOW_GOLDEN_OSTRACK names the folder)", folder.display());
    }
    let mut trials = vec![trial("recipe".into(), true, recipe::has_its_check_values)];
    for (name, covers, run) in FUNCTIONS {
        trials.push(trial(format!("functions::{name}"), functions_there, move || {
            let golden = Golden::functions();
            run(&golden);
            golden.check_read(covers, &NOT_READ);
        }));
    }
    trials.push(trial("functions::no_value_is_forgotten".into(), functions_there, || {
        covered(&Golden::functions(), FUNCTIONS.iter().flat_map(|(_, covers, _)| *covers).copied());
    }));
    trials.extend(of_models("", folder(), hiptrack, &MODEL));
    trials.extend(of_models("ostrack::", ostrack_folder(), ostrack, &OSTRACK));
    let arguments = Arguments { test_threads: Some(1), ..Arguments::from_args() };
    libtest_mimic::run(&arguments, trials).exit();
}
