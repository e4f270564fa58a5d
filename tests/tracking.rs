//! Tracking as its users do it, through the program: data sets side by side, scores, submissions, films.

mod support;

use serde_json::Value;
use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    sync::OnceLock,
};
use support::{data, experiment, fail, files, program, succeed};
use tempfile::TempDir;

/// A run of two epochs' checkpoints, made once for all tests here.
fn run() -> &'static Path {
    static RUN: OnceLock<TempDir> = OnceLock::new();
    RUN.get_or_init(|| {
        let home = tempfile::tempdir().unwrap();
        succeed(&mut support::train(home.path()));
        home
    })
    .path()
}

fn checkpoints(save_dir: &Path) -> Vec<PathBuf> {
    let folder = save_dir.join("checkpoints/train/hiptrack/tiny");
    let all = files(&folder).into_iter().filter(|name| name.ends_with(".safetensors"));
    all.map(|name| folder.join(name)).collect()
}

fn write(path: &Path, text: &str) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
}

/// A data folder with two sets, `one` and `two`, whose sequences have the same names.
fn twins() -> &'static Path {
    static HOME: OnceLock<TempDir> = OnceLock::new();
    HOME.get_or_init(|| {
        let home = tempfile::tempdir().unwrap();
        let from = data().join("got10k/val");
        let mut sequences: Vec<PathBuf> = fs::read_dir(&from).unwrap().map(|entry| entry.unwrap().path()).collect();
        sequences.retain(|path| path.is_dir());
        sequences.sort();
        for (set, order) in [("one", [0, 1, 2]), ("two", [2, 0, 1])] {
            for (name, at) in ["a", "b", "c"].iter().zip(order) {
                let to = home.path().join(set).join(name);
                fs::create_dir_all(&to).unwrap();
                for entry in fs::read_dir(&sequences[at]).unwrap().flatten() {
                    fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
                }
            }
        }
        home
    })
    .path()
}

/// `track` of both sets with the newest checkpoint.
fn track(save_dir: &Path) -> Command {
    let mut command = program();
    command.args(["track", "--config"]).arg(experiment()).arg("--weights").arg(checkpoints(run()).last().unwrap());
    command.args(["--device", "cpu", "--threads", "1", "--save_dir"]).arg(save_dir);
    command
}

fn both(save_dir: &Path) -> Command {
    let mut command = track(save_dir);
    command.args(["--dataset", "one", "--dataset", "two", "--data_dir"]).arg(twins());
    command
}

fn evaluate(save_dir: &Path) -> Command {
    let mut command = program();
    command.args(["evaluate", "--config"]).arg(experiment()).arg("--save_dir").arg(save_dir);
    command.arg("--data_dir").arg(twins());
    command
}

fn results(save_dir: &Path) -> PathBuf {
    save_dir.join("test/tracking_results/hiptrack/tiny")
}

/// What was found: boxes and conditions, not the seconds.
fn found(save_dir: &Path) -> Vec<(String, String)> {
    let folder = results(save_dir);
    let kept = files(&folder).into_iter().filter(|name| name.ends_with(".txt") && !name.contains("_time"));
    kept.map(|name| (name.clone(), fs::read_to_string(folder.join(&name)).unwrap())).collect()
}

#[test]
fn results_are_the_same_for_any_number_of_jobs() {
    let home = tempfile::tempdir().unwrap();
    let at = |name: &str| home.path().join(name);
    succeed(&mut both(&at("1")));
    let one = found(&at("1"));
    for set in ["one", "two"] {
        assert!(one.iter().any(|(name, _)| *name == format!("{set}/a.txt")), "{one:?}");
    }
    for jobs in ["2", "5"] {
        let printed = succeed(both(&at(jobs)).args(["--jobs", jobs]));
        assert!(printed.contains("sequences at once, 1 threads each") && printed.contains(" to go"), "{printed}");
        assert!(found(&at(jobs)) == one, "{jobs} jobs");
    }
    let errors = fail(both(&at("no")).args(["--device", "cpu,cpu"]), 64);
    assert!(errors.contains("cpu is named twice"), "{errors}");
    let errors = fail(both(&at("no")).args(["--dataset", "folder:two"]), 64);
    assert!(errors.contains("two"), "{errors}");
}

#[test]
fn results_of_other_weights_are_not_taken_for_these() {
    let home = tempfile::tempdir().unwrap();
    succeed(&mut both(home.path()));
    let printed = succeed(both(home.path()).arg("--skip_existing"));
    assert!(printed.contains("all 6 sequences have results already"), "{printed}");
    // A result that was cut short is made again, and it alone.
    let cut = results(home.path()).join("one/b.txt");
    let before = fs::read_to_string(&cut).unwrap();
    fs::write(&cut, before.lines().next().unwrap()).unwrap();
    let printed = succeed(both(home.path()).arg("--skip_existing"));
    assert!(printed.contains("1 lines for 20 frames: tracked again") && printed.contains("1 sequences"), "{printed}");
    assert_eq!(fs::read_to_string(&cut).unwrap(), before);
    let mut other = both(home.path());
    other.arg("--skip_existing").arg("--weights").arg(&checkpoints(run())[0]);
    let errors = fail(&mut other, 66);
    assert!(errors.contains("6 sequences have results of other weights"), "{errors}");
    // A mixture is said.
    let mut mixed = track(home.path());
    mixed.args(["--dataset", "one", "--sequence", "a", "--data_dir"]).arg(twins());
    succeed(mixed.arg("--weights").arg(&checkpoints(run())[0]));
    let printed = succeed(evaluate(home.path()).args(["--dataset", "one"]));
    assert!(printed.contains("these results are of 2 different trackers"), "{printed}");
}

#[test]
fn every_data_set_has_a_row_and_a_file() {
    let home = tempfile::tempdir().unwrap();
    succeed(&mut both(home.path()));
    let printed = succeed(evaluate(home.path()).args(["--dataset", "one", "--dataset", "two"]));
    let table = printed.split("data set ").nth(1).unwrap();
    assert!(table.lines().skip(1).take(2).all(|line| line.starts_with("one") || line.starts_with("two")), "{printed}");
    for set in ["one", "two"] {
        let text = fs::read_to_string(results(home.path()).join(set).join("scores.json")).unwrap();
        let scores: Value = serde_json::from_str(&text).unwrap();
        assert_eq!((&scores["datasets"][0], scores["sequences"].as_array().unwrap().len()), (&set.into(), 3));
    }
    fail(evaluate(home.path()).args(["--dataset", "one", "--dataset", "folder:one"]), 64);
    // What an earlier version wrote is read, and said.
    let old = tempfile::tempdir().unwrap();
    for name in ["a", "b", "c"] {
        let to = results(old.path()).join(format!("{name}.txt"));
        write(&to, &fs::read_to_string(results(home.path()).join(format!("one/{name}.txt"))).unwrap());
    }
    let printed = succeed(evaluate(old.path()).args(["--dataset", "one"]));
    assert!(printed.contains("where earlier versions wrote results"), "{printed}");
    // Results under another name of the script are pointed to.
    let moved = tempfile::tempdir().unwrap();
    let there = moved.path().join("test/tracking_results/ostrack");
    fs::create_dir_all(&there).unwrap();
    fs::rename(results(old.path()), there.join("mine")).unwrap();
    let errors = fail(evaluate(moved.path()).args(["--dataset", "one"]), 66);
    assert!(errors.contains("give --script ostrack --config mine"), "{errors}");
}

#[test]
fn trackers_are_compared_in_tables_and_plots() {
    let home = tempfile::tempdir().unwrap();
    succeed(&mut both(home.path()));
    // A perfect tracker beside.
    let perfect = home.path().join("perfect");
    for name in ["a", "b", "c"] {
        let truth = fs::read_to_string(twins().join(format!("one/{name}/groundtruth.txt"))).unwrap();
        write(&perfect.join(format!("{name}.txt")), &truth);
        write(&home.path().join(format!("att/{name}.txt")), if name == "a" { "FAST, DARK" } else { "DARK" });
    }
    let report = home.path().join("report");
    let mut command = evaluate(home.path());
    command.args(["--dataset", "one", "--by", "attribute,condition,sequence", "--report"]).arg(&report);
    command.arg("--compare").arg(format!("Best_1={}", perfect.display()));
    command.arg("--attributes").arg(home.path().join("att")).arg("--labels").arg(data().join("conditions"));
    // The twins' names are not those that the labels have.
    let errors = fail(&mut command, 66);
    assert!(errors.contains("holds no labels of any sequence here"), "{errors}");
    let mut command = evaluate(home.path());
    command.args(["--dataset", "one", "--by", "attribute,condition,sequence", "--report"]).arg(&report);
    command.arg("--compare").arg(format!("Best_1={}", perfect.display()));
    command.arg("--attributes").arg(home.path().join("att")).arg("--json").arg(home.path().join("all.json"));
    let printed = succeed(&mut command);
    for part in
        ["DARK (3): Best_1", "FAST (1): tiny", "one: Best_1", "a: Best_1", "conditions are those that tiny predicted"]
    {
        assert!(printed.contains(part), "{part}: {printed}");
    }
    let names = files(&report);
    for name in [
        "one-success.svg",
        "one-precision.png",
        "one-normalised-precision.svg",
        "report.html",
        "scores.csv",
        "scores.tex",
    ] {
        assert!(names.iter().any(|found| found == name), "{name}: {names:?}");
    }
    let page = fs::read_to_string(report.join("report.html")).unwrap();
    let [best, tiny] = ["Best_1 [", "tiny ["].map(|name| page.find(name).unwrap());
    assert!(best < tiny, "the better one comes first");
    let tex = fs::read_to_string(report.join("scores.tex")).unwrap();
    assert!(tex.contains("Best\\_1 & \\textbf{") && tex.contains("\\bottomrule"), "{tex}");
    let csv = fs::read_to_string(report.join("scores.csv")).unwrap();
    assert!(csv.contains("\"one\",\"Best_1\",\"by attribute (sequences): FAST (1)\""), "{csv}");
    let all: Value = serde_json::from_str(&fs::read_to_string(home.path().join("all.json")).unwrap()).unwrap();
    assert_eq!(all["boards"].as_array().unwrap().len(), 2);
    let errors = fail(evaluate(home.path()).args(["--dataset", "one", "--compare", "nothing"]), 64);
    assert!(errors.contains("write NAME=DIR"), "{errors}");
}

/// A test set in the layout of GOT-10k with so many sequences, and results of it.
fn got10k_test(home: &Path, sequences: usize) {
    for at in 1..=sequences {
        let name = format!("GOT-10k_Test_{at:06}");
        let folder = home.join("data/got10k/test").join(&name);
        write(&folder.join("groundtruth.txt"), "10.5,20,30,40\n");
        for frame in 1..=3 {
            write(&folder.join(format!("{frame:08}.jpg")), "");
        }
        write(&home.join(format!("results/{name}.txt")), "10\t20\t30\t40\n11\t21\t30\t40\n12.3456\t22\t30\t40\n");
        write(&home.join(format!("results/{name}_time.txt")), "0.5\n0.25\n0.125\n");
    }
}

fn submit(home: &Path, server: &str) -> Command {
    let mut command = program();
    command.args(["evaluate", "--submit", server, "--results"]).arg(home.join("results"));
    command.arg("--data_dir").arg(home.join("data")).arg("--zip").arg(home.join("out.zip"));
    command
}

#[test]
fn a_submission_is_what_the_server_takes_or_is_refused_with_all_reasons() {
    let home = tempfile::tempdir().unwrap();
    let home = home.path();
    got10k_test(home, 180);
    succeed(&mut submit(home, "got10k"));
    let mut zip = zip::ZipArchive::new(fs::File::open(home.join("out.zip")).unwrap()).unwrap();
    assert_eq!(zip.len(), 360);
    let mut text = |name: &str| std::io::read_to_string(zip.by_name(name).unwrap()).unwrap();
    let name = "GOT-10k_Test_000007";
    let boxes = text(&format!("{name}/{name}_001.txt"));
    assert_eq!(boxes, "10.500,20.000,30.000,40.000\n11.000,21.000,30.000,40.000\n12.346,22.000,30.000,40.000\n");
    assert_eq!(text(&format!("{name}/{name}_time.txt")), "0.50000000\n0.25000000\n0.12500000\n");
    // All that is wrong at once, and no file.
    fs::remove_file(home.join("out.zip")).unwrap();
    let result = |at: usize, ending: &str| home.join(format!("results/GOT-10k_Test_{at:06}{ending}.txt"));
    fs::remove_file(result(1, "")).unwrap();
    write(&result(2, ""), "50\t20\t30\t40\n11\t21\t30\t40\n12\t22\t-3\t40\n");
    write(&result(3, ""), "10\t20\t30\t40\n");
    write(&result(4, "_time"), "0.5\n-1\n0.1\n");
    fs::remove_dir_all(home.join("data/got10k/test/GOT-10k_Test_000180")).unwrap();
    let errors = fail(&mut submit(home, "got10k"), 66);
    for part in [
        "179 sequences of GOT10K_test, but the server wants all 180",
        "000001.txt: no such result",
        "000002.txt:1: is not the given box 10.5,20,30,40",
        "000002.txt:3: a negative size",
        "000003.txt: 1 boxes for 3 frames",
        "000004_time.txt:2: is not one number of seconds",
    ] {
        assert!(errors.contains(part), "{part}: {errors}");
    }
    assert!(!home.join("out.zip").exists());
    let errors = fail(submit(home, "got10k").args(["--dataset", "OTB"]), 64);
    assert!(errors.contains("takes results of GOT10K_test alone"), "{errors}");
}

#[test]
fn a_submission_to_trackingnet_has_its_files_at_the_top() {
    let home = tempfile::tempdir().unwrap();
    let home = home.path();
    for at in 0..511 {
        // `all` and `time` in a name are names like others.
        let name = format!("all_time_{at}");
        write(&home.join(format!("data/trackingnet/TEST/anno/{name}.txt")), "1,2,3,4\n");
        for frame in 0..2 {
            write(&home.join(format!("data/trackingnet/TEST/frames/{name}/{frame}.jpg")), "");
        }
        write(&home.join(format!("results/trackingnet/{name}.txt")), "1,2,3,4\n1.005,2,3.339,4\n");
    }
    succeed(&mut submit(home, "trackingnet"));
    let mut zip = zip::ZipArchive::new(fs::File::open(home.join("out.zip")).unwrap()).unwrap();
    assert_eq!(zip.len(), 511);
    let text = std::io::read_to_string(zip.by_name("all_time_510.txt").unwrap()).unwrap();
    assert!(text.starts_with("1.00,2.00,3.00,4.00\n1.0") && text.ends_with(",2.00,3.34,4.00\n"), "{text}");
}

#[test]
fn every_epoch_is_scored_and_the_best_is_named() {
    let home = tempfile::tempdir().unwrap();
    let copy = home.path().join("checkpoints/train/hiptrack/tiny");
    fs::create_dir_all(&copy).unwrap();
    for path in checkpoints(run()) {
        fs::copy(&path, copy.join(path.file_name().unwrap())).unwrap();
    }
    let epochs = |which: &str| {
        let mut command = evaluate(home.path());
        command.args(["--dataset", "one", "--device", "cpu", "--threads", "1", "--epochs", which]);
        command
    };
    let printed = succeed(&mut epochs("all"));
    for part in ["one: epoch 1", "one: epoch 3", "best on one: epoch "] {
        assert!(printed.contains(part), "{part}: {printed}");
    }
    let printed = succeed(&mut epochs("3"));
    assert!(printed.contains("all 3 sequences have results already"), "{printed}");
    let errors = fail(&mut epochs("9"), 66);
    assert!(errors.contains("no checkpoint of epoch 9; there are those of epochs 1, 2, 3"), "{errors}");
}

#[test]
fn a_benchmark_during_training_keeps_the_best_and_moves_no_bit() {
    let home = tempfile::tempdir().unwrap();
    let with = [
        "--set",
        "TEST.BENCHMARK=[GOT10K_official_val]",
        "--set",
        "TRAIN.KEEP_CHECKPOINTS=1",
        "--set",
        "TRAIN.KEEP_BEST=0",
    ];
    let printed = succeed(support::train(home.path()).args(with));
    assert!(printed.contains("TEST.BENCHMARK: every 1 epochs, 60 frames of 3 sequences"), "{printed}");
    assert!(printed.contains("benchmark: epoch 3: GOT10K_official_val "), "{printed}");
    let folder = home.path().join("checkpoints/train/hiptrack/tiny");
    let lines = fs::read_to_string(folder.join("benchmark.jsonl")).unwrap();
    let scores: Vec<Value> = lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let last = scores.last().unwrap();
    assert_eq!(last["epoch"], 3);
    let best = scores.iter().max_by(|a, b| a["score"].as_f64().unwrap().total_cmp(&b["score"].as_f64().unwrap()));
    assert!(best.is_some());
    assert_eq!(support::losses(home.path()), support::losses(run()));
    let errors = fail(support::train(&home.path().join("no")).args(["--set", "TEST.BENCHMARK=[OTB]"]), 66);
    assert!(errors.contains("TEST.BENCHMARK"), "{errors}");
}

/// Whether ffmpeg is here; else says that nothing was tested.
fn has_ffmpeg(what: &str) -> bool {
    let there = Command::new("ffmpeg").arg("-version").output().is_ok();
    if !there {
        eprintln!("SKIPPED: {what}: there is no ffmpeg");
    }
    there
}

#[test]
fn a_film_is_tracked_as_its_frames_are_and_drawn() {
    if !has_ffmpeg("films were neither read nor written") {
        return;
    }
    let home = tempfile::tempdir().unwrap();
    let film = home.path().join("film one.mkv");
    let frames = twins().join("one/a/%08d.jpg");
    // Without loss, so that the tracker sees the same pixels.
    let mut make = Command::new("ffmpeg");
    make.args(["-loglevel", "error", "-framerate", "20", "-start_number", "1", "-i"]).arg(&frames);
    make.args(["-c:v", "ffv1", "-pix_fmt", "bgr0"]).arg(&film);
    assert!(make.status().unwrap().success());
    let truth = fs::read_to_string(twins().join("one/a/groundtruth.txt")).unwrap();
    let first = truth.lines().next().unwrap();
    let drawn = home.path().join("out.mp4");
    let mut command = track(home.path());
    command.arg("--video").arg(&film).args(["--box", first, "--draw"]).arg(&drawn);
    let printed = succeed(&mut command);
    assert!(printed.contains("20 frames at") && printed.contains("0 dropped"), "{printed}");
    assert!(printed.contains("the source has 20.00 frames/s"), "{printed}");
    let boxes = fs::read_to_string(results(home.path()).join("video/film_one.txt")).unwrap();
    assert_eq!(boxes.lines().count(), 20);
    let mut probe = Command::new("ffprobe");
    probe.args(["-v", "error", "-count_frames", "-show_entries", "stream=nb_read_frames,width", "-of", "csv=p=0"]);
    let output = probe.arg(&drawn).output().unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stdout).trim(), "128,20");
    // As of a camera, frames come at their own pace; what is written says which ones they are.
    let mut live = track(home.path());
    live.arg("--video").arg(&film).args(["--box", first, "--live"]);
    let printed = succeed(&mut live);
    let lines = fs::read_to_string(results(home.path()).join("video/film_one.txt")).unwrap().lines().count();
    let dropped: usize = printed.split(" dropped").next().unwrap().rsplit(' ').next().unwrap().parse().unwrap();
    assert_eq!(lines + dropped, 20, "{printed}");
    let errors = fail(track(home.path()).arg("--video").arg(&film).args(["--box", "500,500,10,10"]), 64);
    assert!(errors.contains("lies outside the frames, which are 128x96"), "{errors}");
    write(&home.path().join("no.mp4"), "no film");
    let errors = fail(track(home.path()).arg("--video").arg(home.path().join("no.mp4")).args(["--box", first]), 66);
    assert!(errors.contains("ffmpeg says"), "{errors}");
}

#[test]
fn without_ffmpeg_it_is_said_what_to_do() {
    let home = tempfile::tempdir().unwrap();
    write(&home.path().join("film.mp4"), "a film");
    let mut command = track(home.path());
    command.arg("--video").arg(home.path().join("film.mp4")).args(["--box", "1,2,30,30"]).env("PATH", home.path());
    let errors = fail(&mut command, 69);
    assert!(errors.contains("apt-get install ffmpeg"), "{errors}");
    let errors = fail(track(home.path()).args(["--video", "gone.mp4", "--box", "1,2,30,30"]), 66);
    assert!(errors.contains("gone.mp4: no such file or device"), "{errors}");
}

#[test]
fn frames_of_data_sets_are_drawn_and_shown() {
    let home = tempfile::tempdir().unwrap();
    let drawn = home.path().join("drawn");
    let mut command = track(home.path());
    command.args(["--dataset", "one", "--sequence", "b", "--show", "--metrics", "127.0.0.1:0", "--data_dir"]);
    let printed = succeed(command.arg(twins()).arg("--draw").arg(&drawn));
    assert!(printed.contains("live page: http://127.0.0.1:"), "{printed}");
    let pictures = files(&drawn);
    assert_eq!((pictures.len(), pictures[0].as_str()), (20, "one/b/00001.jpg"));
    let picture = image::open(drawn.join("one/b/00012.jpg")).unwrap().to_rgb8();
    // Yellow, as JPEG leaves it.
    let yellow = picture.pixels().filter(|pixel| pixel.0[0] > 200 && pixel.0[1] > 160 && pixel.0[2] < 110).count();
    assert!(yellow > 20, "{yellow}");
    let mut film = track(home.path());
    film.args(["--dataset", "one", "--draw", "out.mp4", "--data_dir"]).arg(twins());
    let errors = fail(&mut film, 64);
    assert!(errors.contains("name a folder"), "{errors}");
}
