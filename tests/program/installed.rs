//! The program as an installation has it: away from its clone, in an empty folder, with an empty environment.

use crate::support::{fail, files, program, succeed, text};
use std::{
    fs,
    os::unix::fs::symlink,
    path::{Path, PathBuf},
    process::Command,
};
use tempfile::TempDir;

fn clone() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The libraries that the program needs and the system does not have, by name.
fn libraries() -> Vec<(String, PathBuf)> {
    let output = Command::new("ldd").arg(env!("CARGO_BIN_EXE_trackflow")).output().unwrap();
    let listed = String::from_utf8(output.stdout).unwrap();
    let found = listed.lines().filter_map(|line| {
        let (name, rest) = line.trim().split_once(" => ")?;
        let path = rest.split(" (").next()?;
        let of_the_system = ["/lib/", "/lib64/", "/usr/"].iter().any(|folder| path.starts_with(folder));
        (!of_the_system).then(|| (name.to_string(), PathBuf::from(path)))
    });
    found.collect()
}

/// An installation below `PREFIX`, and a working folder that is empty.
struct Installed {
    prefix: TempDir,
    work: TempDir,
}

impl Installed {
    fn new() -> Self {
        let prefix = tempfile::tempdir().unwrap();
        let [bin, lib] = ["bin", "lib/trackflow"].map(|folder| prefix.path().join(folder));
        fs::create_dir_all(&bin).unwrap();
        fs::create_dir_all(&lib).unwrap();
        fs::copy(env!("CARGO_BIN_EXE_trackflow"), bin.join("trackflow")).unwrap();
        for (name, path) in libraries() {
            symlink(path, lib.join(name)).unwrap();
        }
        Self { prefix, work: tempfile::tempdir().unwrap() }
    }

    fn command(&self) -> Command {
        let mut command = Command::new(self.prefix.path().join("bin/trackflow"));
        command.env_clear().current_dir(self.work.path());
        command
    }
}

#[test]
fn libtorch_is_found_beside_the_program_before_the_one_that_it_was_built_with() {
    let installed = Installed::new();
    let program = installed.prefix.path().join("bin/trackflow");
    let output = Command::new("ldd").arg(&program).env_clear().env("PATH", "/usr/bin:/bin").output().unwrap();
    let listed = text(&output);
    let line = listed.lines().find(|line| line.contains("libtorch_cpu.so")).unwrap();
    assert!(line.contains("bin/../lib/trackflow/libtorch_cpu.so"), "{listed}");
    assert!(!listed.contains("not found"), "{listed}");
}

#[test]
fn the_demo_trains_from_an_empty_folder_and_ends_with_what_to_try_next() {
    let installed = Installed::new();
    let mut command = installed.command();
    command.args(["train", "--script", "hiptrack", "--config", "demo", "--device", "cpu", "--metrics", "127.0.0.1:0"]);
    for key in [
        "DATA.SYNTH.SEQUENCES=12",
        "DATA.SYNTH.VAL_SEQUENCES=4",
        "DATA.TRAIN.SAMPLE_PER_EPOCH=32",
        "DATA.VAL.SAMPLE_PER_EPOCH=16",
        "TRAIN.EPOCH=1",
    ] {
        command.args(["--set", key]);
    }
    let printed = succeed(&mut command);
    assert!(printed.contains("experiment: (built in) configs/hiptrack/demo.yaml"), "{printed}");
    assert!(printed.contains("pipeline: (built in) pipelines/train.yaml"), "{printed}");
    // The commands that it ends with work as they stand there.
    let next: Vec<&str> = printed.lines().filter_map(|line| line.strip_prefix("  trackflow ")).collect();
    assert_eq!(next.len(), 2, "{printed}");
    for line in next {
        succeed(installed.command().args(line.split_whitespace()));
    }
    let written = files(&installed.work.path().join("output"));
    assert!(written.contains(&"report.html".to_string()), "{written:?}");
    assert!(written.iter().any(|name| name.starts_with("drawn/")), "{written:?}");
}

#[test]
fn a_file_of_the_working_folder_goes_before_the_built_in_one_and_is_said() {
    let installed = Installed::new();
    let own = installed.work.path().join("configs/hiptrack");
    fs::create_dir_all(&own).unwrap();
    let shipped = fs::read_to_string(clone().join("configs/hiptrack/demo.yaml")).unwrap();
    fs::write(own.join("demo.yaml"), shipped.replace("CLS_WEIGHT: 2.0", "CLS_WEIGHT: -2.0")).unwrap();
    let mut validate = installed.command();
    let errors = fail(validate.args(["validate", "--config", "demo"]), 78);
    assert!(errors.contains("configs/hiptrack/demo.yaml:33:15: TRAIN.CLS_WEIGHT"), "{errors}");
    fs::remove_file(own.join("demo.yaml")).unwrap();
    succeed(installed.command().args(["validate", "--config", "demo"]));
    // Paths that pages name are found inside as well.
    let listed = succeed(installed.command().args(["sweep", "configs/sweeps/demo-lambda.yaml", "--list"]));
    assert!(listed.contains("CLS_WEIGHT"), "{listed}");
}

#[test]
fn the_version_says_commit_libtorch_and_features() {
    let long = succeed(program().arg("--version"));
    let lines: Vec<&str> = long.lines().collect();
    assert_eq!(lines.len(), 3, "{long}");
    assert!(lines[0].starts_with(&format!("trackflow {} (", env!("CARGO_PKG_VERSION"))), "{long}");
    assert!(lines[1].starts_with("libtorch 2.11") && lines[1].contains("libtorch_cpu.so"), "{long}");
    assert!(lines[2].starts_with("features "), "{long}");
    let short = succeed(program().arg("-V"));
    assert_eq!(short.lines().collect::<Vec<_>>(), [lines[0]]);
}

#[test]
fn shells_complete_and_every_verb_has_a_manual_page() {
    for (shell, mark) in
        [("bash", "complete -F _trackflow"), ("zsh", "#compdef trackflow"), ("fish", "complete -c trackflow")]
    {
        let script = succeed(program().args(["completions", shell]));
        assert!(script.contains(mark) && script.contains("save_dir"), "{shell}");
    }
    let out = tempfile::tempdir().unwrap();
    let folder = out.path().join("man");
    succeed(program().args(["man", "--out"]).arg(&folder));
    let pages = files(&folder);
    let help = succeed(program().arg("--help"));
    let verbs = help.lines().skip_while(|line| !line.starts_with("Commands:")).skip(1);
    let verbs: Vec<&str> = verbs.map_while(|line| line.strip_prefix("  ")?.split_whitespace().next()).collect();
    assert!(verbs.len() > 15, "{help}");
    for verb in verbs.into_iter().filter(|verb| *verb != "help") {
        assert!(pages.contains(&format!("trackflow-{verb}.1")), "{verb}: {pages:?}");
    }
    let page = fs::read_to_string(folder.join("trackflow-train.1")).unwrap();
    assert!(page.contains(".SH OPTIONS") && page.contains("save_dir"), "{page}");
}

#[test]
fn what_installs_the_program_fits_the_clone() {
    let mut docker = Command::new("python3");
    let output = docker.arg(clone().join("scripts/check-docker")).output().unwrap();
    assert!(output.status.success(), "{}", text(&output));
    for (script, check) in [
        ("lay-out", &["bash", "-n"][..]),
        ("dist", &["bash", "-n"]),
        ("crate-licences", &["python3", "-c", "import sys; compile(open(sys.argv[1]).read(), sys.argv[1], 'exec')"]),
    ] {
        let mut command = Command::new(check[0]);
        let output = command.args(&check[1..]).arg(clone().join("scripts").join(script)).output().unwrap();
        assert!(output.status.success(), "{script}: {}", text(&output));
    }
}
