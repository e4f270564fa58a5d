//! What a terminal of 80 columns shows.

use crate::support::{Running, data, experiment, program, start, train};
use std::{
    fs::File,
    io::{ErrorKind, Read, Write},
    os::fd::{FromRawFd, OwnedFd},
    process::{Command, Stdio},
};

/// A terminal of so many columns and rows: the side of who looks at it, and that of programs.
fn terminal(columns: u16, rows: u16) -> (File, OwnedFd) {
    let (mut ours, mut theirs) = (-1, -1);
    let size = libc::winsize { ws_row: rows, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 };
    // SAFETY: the numbers and the size are ours, and nothing else is asked for.
    let opened =
        unsafe { libc::openpty(&mut ours, &mut theirs, std::ptr::null_mut(), std::ptr::null_mut(), &raw const size) };
    assert_eq!(opened, 0, "{}", std::io::Error::last_os_error());
    // SAFETY: both were opened just now and belong to nobody else.
    unsafe { (File::from_raw_fd(ours), OwnedFd::from_raw_fd(theirs)) }
}

/// `command` with all its streams at `side`.
fn attach(command: &mut Command, side: &OwnedFd) {
    let stream = || Stdio::from(side.try_clone().unwrap());
    command.stdin(stream()).stdout(stream()).stderr(stream());
    command.env("TERM", "xterm-256color").env_remove("NO_COLOR").env_remove("CLICOLOR").env_remove("CLICOLOR_FORCE");
}

/// Everything until the last program has closed the terminal.
fn read(mut from: File) -> String {
    let mut bytes = Vec::new();
    let mut part = [0; 4096];
    loop {
        match from.read(&mut part) {
            Ok(0) => break,
            Ok(count) => bytes.extend_from_slice(&part[..count]),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            // The other side is closed.
            Err(_) => break,
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

fn visible(columns: u16, command: &mut Command) -> String {
    let (ours, theirs) = terminal(columns, 24);
    attach(command, &theirs);
    let mut child = command.spawn().unwrap();
    // The command holds copies, which would keep the terminal open.
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    drop(theirs);
    let text = read(ours);
    assert!(child.wait().unwrap().success(), "{text}");
    text
}

/// What stands in the lines, colours and movements of the cursor taken out.
fn lines(text: &str) -> Vec<String> {
    text.split(['\r', '\n']).map(|line| console::strip_ansi_codes(line).trim_end().to_string()).collect()
}

/// A run without the lines of `--verbose`, which other tests wait for.
fn brief(out: &std::path::Path) -> Command {
    let mut command = program();
    command.args(["train", "--config"]).arg(experiment()).arg("--save_dir").arg(out).arg("--data_dir").arg(data());
    command.args(["--device", "cpu", "--metrics", "127.0.0.1:0"]);
    command
}

#[test]
fn a_run_fits_80_columns_and_has_one_line_an_epoch() {
    let home = tempfile::tempdir().unwrap();
    let text = visible(80, &mut brief(&home.path().join("a")));
    for line in lines(&text) {
        let long = console::measure_text_width(&line) > 80;
        // What has no space in it, such as a path, cannot be broken.
        assert!(!long || line.split_whitespace().count() == 1, "{line}");
    }
    let rows: Vec<String> = lines(&text).into_iter().filter(|line| line.trim_start().starts_with("2/3 ")).collect();
    assert_eq!(rows.len(), 1, "{text}");
    assert_eq!(rows[0].matches('%').count(), 2, "accuracy of training and validation: {}", rows[0]);
    assert!(text.contains("checking frames") && text.contains("reading condition labels"), "{text}");
    assert!(text.contains("loss ") && text.contains(" acc ") && text.contains("ETA"), "{text}");
    assert!(!text.contains("Loss/giou"), "{text}");
    assert!(text.contains("\x1b[2m"), "the heading has a colour: {text:?}");
}

#[test]
fn colours_are_off_where_they_are_not_wanted_and_in_pipes() {
    let home = tempfile::tempdir().unwrap();
    let (ours, theirs) = terminal(80, 24);
    let mut command = brief(&home.path().join("a"));
    attach(&mut command, &theirs);
    let mut child = command.args(["--max_steps", "2"]).env("NO_COLOR", "1").spawn().unwrap();
    drop((command, theirs));
    let text = read(ours);
    assert!(child.wait().unwrap().success(), "{text}");
    // The bar moves the cursor and clears lines, but has no colours.
    let colours = text
        .split("\x1b[")
        .skip(1)
        .filter(|code| code.trim_start_matches(|c: char| c.is_ascii_digit() || c == ';').starts_with('m'));
    let colours: Vec<&str> = colours.filter(|code| !code.starts_with("0m") && !code.starts_with('m')).collect();
    assert!(colours.is_empty(), "{colours:?}");
    let output = brief(&home.path().join("b")).args(["--max_steps", "2"]).output().unwrap();
    let piped = crate::support::text(&output);
    assert!(output.status.success() && !piped.contains('\x1b') && !piped.contains("ETA"), "{piped:?}");
    assert!(piped.contains("   before        -"), "{piped}");
    // Where nobody sees how wide it is, nothing is broken.
    assert!(piped.lines().any(|line| line.starts_with("training data: ") && line.len() > 80), "{piped}");
}

#[test]
fn top_fits_its_window_and_q_leaves_it() {
    let home = tempfile::tempdir().unwrap();
    let (_run, address) = start(train(home.path()).args(["--set", "TRAIN.PHASES.joint.EPOCHS=100000"]));
    let (ours, theirs) = terminal(70, 8);
    let mut command = program();
    attach(&mut command, &theirs);
    let mut child = Running(command.args(["top", &address, "--interval", "0.2"]).spawn().unwrap());
    drop((command, theirs));
    let mut keys = ours.try_clone().unwrap();
    let (send, screens) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        let mut from = ours;
        let mut part = [0; 4096];
        while let Ok(count @ 1..) = from.read(&mut part) {
            let _ = send.send(String::from_utf8_lossy(&part[..count]).into_owned());
        }
    });
    let mut text = String::new();
    while !text.contains("more lines in a taller window") || !text.contains(" steps/s") {
        text += &screens.recv_timeout(crate::support::PATIENCE).unwrap();
    }
    keys.write_all(b"q").unwrap();
    assert_eq!(child.0.wait().unwrap().code(), Some(0), "{text}");
    while let Ok(part) = screens.recv_timeout(std::time::Duration::from_secs(1)) {
        text += &part;
    }
    for screen in text.split("\x1b[1;1H").skip(1) {
        let screen = screen.split("\x1b[J").next().unwrap_or_default();
        let all = lines(screen);
        assert!(all.iter().filter(|line| !line.is_empty()).count() <= 8, "{screen}");
        assert!(all.iter().all(|line| console::measure_text_width(line) <= 70), "{screen}");
    }
    assert!(text.contains("\x1b[?1049h") && text.contains("\x1b[?1049l"), "the window is given back: {text:?}");
}
