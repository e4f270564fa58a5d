//! GOT-10k's test set: `<s>/<s>_001.txt` (up to three runs) with `x,y,w,h` to three decimals, and `<s>/<s>_time.txt` with
//! a column of seconds for each run; no folder above the sequences.

use super::{Rules, Tracked};

pub(super) const RULES: Rules = Rules { dataset: "GOT10K_test", sequences: 180, runs: 3, wants_seconds: true, files };

fn files(tracked: &Tracked<'_>) -> Vec<(String, String)> {
    let name = tracked.name;
    let runs = tracked.runs.iter().enumerate().map(|(at, boxes)| {
        let lines = boxes.iter().map(|b| format!("{:.3},{:.3},{:.3},{:.3}\n", b.x, b.y, b.w, b.h));
        (format!("{name}/{name}_{:03}.txt", at + 1), lines.collect())
    });
    let row = |row: &Vec<f64>| row.iter().map(|value| format!("{value:.8}")).collect::<Vec<_>>().join(",") + "\n";
    let seconds = (format!("{name}/{name}_time.txt"), tracked.seconds.iter().map(row).collect());
    runs.chain([seconds]).collect()
}
