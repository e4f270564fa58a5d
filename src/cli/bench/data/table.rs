//! A measurement as a table.

use super::measure::Measured;
use crate::flow::human_bytes;
use std::fmt::Write;

/// What was measured, in lines.
pub(super) fn table(of: &Measured) -> String {
    let mut text = String::new();
    let _ = writeln!(
        text,
        "{} through pipeline {}, batches of {} clips of {} frames, decoding workers: {}",
        of.experiment, of.pipeline, of.batch, of.frames, of.workers
    );
    let _ = writeln!(
        text,
        "  {:.1} clips/s ({:.1} frames/s); median of {} windows, {:.1} to {:.1}, {:.0} s",
        of.clips_per_second,
        of.clips_per_second * of.frames as f64,
        of.windows,
        of.slowest,
        of.fastest,
        of.seconds
    );
    let _ = writeln!(
        text,
        "  {:<12} {:>8} {:>8} {:>8} {:>8} {:>10}",
        "stage", "workers", "busy", "waiting", "blocked", "ms/item"
    );
    for stage in &of.stages {
        let percent = |share: f64| format!("{:.1} %", 100.0 * share);
        let _ = writeln!(
            text,
            "  {:<12} {:>8} {:>8} {:>8} {:>8} {:>10.3}",
            stage.stage,
            stage.workers,
            percent(stage.busy),
            percent(stage.waiting),
            percent(stage.blocked),
            stage.milliseconds
        );
    }
    let _ = writeln!(text, "  {}", of.bottleneck);
    let _ = writeln!(
        text,
        "  memory: peak {}, {} of it before the run; items may take {}; {:.3} buffers allocated a frame",
        human_bytes(of.peak_bytes),
        human_bytes(of.before_bytes),
        human_bytes(of.ceiling_bytes),
        of.allocated_per_frame
    );
    if of.redrawn > 0 {
        let _ = writeln!(text, "  {} clips were planned again", of.redrawn);
    }
    text
}
