//! The data set as a whole: bytes, folders, boxes, labels.

use std::collections::BTreeMap;
use std::fs;

use super::render::Frame;
use super::truth::{Truth, threshold};
use super::*;
use crate::data::condition::Condition;
use crate::failure::FailureKind;
use crate::vision::rect::Rect;

fn small() -> SynthOptions {
    SynthOptions { train: 3, val: 1, frames: 4, seed: 11, width: 128, height: 96, ..SynthOptions::default() }
}

/// Every file below a folder with its bytes.
fn tree(root: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut files = BTreeMap::new();
    let mut folders = vec![root.to_path_buf()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                let name = path.strip_prefix(root).unwrap().to_string_lossy().into_owned();
                files.insert(name, fs::read(&path).unwrap());
            }
        }
    }
    files
}

fn made_with(threads: usize, options: &SynthOptions) -> BTreeMap<String, Vec<u8>> {
    let folder = tempfile::tempdir().unwrap();
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
    pool.install(|| generate(folder.path(), options)).unwrap();
    tree(folder.path())
}

/// A scene, its frames and what is measured in them.
fn shoot(
    options: &SynthOptions,
    split: SynthSplit,
    index: usize,
    condition: Condition,
) -> (Scene, Vec<Frame>, Vec<Truth>) {
    let key = Key::new(options, split, index);
    let scene = Scene::draw(options, key, condition);
    let frames: Vec<_> = (0..options.frames).map(|at| scene.render(at, &mut key.stream(Purpose::Noise, at))).collect();
    let glances: Vec<_> = frames.iter().enumerate().map(|(at, frame)| Glance::at(&scene, at, frame)).collect();
    (scene, frames, Glance::resolve(&glances))
}

/// The class of a label line by the priority rule of the label format.
fn class(line: &serde_json::Value) -> Condition {
    let priority = [
        ("occlusion", Condition::Occlusion),
        ("motion_blur", Condition::MotionBlur),
        ("illu_change", Condition::IlluminationChange),
        ("partial_visibility", Condition::PartialVisibility),
        ("variance_appear", Condition::AppearanceVariation),
        ("background_clutter", Condition::BackgroundClutter),
    ];
    let measured = [
        ("scale_variation", Condition::ScaleVariation),
        ("low_res", Condition::LowResolution),
        ("low_contrast", Condition::LowContrast),
    ];
    let flagged = |key: &str| line["vlm_response"][key]["flag"].as_i64().unwrap() == 1;
    let first = priority.iter().find(|(key, _)| flagged(key));
    let set = measured.iter().find(|(key, _)| line["cv_response"][key].as_i64().unwrap() == 1);
    first.or(set).map_or(Condition::Normal, |(_, condition)| *condition)
}

#[test]
fn the_bytes_depend_on_the_options_alone() {
    let options = small();
    let one = made_with(1, &options);
    assert_eq!(one, made_with(4, &options));
    let other = made_with(2, &SynthOptions { seed: 12, ..options });
    let picture = "got10k/train/SYN_Train_000001/00000001.jpg";
    assert_ne!(one[picture], other[picture]);
    assert_ne!(one[picture], one["got10k/val/SYN_Val_000001/00000001.jpg"], "held-out scenes are others");
}

#[test]
fn the_folder_has_what_both_loaders_read() {
    let options = small();
    let files = made_with(2, &options);
    let text = |name: &str| String::from_utf8(files[name].clone()).unwrap();
    assert_eq!(text("got10k/train/list.txt"), "SYN_Train_000001\nSYN_Train_000002\nSYN_Train_000003\n");
    assert_eq!(text("got10k/val/list.txt"), "SYN_Val_000001\n");
    for (part, name) in [("train", "SYN_Train_000003"), ("val", "SYN_Val_000001")] {
        let at = |file: &str| format!("got10k/{part}/{name}/{file}");
        for column in ["absence.label", "cover.label", "cut_by_image.label"] {
            assert_eq!(
                text(&at(column)).lines().filter(|l| l.parse::<u8>().is_ok()).count(),
                options.frames,
                "{column}"
            );
        }
        assert!(text(&at("absence.label")).lines().all(|line| line == "0"));
        let meta = text(&at("meta_info.ini"));
        assert!(meta.starts_with("[METAINFO]\nurl: none\n") && meta.contains("\nresolution: (128, 96)\n"), "{meta}");
        assert_eq!(meta.lines().count(), 11);
        let boxes = text(&at("groundtruth.txt"));
        let labels = text(&format!("conditions/{name}/{name}.jsonl"));
        assert_eq!((boxes.lines().count(), labels.lines().count()), (options.frames, options.frames));
        for (index, (row, line)) in boxes.lines().zip(labels.lines()).enumerate() {
            let row: Vec<f64> = row.split(',').map(|v| v.parse().unwrap()).collect();
            assert!(row[0] >= 0.0 && row[1] >= 0.0 && row[2] > 2.0 && row[3] > 2.0, "{row:?}");
            assert!(row[0] + row[2] <= 128.01 && row[1] + row[3] <= 96.01, "{row:?}");
            let line: serde_json::Value = serde_json::from_str(line).unwrap();
            assert_eq!(line["frame_id"].as_u64().unwrap() as usize, index + 1);
            let file = line["frame_file"].as_str().unwrap();
            let picture = image::load_from_memory(&files[&at(file)]).unwrap();
            assert_eq!((picture.width(), picture.height()), (128, 96));
            let noted: Vec<f64> = serde_json::from_value(line["ground_truth_bbox"].clone()).unwrap();
            assert_eq!(noted, row);
        }
    }
}

#[test]
fn the_class_by_the_priority_rule_is_the_condition_that_was_rendered() {
    for condition in Condition::ALL {
        let options = SynthOptions { train: 1, val: 0, frames: 10, condition: Some(condition), ..small() };
        let files = made_with(1, &options);
        let labels = String::from_utf8(files["conditions/SYN_Train_000001/SYN_Train_000001.jsonl"].clone()).unwrap();
        let classes: Vec<_> = labels.lines().map(|line| class(&serde_json::from_str(line).unwrap())).collect();
        assert!(classes.iter().all(|found| [condition, Condition::Normal].contains(found)), "{condition} {classes:?}");
        assert!(classes.iter().filter(|&&found| found == condition).count() >= 8, "{condition} {classes:?}");
    }
}

#[test]
fn a_condition_is_measured_in_most_frames_and_in_none_of_a_normal_sequence() {
    let options = SynthOptions { frames: 12, ..small() };
    for condition in Condition::ALL {
        for index in 0..3 {
            let (_, _, truths) = shoot(&options, SynthSplit::Train, index, condition);
            let showing = truths.iter().filter(|truth| truth.shows(condition)).count();
            assert!(10 * showing >= 8 * truths.len(), "{condition} {index}: {showing} of {}", truths.len());
            assert!(truths.iter().all(|truth| truth.occluded < 0.95 && truth.outside < 0.85), "{condition} {index}");
            if condition == Condition::Normal {
                let others = Condition::ALL.into_iter().filter(|&other| other != Condition::Normal);
                let wrong: Vec<_> = others.filter(|&other| truths.iter().any(|truth| truth.shows(other))).collect();
                assert!(wrong.is_empty(), "{index}: {wrong:?} {truths:?}");
            }
        }
    }
}

#[test]
fn the_occluded_part_is_what_disappears_when_the_occluder_is_put_in() {
    let options = small();
    for index in 0..4 {
        let (mut open, frames, _) = shoot(&options, SynthSplit::Val, index, Condition::Occlusion);
        open.before.clear();
        let key = Key::new(&options, SynthSplit::Val, index);
        for (at, frame) in frames.iter().enumerate() {
            let bare = open.render(at, &mut key.stream(Purpose::Noise, at));
            let part = |frame: &Frame| frame.target.iter().sum::<f32>();
            let hidden = f64::from(1.0 - part(frame) / part(&bare));
            assert!((hidden - frame.occluded).abs() < 0.01, "{index} {at}: {hidden} {}", frame.occluded);
            assert!(hidden >= threshold::OCCLUDED || frame.occluded < threshold::OCCLUDED + 0.01);
            assert_eq!(bare.occluded, 0.0);
        }
    }
}

#[test]
fn the_box_holds_the_whole_target_and_is_tight() {
    let options = small();
    for index in 0..10 {
        let (_, frames, truths) = shoot(&options, SynthSplit::Train, index, Condition::Normal);
        for (frame, truth) in frames.iter().zip(truths) {
            let mut seen = Rect::new(f64::MAX, f64::MAX, f64::MIN, f64::MIN);
            for (environment, _) in frame.target.iter().enumerate().filter(|(_, share)| **share > 0.5) {
                let (x, y) = ((environment % options.width) as f64, (environment / options.width) as f64);
                seen = Rect::new(seen.x.min(x), seen.y.min(y), seen.w.max(x + 1.0), seen.h.max(y + 1.0));
            }
            let in_view = truth.in_view;
            let gaps = [
                seen.x - in_view.x,
                seen.y - in_view.y,
                in_view.x + in_view.w - seen.w,
                in_view.y + in_view.h - seen.h,
            ];
            assert!(gaps.iter().all(|gap| (-1.0..2.5).contains(gap)), "{index}: {gaps:?}");
        }
    }
}

#[test]
fn what_is_outside_the_picture_is_cut_off_the_box_and_counted() {
    let options = small();
    let (_, _, truths) = shoot(&options, SynthSplit::Train, 1, Condition::PartialVisibility);
    for truth in truths {
        assert!(truth.in_view.area() < truth.whole.area() && truth.in_view.is_sane());
        let cut = 1.0 - truth.in_view.area() / truth.whole.area();
        assert!((cut - truth.outside).abs() < 0.2, "{cut} {}", truth.outside);
        assert!(truth.cover() < 8);
    }
}

#[test]
fn a_finished_data_set_is_reused_and_an_unfinished_one_is_completed() {
    let (folder, options) = (tempfile::tempdir().unwrap(), small());
    let out = folder.path().join("new/set");
    let first = generate(&out, &options).unwrap();
    assert_eq!((first.rendered, first.reused), (4, 0));
    let whole = tree(&out);
    let again = generate(&out, &options).unwrap();
    assert_eq!((again.rendered, again.reused), (0, 4));
    fs::remove_dir_all(again.train.join("SYN_Train_000002")).unwrap();
    assert_eq!(generate(&out, &options).unwrap().rendered, 1);
    assert_eq!(tree(&out), whole);
}

#[test]
fn a_folder_with_something_else_is_refused_untouched() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("thesis.tex"), "years of work").unwrap();
    let failure = generate(folder.path(), &small()).unwrap_err();
    assert_eq!(failure.kind, FailureKind::Output);
    assert!(failure.message.contains("not empty"), "{failure}");
    assert_eq!(tree(folder.path()).len(), 1);

    let ours = tempfile::tempdir().unwrap();
    let options = SynthOptions { train: 1, val: 0, ..small() };
    generate(ours.path(), &options).unwrap();
    let before = tree(ours.path());
    let failure = generate(ours.path(), &SynthOptions { seed: 99, ..options }).unwrap_err();
    assert!(failure.message.contains("other options"), "{failure}");
    assert_eq!(tree(ours.path()), before);
}

#[test]
fn an_error_leaves_no_sequence_that_looks_complete() {
    let (folder, options) = (tempfile::tempdir().unwrap(), SynthOptions { train: 1, val: 0, ..small() });
    // A file is in the way of the folder that the sequence is written into.
    let train = folder.path().join("set/got10k/train");
    Layout::open(&folder.path().join("set"), &options).unwrap();
    fs::write(train.join(".SYN_Train_000001.partial"), "in the way").unwrap();
    let failure = generate(&folder.path().join("set"), &options).unwrap_err();
    assert_eq!(failure.kind, FailureKind::Output);
    assert!(failure.message.contains("SYN_Train_000001"), "{failure}");
    assert!(!train.join("SYN_Train_000001").exists() && !train.join("list.txt").exists());

    let file = folder.path().join("file");
    fs::write(&file, "").unwrap();
    let failure = generate(&file, &options).unwrap_err();
    assert!(failure.kind == FailureKind::Output && failure.message.contains("file"), "{failure}");
}

#[test]
fn options_out_of_range_are_named_all_at_once() {
    let options = SynthOptions { train: 0, val: 0, frames: 0, width: 12, quality: (90, 80), ..SynthOptions::default() };
    let failure = generate(Path::new("/nonexistent/never"), &options).unwrap_err();
    assert_eq!(failure.kind, FailureKind::Usage);
    for word in ["no sequences", "0 frames", "width 12", "quality 90 to 80"] {
        assert!(failure.message.contains(word), "{word}: {failure}");
    }
}
