//! Every kind of text file that data sets have, as editors on other systems save it.

use std::fs;
use std::path::Path;

use super::*;
use crate::data::labels;

const BOXES: &str = "1,2,30,40\n2,3,30,40\n3,4,30,40\n4,5,30,40\n";
const COCO: &str = r#"{"images": [{"id": 1, "file_name": "a.jpg"}],
    "annotations": [{"id": 7, "image_id": 1, "bbox": [1, 2, 30, 40], "iscrowd": 0}]}"#;
const VID: &str = "<annotation><object><trackid>0</trackid><name>n</name><bndbox><xmax>9</xmax><xmin>1</xmin>\
    <ymax>9</ymax><ymin>1</ymin></bndbox><occluded>0</occluded></object></annotation>";

/// `text` with a byte-order mark and `ends` for line ends.
fn put(path: &Path, text: &str, ends: &str) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, format!("\u{feff}{}", text.replace('\n', ends))).unwrap();
}

fn names(set: &str, root: &Path) -> Vec<String> {
    let mut sets = load(&[set.to_owned()], &Roots::below(root)).unwrap_or_else(|failure| panic!("{set}: {failure}"));
    sets.remove(0).sequences.iter().map(|sequence| sequence.name.to_string()).collect()
}

#[test]
fn marks_and_line_ends_of_other_systems_change_nothing() {
    for ends in ["\n", "\r\n", "\r"] {
        let root = tempfile::tempdir().unwrap();
        let root = root.path();
        for name in ["a", "b"] {
            let folder = root.join("got10k/train").join(name);
            (1..=4).for_each(|i| put(&folder.join(format!("{i:08}.jpg")), "", ""));
            put(&folder.join("groundtruth.txt"), BOXES, ends);
            put(&folder.join("absence.label"), "0\n0\n1\n0\n", ends);
            put(&folder.join("cover.label"), "8\n8\n8\n8\n", ends);
        }
        put(&root.join("got10k/train/list.txt"), "b\na\n", ends);
        put(&root.join("mine.txt"), "a\n", ends);
        put(&root.join("coco/annotations/instances_train2017.json"), COCO, ends);
        put(&root.join("vid/Annotations/VID/train/x/v/000000.xml"), VID, ends);
        assert_eq!(names("GOT10K_train_full", root), ["b", "a"], "{ends:?}");
        assert_eq!(names("folder:got10k/train", root), ["a", "b"]);
        let list = format!("GOT10K_train_full@{}", root.join("mine.txt").display());
        assert_eq!((names(&list, root), names("COCO17", root)), (vec!["a".into()], vec!["7".to_owned()]));
        assert_eq!(names("VID", root), ["v.0"]);
        let label = |id: u32| format!("{{\"frame_id\": {id}, \"cv_response\": {{\"low_res\": 1}}}}\n");
        put(&root.join("labels/a/a.jsonl"), &(label(1) + &label(2)), ends);
        let mut sets = load(&["GOT10K_train_full".to_owned()], &Roots::below(root)).unwrap();
        assert_eq!(labels::attach(&mut sets, &root.join("labels")).unwrap().labelled_frames, 2);
    }
}

#[test]
fn wrong_text_is_shown_escaped_and_cut_with_its_own_line() {
    let root = tempfile::tempdir().unwrap();
    let folder = root.path().join("s");
    (1..=3).for_each(|i| put(&folder.join(format!("{i:08}.jpg")), "", ""));
    let long = "\u{1b}]0:title\u{7}".repeat(99);
    fs::write(folder.join("groundtruth.txt"), format!("1,2,3,4\r1,{long},3,4\r5,6,7,8\r")).unwrap();
    let failure = load(&["folder:s".to_owned()], &Roots::below(root.path())).unwrap_err();
    let location = format!("{}:2: `\\u{{1b}}]0:title", folder.join("groundtruth.txt").display());
    assert!(failure.message.starts_with(&location) && failure.message.contains("…` is not a number"), "{failure}");
    assert!(failure.message.lines().count() == 1 && failure.message.len() < location.len() + 100, "{failure}");
    // The lines of a list are those of the file, empty ones included.
    put(&root.path().join("list.txt"), "s\n\nother\n", "\r");
    fs::write(folder.join("groundtruth.txt"), "1,2,3,4\n".repeat(3)).unwrap();
    let list = root.path().join("list.txt");
    let failure = load(&[format!("folder:s@{}", list.display())], &Roots::below(root.path())).unwrap_err();
    assert!(failure.message.starts_with(&format!("{}:3: `other` is none of", list.display())), "{failure}");
}

#[test]
fn pictures_of_other_formats_are_named() {
    let root = tempfile::tempdir().unwrap();
    (1..=3).for_each(|i| put(&root.path().join(format!("s/img/{i}.BMP")), "", ""));
    put(&root.path().join("s/groundtruth.txt"), &BOXES[..30], "\n");
    let failure = load(&["folder:s".to_owned()], &Roots::below(root.path())).unwrap_err();
    assert!(failure.message.contains("3 .bmp files there are not read: convert them"), "{failure}");
}
