//! Output that cannot be written, and a process that may have little: few files, little address space, a small container.

use crate::support::{data, experiment, files, program, succeed, text, train};
use std::{
    fs::OpenOptions,
    os::unix::process::CommandExt,
    path::Path,
    process::{Command, Stdio},
};

/// All verbs that print, each with what it needs.
fn verbs(home: &Path) -> Vec<Command> {
    let config = experiment();
    let config = config.to_str().unwrap();
    let data = data().to_str().unwrap();
    let out = home.join("out");
    let out = out.to_str().unwrap();
    succeed(train(Path::new(out)).args(["--max_steps", "1"]));
    let checkpoint = files(Path::new(out)).into_iter().find(|name| name.ends_with(".safetensors")).unwrap();
    let (checkpoint, page) = (format!("{out}/{checkpoint}"), format!("{out}/report.html"));
    let lines: [&[&str]; 13] = [
        &["--help"],
        &["--version"],
        &["validate", "--config", config, "--data_dir", data],
        &["graph"],
        &["stages"],
        &["schema", "pipeline"],
        &["simulate", "--metrics", "127.0.0.1:0"],
        &["report", "--run", out, "--out", &page],
        &["doctor", "--data_dir", data, "--save_dir", out],
        &["data", "verify", "GOT10K_train_full", "--data_dir", data],
        &["data", "stats", "GOT10K_train_full", "--data_dir", data],
        &["checkpoint", "inspect", &checkpoint],
        &[
            "train",
            "--config",
            config,
            "--data_dir",
            data,
            "--save_dir",
            out,
            "--metrics",
            "127.0.0.1:0",
            "--max_steps",
            "1",
        ],
    ];
    let command = |line: &&[&str]| {
        let mut command = program();
        command.args(*line);
        command
    };
    lines.iter().map(command).collect()
}

#[test]
fn output_that_cannot_be_written_is_a_failure_and_no_panic() {
    let home = tempfile::tempdir().unwrap();
    for mut command in verbs(home.path()) {
        let full = OpenOptions::new().write(true).open("/dev/full").unwrap();
        let output = command.stdout(full).output().unwrap();
        let errors = text(&output);
        assert_eq!(output.status.code(), Some(74), "{command:?}: {errors}");
        assert!(errors.contains("error: standard output cannot be written: "), "{command:?}: {errors}");
        assert!(!errors.contains("panicked"), "{command:?}: {errors}");
        // SAFETY: closing a descriptor is safe between fork and exec.
        unsafe {
            command.pre_exec(|| {
                libc::close(1);
                Ok(())
            });
        }
        let output = command.stdout(Stdio::inherit()).output().unwrap();
        let errors = text(&output);
        assert_eq!(output.status.code(), Some(74), "{command:?}: {errors}");
        assert!(errors.contains("standard output cannot be written: it is closed"), "{command:?}: {errors}");
    }
}

#[test]
fn a_reader_that_is_gone_ends_nothing_that_writes_results() {
    let home = tempfile::tempdir().unwrap();
    for mut command in verbs(home.path()) {
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        drop(child.stdout.take());
        let output = child.wait_with_output().unwrap();
        let errors = text(&output);
        // Ended by SIGPIPE, or done.
        assert!([None, Some(0)].contains(&output.status.code()), "{command:?}: {:?} {errors}", output.status);
        assert!(!errors.contains("panicked") && !errors.contains("error: "), "{command:?}: {errors}");
    }
    // Tracking wants a finished epoch.
    let out = home.path().join("out");
    succeed(&mut train(&out));
    let mut track = program();
    track.args(["track", "--device", "cpu", "--dataset", "GOT10K_official_val", "--config"]).arg(experiment());
    track.arg("--data_dir").arg(data()).arg("--save_dir").arg(&out).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = track.spawn().unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", text(&output));
    let results = files(&out.join("test")).into_iter().filter(|name| name.ends_with("_time.txt")).count();
    assert_eq!(results, 3, "{:?}", files(&out.join("test")));
}

/// `command` under a limit of the system.
fn under(mut command: Command, of: libc::__rlimit_resource_t, most: u64) -> Command {
    let limit = libc::rlimit { rlim_cur: most, rlim_max: most };
    // SAFETY: setrlimit is safe between fork and exec, and reads only the limit.
    unsafe {
        command.pre_exec(move || match libc::setrlimit(of, &limit) {
            0 => Ok(()),
            _ => Err(std::io::Error::last_os_error()),
        });
    }
    command
}

#[test]
fn few_files_and_little_address_space_end_with_a_sentence() {
    let home = tempfile::tempdir().unwrap();
    let out = home.path().join("out");
    let output = under(train(&out), libc::RLIMIT_NOFILE, 24).output().unwrap();
    let errors = text(&output);
    assert_eq!(output.status.code(), Some(69), "{errors}");
    assert!(errors.contains("this process may have 24 files open at a time, and needs 64"), "{errors}");
    // Down to what the program itself needs, wherever it fails on its way.
    let mut failed = 0;
    for megabytes in [2000, 1000, 700, 600, 550, 500, 450, 400, 350, 300] {
        let output = under(train(&out), libc::RLIMIT_AS, megabytes << 20).output().unwrap();
        let said = text(&output);
        match output.status.code() {
            Some(0) => {}
            // Not even the libraries fit.
            Some(127) => break,
            Some(code) => {
                assert!([66, 69, 70, 74].contains(&code), "{megabytes} MiB: {code}: {said}");
                assert!(said.contains("error: "), "{megabytes} MiB: {said}");
                failed += 1;
            }
            None => panic!("{megabytes} MiB: {:?}: {said}", output.status),
        }
    }
    println!("{failed} limits were too low");
    // Without a limit it goes on.
    succeed(&mut train(&out));
}

#[test]
fn a_capacity_of_a_million_takes_nothing_until_it_is_used() {
    let home = tempfile::tempdir().unwrap();
    let (small, wide) = (resident(home.path(), 10), resident(home.path(), 1_000_000));
    // A million places of a channel and of its permits would be 40 MiB.
    assert!(wide < small + (16 << 10), "{wide} KiB with a million places, {small} KiB with ten");
}

/// The most memory, in KiB, that a simulated pipeline with this capacity takes, as it says itself.
fn resident(home: &Path, capacity: usize) -> u64 {
    let file = home.join("wide.yaml");
    let stages = format!(
        "name: wide\nstages:\n  a: {{kind: count, capacity: {capacity}, options: {{items: 40}}}}\n  \
         b: {{kind: sleep, options: {{ms: 100}}}}\n  c: {{kind: collect}}\n"
    );
    std::fs::write(&file, stages).unwrap();
    let mut command = program();
    command.args(["simulate", "--pipeline"]).arg(&file).args(["--metrics", "127.0.0.1:0"]);
    let (run, address) = crate::support::start(&mut command);
    let metrics = crate::support::get(&address, "/metrics").1;
    drop(run);
    let line = metrics.lines().find(|line| line.starts_with("trackflow_process_peak_memory_bytes ")).unwrap();
    line.split(' ').nth(1).unwrap().parse::<f64>().unwrap() as u64 >> 10
}

#[test]
fn the_limits_of_a_container_are_what_everything_goes_by() {
    let home = tempfile::tempdir().unwrap();
    let groups = home.path().join("cgroup");
    std::fs::create_dir_all(groups.join("memory")).unwrap();
    // Of either version, around whatever group the test itself is in.
    for (file, bytes) in [
        ("memory.max", 3u64 << 30),
        ("memory.current", 1 << 30),
        ("memory/memory.limit_in_bytes", 3 << 30),
        ("memory/memory.usage_in_bytes", 1 << 30),
    ] {
        std::fs::write(groups.join(file), format!("{bytes}\n")).unwrap();
    }
    let inside = |arguments: &str| {
        let script = format!(
            "mount --bind {} /sys/fs/cgroup && exec {} {arguments}",
            groups.display(),
            env!("CARGO_BIN_EXE_trackflow")
        );
        let mut command = Command::new("unshare");
        command.args(["--user", "--map-root-user", "--mount", "sh", "-c", &script]);
        command.current_dir(env!("CARGO_MANIFEST_DIR")).env("TRACKFLOW_CACHE", "");
        command
    };
    let doctor = inside("doctor").output();
    let Some(doctor) = doctor.ok().filter(|output| text(output).contains("libtorch")) else {
        eprintln!("SKIPPED: this machine lets nobody bind mounts of its own");
        return;
    };
    let said = text(&doctor);
    assert!(said.contains("2.0 of 3.0 GiB free (the limit of the container)"), "{said}");
    let validate = format!("validate --device cpu --config {}", experiment().display());
    let said = succeed(&mut inside(&validate));
    assert!(said.contains(" of 3.0 GiB"), "{said}");
    let file = home.path().join("long.yaml");
    let stages = "name: long\nstages:\n  a: {kind: count, options: {items: 1000000}}\n  \
                  b: {kind: sleep, options: {ms: 100}}\n  c: {kind: collect}\n";
    std::fs::write(&file, stages).unwrap();
    let (run, address) =
        crate::support::start(&mut inside(&format!("simulate --metrics 127.0.0.1:0 --pipeline {}", file.display())));
    let metrics = crate::support::get(&address, "/metrics").1;
    drop(run);
    let value = |name: &str| {
        let line = metrics.lines().find(|line| line.starts_with(&format!("trackflow_{name} "))).unwrap();
        line.split(' ').nth(1).unwrap().parse::<f64>().unwrap()
    };
    assert_eq!(value("machine_memory_bytes"), 3.0 * f64::from(1 << 30));
    assert_eq!(value("machine_memory_available_bytes"), 2.0 * f64::from(1 << 30));
}

#[test]
fn an_address_is_written_as_people_do() {
    let home = tempfile::tempdir().unwrap();
    let file = home.path().join("flow.yaml");
    std::fs::write(&file, "name: flow\nstages:\n  a: {kind: count, options: {items: 3}}\n  b: {kind: collect}\n")
        .unwrap();
    let simulate = |address: &str| {
        let mut command = program();
        command.args(["simulate", "--metrics", address, "--pipeline"]).arg(&file);
        command
    };
    assert!(succeed(&mut simulate("localhost:0")).contains("live page: http://127.0.0.1:"));
    assert!(succeed(&mut simulate(":0")).contains("warning: everyone who reaches 0.0.0.0:"));
    let output = simulate("9187").output().unwrap();
    assert_eq!(output.status.code(), Some(64), "{}", text(&output));
    assert!(text(&output).contains("write localhost:9187, or :9187"), "{}", text(&output));
}
