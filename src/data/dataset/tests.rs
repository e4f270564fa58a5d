//! The layouts, against trees made here and against real ones where they are at hand.

use std::fs;
use std::path::Path;

use super::*;

fn write(path: &Path, text: &str) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
}

/// `count` empty frames named by `name`.
fn frames(folder: &Path, count: usize, name: impl Fn(usize) -> String) {
    for i in 0..count {
        write(&folder.join(name(i)), "");
    }
}

fn padded(i: usize) -> String {
    format!("{:08}.jpg", i + 1)
}

const BOXES: &str = "1,2,30,40\n2,3,30,40\n0,0,0,0\n4,5,30,40\n";

fn one(name: &str, root: &Path) -> Dataset {
    load(&[name.to_owned()], root).unwrap().remove(0)
}

fn visible(dataset: &Dataset, sequence: usize) -> String {
    dataset.sequences[sequence].visible().iter().map(|&seen| if seen { '1' } else { '0' }).collect()
}

#[test]
fn got10k_reads_boxes_and_optional_flags_in_the_order_of_its_list() {
    let root = tempfile::tempdir().unwrap();
    for name in ["b", "a"] {
        let folder = root.path().join("got10k/train").join(name);
        frames(&folder, 4, padded);
        write(&folder.join("groundtruth.txt"), BOXES);
    }
    let train = root.path().join("got10k/train");
    write(&train.join("list.txt"), "b\na\n");
    write(&train.join("a/absence.label"), "0\n1\n0\n0\n");
    write(&train.join("a/cover.label"), "8\n8\n8\n0\n");
    let full = one("GOT10K_train_full", root.path());
    assert_eq!(full.sequences.iter().map(|s| &*s.name).collect::<Vec<_>>(), ["b", "a"]);
    assert_eq!((visible(&full, 0).as_str(), visible(&full, 1).as_str()), ("1101", "1000"));
    assert_eq!(full.sequences[1].object(1), crate::vision::rect::Rect::new(2.0, 3.0, 30.0, 40.0));
    assert_eq!(full.sequences[1].path(3), train.join("a/00000004.jpg"));
    // Two sequences: the last is held out, and both parts say so.
    let (vot, val) = (one("GOT10K_vottrain", root.path()), one("GOT10K_votval", root.path()));
    assert_eq!((&*vot.sequences[0].name, &*val.sequences[0].name), ("b", "a"));
    assert!(vot.notes[0].contains("GOT10K_vottrain: no vottrain.txt") && val.notes.len() == 1, "{:?}", vot.notes);
}

#[test]
fn lasot_is_read_with_and_without_class_folders() {
    let root = tempfile::tempdir().unwrap();
    for folder in ["lasot/cat/cat-1", "lasot/cat/cat-2", "lasot/dog-1"] {
        let folder = root.path().join(folder);
        frames(&folder.join("img"), 4, padded);
        write(&folder.join("groundtruth.txt"), BOXES);
        write(&folder.join("full_occlusion.txt"), "1,0,0,0");
        write(&folder.join("out_of_view.txt"), "0,0,0,1");
    }
    let all = one("LASOT", root.path());
    assert_eq!(all.sequences.iter().map(|s| &*s.name).collect::<Vec<_>>(), ["cat-1", "cat-2", "dog-1"]);
    assert_eq!((visible(&all, 0).as_str(), all.notes.len()), ("0100", 1));
    write(&root.path().join("lasot/testing_set.txt"), "cat-2\n");
    let train = one("LASOT", root.path());
    assert_eq!(train.sequences.iter().map(|s| &*s.name).collect::<Vec<_>>(), ["cat-1", "dog-1"]);
}

#[test]
fn trackingnet_parts_are_read_in_the_order_of_their_numbers() {
    let root = tempfile::tempdir().unwrap();
    for (part, name) in [("TRAIN_10", "x"), ("TRAIN_2", "y"), ("TEST", "z")] {
        let part = root.path().join("trackingnet").join(part);
        frames(&part.join("frames").join(name), 4, |i| format!("{i}.jpg"));
        write(&part.join("anno").join(format!("{name}.txt")), BOXES);
    }
    let set = one("TRACKINGNET", root.path());
    assert_eq!(set.sequences.iter().map(|s| &*s.name).collect::<Vec<_>>(), ["y", "x"]);
    assert!(set.sequences[0].path(3).ends_with("TRAIN_2/frames/y/3.jpg"));
    assert_eq!(set.notes, ["TRACKINGNET: 2 of the 12 parts TRAIN_0 to TRAIN_11"]);
}

#[test]
fn otb_knows_several_objects_and_sequences_with_more_frames_than_boxes() {
    let root = tempfile::tempdir().unwrap();
    let otb = root.path().join("OTB100");
    frames(&otb.join("Jogging/img"), 4, |i| format!("{:04}.jpg", i + 1));
    for n in 1..=2 {
        write(&otb.join(format!("Jogging/groundtruth_rect.{n}.txt")), &BOXES.replace(',', "\t"));
    }
    frames(&otb.join("David/img"), 770, |i| format!("{:04}.jpg", i + 1));
    write(&otb.join("David/groundtruth_rect.txt"), &"1,1,5,5\n".repeat(471));
    let set = one("OTB", root.path());
    assert_eq!(set.sequences.iter().map(|s| &*s.name).collect::<Vec<_>>(), ["David", "Jogging.1", "Jogging.2"]);
    assert!(set.sequences[0].path(0).ends_with("David/img/0300.jpg"));
    assert_eq!((set.sequences[0].len(), visible(&set, 1).as_str()), (471, "1101"));
}

#[test]
fn every_fault_of_every_set_is_reported_at_once() {
    let root = tempfile::tempdir().unwrap();
    let train = root.path().join("got10k/train");
    for (name, boxes) in [("a", "1,2,3,4\n1,2,NaN,4\n"), ("b", "1,2,3,4\n"), ("c", "1,2,3,4\n1,2,3,4\n")] {
        frames(&train.join(name), 2, padded);
        write(&train.join(name).join("groundtruth.txt"), boxes);
    }
    write(&train.join("c/absence.label"), "0\n");
    write(&train.join("list.txt"), "a\nb\nc\nd\n");
    let names = ["GOT10K_train_full", "OTB"].map(str::to_owned);
    let failure = load(&names, root.path()).unwrap_err();
    assert_eq!(failure.kind.exit_code(), 66);
    insta::assert_snapshot!(failure.message.replace(&root.path().display().to_string(), "DIR"), @r"
    DIR/got10k/train/a/groundtruth.txt:2: the box holds `NaN`; write 0,0,0,0 for a frame without the object
    DIR/got10k/train/b/groundtruth.txt: 2 frames in DIR/got10k/train/b, but boxes for 1; extract the data set's archive again
    DIR/got10k/train/c/absence.label: 1 flags for 2 annotated frames; extract the data set's archive again
    DIR/got10k/train/d: no such folder; extract the sequence, or take it off the list
    DIR/otb: no such folder (nor OTB, OTB100, OTB2015, otb100 beside it); OTB is looked for there: put it there or name another --data_dir
    ");
}

#[test]
fn the_real_sequences_are_read_whole() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/data");
    if !root.is_dir() {
        eprintln!("SKIPPED: no real sequences under {}", root.display());
        return;
    }
    let names = ["GOT10K_train_full", "LASOT", "TRACKINGNET", "OTB"].map(str::to_owned);
    let mut sets = load(&names, &root).unwrap();
    let counts: Vec<(usize, usize)> = sets.iter().map(|set| (set.sequences.len(), set.frames())).collect();
    assert_eq!(counts, [(4, 390), (2, 127), (2, 310), (2, 400)]);
    assert!(sets.iter().flat_map(|set| &set.sequences).all(|s| s.visible().iter().all(|&seen| seen)));
    let report = crate::data::labels::attach(&mut sets, &root.join("conditions")).unwrap();
    assert_eq!((report.labelled_sequences, report.unlabelled_sequences, report.beyond), (5, 5, 0));
    let verified = crate::data::verify::verify(&sets).unwrap();
    assert_eq!((verified.frames, verified.opened), (1227, 1227));
}
