//! Reads that fail as those of a sick disk or server do. No such disk is at hand, so the calls themselves fail, in a
//! library that stands before the system's (`tests/tools/failing_reads.c`).

use super::{Printed, goes_on, long, own_data};
use crate::support::fail;
use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

/// The library; none, loudly, where it cannot be compiled.
fn library(home: &Path) -> Option<PathBuf> {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/tools/failing_reads.c");
    let library = home.join("failing_reads.so");
    let compiler = std::env::var_os("CC").unwrap_or_else(|| "cc".into());
    let mut command = Command::new(compiler);
    command.args(["-O1", "-shared", "-fPIC"]).arg(source).arg("-o").arg(&library).arg("-ldl");
    let Ok(output) = command.output() else {
        eprintln!("SKIPPED: no read failed: there is no C compiler");
        return None;
    };
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Some(library)
}

#[test]
fn reads_that_fail_for_the_system_are_tried_again() {
    let home = tempfile::tempdir().unwrap();
    let Some(library) = library(home.path()) else { return };
    let (data, out) = (own_data(home.path()), home.path().join("out"));
    let fault = home.path().join("fault");
    let mut command = long(&data, &out);
    command.args(["--max_steps", "400"]).env("LD_PRELOAD", &library).env("FAILING_READS", &fault);
    let fails = |text: String| {
        let aside = fault.with_extension("new");
        fs::write(&aside, text).unwrap();
        fs::rename(&aside, &fault).unwrap();
    };
    // At the start already: a run that has computed nothing waits too.
    fails(format!("open {} groundtruth.txt", libc::EIO));
    let run = Printed::start(&mut command);
    let said = run.describe("the data is away: ");
    assert!(said.contains("groundtruth.txt: cannot be read: Input/output error"), "{said}");
    fs::remove_file(&fault).unwrap();
    run.describe("the data is back after");
    run.describe("[train: 1,");
    let faults = [
        ("read", libc::EIO, "Input/output error"),
        ("open", libc::ESTALE, "Stale file handle"),
        ("read", libc::ETIMEDOUT, "Connection timed out"),
        ("open", libc::ENFILE, "Too many open files in system"),
        ("read", libc::ENOMEM, "Cannot allocate memory"),
    ];
    for (call, code, sentence) in faults {
        fails(format!("{call} {code} /got10k/train/"));
        let said = run.describe("the data is away: ");
        assert!(said.contains(sentence) && said.contains(".jpg"), "{said}");
        fs::remove_file(&fault).unwrap();
        run.describe("the data is back after");
    }
    let (code, said) = run.ends();
    assert_eq!(code, Some(0), "{said}");
    assert!(!said.contains("clips could not be made"), "{said}");
    goes_on(&data, home.path(), &out);
}

#[test]
fn data_that_is_away_from_the_start_ends_the_start_in_time() {
    let home = tempfile::tempdir().unwrap();
    let Some(library) = library(home.path()) else { return };
    let (data, fault) = (own_data(home.path()), home.path().join("fault"));
    let start = |patience: &str| {
        let mut command = long(&data, &home.path().join("out"));
        command.args(["--set", &format!("DATA.PATIENCE={patience}")]);
        command.env("LD_PRELOAD", &library).env("FAILING_READS", &fault);
        command
    };
    fs::write(&fault, format!("read {} 3.jpg", libc::ESTALE)).unwrap();
    let errors = fail(&mut start("1"), 66);
    assert!(errors.contains("3.jpg: cannot be read: Stale file handle"), "{errors}");
    assert!(errors.contains("look at the disk, the mount or the server"), "{errors}");
    assert!(errors.contains("the data was away for 1 s (DATA.PATIENCE); nothing was trained yet"), "{errors}");
    let run = Printed::start(&mut start("1000"));
    run.describe("the data is away: ");
    run.signal(libc::SIGTERM);
    let (code, said) = run.ends();
    assert_eq!(code, Some(143), "{said}");
    assert!(said.contains("stopped before the first step"), "{said}");
}
