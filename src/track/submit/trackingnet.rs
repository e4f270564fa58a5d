//! TrackingNet's test set: `<s>.txt` at the top of the zip, `x,y,w,h` to two decimals, nothing else.

use super::{Rules, Tracked};

pub(super) const RULES: Rules =
    Rules { dataset: "TRACKINGNET_test", sequences: 511, runs: 1, wants_seconds: false, files };

fn files(tracked: &Tracked<'_>) -> Vec<(String, String)> {
    let boxes = tracked.runs.first().into_iter().flatten();
    let lines = boxes.map(|b| format!("{:.2},{:.2},{:.2},{:.2}\n", b.x, b.y, b.w, b.h));
    vec![(format!("{}.txt", tracked.name), lines.collect())]
}
