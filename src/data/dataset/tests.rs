//! The layouts, against trees made here and against real ones where they are at hand.

use std::fs;
use std::path::Path;

use super::*;

mod kinds;

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
    load(&[name.to_owned()], &Roots::below(root)).unwrap().remove(0)
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
fn coco_objects_are_sequences_of_one_picture_without_crowds() {
    let root = tempfile::tempdir().unwrap();
    let json = r#"{"info": {"year": 2017}, "licenses": [], "images": [
        {"license": 1, "file_name": "000000000009.jpg", "id": 9}, {"file_name": "000000000025.jpg", "id": 25}],
        "annotations": [
        {"segmentation": [[1.5, 2, 3, 4]], "area": 8, "iscrowd": 0, "image_id": 25, "bbox": [1.5, 2, 30, 40], "id": 7},
        {"segmentation": {"counts": [1, 2], "size": [3, 4]}, "iscrowd": 1, "image_id": 9, "bbox": [0, 0, 9, 9], "id": 8},
        {"segmentation": [], "iscrowd": 0, "image_id": 9, "bbox": [0, 0, 0, 9], "category_id": 3, "id": 11}],
        "categories": []}"#;
    let coco = root.path().join("coco");
    write(&coco.join("annotations/instances_train2017.json"), json);
    let set = one("COCO17", root.path());
    assert_eq!((set.images, set.sequences.len(), visible(&set, 0)), (true, 1, "1".into()));
    assert_eq!((&*set.sequences[0].name, set.sequences[0].object(0).w), ("7", 30.0));
    assert_eq!(set.sequences[0].path(0), coco.join("images/train2017/000000000025.jpg"));
    let bad = "annotation 11: its box is 0,0,0,9, without area";
    let bad = format!("COCO17: 1 annotation cannot be used and is skipped ({bad})");
    assert_eq!(set.notes, ["COCO17: 1 crowd annotations are not objects and were skipped", &bad]);
    // As the archive unpacks.
    fs::create_dir_all(coco.join("train2017")).unwrap();
    assert_eq!(one("COCO17", root.path()).sequences[0].path(0), coco.join("train2017/000000000025.jpg"));
    write(&coco.join("annotations/instances_train2017.json"), &json[..300]);
    let failure = load(&["COCO17".into()], &Roots::below(root.path())).unwrap_err();
    assert!(failure.message.contains("is cut short: EOF while parsing"), "{failure}");
}

#[test]
fn imagenet_tracks_end_at_their_first_gap() {
    let root = tempfile::tempdir().unwrap();
    let video = "ILSVRC2015_VID_train_0000/ILSVRC2015_train_00001000";
    let object = |track: usize, x: usize, occluded: u8| {
        format!(
            "<object><trackid>{track}</trackid><name>n0</name><bndbox><xmax>{}</xmax><xmin>{x}</xmin><ymax>50</ymax>\
             <ymin>10</ymin></bndbox><occluded>{occluded}</occluded><generated>0</generated></object>",
            x + 30
        )
    };
    // Track 0 in all frames, hidden in frame 2; track 1 in frames 1, 2 and, after a gap, 4.
    for frame in 0..5 {
        let mut text = object(0, frame, u8::from(frame == 2));
        if [1, 2, 4].contains(&frame) {
            text += &object(1, 100 + frame, 0);
        }
        let path = root.path().join("vid/Annotations/VID/train").join(video).join(format!("{frame:06}.xml"));
        write(&path, &format!("<annotation><folder>f</folder><size><width>200</width></size>{text}</annotation>"));
    }
    let set = one("VID", root.path());
    let names: Vec<&str> = set.sequences.iter().map(|s| &*s.name).collect();
    assert_eq!(names, ["ILSVRC2015_train_00001000.0", "ILSVRC2015_train_00001000.1"]);
    assert_eq!((visible(&set, 0), visible(&set, 1)), ("11011".into(), "11".into()));
    assert_eq!(set.sequences[1].object(0), crate::vision::rect::Rect::new(101.0, 10.0, 30.0, 40.0));
    assert!(set.sequences[1].path(1).ends_with(Path::new("Data/VID/train").join(video).join("000002.JPEG")));

    // The reference's own list of tracks, where the annotations are not.
    fs::remove_dir_all(root.path().join("vid/Annotations")).unwrap();
    let cached = r#"[{"set_id": 0, "vid_id": 1000, "class_name": "n0", "start_frame": 1, "image_size": [200, 100],
        "anno": [[101, 10, 30, 40], [102, 10, 30, 40]], "target_visible": [true, false]}]"#;
    write(&root.path().join("vid/cache.json"), cached);
    let set = one("VID", root.path());
    assert_eq!((set.sequences.len(), visible(&set, 0)), (1, "10".into()));
    assert!(set.sequences[0].path(1).ends_with(Path::new("Data/VID/train").join(video).join("000002.JPEG")));
}

#[test]
fn uav123_sequences_are_parts_of_videos_and_nan_is_no_object() {
    let root = tempfile::tempdir().unwrap();
    let uav = root.path().join("UAV123");
    frames(&uav.join("data_seq/UAV123/person8"), 1525, |i| format!("{:06}.jpg", i + 1));
    frames(&uav.join("data_seq/UAV123/bike1"), 2, |i| format!("{:06}.jpg", i + 1));
    write(&uav.join("anno/UAV123/person8_2.txt"), &"1,2,3,4\n".repeat(451));
    write(&uav.join("anno/UAV123/bike1.txt"), "1,2,3,4\nNaN,NaN,NaN,NaN\n");
    let set = one("UAV123", root.path());
    assert_eq!(
        set.sequences.iter().map(|s| (&*s.name, s.len())).collect::<Vec<_>>(),
        [("bike1", 2), ("person8_2", 451)]
    );
    assert_eq!(visible(&set, 0), "10");
    assert!(set.sequences[1].path(0).ends_with("person8/001075.jpg"));
}

#[test]
fn any_folder_with_pictures_and_boxes_is_a_sequence() {
    let root = tempfile::tempdir().unwrap();
    let sets = root.path().join("mine");
    frames(&sets.join("a"), 2, |i| format!("img{i}.png"));
    write(&sets.join("a/groundtruth_rect.txt"), "1\t2\t3\t4\n2 2 3 4\n");
    frames(&sets.join("b/color"), 2, padded);
    write(&sets.join("b/groundtruth.txt"), "0,0,10,0,10,5,0,5\nnan,nan,nan,nan,nan,nan,nan,nan\n");
    write(&sets.join("notes/readme.txt"), "no sequence");
    let set = one("folder:mine", root.path());
    assert_eq!((&*set.name, set.sequences.len(), visible(&set, 1)), ("folder:mine", 2, "10".into()));
    assert_eq!(set.sequences[1].object(0), crate::vision::rect::Rect::new(0.0, 0.0, 10.0, 5.0));
    assert!(set.notes[0].contains("1 folder holds no groundtruth*.txt and is skipped"), "{:?}", set.notes);
    assert!(set.notes[0].ends_with("mine/notes)"), "{:?}", set.notes);
    assert_eq!(one("folder", &sets.join("a")).sequences.len(), 1);
    // A list of the user's own, by name or number, for any data set.
    write(&root.path().join("list.txt"), "b\n");
    let listed = format!("folder:mine@{}", root.path().join("list.txt").display());
    assert_eq!(one(&listed, root.path()).sequences.iter().map(|s| &*s.name).collect::<Vec<_>>(), ["b"]);
}

#[test]
fn test_sets_have_one_box_and_mvtd_the_same_layout() {
    let root = tempfile::tempdir().unwrap();
    for folder in ["got10k/test/a", "mvtd/train/b"] {
        frames(&root.path().join(folder), 3, padded);
    }
    write(&root.path().join("got10k/test/a/groundtruth.txt"), "1,2,3,4\n");
    write(&root.path().join("mvtd/train/b/groundtruth.txt"), &"1,2,3,4\n".repeat(3));
    let (test, mvtd) = (one("GOT10K_test", root.path()), one("MVTD", root.path()));
    assert_eq!((visible(&test, 0), visible(&mvtd, 0)), ("100".into(), "111".into()));
}

#[test]
fn a_cached_set_is_the_set_until_anything_changes() {
    let root = tempfile::tempdir().unwrap();
    let train = root.path().join("got10k/train");
    for name in ["a", "b"] {
        frames(&train.join(name), 3, padded);
        write(&train.join(name).join("groundtruth.txt"), "1,2,3,4\n1.5,2,3,4\n0,0,0,0\n");
    }
    // A gap in the numbers: names of their own.
    fs::rename(train.join("b/00000003.jpg"), train.join("b/00000009.jpg")).unwrap();
    let file = root.path().join("kept.set");
    let name = "GOT10K_train_full";
    let fill = || {
        let mut scan = scan(name, &Roots::below(root.path())).unwrap();
        let sequences: Vec<Sequence> = scan.sequences.drain(..).map(|found| found.sequence).collect();
        let kept = cache::Kept { notes: vec!["a note".into()], sequences };
        let store = |at| cache::store(&file, (name, &train, None), scan.sources(), &kept, at).unwrap();
        // What was written a moment ago is not trusted; here that moment is over at once.
        assert!(!store(std::time::SystemTime::now()));
        assert!(store(std::time::SystemTime::now() + std::time::Duration::from_secs(60)));
        kept
    };
    let open = || cache::load(&file, name, &train, None);
    let (kept, again) = (fill(), open().unwrap());
    let whole = |kept: &cache::Kept| format!("{:?} {:?}", kept.notes, kept.sequences);
    assert_eq!(whole(&again), whole(&kept));
    assert!(cache::load(&file, "GOT10K_vottrain", &train, None).is_none());

    let bytes = fs::read(&file).unwrap();
    for (at, cut) in
        [(10, bytes.len()), (bytes.len() / 2, bytes.len()), (bytes.len() - 1, bytes.len()), (0, 100), (0, 3)]
    {
        let mut damaged = bytes[..cut].to_vec();
        if cut == bytes.len() {
            damaged[at] ^= 1;
        }
        fs::write(&file, damaged).unwrap();
        assert!(open().is_none(), "byte {at}, {cut} bytes");
    }
    fs::write(&file, &bytes).unwrap();
    assert!(open().is_some());
    let changes: [&dyn Fn(); 5] = [
        &|| write(&train.join("a/groundtruth.txt"), "1,2,3,5\n1.5,2,3,4\n0,0,0,0\n"),
        &|| write(&train.join("b/absence.label"), "0\n0\n0\n"),
        &|| fs::create_dir(train.join("c")).unwrap(),
        &|| write(&train.join("list.txt"), "a\n"),
        &|| fs::rename(train.join("a/00000003.jpg"), train.join("a/00000004.jpg")).unwrap(),
    ];
    for (i, change) in changes.iter().enumerate() {
        fill();
        assert!(open().is_some());
        // The clock of the file system ticks every few milliseconds.
        std::thread::sleep(std::time::Duration::from_millis(20));
        change();
        assert!(open().is_none(), "change {i}");
    }
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
    let failure = load(&names, &Roots::below(root.path())).unwrap_err();
    assert_eq!(failure.kind.exit_code(), 66);
    insta::assert_snapshot!(failure.message.replace(&root.path().display().to_string(), "DIR"), @r"
    DIR/got10k/train/a/groundtruth.txt:2: the box holds `NaN`; write 0,0,0,0 for a frame without the object
    DIR/got10k/train/b/groundtruth.txt: 2 frames in DIR/got10k/train/b, but boxes for 1; remove the pictures that are no frames of it, or write 0,0,0,0 for frames without the object
    DIR/got10k/train/c/absence.label: 1 flags for 2 annotated frames; there must be one a frame: put the sequence's own file there
    DIR/got10k/train/d: no such folder; put the sequence there, or take it off the list
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
    let mut sets = load(&names, &Roots::below(&root)).unwrap();
    let counts: Vec<(usize, usize)> = sets.iter().map(|set| (set.sequences.len(), set.frames())).collect();
    assert_eq!(counts, [(4, 390), (2, 127), (2, 310), (2, 400)]);
    assert!(sets.iter().flat_map(|set| &set.sequences).all(|s| s.visible().iter().all(|&seen| seen)));
    let report = crate::data::labels::attach(&mut sets, &root.join("conditions")).unwrap();
    assert_eq!((report.labelled_sequences, report.unlabelled_sequences, report.beyond), (5, 5, 0));
    let verified = crate::data::verify::verify(&sets).unwrap();
    assert_eq!((verified.frames, verified.opened), (1227, 1227));
}
