//! Data sets through the program: looking into them, and training on those that are bad in each way.

use crate::support::{self, data, fail, losses, program, succeed, text, train};
use std::{
    path::{Path, PathBuf},
    process::Command,
};

fn copy_data(to: &Path) -> PathBuf {
    let status = Command::new("cp").arg("-r").arg(data()).arg(to).status().unwrap();
    assert!(status.success());
    to.to_path_buf()
}

/// The training sequences of a copy.
fn sequences(sets: &Path) -> Vec<PathBuf> {
    let mut found: Vec<PathBuf> = std::fs::read_dir(sets.join("got10k/train"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.is_dir())
        .collect();
    found.sort();
    found
}

fn verify(sets: &Path, more: &[&str]) -> Command {
    let mut command = program();
    command.args(["data", "verify", "GOT10K_train_full", "--data_dir"]).arg(sets).args(more);
    command
}

/// A training of a few steps on the whole sets, with changes; its losses.
fn trained(home: &Path, name: &str, sets: &Path, more: &[&str]) -> Vec<String> {
    let save_dir = home.join(name);
    succeed(train(&save_dir).arg("--data_dir").arg(sets).args(["--max_steps", "3"]).args(more));
    losses(&save_dir)
}

#[test]
fn a_packed_set_trains_to_the_same_bits_and_is_measured() {
    let home = tempfile::tempdir().unwrap();
    let sets = copy_data(&home.path().join("sets"));
    let files = trained(home.path(), "files", &sets, &[]);
    let mut pack = program();
    pack.args(["data", "pack", "GOT10K_train_full", "--data_dir"]).arg(&sets);
    let printed = succeed(&mut pack);
    assert!(printed.contains("10 sequences, 200 frames in 1 shards") && printed.contains("the same"), "{printed}");
    assert!(succeed(&mut pack).contains("kept     1 shards that were complete already"));

    let set = "DATA.TRAIN.DATASETS_NAME=[packed:packed/GOT10K_train_full]";
    let packed = trained(home.path(), "packed", &sets, &["--set", set, "--pipeline", "train-packed"]);
    assert_eq!(files, packed);
    // Only the shards were copied to this machine.
    for sequence in sequences(&sets) {
        std::fs::remove_dir_all(sequence).unwrap();
    }
    std::fs::remove_dir_all(sets.join("got10k/train")).unwrap();
    assert_eq!(files, trained(home.path(), "shards", &sets, &[]));

    let mut bench = program();
    bench.args(["bench", "data", "--seconds", "2", "--workers", "2", "--json", "--config"]).arg(support::experiment());
    let measured = succeed(bench.arg("--data_dir").arg(&sets));
    let measured: serde_json::Value = serde_json::from_str(&measured).unwrap();
    assert!(measured["clips_per_second"].as_f64().unwrap() > 0.0, "{measured}");
    assert_eq!(measured["stages"].as_array().unwrap().len(), 6);
    let grown = measured["peak_bytes"].as_f64().unwrap() - measured["before_bytes"].as_f64().unwrap();
    assert!(grown < 64e6 + measured["ceiling_bytes"].as_f64().unwrap(), "{measured}");

    let shard = sets.join("packed/GOT10K_train_full/shard-000000.tar");
    let file = std::fs::File::options().write(true).open(&shard).unwrap();
    file.set_len(file.metadata().unwrap().len() - 700).unwrap();
    let errors = fail(train(&home.path().join("torn")).arg("--data_dir").arg(&sets), 66);
    assert!(errors.contains("a torn shard") && errors.contains("trackflow data pack"), "{errors}");
}

#[test]
fn verify_tells_every_kind_of_fault_by_sequence() {
    let home = tempfile::tempdir().unwrap();
    let sets = copy_data(&home.path().join("sets"));
    let printed = succeed(&mut verify(&sets, &["--deep"]));
    assert!(printed.contains("10 sequences, 200 frames") && printed.contains("all sound"), "{printed}");

    let all = sequences(&sets);
    std::fs::write(all[1].join("00000004.jpg"), b"").unwrap();
    std::fs::remove_file(all[2].join("00000020.jpg")).unwrap();
    let boxes = std::fs::read_to_string(all[4].join("groundtruth.txt")).unwrap();
    let mut lines: Vec<&str> = boxes.lines().collect();
    lines[6] = "5000,10,20,20";
    std::fs::write(all[4].join("groundtruth.txt"), lines.join("\n")).unwrap();
    // Large enough that ends do not show the middle.
    let noise = image::RgbImage::from_fn(160, 160, |x, y| {
        let v = (x * 7919 + y * 104_729).wrapping_mul(2_654_435_761);
        image::Rgb([(v >> 8) as u8, (v >> 16) as u8, (v >> 24) as u8])
    });
    let torn = all[5].join("00000007.jpg");
    noise.save(&torn).unwrap();
    let mut bytes = std::fs::read(&torn).unwrap();
    assert!(bytes.len() > 4 * 4096);
    bytes[2 * 4096..3 * 4096].fill(0);
    std::fs::write(&torn, bytes).unwrap();

    let output = verify(&sets, &[]).output().unwrap();
    assert_eq!(output.status.code(), Some(66), "{}", text(&output));
    let printed = text(&output);
    for part in ["1 empty", "1 annotation", "1 box", "00000004.jpg", "lies outside the 128x96 frame"] {
        assert!(printed.contains(part), "{part}: {printed}");
    }
    assert!(printed.contains("error: 3 of 10 sequences have faults"), "{printed}");
    let output = verify(&sets, &["--deep", "--json"]).output().unwrap();
    assert_eq!(output.status.code(), Some(66));
    let json: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(json["sound"], false);
    let faulty = json["datasets"][0]["faulty"].as_array().unwrap();
    let kinds: Vec<&str> = faulty.iter().map(|report| report["faults"][0]["kind"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["empty", "annotation", "box", "corrupt"], "{json}");

    let errors = fail(program().args(["data", "verify", "OTB", "--data_dir"]).arg(&sets), 66);
    assert!(errors.contains("sets/otb: no such folder"), "{errors}");
    let errors = fail(program().args(["data", "verify", "LASOT_lmdb"]), 78);
    assert!(errors.contains("LMDB copies are not read"), "{errors}");
}

#[test]
fn stats_and_contact_sheets_are_drawn() {
    let home = tempfile::tempdir().unwrap();
    let (stats, clips) = (home.path().join("stats.png"), home.path().join("clips.png"));
    let mut command = program();
    command.args(["data", "stats", "GOT10K_train_full", "--data_dir"]).arg(data()).arg("--out").arg(&stats);
    let printed = succeed(&mut command);
    for part in ["10 sequences, 200 frames", "conditions of 200 labelled frames", "128 x 96"] {
        assert!(printed.contains(part), "{part}: {printed}");
    }
    assert!(image::open(&stats).unwrap().width() > 800);
    let mut command = program();
    command.args(["data", "show", "--clips", "3", "--config"]).arg(support::experiment());
    command.arg("--data_dir").arg(data()).arg("--out").arg(&clips);
    let printed = succeed(&mut command);
    assert!(printed.contains("3 clips: ") && printed.contains("condition labels"), "{printed}");
    let sheet = image::open(&clips).unwrap().into_rgb8();
    let green = sheet.pixels().filter(|pixel| pixel.0 == [60, 230, 80]).count();
    assert!(green > 100, "{green}");
    let errors = fail(command.arg("--out").arg(home.path().join("no/such/place.png")), 74);
    assert!(errors.contains("--out"), "{errors}");
}

#[test]
fn labels_from_boxes_and_pixels_are_trained_on() {
    let home = tempfile::tempdir().unwrap();
    let out = home.path().join("labels");
    let mut command = program();
    command.args(["data", "label", "GOT10K_train_full", "--data_dir"]).arg(data()).arg("--out").arg(&out);
    let printed = succeed(command.arg("--compare").arg(data().join("conditions")));
    for part in ["labelled 200 frames of 10 sequences", "scale_variation", "precision", "not detected: occlusion"] {
        assert!(printed.contains(part), "{part}: {printed}");
    }
    assert!(succeed(&mut command).contains("kept     10 sequences"));
    let set = format!("DATA.TRAIN.CLS_ANN_DIR={}", out.display());
    let steps = trained(home.path(), "run", data(), &["--set", &set]);
    let learns = |line: &String| line.contains("\"split\":\"train\"") && !line.contains("\"Loss/cls\":0.0,");
    assert!(steps.iter().any(learns), "{steps:#?}");
}

#[test]
fn validation_on_what_was_trained_on_is_said_and_not_called_held_out() {
    let home = tempfile::tempdir().unwrap();
    let run = |name: &str, more: &[&str]| {
        let save_dir = home.path().join(name);
        let printed = succeed(train(&save_dir).args(["--max_steps", "2"]).args(more));
        (printed, std::fs::read_to_string(save_dir.join("run.jsonl")).unwrap())
    };
    let folder = format!("DATA.VAL.DATASETS_NAME=[folder:{}]", data().join("got10k/train").display());
    let (printed, log) = run("shared", &["--set", &folder]);
    assert!(printed.contains("warning: validation shares 10 of 10 sequences with training, such as"), "{printed}");
    assert!(printed.contains("validation clips") && !printed.contains("held-out"), "{printed}");
    assert!(log.contains(r#""validation":{"sequences":10,"shared":10}"#), "{log}");
    let (printed, _) = run("apart", &[]);
    assert!(printed.contains("held-out clips") && !printed.contains("shares"), "{printed}");
}

/// A pipeline with `workers` that decode.
fn pipeline(folder: &Path, workers: usize) -> PathBuf {
    let shipped = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("pipelines/train.yaml")).unwrap();
    let path = folder.join(format!("{workers}.yaml"));
    let changed = shipped.replace("kind: decode, workers: 2", &format!("kind: decode, workers: {workers}"));
    assert!(workers == 2 || changed != shipped);
    std::fs::write(&path, changed).unwrap();
    path
}

fn warnings(save_dir: &Path) -> Vec<String> {
    let log = std::fs::read_to_string(save_dir.join("run.jsonl")).unwrap();
    let events = log.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap());
    events.filter(|event| event["event"] == "warning").map(|event| event["message"].to_string()).collect()
}

const LATE: [&str; 2] = ["--set", "DATA.CHECK=annotations"];

#[test]
fn broken_frames_are_planned_again_alike_for_any_workers() {
    let home = tempfile::tempdir().unwrap();
    let sets = copy_data(&home.path().join("sets"));
    // One sequence loses most of its frames: some attempts fail, and the same files fail again.
    for frame in 5..=20 {
        std::fs::write(sequences(&sets)[3].join(format!("{frame:08}.jpg")), b"").unwrap();
    }
    let errors = fail(train(&home.path().join("strict")).arg("--data_dir").arg(&sets), 66);
    assert!(errors.contains("00000005.jpg"), "{errors}");
    let run = |name: &str, workers: usize, more: &[&str]| {
        let mut command = train(&home.path().join(name));
        command.arg("--data_dir").arg(&sets).arg("--pipeline").arg(pipeline(home.path(), workers));
        command.args(LATE).args(["--set", "DATA.MAX_REJECTED=100"]).args(more);
        succeed(&mut command)
    };
    let printed = run("one", 1, &["--set", "DATA.QUARANTINE_AFTER=1"]);
    assert!(printed.contains("of GOT10K_train_full (empty)"), "{printed}");
    assert!(printed.contains("quarantined: "), "{printed}");
    run("four", 4, &["--set", "DATA.QUARANTINE_AFTER=1"]);
    run("never", 2, &["--set", "DATA.QUARANTINE_AFTER=1000"]);
    let (one, never) = (losses(&home.path().join("one")), losses(&home.path().join("never")));
    assert_eq!(one, losses(&home.path().join("four")));
    assert_eq!(one, never);
    assert_eq!(warnings(&home.path().join("one")), warnings(&home.path().join("four")));
    assert!(warnings(&home.path().join("one")).iter().any(|line| line.contains("is not read again")));
    // In two calls: the same numbers.
    run("twice", 2, &["--max_steps", "5"]);
    run("twice", 4, &[]);
    assert_eq!(losses(&home.path().join("twice")), one);
}

#[test]
fn too_many_broken_clips_end_the_run_and_name_the_worst() {
    let home = tempfile::tempdir().unwrap();
    let sets = copy_data(&home.path().join("sets"));
    for sequence in &sequences(&sets)[2..] {
        for frame in 3..=20 {
            std::fs::remove_file(sequence.join(format!("{frame:08}.jpg"))).unwrap();
            std::os::unix::fs::symlink("/nowhere", sequence.join(format!("{frame:08}.jpg"))).unwrap();
        }
    }
    let mut command = train(&home.path().join("out"));
    let errors = fail(command.arg("--data_dir").arg(&sets).args(LATE), 66);
    for part in ["are allowed", "unreadable, last: ", "worst sequences: SYN_Train_", "DATA.MAX_REJECTED"] {
        assert!(errors.contains(part), "{part}: {errors}");
    }
    // Nothing at all can be read: the end comes soon too, whatever the budget.
    for sequence in sequences(&sets) {
        for frame in 1..=20 {
            let path = sequence.join(format!("{frame:08}.jpg"));
            std::fs::remove_file(&path).unwrap();
            std::fs::write(&path, b"no picture").unwrap();
        }
    }
    let mut command = train(&home.path().join("none"));
    command.arg("--data_dir").arg(&sets).args(LATE).args(["--set", "DATA.MAX_REJECTED=1000000"]);
    let errors = fail(&mut command, 66);
    assert!(errors.contains("could not be made in 400 attempts"), "{errors}");
}

#[test]
fn sets_that_give_no_clips_are_refused_with_the_reason() {
    let refused = |boxes: &str, more: &[&str], reason: &str| {
        let home = tempfile::tempdir().unwrap();
        let sets = copy_data(&home.path().join("sets"));
        if !boxes.is_empty() {
            for sequence in sequences(&sets) {
                std::fs::write(sequence.join("groundtruth.txt"), boxes.repeat(20)).unwrap();
            }
        }
        let errors = fail(train(&home.path().join("out")).arg("--data_dir").arg(&sets).args(more), 66);
        assert!(errors.contains(reason), "{errors}");
    };
    refused("", &["--set", "DATA.MIN_FRAMES=21"], "10 have fewer than 21 frames");
    refused("10,10,0,5\n", &[], "10 fewer than 7 that show the object");
    refused("0,0,0,0\n", &[], "10 fewer than 7 that show the object");
    refused("1e7,0,9,9\n", &[], "frame 1 has the box");
    // Boxes that lie beyond their frames: known when the frames are.
    refused("5000,10,20,20\n", &[], "outside");
}

#[test]
fn pictures_and_plain_folders_train() {
    let home = tempfile::tempdir().unwrap();
    let coco = home.path().join("coco");
    std::fs::create_dir_all(coco.join("annotations")).unwrap();
    std::fs::create_dir_all(coco.join("images/train2017")).unwrap();
    let (mut images, mut annotations) = (Vec::new(), Vec::new());
    for id in 1..=3u32 {
        let name = format!("{id:012}.jpg");
        let picture = image::RgbImage::from_fn(160, 120, |x, y| image::Rgb([(x + id) as u8, y as u8, (x ^ y) as u8]));
        picture.save(coco.join("images/train2017").join(&name)).unwrap();
        images.push(serde_json::json!({"id": id, "file_name": name}));
        let bbox = [20.0 + f64::from(id), 30.0, 40.0, 30.0];
        annotations.push(serde_json::json!({"id": 100 + id, "image_id": id, "iscrowd": 0, "bbox": bbox}));
    }
    let json = serde_json::json!({"images": images, "annotations": annotations}).to_string();
    std::fs::write(coco.join("annotations/instances_train2017.json"), json).unwrap();
    // A sequence folder of the user's own, found through configs/paths.yaml.
    let mine = home.path().join("mine");
    std::fs::create_dir(&mine).unwrap();
    copy_sequence(&sequences(data())[0], &mine.join("walk"));
    let work = home.path().join("work");
    std::fs::create_dir(&work).unwrap();
    let printed = succeed(program().current_dir(&work).args(["doctor", "--init"]));
    assert!(printed.contains("configs/paths.yaml written") && printed.contains("libtorch         ok"), "{printed}");
    let file = work.join("configs/paths.yaml");
    let text = std::fs::read_to_string(&file).unwrap();
    let text = text.replace("data_dir: ./data", &format!("data_dir: {}", home.path().display()));
    std::fs::write(&file, text.replace("coco_dir:", &format!("coco_dir: {}", coco.display()))).unwrap();
    let mut command = program();
    command.current_dir(&work).args(["train", "--config"]).arg(support::experiment());
    command.args(["--save_dir", "out", "--device", "cpu", "--metrics", "127.0.0.1:0", "--max_steps", "2"]);
    command.args(["--set", "DATA.TRAIN.DATASETS_NAME=[COCO17, 'folder:mine']", "--set", "DATA.TRAIN.CLS_ANN_DIR=''"]);
    command.args(["--set", "DATA.VAL.DATASETS_NAME=['folder:mine']", "--set", "DATA.VAL.CLS_ANN_DIR=''"]);
    let printed = succeed(&mut command);
    assert!(
        printed.contains("COCO17: 3 objects in pictures") && printed.contains("folder:mine: 1 sequences"),
        "{printed}"
    );
    std::fs::write(&file, "coco_dri: /x\n").unwrap();
    let errors = fail(&mut command, 78);
    assert!(errors.contains("configs/paths.yaml:1:1: coco_dri: unknown key; did you mean coco_dir?"), "{errors}");
}

/// Copies frames and boxes, without the flags of GOT-10k.
fn copy_sequence(from: &Path, to: &Path) {
    std::fs::create_dir(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap().map(|entry| entry.unwrap()) {
        let name = entry.file_name().into_string().unwrap();
        if name.ends_with(".jpg") || name == "groundtruth.txt" {
            std::fs::copy(entry.path(), to.join(name)).unwrap();
        }
    }
}
