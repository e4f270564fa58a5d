//! The page as a browser draws it.

use super::Run;
use crate::support::{program, succeed, train};
use std::process::{Command, Stdio};

const BROWSER: &str = "chromium";

pub fn is_there() -> bool {
    let mut command = Command::new(BROWSER);
    command.arg("--version").stdout(Stdio::null()).stderr(Stdio::null());
    command.status().is_ok_and(|status| status.success())
}

/// The document after some polls, and what the page complained about.
pub(super) fn load(url: &str, arguments: &[&str]) -> (String, String) {
    let profile = tempfile::tempdir().unwrap();
    let mut command = Command::new(BROWSER);
    command.args(["--headless", "--no-sandbox", "--disable-gpu", "--enable-logging=stderr", "--dump-dom"]);
    command.arg(format!("--user-data-dir={}", profile.path().display())).arg("--virtual-time-budget=5000");
    let output = command.args(arguments).arg(url).output().unwrap();
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
        let (document, complaints) = load(&format!("http://{}/", run.address), arguments);
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
            "aria-label=\"Loss components, weighted as summed: GIoU ",
            "aria-label=\"Learning rate: heads ",
            ">Experiment</h2>",
            "aria-label=\"Logarithmic axis: Loss\"",
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

/// A page that shows the report in a frame of each width, and writes down how wide and how high it becomes there.
const FRAMES: &str = "<body><script>
const widths = [390, 1280];
for (const width of widths) {
  const frame = document.createElement('iframe');
  frame.style.cssText = `width:${width}px;height:900px;border:0`;
  frame.onload = () => {
    const page = frame.contentDocument, root = page.documentElement;
    const beyond = [...page.querySelectorAll('figure, h1, h2, h3, p, ul, table')].filter(part => {
      const place = part.getBoundingClientRect();
      return place.right > root.clientWidth + 1 || place.left < -1;
    });
    const flat = [...page.querySelectorAll('figure > svg')].filter(one => one.getBoundingClientRect().height < 40);
    document.body.append(`[${width}: ${root.scrollWidth - root.clientWidth} over, ${beyond.length} beyond, ` +
      `${flat.length} flat, ${page.querySelectorAll('figure > svg').length > 10 ? 'many' : 'few'} pictures]`);
  };
  frame.src = 'report.html';
  document.body.append(frame);
}
</script></body>";

pub fn a_report_fits_desks_and_phones() {
    let home = tempfile::tempdir().unwrap();
    let (one, other) = (home.path().join("a-run-with-a-rather-long-name"), home.path().join("baseline"));
    succeed(train(&one).args(["--set", "TRAIN.GRAD_ANALYSIS_INTERVAL=3"]));
    succeed(train(&other).args(["--set", "MODEL.CLS_HEAD.NUM_CLASSES=0", "--set", "TRAIN.PHASES.head.TRAINS=[HIP.]"]));
    let mut command = program();
    command.arg("report").arg("--run").arg(&one).arg("--compare").arg(&other);
    succeed(command.arg("--out").arg(home.path().join("report.html")));
    let frames = home.path().join("frames.html");
    std::fs::write(&frames, FRAMES).unwrap();
    let url = format!("file://{}", frames.display());
    for colours in ["--blink-settings=preferredColorScheme=1", "--blink-settings=preferredColorScheme=0"] {
        let (document, complaints) =
            load(&url, &["--allow-file-access-from-files", "--window-size=1400,1000", colours]);
        assert_eq!(complaints, "");
        for width in [390, 1280] {
            let sound = format!("[{width}: 0 over, 0 beyond, 0 flat, many pictures]");
            assert!(document.contains(&sound), "{sound} is not in {document}");
        }
    }
}
