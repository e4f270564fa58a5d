//! Tiny sets made here.

use super::golden::evaluate;
use serde_json::Value;
use std::path::Path;

fn write(path: &Path, text: &str) {
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, text).unwrap();
}

fn frames(folder: &Path, count: usize, digits: usize) {
    for frame in 1..=count {
        write(&folder.join(format!("{frame:0digits$}.jpg")), "");
    }
}

/// What was printed, what was complained of, and the scores.
fn run(home: &Path, arguments: &[&str]) -> (String, String, Option<i32>, Value) {
    let (data, results, json) = (home.join("data"), home.join("results"), home.join("scores.json"));
    let fixed = ["--data_dir", data.to_str().unwrap(), "--results", results.to_str().unwrap()];
    let output = evaluate(&[&fixed[..], arguments].concat(), &json);
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let scores = std::fs::read_to_string(json).map_or(Value::Null, |text| serde_json::from_str(&text).unwrap());
    (text(&output.stdout), text(&output.stderr), output.status.code(), scores)
}

const EIGHT: &str =
    "10,20,20,20\n12,20,20,20\n14,20,20,20\n16,20,20,20\n18,20,20,20\n20,20,20,20\n22,20,20,20\n24,20,20,20\n";

pub fn names_and_notes() {
    let home = tempfile::tempdir().unwrap();
    let (otb, results) = (home.path().join("data/otb"), home.path().join("results"));
    for (folder, files) in [("Jogging", &["1", "2"][..]), ("Human4", &["1", "2"]), ("Tiger1", &[])] {
        frames(&otb.join(folder).join("img"), if folder == "Tiger1" { 13 } else { 8 }, 4);
        for n in files {
            let empty = folder == "Human4" && *n == "1";
            write(&otb.join(format!("{folder}/groundtruth_rect.{n}.txt")), if empty { "\n" } else { EIGHT });
        }
    }
    write(&otb.join("Tiger1/groundtruth_rect.txt"), &format!("{}{EIGHT}", "0,0,5,5\n".repeat(5)));
    for name in ["Jogging_1", "Human4_2", "Tiger1"] {
        write(&results.join(format!("{name}.txt")), &EIGHT.replace(',', "\t"));
    }
    // A name of ours, and spaces.
    write(&results.join("Jogging.2.txt"), &EIGHT.replace(',', " "));
    let (printed, complaint, code, scores) = run(home.path(), &["--dataset", "OTB"]);
    assert_eq!(code, Some(0), "{complaint}");
    let names: Vec<&str> =
        scores["sequences"].as_array().unwrap().iter().map(|s| s["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["Human4_2", "Jogging_1", "Jogging_2", "Tiger1"]);
    assert_eq!(scores["overall"]["op75"], 1.0);
    assert_eq!(scores["sequences"][3]["frames"], 8);
    assert!(printed.contains("groundtruth_rect.1.txt: is empty, skipped"), "{printed}");
    // A result that starts at Tiger1's first frame loses the same five.
    write(&results.join("Tiger1.txt"), &format!("{}{EIGHT}", "0,0,5,5\n".repeat(5)));
    let (printed, _, _, scores) = run(home.path(), &["--dataset", "otb", "--sequence", "Tiger1"]);
    assert_eq!((&scores["overall"]["op75"], &scores["overall"]["frames"]), (&1.0.into(), &8.into()));
    assert!(printed.contains("starts at the first frame"), "{printed}");
    // The GOT-10k toolkit knows nothing of the five.
    let (_, _, _, scores) = run(home.path(), &["--dataset", "OTB", "--sequence", "Tiger1", "--rules", "got10k"]);
    assert_eq!(scores["overall"]["frames"], 13);
}

pub fn strict_beside_the_rules() {
    let home = tempfile::tempdir().unwrap();
    let uav = home.path().join("data/UAV123");
    frames(&uav.join("data_seq/UAV123/bike1"), 8, 6);
    write(&uav.join("anno/UAV123/bike1.txt"), &EIGHT.replace("16,20,20,20", "NaN,NaN,NaN,NaN"));
    let lost = EIGHT.replace("24,20,20,20", "240,20,20,20");
    write(&home.path().join("results/uav_bike1.txt"), &lost);
    let (printed, complaint, code, scores) = run(home.path(), &["--dataset", "UAV123", "--strict"]);
    assert_eq!(code, Some(0), "{complaint}");
    let overall = &scores["overall"];
    assert_eq!((&overall["op50"], &overall["precision"]), (&(6.0 / 8.0).into(), &(7.0 / 8.0).into()));
    assert_eq!(overall["strict"]["op50"], 6.0 / 7.0);
    assert_eq!((&overall["strict"]["precision"], &overall["strict"]["frames"]), (&(6.0 / 7.0).into(), &7.into()));
    assert!(printed.contains("87.50 (85.71)"), "{printed}");
    assert!(printed.contains("1 frame without a valid ground truth count as HITS in P"), "{printed}");
    assert_eq!(scores["sequences"][0]["curves"]["precision"].as_array().unwrap().len(), 51);
    // Without an oddity nothing is said.
    write(&uav.join("anno/UAV123/bike1.txt"), EIGHT);
    let (printed, ..) = run(home.path(), &["--dataset", "UAV123"]);
    assert!(!printed.contains('*'), "{printed}");
}

pub fn what_cannot_be_scored() {
    let home = tempfile::tempdir().unwrap();
    let data = home.path().join("data");
    frames(&data.join("got10k/test/a"), 8, 8);
    write(&data.join("got10k/test/a/groundtruth.txt"), "10,20,20,20\n");
    write(&home.path().join("results/a.txt"), EIGHT);
    let (_, complaint, code, scores) = run(home.path(), &["--dataset", "GOT10K_test"]);
    assert_eq!((code, scores), (Some(66), Value::Null), "{complaint}");
    assert!(complaint.contains("only the first box of its sequences is known"), "{complaint}");
    // A frame's file is missing: which box belongs to which frame is not known.
    frames(&data.join("mine/s/img"), 8, 4);
    std::fs::remove_file(data.join("mine/s/img/0003.jpg")).unwrap();
    write(&data.join("mine/s/groundtruth.txt"), EIGHT);
    write(&home.path().join("results/s.txt"), EIGHT);
    for set in ["mine", "folder:mine"] {
        let (_, complaint, code, _) = run(home.path(), &["--dataset", set]);
        assert_eq!(code, Some(66), "{complaint}");
        assert!(complaint.contains("mine/s"), "{complaint}");
    }
    // All results that are missing, by the name that they should have.
    frames(&data.join("uav/data_seq/UAV123/bike2"), 8, 6);
    write(&data.join("uav/anno/UAV123/bike2.txt"), EIGHT);
    let (_, complaint, code, _) = run(home.path(), &["--dataset", "uav"]);
    assert_eq!(code, Some(66), "{complaint}");
    assert!(complaint.contains("uav_bike2.txt: no such result (nor bike2)"), "{complaint}");
}
