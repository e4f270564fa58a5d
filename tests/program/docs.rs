//! The pages, as a new user follows them: `scripts/check-docs` in its short form, which leaves out what takes long. The
//! whole walk is `scripts/check-docs`.

use crate::support::text;
use std::{path::Path, process::Command};

fn check_docs(arguments: &[&str]) -> String {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts/check-docs");
    let mut command = Command::new("python3");
    command.arg(script).args(["--program", env!("CARGO_BIN_EXE_trackflow")]).args(arguments);
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", text(&output));
    text(&output)
}

/// The blocks of `printed` that were run.
fn done(printed: &str) -> usize {
    printed.lines().filter(|line| line.starts_with("done ")).count()
}

#[test]
fn every_block_of_the_pages_does_what_it_says() {
    let printed = check_docs(&["--short"]);
    assert!(done(&printed) >= 8, "{printed}");
}

#[test]
fn own_frames_lead_to_a_tracker_as_the_page_says() {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/own-data.md");
    let printed = check_docs(&[page.to_str().unwrap()]);
    assert_eq!(done(&printed), 6, "{printed}");
}

#[test]
fn a_page_that_promises_too_much_is_found() {
    let clone = Path::new(env!("CARGO_MANIFEST_DIR"));
    let folder = tempfile::tempdir_in(clone.join("target")).unwrap();
    let page = folder.path().join("page.md");
    let script = clone.join("scripts/check-docs");
    let fails = |text: &str, reason: &str| {
        std::fs::write(&page, text).unwrap();
        let mut command = Command::new("python3");
        command.arg(&script).args(["--program", env!("CARGO_BIN_EXE_trackflow")]).arg(&page);
        let output = command.output().unwrap();
        let printed = crate::support::text(&output);
        assert_eq!(output.status.code(), Some(1), "{printed}");
        assert!(printed.contains(reason), "{reason}: {printed}");
    };
    fails("```sh\ntrackflow stages none\n```\n", "ended with 64 instead of 0");
    fails("<!-- writes: x.txt -->\n```sh\ntrackflow stages\n```\n", "x.txt was not written");
    fails("<!-- exit: 64 -->\n```sh\ntrackflow stages\n```\n", "ended with 0 instead of 64");
    fails("    trackflow stages\n", "write commands as a fenced block");
    fails("`trackflow stages --nothing`\n", "stages has no --nothing");
    fails("`trackflow nothing`\n", "there is no verb nothing");
    fails("[page](nowhere.md)\n", "nowhere.md is not there");
}
