use std::path::PathBuf;

use image::{Rgb, RgbImage};

use super::*;
use crate::data::condition::Condition;
use crate::data::dataset::FrameFiles;
use crate::data::labels;

/// Six frames of 160×120: a striped object on grey that grows in the fourth, is flat in the fifth and touches the border
/// in the last.
fn scenes(folder: &Path, names: &[&str]) -> Dataset {
    let boxes: Vec<[f32; 4]> = (0..6)
        .map(|frame| match frame {
            3 => [40.0, 30.0, 60.0, 60.0],
            5 => [0.5, 30.0, 40.0, 40.0],
            _ => [40.0, 30.0, 40.0, 40.0],
        })
        .collect();
    let sequence = |name: &&str| {
        let frames = folder.join(name);
        std::fs::create_dir_all(&frames).unwrap();
        for (index, [x, y, w, h]) in boxes.iter().enumerate() {
            let inside = |at: u32, from: f32, length: f32| (from..from + length).contains(&(at as f32));
            let picture = RgbImage::from_fn(160, 120, |column, row| {
                let is_object = inside(column, *x, *w) && inside(row, *y, *h);
                let stripe = if column % 2 == 0 || index == 4 { 220 } else { 160 };
                Rgb([if is_object { stripe } else { 100 }; 3])
            });
            picture.save(frames.join(format!("{:04}.png", index + 1))).unwrap();
        }
        let files = FrameFiles::listed(&frames, (1..=6).map(|i| format!("{i:04}.png")).collect());
        Sequence::new(name, files, boxes.clone(), None)
    };
    Dataset::new("S", names.iter().map(sequence).collect())
}

fn read_back(mut dataset: Dataset, out: &Path) -> Dataset {
    labels::attach(std::slice::from_mut(&mut dataset), out).unwrap();
    dataset
}

fn run(dataset: &Dataset, out: &Path, options: LabelOptions) -> Result<Labelled> {
    label(std::slice::from_ref(dataset), out, &options, |_| {})
}

fn folders() -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("labels");
    (folder, out)
}

#[test]
fn what_is_written_is_what_training_reads() {
    let (folder, out) = folders();
    let dataset = scenes(folder.path(), &["a"]);
    let done = run(&dataset, &out, LabelOptions::default()).unwrap();
    assert_eq!((done.written, done.frames, done.unreadable), (1, 6, 0));
    let labels = &read_back(dataset, &out).sequences[0].labels;
    let of = |frame: usize| labels.conditions(frame).iter().collect::<Vec<_>>();
    assert_eq!(of(0), [Condition::Normal]);
    assert_eq!(of(3), [Condition::ScaleVariation]);
    assert_eq!(of(4), [Condition::MotionBlur]);
    assert_eq!(of(5), [Condition::PartialVisibility]);
    let severity = |frame: usize| labels.soft(frame).severity.unwrap();
    assert!(severity(0) == 0.0 && severity(3) > 0.5 && severity(4) == 1.0);
    let text = std::fs::read_to_string(out.join("a/a.jsonl")).unwrap();
    let line: serde_json::Value = serde_json::from_str(text.lines().nth(3).unwrap()).unwrap();
    assert_eq!(line["attributes"]["scale_variation"]["source"], "box_area_ratio");
    assert_eq!(line["attributes"]["scale_variation"]["value"], 2.25);
    assert!(line["attributes"].get("occlusion").is_none());
}

#[test]
fn only_found_leaves_the_rest_unlabelled() {
    let (folder, out) = folders();
    let dataset = scenes(folder.path(), &["a"]);
    let done = run(&dataset, &out, LabelOptions { only_found: true, force: false }).unwrap();
    assert_eq!((done.frames, done.not_found), (3, 3));
    let labels = &read_back(dataset, &out).sequences[0].labels;
    assert!(labels.of(0).is_empty() && !labels.of(3).is_empty());
}

#[test]
fn a_call_goes_on_and_never_overwrites_what_is_not_its_own() {
    let (folder, out) = folders();
    let dataset = scenes(folder.path(), &["a", "b"]);
    let plain = LabelOptions::default();
    run(&dataset, &out, plain).unwrap();
    std::fs::remove_file(out.join("b/b.jsonl")).unwrap();
    // What a user corrected by hand stays.
    let own = std::fs::read_to_string(out.join("a/a.jsonl")).unwrap() + "\n";
    std::fs::write(out.join("a/a.jsonl"), &own).unwrap();
    let again = run(&dataset, &out, plain).unwrap();
    assert_eq!((again.written, again.kept), (1, 1));
    assert_eq!(std::fs::read_to_string(out.join("a/a.jsonl")).unwrap(), own);

    let foreign = "{\"frame_id\": 1, \"cv_response\": {\"low_res\": 1}}\n";
    std::fs::write(out.join("b/b.jsonl"), foreign).unwrap();
    let only = LabelOptions { only_found: true, force: false };
    let failure = run(&dataset, &out, only).unwrap_err();
    assert_eq!(failure.kind.exit_code(), 74);
    let lines: Vec<&str> = failure.message.lines().collect();
    assert!(lines[0].ends_with("a.jsonl: was labelled by other rules or from other boxes"), "{failure}");
    assert!(lines[1].ends_with("b.jsonl: holds labels of another origin") && lines[2].contains("--force"), "{failure}");
    assert_eq!(std::fs::read_to_string(out.join("b/b.jsonl")).unwrap(), foreign);
    let forced = run(&dataset, &out, LabelOptions { force: true, ..plain }).unwrap();
    assert_eq!((forced.written, forced.kept), (2, 0));
}

#[test]
fn frames_that_cannot_be_read_are_named_and_have_no_label() {
    let (folder, out) = folders();
    let dataset = scenes(folder.path(), &["a"]);
    std::fs::write(folder.path().join("a/0002.png"), b"no picture").unwrap();
    let done = run(&dataset, &out, LabelOptions::default()).unwrap();
    assert_eq!((done.frames, done.unreadable), (5, 1));
    assert!(done.examples[0].contains("0002.png"), "{:?}", done.examples);
    assert!(read_back(dataset.clone(), &out).sequences[0].labels.of(1).is_empty());
    (1..=6).for_each(|i| std::fs::remove_file(folder.path().join(format!("a/{i:04}.png"))).unwrap());
    let failure = run(&dataset, &folder.path().join("none"), LabelOptions::default()).unwrap_err();
    assert!(failure.kind.exit_code() == 66 && failure.message.contains("none of 6 frames"), "{failure}");
}

#[test]
fn names_that_are_no_folder_of_their_own_are_refused() {
    let (folder, out) = folders();
    let twice = scenes(folder.path(), &["a", "a"]);
    assert!(run(&twice, &out, LabelOptions::default()).unwrap_err().message.contains("two sequences"));
    let files = FrameFiles::listed(folder.path(), vec!["1.png".into()]);
    let outside = Dataset::new("S", vec![Sequence::new("../x", files, vec![[1.0, 1.0, 9.0, 9.0]], None)]);
    assert!(run(&outside, &out, LabelOptions::default()).unwrap_err().message.contains("../x"));
}

#[test]
fn agreement_counts_frames_that_both_label() {
    let (folder, out) = folders();
    let dataset = scenes(folder.path(), &["a"]);
    run(&dataset, &out, LabelOptions::default()).unwrap();
    let theirs = folder.path().join("theirs");
    std::fs::create_dir_all(theirs.join("a")).unwrap();
    let line =
        |frame: usize, blur: u8| format!("{{\"frame_id\": {frame}, \"cv_response\": {{\"motion_blur\": {blur}}}}}\n");
    std::fs::write(theirs.join("a/a.jsonl"), [line(1, 1), line(4, 0), line(5, 1)].concat()).unwrap();
    let found = agreement(&[read_back(dataset.clone(), &out)], &[read_back(dataset, &theirs)]);
    let blur = found[Condition::MotionBlur.index()];
    assert_eq!((blur.found, blur.true_frames, blur.both, blur.frames), (1, 2, 1, 3));
    assert_eq!((blur.precision(), blur.recall()), (Some(1.0), Some(0.5)));
    assert_eq!(found[Condition::ScaleVariation.index()].precision(), Some(0.0));
    assert_eq!(found[Condition::Occlusion.index()].recall(), None);
}
