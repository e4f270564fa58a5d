//! What can happen to a run of weeks: kills at any instant, full disks, time limits, losses that are not finite, and
//! experiments that change on the way.

use crate::support::{Failpoints, fail, files, losses, start, succeed, text, train, wait_until};
use std::{
    io::{BufRead, BufReader},
    os::unix::process::CommandExt,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};
use trackflow::train::checkpoint::{Folder, Saved};

fn folder(save_dir: &Path) -> PathBuf {
    save_dir.join("checkpoints/train/hiptrack/tiny")
}

fn checkpoints(save_dir: &Path) -> Vec<Saved> {
    Folder::open(&folder(save_dir)).unwrap().list()
}

/// A run with everything that a checkpoint holds, and with a checkpoint after every step.
fn every_step(save_dir: &Path) -> Command {
    let mut command = train(save_dir);
    command.args(["--set", "TRAIN.SAVE_INTERVAL=1", "--set", "TRAIN.EMA_DECAY=0.9"]);
    command.args(["--set", "TRAIN.TASK_WEIGHTING=gradnorm", "--set", "TRAIN.ACCUMULATE=2"]);
    command
}

fn quiet(mut command: Command) -> Child {
    command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
}

#[test]
fn killed_at_thirty_instants_a_run_goes_on_bit_for_bit() {
    let home = tempfile::tempdir().unwrap();
    let (whole, broken) = (home.path().join("whole"), home.path().join("broken"));
    let long = |save_dir: &Path| -> Command {
        let mut command = every_step(save_dir);
        command.args(["--set", "TRAIN.PHASES.joint.EPOCHS=12"]);
        command
    };
    let begin = Instant::now();
    succeed(&mut long(&whole));
    let wall = begin.elapsed().as_secs_f64();
    let mut draw = 7u64;
    for kill in 0..30 {
        let mut command = long(&broken);
        let points = Failpoints::of(&mut command);
        // Before, within and after the writing of a checkpoint: the first of the call, the second or the third. The last
        // ones come at any time, which can be after the end.
        let point = if kill < 24 { ["write.begun", "write.filled", "write.renamed"][kill % 3] } else { "" };
        let mut child = quiet(command);
        if point.is_empty() {
            draw = draw.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            std::thread::sleep(Duration::from_secs_f64((draw >> 40) as f64 / f64::from(1u32 << 24) * wall));
        } else {
            for later in (0..=kill / 3 % 3).rev() {
                points.arm(point, "checkpoints/train/");
                wait_until("a checkpoint", || {
                    assert_eq!(child.try_wait().unwrap(), None, "kill {kill}: the run is over");
                    points.is_reached(point)
                });
                if later > 0 {
                    points.release(point);
                }
            }
        }
        child.kill().unwrap();
        child.wait().unwrap();
        let writing = files(&folder(&broken)).iter().any(|name| name.ends_with(".tmp"));
        assert!(writing || !["write.begun", "write.filled"].contains(&point), "kill {kill}");
        let mut torn = Vec::new();
        // Opening removes what was being written, as the next run does.
        let newest = Folder::open(&folder(&broken)).unwrap().newest(|failure| torn.push(failure.to_string()));
        let listed = checkpoints(&broken).len();
        assert_eq!(newest.unwrap().is_some(), listed > 0, "kill {kill}");
        assert_eq!(torn, Vec::<String>::new(), "kill {kill}");
    }
    succeed(&mut long(&broken));
    assert_eq!(losses(&broken), losses(&whole));
}

/// `command` with files of at most so many `bytes`, a limit that can be raised from outside.
fn limited(mut command: Command, bytes: u64) -> Command {
    let limit = libc::rlimit { rlim_cur: bytes, rlim_max: libc::RLIM_INFINITY };
    // SAFETY: setrlimit is safe between fork and exec, and reads only the limit.
    unsafe {
        command.pre_exec(move || match libc::setrlimit(libc::RLIMIT_FSIZE, &limit) {
            0 => Ok(()),
            _ => Err(std::io::Error::last_os_error()),
        });
    }
    command
}

#[test]
fn a_disk_that_stays_full_ends_the_run_with_74_and_keeps_the_last_good_checkpoint() {
    let home = tempfile::tempdir().unwrap();
    let out = home.path().join("out");
    succeed(train(&out).args(["--max_steps", "5"]));
    let before = checkpoints(&out);
    assert!(!before.is_empty());
    let whole = home.path().join("whole");
    succeed(&mut train(&whole));
    let mut command = limited(train(&out), 100_000);
    command.args(["--set", "TRAIN.SAVE_PATIENCE=1"]);
    let output = command.output().unwrap();
    assert_eq!(output.status.code(), Some(74), "{}", text(&output));
    let printed = text(&output);
    for part in ["could not be written", "trying again for", "the newest checkpoint is", "SAVE_PATIENCE"] {
        assert!(printed.contains(part), "{part}\n{printed}");
    }
    assert_eq!(checkpoints(&out), before, "nothing was removed");
    assert!(files(&out).iter().all(|name| !name.ends_with(".tmp")), "{:?}", files(&out));
    succeed(&mut train(&out));
    assert_eq!(losses(&out), losses(&whole), "nothing was lost");
}

#[test]
fn a_disk_that_gets_room_again_costs_nothing() {
    let home = tempfile::tempdir().unwrap();
    let (out, whole) = (home.path().join("out"), home.path().join("whole"));
    succeed(&mut train(&whole));
    let mut child = limited(train(&out), 8_000).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut printed = String::new();
    for line in lines.by_ref() {
        printed += &line.unwrap();
        if printed.contains("trying again for") {
            break;
        }
    }
    let free = libc::rlimit { rlim_cur: libc::RLIM_INFINITY, rlim_max: libc::RLIM_INFINITY };
    // SAFETY: the child is ours and has not been waited for; the old limit is not asked for.
    let raised = unsafe { libc::prlimit(child.id() as i32, libc::RLIMIT_FSIZE, &free, std::ptr::null_mut()) };
    assert_eq!(raised, 0);
    lines.for_each(|line| printed += &line.unwrap());
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{printed}{}", text(&output));
    assert_eq!(losses(&out), losses(&whole));
}

#[test]
fn a_time_limit_ends_a_run_in_time_with_a_checkpoint() {
    let home = tempfile::tempdir().unwrap();
    let (out, whole) = (home.path().join("out"), home.path().join("whole"));
    let long = |save_dir: &Path| -> Command {
        let mut command = train(save_dir);
        command.args(["--set", "DATA.TRAIN.SAMPLE_PER_EPOCH=3000000", "--set", "TRAIN.PRINT_INTERVAL=100"]);
        command
    };
    let mut command = long(&out);
    let points = Failpoints::of(command.args(["--time_limit", "2h"]));
    let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    wait_until("some steps", || out.join("run.jsonl").exists() && losses(&out).len() > 3);
    points.pass_time(7200);
    let output = child.wait_with_output().unwrap();
    let printed = text(&output);
    assert_eq!(output.status.code(), Some(75), "{printed}");
    assert_eq!(last_event(&out)["reason"], "time_limit");
    assert!(printed.contains("stopped for the time limit; the same command goes on"), "{printed}");
    let done = losses(&out).len();
    assert!(done > 2 && checkpoints(&out).len() == 1, "{printed}");
    succeed(long(&whole).args(["--max_steps", &done.to_string()]));
    assert_eq!(losses(&out), losses(&whole)[..done]);
}

#[test]
fn steps_that_are_not_finite_change_nothing_are_named_and_end_the_run() {
    let home = tempfile::tempdir().unwrap();
    let out = home.path().join("out");
    succeed(train(&out).args(["--max_steps", "8"]));
    let before = checkpoints(&out);
    let (good, _) = Folder::open(&folder(&out)).unwrap().newest(|_| ()).unwrap().unwrap();
    let wild = ["--set", "TRAIN.PHASES.joint.LR=1e30", "--set", "TRAIN.NONFINITE_LIMIT=3", "--allow_changes"];
    let output = train(&out).args(wild).output().unwrap();
    let printed = text(&output);
    assert_eq!(output.status.code(), Some(70), "{printed}");
    assert!(printed.contains("3 steps in a row were not finite; lower TRAIN.LR"), "{printed}");
    assert!(printed.contains(&format!("--resume {}", good.path.display())), "{printed}");
    assert!(printed.contains("GOT10K_train_full, sequence "), "the clips are named: {printed}");
    let log = std::fs::read_to_string(out.join("run.jsonl")).unwrap();
    let named = log.lines().filter(|line| line.contains("\"event\":\"nonfinite\"")).count();
    // Those that were under way when the third was seen count too.
    assert!(named >= 3, "{log}");
    assert!(printed.contains("advice: 3 of the last"), "{printed}");
    assert!(before.iter().all(|saved| checkpoints(&out).contains(saved)), "{:?}", files(&out));
    // From the good one on, as the message says.
    let resume = ["--resume", good.path.to_str().unwrap(), "--max_steps", "1"];
    succeed(train(&out).args(resume));
}

#[test]
fn a_longer_run_goes_on_and_other_changes_are_shown_key_by_key() {
    let home = tempfile::tempdir().unwrap();
    let out = home.path().join("out");
    let with = |epochs: &str, more: &[&str]| -> Command {
        let mut command = train(&out);
        command.args(["--set", epochs, "--set", "TRAIN.VAL_EPOCH_INTERVAL=2"]).args(more);
        command
    };
    succeed(&mut with("TRAIN.PHASES.joint.EPOCHS=2", &[]));
    let first = losses(&out);
    let printed = succeed(&mut with("TRAIN.PHASES.joint.EPOCHS=4", &[]));
    assert!(printed.contains("changed since then: TRAIN.PHASES.joint.EPOCHS was 2, is 4"), "{printed}");
    let longer = losses(&out);
    assert_eq!(longer[..first.len()], first, "what was done stays in the log");
    let epochs = longer.iter().filter(|line| line.contains("\"event\":\"pass\"") && line.contains("train")).count();
    assert_eq!(epochs, 5);

    let changed = ["--set", "TRAIN.PHASES.joint.LR=0.01", "--set", "TRAIN.WEIGHT_DECAY=0.5", "--seed", "9"];
    let errors = fail(&mut with("TRAIN.PHASES.joint.EPOCHS=5", &changed), 78);
    for part in [
        "--allow_changes",
        "\n  --seed was 42, is 9",
        "\n  TRAIN.PHASES.joint.LR was 0.001, is 0.01",
        "\n  TRAIN.WEIGHT_DECAY was 0.0001, is 0.5",
    ] {
        assert!(errors.contains(part), "{part}\n{errors}");
    }
    let mut allowed = with("TRAIN.PHASES.joint.EPOCHS=5", &changed);
    let printed = succeed(allowed.arg("--allow_changes"));
    assert!(printed.contains("TRAIN.WEIGHT_DECAY was 0.0001, is 0.5 (allowed)"), "{printed}");
}

#[test]
fn going_back_keeps_the_other_line_aside_and_the_next_call_goes_on_from_there() {
    let home = tempfile::tempdir().unwrap();
    let (out, whole) = (home.path().join("out"), home.path().join("whole"));
    succeed(&mut every_step(&whole));
    // All checkpoints of the first line stay, so that there is something to go back to.
    let all = |save_dir: &Path| -> Command {
        let mut command = every_step(save_dir);
        command.args(["--set", "TRAIN.KEEP_CHECKPOINTS=1", "--set", "TRAIN.KEEP_EVERY=1"]);
        command
    };
    succeed(&mut all(&out));
    let saved = checkpoints(&out);
    let older = &saved[0].path;
    let lines = std::fs::read_to_string(out.join("run.jsonl")).unwrap().lines().count();
    let printed = succeed(all(&out).arg("--resume").arg(older).args(["--max_steps", "1"]));
    let words = format!("went back: the {} checkpoints after this one moved to", saved.len() - 1);
    assert!(printed.contains(&words), "{printed}");
    assert!(printed.contains("run.1.jsonl"), "{printed}");
    let aside = files(&folder(&out)).iter().filter(|name| name.starts_with("before-1/")).count();
    assert_eq!(aside, saved.len() - 1);
    let now = checkpoints(&out);
    assert!(now.len() == 2 && now[0] == saved[0], "what was just written stays: {now:?}");
    assert!(now[1] < saved[saved.len() - 1], "{now:?}");
    let count = |name: &str| std::fs::read_to_string(out.join(name)).unwrap().lines().count();
    assert!(count("run.1.jsonl") > 0 && count("run.jsonl") < lines, "cut");
    // A plain call goes on with the new line, to the numbers of a run that was never interrupted.
    let printed = succeed(&mut all(&out));
    assert!(printed.contains(&format!("resumed from {}", now[1].path.display())), "{printed}");
    assert_eq!(losses(&out), losses(&whole));
    // The newest is the one that says so, whatever its name.
    let newest = checkpoints(&out).pop().unwrap().path;
    let renamed = PathBuf::from(newest.to_str().unwrap().replace("ep0003", "ep0001"));
    assert_ne!(renamed, newest);
    std::fs::rename(&newest, &renamed).unwrap();
    let printed = succeed(&mut all(&out));
    assert!(printed.contains(&format!("resumed from {}", renamed.display())), "{printed}");
}

#[test]
fn a_second_run_in_the_same_folder_ends_with_69_and_touches_nothing() {
    let home = tempfile::tempdir().unwrap();
    let out = home.path().join("out");
    let mut long = train(&out);
    long.args(["--set", "DATA.TRAIN.SAMPLE_PER_EPOCH=30000"]);
    let (mut running, _) = start(&mut long);
    let before = files(&out);
    let errors = fail(train(&out).args(["--resume", "never"]), 69);
    let words = format!("in use by trackflow train, process {} on ", running.0.id());
    assert!(errors.contains(&words), "{errors}");
    assert!(before.iter().all(|file| files(&out).contains(file)), "{:?}", files(&out));
    signal(&running.0, libc::SIGKILL);
    running.0.wait().unwrap();
    succeed(train(&out).args(["--set", "DATA.TRAIN.SAMPLE_PER_EPOCH=30000", "--max_steps", "1"]));
    assert!(!out.join(".lock").exists());
}

/// Sends `signal` to a child.
fn signal(child: &Child, signal: i32) {
    // SAFETY: `kill` touches no memory; the child is ours and has not been waited for.
    assert_eq!(unsafe { libc::kill(child.id() as i32, signal) }, 0);
}

/// The last event of a run's log.
fn last_event(save_dir: &Path) -> serde_json::Value {
    let log = std::fs::read_to_string(save_dir.join("run.jsonl")).unwrap();
    serde_json::from_str(log.lines().last().unwrap()).unwrap()
}

#[test]
fn signals_of_clusters_save_and_go_on_or_save_and_end() {
    let home = tempfile::tempdir().unwrap();
    let (out, whole) = (home.path().join("out"), home.path().join("whole"));
    let long = |save_dir: &Path| -> Command {
        let mut command = train(save_dir);
        command.args(["--set", "DATA.TRAIN.SAMPLE_PER_EPOCH=3000", "--set", "TRAIN.PRINT_INTERVAL=1"]);
        command
    };
    let mut done = 0;
    for (number, code) in [(libc::SIGUSR2, 128 + libc::SIGUSR2), (libc::SIGXCPU, 128 + libc::SIGXCPU)] {
        let mut child = long(&out).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map(|line| line.unwrap());
        // Before there is a run, none of these ends the process.
        lines.find(|line| line.starts_with("experiment: ")).unwrap();
        signal(&child, libc::SIGHUP);
        signal(&child, libc::SIGUSR1);
        lines.find(|line| line.contains("reload: ")).unwrap();
        lines.find(|line| line.starts_with("[train: ")).unwrap();
        signal(&child, libc::SIGUSR1);
        lines.find(|line| line.contains("SIGUSR1: saving")).unwrap();
        wait_until("a checkpoint", || files(&folder(&out)).iter().any(|name| name.ends_with(".safetensors")));
        signal(&child, number);
        std::thread::spawn(move || lines.for_each(drop));
        assert_eq!(child.wait().unwrap().code(), Some(code));
        let end = last_event(&out);
        assert_eq!((&end["event"], &end["exit_code"]), (&"end".into(), &code.into()), "{end}");
        let now = losses(&out).len();
        assert!(now > done, "{now}");
        done = now;
    }
    succeed(long(&whole).args(["--max_steps", &done.to_string()]));
    assert_eq!(losses(&out), losses(&whole)[..done]);
    assert_eq!(last_event(&whole)["reason"], "max_steps");
}

#[test]
fn a_loop_of_calls_with_a_time_limit_ends_with_the_run() {
    let home = tempfile::tempdir().unwrap();
    let (out, whole) = (home.path().join("out"), home.path().join("whole"));
    let longer = |save_dir: &Path| -> Command {
        let mut command = train(save_dir);
        command.args(["--set", "TRAIN.PHASES.joint.EPOCHS=60"]);
        command
    };
    succeed(&mut longer(&whole));
    assert_eq!(last_event(&whole)["reason"], "complete");
    let errors = fail(train(&out).args(["--time_limit", "1s"]), 64);
    assert!(errors.contains("too short to do a step and save") && errors.contains("allow at least"), "{errors}");
    assert_eq!(last_event(&out)["reason"], "failure");
    // The loop of docs/clusters.md, with the command that the test is about.
    let text = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/clusters.md")).unwrap();
    let script = text.split("```sh\n").find(|part| part.contains("-eq 75")).unwrap().split("```").next().unwrap();
    let command = longer(&out);
    let words: Vec<String> = std::iter::once(command.get_program())
        .chain(command.get_args())
        .map(|word| format!("'{}'", word.to_str().unwrap()))
        .collect();
    let script = script.replace("trackflow train --script hiptrack --config hiptrack_cls", &words.join(" "));
    assert!(script.contains("tiny.yaml") && script.contains("--time_limit 2h"), "{script}");
    let mut shell = Command::new("sh");
    shell.args(["-c", &script]).current_dir(env!("CARGO_MANIFEST_DIR")).env("TRACKFLOW_CACHE", "");
    let points = Failpoints::of(&mut shell);
    // The two hours of the first two calls are over while their first checkpoint is written.
    let calls = std::thread::scope(|scope| {
        let calls = scope.spawn(|| succeed(&mut shell));
        for call in 1..=2 {
            points.arm("write.begun", "checkpoints/train/");
            wait_until("a checkpoint", || points.is_reached("write.begun") || calls.is_finished());
            assert!(!calls.is_finished(), "{:?}", calls.join());
            points.pass_time(7200);
            points.release("write.begun");
            let log = || std::fs::read_to_string(out.join("run.jsonl")).unwrap_or_default();
            let ended = || log().lines().filter(|line| line.contains(r#""reason":"time_limit""#)).count();
            wait_until("the end of the call", || ended() >= call);
        }
        calls.join().unwrap()
    });
    assert_eq!(calls.matches("stopped for the time limit").count(), 2, "{calls}");
    assert_eq!(losses(&out), losses(&whole));
}
