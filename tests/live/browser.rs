//! The page as a browser draws it.

use crate::Run;
use std::process::{Command, Stdio};

const BROWSER: &str = "chromium";

pub fn is_there() -> bool {
    let mut command = Command::new(BROWSER);
    command.arg("--version").stdout(Stdio::null()).stderr(Stdio::null());
    command.status().is_ok_and(|status| status.success())
}

/// The document after some polls, and what the page complained about.
fn visit(address: &str, arguments: &[&str]) -> (String, String) {
    let profile = tempfile::tempdir().unwrap();
    let mut command = Command::new(BROWSER);
    command.args(["--headless", "--no-sandbox", "--disable-gpu", "--enable-logging=stderr", "--dump-dom"]);
    command.arg(format!("--user-data-dir={}", profile.path().display())).arg("--virtual-time-budget=5000");
    let output = command.args(arguments).arg(format!("http://{address}/")).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let complaints = String::from_utf8_lossy(&output.stderr);
    let complaints: Vec<&str> = complaints.lines().filter(|line| line.contains("CONSOLE")).collect();
    (String::from_utf8_lossy(&output.stdout).into_owned(), complaints.join("\n"))
}

pub fn the_page_draws_a_run() {
    let home = tempfile::tempdir().unwrap();
    let run = Run::start(home.path(), &[]);
    run.wait(|status| status["pipeline"]["bottleneck"].is_string() && status["run"]["epoch"].as_u64() > Some(2));
    for arguments in [&["--window-size=1440,1000"][..], &["--window-size=500,900", "--force-dark-mode"][..]] {
        let (document, complaints) = visit(&run.address, arguments);
        assert_eq!(complaints, "");
        for part in [
            "<h1 id=\"title\">hiptrack/tiny</h1>",
            "class=\"pill running\" role=\"status\">running</span>",
            ">checkpoint</text>",
            "class=\"fill\"",
            "Pipeline: sample ",
            "aria-label=\"Loss: L_total ",
            "aria-label=\"Tracking: mean IoU: training ",
            "aria-label=\"Condition accuracy: training ",
            "aria-label=\"Memory of the process: resident ",
            "HIPTrack_ep000",
            "<div class=\"cond\">",
        ] {
            assert!(document.contains(part), "{part} is missing with {arguments:?} in {document}");
        }
        let (drawn, _program) = document.split_once("<script>").unwrap();
        for word in ["undefined", "NaN", "null"] {
            assert!(!drawn.contains(word), "{word} in {drawn}");
        }
    }
}
