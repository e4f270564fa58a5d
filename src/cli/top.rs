//! `trackflow top`: watches a running job by the status that it serves: who is busy, who waits, and one sentence on why.

mod ask;

use crate::{
    failure::Result,
    monitor::live::{
        DEFAULT_ADDRESS,
        status::{ChannelStatus, Pipeline, Short, StageStatus, Status},
    },
    session::watch,
    telemetry::log,
};
use ask::ask;
use clap::Args;
use std::{io::IsTerminal, net::SocketAddr, time::Duration};

/// `trackflow top`.
#[derive(Debug, Args)]
pub struct TopArgs {
    /// Address of the job's page and metrics, as it printed it
    #[arg(default_value_t = DEFAULT_ADDRESS, value_parser = watch::address)]
    address: SocketAddr,
    /// Seconds between two looks
    #[arg(long, default_value_t = 1.0)]
    interval: f64,
    /// Look once, print, and end
    #[arg(long)]
    once: bool,
}

/// Shows the job until it is gone.
///
/// # Errors
/// Nobody answers at the address.
pub fn top(args: &TopArgs) -> Result<()> {
    let interval = Duration::from_secs_f64(args.interval.clamp(0.1, 3600.0));
    let mut before = ask(args.address)?;
    let redraw = std::io::stdout().is_terminal() && !args.once;
    loop {
        std::thread::sleep(interval);
        let Ok(now) = ask(args.address) else {
            println!("the job at {} is gone", args.address);
            return Ok(());
        };
        let text = screen(&before, &now);
        // Home, each line cleared to its end, and what is left below: no flicker.
        let text = if redraw { format!("\x1b[H{}\x1b[J", text.replace('\n', "\x1b[K\n")) } else { text };
        log::piece(&text);
        log::written()?;
        if args.once {
            return Ok(());
        }
        before = now;
    }
}

/// The job as it is now; rates are those since the look `before`.
fn screen(before: &Status, now: &Status) -> String {
    let seconds = (now.time - before.time).max(1e-9);
    let mut text = String::new();
    match &now.pipeline {
        None => text += "starting: the pipeline does not run yet\n",
        Some(pipeline) => text += &stages(before.pipeline.as_ref(), pipeline, seconds),
    }
    text + &training(before, now, seconds)
}

fn stages(before: Option<&Pipeline>, now: &Pipeline, seconds: f64) -> String {
    let mut text = format!(
        "{:<18} {:>7} {:>7} {:>8} {:>8} {:>10}  {}\n",
        "stage", "workers", "busy", "waiting", "blocked", "items/s", "output"
    );
    for stage in &now.stages {
        let same = |other: &&StageStatus| other.id == stage.id;
        let items = before.and_then(|before| before.stages.iter().find(same)).map_or(0, |before| before.items);
        let channels = now.channels.iter().filter(|channel| channel.from == stage.id);
        text += &format!(
            "{:<18} {:>7} {:>7} {:>8} {:>8} {:>10.1}  {}\n",
            stage.id,
            stage.workers,
            percent(stage.busy),
            percent(stage.waiting),
            percent(stage.blocked),
            stage.items.saturating_sub(items) as f64 / seconds,
            channels.map(fill).collect::<Vec<_>>().join(", "),
        );
    }
    match now.window_seconds.0 {
        window if window >= 1.0 => text += &format!("busy, waiting and blocked: over the last {window:.0} s\n"),
        _ => text += "busy, waiting and blocked: not known in the first second\n",
    }
    if let Some(sentence) = &now.bottleneck {
        text += &format!("\n{sentence}\n");
    }
    text
}

fn percent(share: Short) -> String {
    match share.0.is_finite() {
        true => format!("{:.0} %", 100.0 * share.0),
        false => "-".into(),
    }
}

/// `→ crop [####    ] 4/8`.
fn fill(channel: &ChannelStatus) -> String {
    let ChannelStatus { to, depth, capacity, .. } = channel;
    let marks = (8 * depth + capacity / 2).checked_div(*capacity).unwrap_or(0);
    format!("→ {to} [{:<8}] {depth}/{capacity}", "#".repeat(marks.min(8)))
}

/// How training goes, when the job trains.
fn training(before: &Status, now: &Status, seconds: f64) -> String {
    let (Some(run), Some(last)) = (&now.run, now.run.as_ref().and_then(|run| run.last)) else { return String::new() };
    let (steps, clips) = before.run.as_ref().map_or((run.step, run.clips), |before| (before.step, before.clips));
    let rate = |now: u64, before: u64| now.saturating_sub(before) as f64 / seconds;
    format!(
        "\nepoch {}  step {}  loss {:.4}  IoU {:.3}  {:.2} steps/s  {:.1} samples/s\n",
        run.epoch.unwrap_or(0),
        run.step,
        last.total.0,
        last.iou.0,
        rate(run.step, steps),
        rate(run.clips, clips),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::monitor::live::status::{Numbers, Run};

    #[test]
    fn a_screen_has_stages_channels_and_rates_between_two_looks() {
        let stage = |items| StageStatus {
            id: "decode".into(),
            workers: 2,
            busy: Short(0.756),
            items,
            ..StageStatus::default()
        };
        let channel = ChannelStatus {
            from: "decode".into(),
            to: "crop".into(),
            depth: 4,
            capacity: 8,
            ..ChannelStatus::default()
        };
        let look = |time, items, step| {
            let (stages, channels, window_seconds) = (vec![stage(items)], vec![channel.clone()], Short(15.0));
            let last = Some(Numbers { total: Short(1.5), iou: Short(0.25), ..Numbers::default() });
            let run = Run { epoch: Some(1), step, clips: 4 * step, last, ..Run::default() };
            let pipeline = Pipeline { stages, channels, window_seconds, ..Pipeline::default() };
            Status { time, pipeline: Some(pipeline), run: Some(run), ..Status::default() }
        };
        let text = screen(&look(10.0, 100, 6), &look(12.0, 150, 7));
        let words = |line: &str| line.split_whitespace().map(str::to_string).collect::<Vec<_>>().join(" ");
        let lines: Vec<String> = text.lines().map(words).collect();
        assert_eq!(lines[1], "decode 2 76 % - - 25.0 → crop [#### ] 4/8");
        assert_eq!(lines[4], "epoch 1 step 7 loss 1.5000 IoU 0.250 0.50 steps/s 2.0 samples/s");
        assert!(screen(&Status::default(), &Status::default()).starts_with("starting"));
    }
}
