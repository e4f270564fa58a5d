//! Several processes that train one model, on this machine's loopback.

use crate::support::{self, PATIENCE, Running, fail, losses, program, spawn_reading, succeed, text, train, with_torch};
use std::{
    net::TcpListener,
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
    sync::mpsc::Receiver,
    time::{Duration, Instant},
};

/// For processes that are to notice what is wrong soon.
const SHORT: [&str; 2] = ["--set", "TRAIN.RANK_TIMEOUT=4"];

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// One thread for each part, wherever it is computed.
fn single(save_dir: &Path, replicas: usize) -> Command {
    let mut command = train(save_dir);
    command.args(["--set", &format!("TRAIN.REPLICAS={replicas}"), "--set", &format!("TRAIN.THREADS={replicas}")]);
    command
}

fn multiple(save_dir: &Path, ranks: usize) -> Command {
    let mut command = single(save_dir, 1);
    command.args(["--mode", "multiple", "--nproc_per_node", &ranks.to_string()]);
    command
}

/// One rank, as a launcher starts it.
fn rank(save_dir: &Path, rank: usize, size: usize, port: u16) -> Command {
    let mut command = single(save_dir, 1);
    command.env("RANK", rank.to_string()).env("WORLD_SIZE", size.to_string()).env("LOCAL_RANK", rank.to_string());
    command.env("LOCAL_WORLD_SIZE", size.to_string()).env("MASTER_ADDR", "127.0.0.1");
    command.env("MASTER_PORT", port.to_string());
    command
}

fn checkpoints(save_dir: &Path) -> Vec<PathBuf> {
    let folder = save_dir.join("checkpoints/train/hiptrack/tiny");
    let mut all: Vec<PathBuf> =
        std::fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path()).collect();
    all.retain(|path| path.extension().is_some_and(|ending| ending == "safetensors"));
    all.sort();
    all
}

fn newest(save_dir: &Path) -> PathBuf {
    checkpoints(save_dir).pop().unwrap()
}

fn same_weights(a: &Path, b: &Path) {
    succeed(program().args(["checkpoint", "diff"]).arg(newest(a)).arg(newest(b)));
}

#[test]
fn two_ranks_train_as_one_process_with_two_replicas() {
    let home = tempfile::tempdir().unwrap();
    let (one, two) = (home.path().join("one"), home.path().join("two"));
    // A last validation batch of one clip, of which rank 1 has none.
    let both = ["--set", "DATA.VAL.SAMPLE_PER_EPOCH=7", "--set", "TRAIN.EMA_DECAY=0.9"];
    succeed(single(&one, 2).args(both).args(["--set", "TRAIN.BATCH_SIZE=6"]));
    let said = succeed(multiple(&two, 2).args(both).args(["--set", "TRAIN.BATCH_SIZE=3"]));
    assert!(said.contains("2 ranks have met") && said.contains("steps of 6 clips on 2 ranks"), "{said}");
    assert_eq!(losses(&two), losses(&one));
    same_weights(&one, &two);
    assert_eq!(said.matches("experiment: ").count(), 1, "rank 0 speaks for all: {said}");
}

#[test]
fn any_number_of_ranks_goes_on_from_any_checkpoint() {
    let home = tempfile::tempdir().unwrap();
    let (quiet, moved) = (home.path().join("quiet"), home.path().join("moved"));
    // Only a head without batch statistics trains, as those depend on how a batch is cut.
    let sets = ["TRAIN.GLOBAL_BATCH=12", "TRAIN.PHASES.joint.TRAINS=[\"cls_head.\"]", "DATA.TRAIN.SAMPLE_PER_EPOCH=36"];
    let sets: Vec<&str> =
        sets.iter().flat_map(|set| ["--set", set]).chain(["--set", "TRAIN.DROP_PATH_RATE=0"]).collect();
    let sets: Vec<&str> = sets.into_iter().chain(["--set", "MODEL.CLS_HEAD.DROPOUT=0"]).collect();
    succeed(single(&quiet, 1).args(&sets));
    succeed(multiple(&moved, 4).args(&sets).args(["--max_steps", "2"]));
    let said = succeed(multiple(&moved, 2).args(&sets).args(["--max_steps", "2"]));
    assert!(said.contains("resumed from") && said.contains("step 2, epoch 1"), "{said}");
    succeed(single(&moved, 1).args(&sets).args(["--max_steps", "1"]));
    succeed(multiple(&moved, 3).args(&sets));
    let (expected, found) = (losses(&quiet), losses(&moved));
    assert_eq!(found.len(), expected.len());
    for (a, b) in expected.iter().zip(&found) {
        let numbers = |line: &str| -> Vec<f64> {
            line.split([',', ':', '{', '}', '[', ']']).filter_map(|word| word.parse().ok()).collect()
        };
        for (x, y) in numbers(a).iter().zip(numbers(b)) {
            assert!((x - y).abs() <= 1e-6 * x.abs().max(1.0), "{a}\n{b}");
        }
    }
    // Without a fixed batch the run goes on too, and says what is different.
    let other = home.path().join("other");
    succeed(multiple(&other, 2).args(["--max_steps", "1"]));
    let said = succeed(single(&other, 1).args(["--max_steps", "1"]));
    assert!(said.contains("TRAIN.BATCH_SIZE was 6, is 3 (there is another number of ranks"), "{said}");
}

#[test]
fn what_keeps_ranks_from_meeting_is_said_in_one_sentence() {
    let home = tempfile::tempdir().unwrap();
    let at = |name: &str| home.path().join(name);
    let said = fail(rank(&at("a"), 0, 2, 1).env_remove("MASTER_PORT"), 64);
    assert!(said.contains("RANK is set, but MASTER_PORT is not"), "{said}");
    let said = fail(rank(&at("a"), 2, 2, 1).args(SHORT), 64);
    assert!(said.contains("RANK=2, but WORLD_SIZE=2"), "{said}");
    let used = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = used.local_addr().unwrap().port();
    let said = fail(rank(&at("a"), 0, 2, port).args(SHORT), 69);
    assert!(said.contains(&format!("port {port} is used already")), "{said}");
    let said = fail(rank(&at("a"), 0, 2, free_port()).args(["--set", "TRAIN.RANK_TIMEOUT=0.5"]), 70);
    assert!(said.contains("rank 1 of 2 has not joined within"), "{said}");
    let said = fail(train(&at("a")).args(["--mode", "multiple"]), 64);
    assert!(said.contains("--nproc_per_node"), "{said}");
    let said = fail(train(&at("a")).args(["--nproc_per_node", "2"]), 64);
    assert!(said.contains("it belongs to --mode multiple"), "{said}");
    let said = fail(multiple(&at("a"), 3).args(["--set", "TRAIN.GLOBAL_BATCH=2"]), 78);
    assert!(said.contains("2 clips cannot be shared out to 3 ranks"), "{said}");
    assert!(!at("a").join("run.jsonl").exists(), "nothing has begun");

    // Another experiment on rank 1; then other data.
    let port = free_port();
    let mut other = rank(&at("b"), 1, 2, port);
    let mut other = other.args(["--set", "TRAIN.LR=0.5"]).args(SHORT).stderr(Stdio::null()).spawn().unwrap();
    let said = fail(rank(&at("b"), 0, 2, port).args(SHORT), 78);
    assert!(said.contains("rank 1 (host ") && said.contains("TRAIN.LR is 0.5 there"), "{said}");
    assert_eq!(other.wait().unwrap().code(), Some(78));
    let data = home.path().join("data");
    succeed(
        program()
            .args(["data", "synth", "--frames", "20", "--sequences", "9", "--val_sequences", "3"])
            .arg("--out")
            .arg(&data),
    );
    let port = free_port();
    let mut other = rank(&at("c"), 1, 2, port);
    let mut other = other.arg("--data_dir").arg(&data).stderr(Stdio::null()).spawn().unwrap();
    let said = fail(&mut rank(&at("c"), 0, 2, port), 78);
    assert!(said.contains("rank 1 has other data than rank 0: training data "), "{said}");
    assert_eq!(other.wait().unwrap().code(), Some(78));
}

/// Ranks that train until somebody ends them; the lines of each.
fn endless(save_dir: &Path, size: usize) -> Vec<(Running, Receiver<String>)> {
    let port = free_port();
    let all = (0..size).map(|number| {
        let mut command = rank(save_dir, number, size, port);
        command.args(SHORT).args(["--set", "TRAIN.PHASES.joint.EPOCHS=5000", "--set", "TRAIN.PRINT_INTERVAL=1"]);
        command.args(["--set", "TRAIN.VAL_EPOCH_INTERVAL=1000", "--set", "TRAIN.SAVE_INTERVAL=3"]);
        spawn_reading(&mut command)
    });
    all.collect()
}

fn wait_for(lines: &Receiver<String>, part: &str) {
    let mut heard = String::new();
    let begin = Instant::now();
    while begin.elapsed() < PATIENCE {
        match lines.recv_timeout(Duration::from_secs(1)) {
            Ok(line) if line.contains(part) => return,
            Ok(line) => heard += &format!("{line}\n"),
            Err(std::sync::mpsc::RecvTimeoutError::Timeout) => {}
            Err(error) => panic!("{part:?} was not said: {error}\n{heard}"),
        }
    }
    panic!("{part:?} was not said\n{heard}");
}

fn send(running: &Running, signal: i32) {
    // SAFETY: the child is ours and has not been waited for, so its number is its own.
    assert_eq!(unsafe { libc::kill(i32::try_from(running.0.id()).unwrap(), signal) }, 0);
}

/// What a rank says to its end, and its exit code.
fn end(mut running: (Running, Receiver<String>)) -> (Option<i32>, String) {
    let code = running.0.0.wait().unwrap().code();
    let said: Vec<String> = running.1.iter().collect();
    (code, said.join("\n"))
}

#[test]
fn a_rank_that_dies_or_hangs_ends_the_others_with_its_name() {
    for (victim, signal) in [(1, libc::SIGKILL), (1, libc::SIGSTOP), (0, libc::SIGKILL), (0, libc::SIGSTOP)] {
        let home = tempfile::tempdir().unwrap();
        let mut ranks = endless(home.path(), 3);
        wait_for(&ranks[0].1, "epoch 2");
        support::wait_until("a checkpoint", || !checkpoints(home.path()).is_empty());
        let begin = Instant::now();
        send(&ranks[victim].0, signal);
        let dead = ranks.remove(victim);
        for survivor in ranks {
            let (code, said) = end(survivor);
            assert_eq!(code, Some(70), "{victim} {signal}: {said}");
            assert!(said.contains(&format!("rank {victim}")), "{victim} {signal}: {said}");
            assert!(said.contains("it was last") || said.contains("does not answer"), "{victim} {signal}: {said}");
        }
        // Far more than the four seconds and what follows, on a machine as busy as it may be.
        assert!(begin.elapsed() < Duration::from_secs(60), "{victim} {signal}: {:?}", begin.elapsed());
        drop(dead);
        assert!(newest(home.path()).exists());
    }
}

#[test]
fn a_signal_to_one_or_to_all_stops_all_and_saves_once() {
    for targets in [&[0][..], &[1], &[0, 1]] {
        let home = tempfile::tempdir().unwrap();
        let ranks = endless(home.path(), 2);
        wait_for(&ranks[0].1, "epoch 2");
        targets.iter().for_each(|target| send(&ranks[*target].0, libc::SIGTERM));
        for (number, running) in ranks.into_iter().enumerate() {
            let (code, said) = end(running);
            assert_eq!(code, Some(143), "{targets:?}, rank {number}: {said}");
        }
        let positions = |path: &Path| path.file_name().unwrap().to_string_lossy().into_owned();
        let mut single = single(home.path(), 1);
        single.args(["--set", "TRAIN.PHASES.joint.EPOCHS=5000", "--set", "TRAIN.VAL_EPOCH_INTERVAL=1000"]);
        single.args(["--set", "TRAIN.SAVE_INTERVAL=3", "--max_steps", "1"]);
        let said = succeed(&mut single);
        assert!(said.contains("resumed from"), "{targets:?}: {} {said}", positions(&newest(home.path())));
    }
}

#[test]
fn what_ends_one_rank_ends_the_others_at_once() {
    let home = tempfile::tempdir().unwrap();
    let port = free_port();
    let mut other = rank(home.path(), 1, 2, port);
    // Rank 1 does fewer steps, which nobody has agreed on.
    let other = other.args(["--max_steps", "1"]).stderr(Stdio::piped()).spawn().unwrap();
    let said = fail(&mut rank(home.path(), 0, 2, port), 78);
    assert!(said.contains("--max_steps is 1 there and none on rank 0"), "{said}");
    assert_eq!(other.wait_with_output().unwrap().status.code(), Some(78));
}

/// torchrun, real PyTorch's own.
fn torchrun(arguments: &[&str], command: &Command) -> Option<Output> {
    let mut whole = Command::new("python3");
    whole.args(["-m", "torch.distributed.run", "--no-python"]).args(arguments);
    whole.arg(command.get_program()).args(command.get_args());
    with_torch(&whole)
}

#[test]
fn torchrun_starts_ranks_and_starts_them_again() {
    let home = tempfile::tempdir().unwrap();
    let (one, two, killed) = (home.path().join("one"), home.path().join("two"), home.path().join("killed"));
    let sets = ["--set", "TRAIN.SAVE_INTERVAL=1", "--set", "TRAIN.RANK_TIMEOUT=4"];
    succeed(single(&one, 2).args(["--set", "TRAIN.BATCH_SIZE=6"]).args(sets));
    let ranks = ["--nproc_per_node", "2", "--standalone"];
    let Some(output) = torchrun(&ranks, single(&two, 1).args(sets)) else { return };
    assert!(output.status.success(), "{}", text(&output));
    assert_eq!(losses(&two), losses(&one));
    same_weights(&one, &two);

    // The first of its ranks to be heard in its second epoch is killed, once.
    let watched = killed.clone();
    let killer = std::thread::spawn(move || {
        support::wait_until("a checkpoint", || {
            let log = std::fs::read_to_string(watched.join("run.jsonl")).unwrap_or_default();
            log.contains("\"event\":\"checkpoint\"")
        });
        let mark = watched.display().to_string();
        for entry in std::fs::read_dir("/proc").unwrap().flatten() {
            let read = |name: &str| std::fs::read(entry.path().join(name)).unwrap_or_default();
            let (command, environment) = (read("cmdline"), read("environ"));
            let has = |bytes: &[u8], part: &str| String::from_utf8_lossy(bytes).split('\0').any(|word| word == part);
            if has(&command, &mark)
                && has(&command, "train")
                && has(&environment, "RANK=1")
                && !has(&command, "--no-python")
            {
                let pid: i32 = entry.file_name().to_string_lossy().parse().unwrap();
                // SAFETY: it touches no memory; the process was started by this test.
                unsafe { libc::kill(pid, libc::SIGKILL) };
                return true;
            }
        }
        false
    });
    let again = ["--nproc_per_node", "2", "--standalone", "--max-restarts", "1"];
    let output = torchrun(&again, single(&killed, 1).args(sets)).unwrap();
    assert!(killer.join().unwrap(), "no rank was found to kill");
    assert!(output.status.success(), "{}", text(&output));
    assert!(text(&output).contains("resumed from"), "{}", text(&output));
    assert_eq!(losses(&killed), losses(&one));
    same_weights(&one, &killed);
}

#[test]
fn slurm_and_several_machines_start_ranks_too() {
    let home = tempfile::tempdir().unwrap();
    let (one, slurm, machines) = (home.path().join("one"), home.path().join("slurm"), home.path().join("machines"));
    let steps = ["--max_steps", "2"];
    succeed(single(&one, 2).args(["--set", "TRAIN.BATCH_SIZE=6"]).args(steps));
    let port = free_port().to_string();
    let start = |save_dir: &Path, number: usize| {
        let mut command = single(save_dir, 1);
        command.env("SLURM_PROCID", number.to_string()).env("SLURM_NTASKS", "2").env("MASTER_PORT", &port);
        command.env("SLURM_LOCALID", number.to_string()).env("SLURM_JOB_NODELIST", "localhost");
        command.args(steps);
        command
    };
    let other = start(&slurm, 1).stdout(Stdio::null()).spawn().unwrap();
    succeed(&mut start(&slurm, 0));
    assert!(other.wait_with_output().unwrap().status.success());
    assert_eq!(losses(&slurm), losses(&one));

    let port = free_port().to_string();
    let start = |number: &str| {
        let mut command = single(&machines, 1);
        command.args(["--mode", "multi_node", "--nproc_per_node", "1", "--rank", number, "--world-size", "2"]);
        command.args(["--ip", "127.0.0.1", "--port", &port]).args(steps);
        command
    };
    let other = start("1").stdout(Stdio::null()).spawn().unwrap();
    succeed(&mut start("0"));
    assert!(other.wait_with_output().unwrap().status.success());
    assert_eq!(losses(&machines), losses(&one));
}
