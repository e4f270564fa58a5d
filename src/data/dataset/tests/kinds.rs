//! What people's folders, names and lists are like, and what is read or said of them.

use super::*;

/// The data set `folder:set` below `root`, to train with or to track.
fn folder(purpose: Purpose, root: &Path) -> crate::failure::Result<Dataset> {
    Ok(load_for(purpose, &["folder:set".to_owned()], &Roots::below(root))?.remove(0))
}

fn names(set: &Dataset) -> Vec<&str> {
    set.sequences.iter().map(|sequence| &*sequence.name).collect()
}

#[test]
fn a_folder_is_read_alike_for_training_and_tracking() {
    let root = tempfile::tempdir().unwrap();
    let set = root.path().join("set");
    for (name, location, truth) in
        [("a", "Imgs", "Groundtruth.txt"), ("b", "color", "groundtruth_rect.txt"), ("c", ".", "groundtruth.txt")]
    {
        frames(&set.join(name).join(location), 4, |i| format!("f_{i}_rgb.jpg"));
        write(&set.join(name).join(truth), BOXES);
    }
    // A thumbnail beside the folder of frames.
    write(&set.join("b/cover.jpg"), "");
    for purpose in [Purpose::Training, Purpose::Tracking] {
        let found = folder(purpose, root.path()).unwrap();
        assert_eq!((names(&found), visible(&found, 1)), (vec!["a", "b", "c"], "1101".into()));
        assert!(found.sequences[1].path(3).ends_with("b/color/f_3_rgb.jpg"));
        assert!(found.notes.len() == 1 && found.notes[0].contains("1 sequence has pictures in several folders"));
    }
    // One box starts a tracker and trains nothing; a lost frame is refused by both, with its place.
    write(&set.join("c/groundtruth.txt"), "1,2,3,4\n");
    assert_eq!(folder(Purpose::Tracking, root.path()).unwrap().sequences[2].len(), 4);
    let failure = folder(Purpose::Training, root.path()).unwrap_err().message;
    assert!(failure.contains("c/groundtruth.txt: one box for 4 frames: enough to track from"), "{failure}");
    fs::remove_file(set.join("a/Imgs/f_2_rgb.jpg")).unwrap();
    for purpose in [Purpose::Training, Purpose::Tracking] {
        let failure = folder(purpose, root.path()).unwrap_err().message;
        let expected = "leave 1 out, the first after `f_1_rgb.jpg`: `f_3_rgb.jpg` is next: put the missing files there";
        assert!(
            failure.contains("Imgs, but boxes for 4; the numbers of the frames ") && failure.contains(expected),
            "{failure}"
        );
        assert!(!failure.contains("archive"), "{failure}");
    }
}

#[test]
fn several_truth_files_are_several_sequences() {
    let root = tempfile::tempdir().unwrap();
    let set = root.path().join("set");
    for name in ["v", "w"] {
        frames(&set.join(name), 4, padded);
    }
    for file in ["v/groundtruth_rect.10.txt", "v/groundtruth_rect.2.txt", "w/groundtruth.txt", "w/groundtruth_rect.txt"]
    {
        write(&set.join(file), BOXES);
    }
    let found = folder(Purpose::Training, root.path()).unwrap();
    assert_eq!(names(&found), ["v_2", "v_10", "w"]);
    let notes = found.notes.join("\n");
    assert!(notes.contains("set/v: v_2 (groundtruth_rect.2.txt), v_10 (groundtruth_rect.10.txt))"), "{notes}");
    assert!(notes.contains("set/w: groundtruth.txt, not groundtruth_rect.txt)"), "{notes}");
    // An empty one is none, and those that are left keep their names.
    write(&set.join("v/groundtruth_rect.2.txt"), "\n");
    write(&set.join("groundtruth.txt"), BOXES);
    let found = folder(Purpose::Training, root.path()).unwrap();
    assert_eq!(names(&found), ["v_10", "w"]);
    let notes = found.notes.join("\n");
    assert!(notes.contains("is empty and is skipped") && notes.contains("set/v/groundtruth_rect.2.txt)"), "{notes}");
    assert!(notes.contains("set/groundtruth.txt is beside sequences and has no frames"), "{notes}");
}

#[test]
fn folders_one_level_too_high_are_named_with_the_right_one() {
    let root = tempfile::tempdir().unwrap();
    let deep = root.path().join("set/cat/cat-1");
    frames(&deep, 4, padded);
    write(&deep.join("groundtruth.txt"), BOXES);
    let failure = folder(Purpose::Training, root.path()).unwrap_err().message;
    assert!(failure.ends_with(&format!("name folder:{}", root.path().join("set/cat").display())), "{failure}");
}

#[test]
fn layouts_that_are_not_understood_are_said_to_be_so() {
    let root = tempfile::tempdir().unwrap();
    let set = root.path().join("set");
    for kind in ["visible", "infrared"] {
        frames(&set.join("v").join(kind), 4, padded);
    }
    write(&set.join("v/init.txt"), BOXES);
    let failure = folder(Purpose::Training, root.path()).unwrap_err().message;
    assert!(failure.contains("no sequence: that is a folder with a groundtruth*.txt"), "{failure}");
    assert!(failure.contains("it holds the folders v, and in v the text files init.txt"), "{failure}");
    write(&set.join("v/groundtruth.txt"), BOXES);
    let failure = folder(Purpose::Training, root.path()).unwrap_err().message;
    assert!(failure.contains("but in infrared and in visible: a layout of several cameras"), "{failure}");
}

#[test]
fn what_other_programs_left_is_skipped_and_counted() {
    let root = tempfile::tempdir().unwrap();
    let set = root.path().join("set");
    frames(&set.join("v/img"), 4, padded);
    write(&set.join("v/groundtruth.txt"), BOXES);
    for file in ["__MACOSX/v/._x", "@eaDir/x", "lost+found/x", ".git/x", "v/img/._00000001.jpg", "v/._groundtruth.txt"]
    {
        write(&set.join(file), "");
    }
    std::os::unix::fs::symlink("nowhere", set.join("w")).unwrap();
    let found = folder(Purpose::Training, root.path()).unwrap();
    assert_eq!(names(&found), ["v"]);
    let notes = found.notes.join("\n");
    assert!(notes.contains("6 hidden files and folders, and those that other programs left, are skipped"), "{notes}");
    assert!(notes.contains("1 link leads nowhere"), "{notes}");
}

#[test]
fn names_that_are_no_text_are_read_or_named() {
    use std::os::unix::ffi::OsStrExt;
    let root = tempfile::tempdir().unwrap();
    let name = std::ffi::OsStr::from_bytes(b"sequ\xE9nce");
    for parent in ["set", "OTB"] {
        let sequence = root.path().join(parent).join(name);
        for i in 0..2 {
            let frame =
                sequence.join("img").join(std::ffi::OsStr::from_bytes(&[b'\xFF', b'1' + i, b'.', b'j', b'p', b'g']));
            write(&frame, "");
        }
        write(&sequence.join("groundtruth_rect.txt"), "1,2,3,4\n1,2,3,4\n");
    }
    let found = folder(Purpose::Training, root.path()).unwrap();
    assert_eq!(names(&found), ["sequ\\xE9nce"]);
    assert!(found.sequences[0].path(1).is_file());
    let failure = load(&["OTB".into()], &Roots::below(root.path())).unwrap_err();
    assert!(failure.message.contains("OTB: `sequ\\xE9nce` is no UTF-8 text"), "{failure}");
}

#[test]
fn a_bad_object_of_a_list_of_instances_costs_itself_alone() {
    let root = tempfile::tempdir().unwrap();
    let object =
        |id: usize, image: usize, bbox: &str| format!(r#"{{"id": {id}, "image_id": {image}, "bbox": {bbox}}}"#);
    let objects = [
        object(1, 9, "[10, 10, 20, 20]"),
        object(2, 9, "[10, 10, -5, 20]"),
        object(3, 9, "[10, 10, NaN, 20]"),
        object(4, 9, "[700, 10, 20, 20]"),
        object(5, 8, "[10, 10, 20, 20]"),
        object(6, 9, "[10, 10, 20, 0.0]"),
        object(7, 9, "[10, -Infinity, 20]"),
    ];
    let image = r#"{"id": 9, "file_name": "NaN \" -I.jpg", "width": 640, "height": 480}"#;
    let json = format!(r#"{{"images": [{image}], "annotations": [{}]}}"#, objects.join(","));
    write(&root.path().join("coco/annotations/instances_train2017.json"), &json);
    let set = one("COCO17", root.path());
    assert_eq!((names(&set), set.notes.len()), (vec!["1"], 1));
    assert!(set.sequences[0].path(0).ends_with("NaN \" -I.jpg"));
    let note = &set.notes[0];
    assert!(note.contains("6 annotations cannot be used and are skipped (first: annotation 2: its box is"), "{note}");
    for part in [
        "annotation 2: its box is 10,10,-5,20, of negative size",
        "annotation 3: its box is [10,10,null,20], not four numbers",
        "annotation 4: its box is 700,10,20,20, outside the 640x480 picture",
        "annotation 5: it is of image 8, which is not listed",
        "annotation 6: its box is 10,10,20,0, without area",
    ] {
        assert!(note.contains(part), "{part}: {note}");
    }
}
