//! `trackflow top`: watches a running job by its metrics address: who is busy, who waits, and one sentence on why.

mod scrape;

use crate::{
    failure::Result,
    flow::{Load, sentence, sim},
    monitor::live::DEFAULT_ADDRESS,
    stages::{KINDS, PRAISE},
    telemetry::log,
};
use clap::Args;
use scrape::{Sample, scrape};
use std::{io::IsTerminal, net::SocketAddr, time::Duration};

/// `trackflow top`.
#[derive(Debug, Args)]
pub struct TopArgs {
    /// Address of the job's metrics, as it printed it
    #[arg(default_value_t = DEFAULT_ADDRESS, value_parser = super::watch::address)]
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
    let mut before = scrape(args.address)?;
    let redraw = std::io::stdout().is_terminal() && !args.once;
    loop {
        std::thread::sleep(interval);
        let Ok(now) = scrape(args.address) else {
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

/// The most workers of a kind, as far as this program knows it.
fn most(kind: &str, workers: usize) -> usize {
    let training = KINDS.iter().find(|known| known.name == kind).map(|kind| kind.worker_limit());
    training
        .or_else(|| sim::KINDS.iter().find(|known| known.name == kind).map(|kind| kind.worker_limit()))
        .unwrap_or(workers)
}

/// What happened between two looks.
fn screen(before: &Sample, now: &Sample) -> String {
    let wall = now.at.saturating_duration_since(before.at);
    let seconds = wall.as_secs_f64().max(1e-9);
    let since = |name: &str, labels: &[(&str, &str)]| (now.sum(name, labels) - before.sum(name, labels)).max(0.0);
    let time = |seconds: f64| Duration::from_secs_f64(seconds);
    let mut text = format!(
        "{:<18} {:>7} {:>7} {:>8} {:>8} {:>10}  {}\n",
        "stage", "workers", "busy", "waiting", "blocked", "items/s", "output"
    );
    let mut loads = Vec::new();
    for (id, kind) in now.stages() {
        let stage = [("stage", id.as_str())];
        let workers = now.sum("trackflow_stage_workers", &stage) as usize;
        let load = Load {
            busy: time(since("trackflow_stage_busy_seconds_total", &stage)),
            waited: time(since("trackflow_channel_receive_wait_seconds_total", &[("to", &id)])),
            blocked: time(since("trackflow_channel_send_blocked_seconds_total", &[("from", &id)])),
            alive: wall * workers.max(1) as u32,
            most: most(&kind, workers),
            id,
            kind,
            workers,
        };
        let percent = |time: Duration| format!("{:.0} %", 100.0 * load.share(time));
        let channels: Vec<String> =
            now.channels(&load.id).map(|(to, depth, capacity)| fill(to, depth, capacity)).collect();
        text += &format!(
            "{:<18} {:>7} {:>7} {:>8} {:>8} {:>10.1}  {}\n",
            load.id,
            load.workers,
            percent(load.busy),
            percent(load.waited),
            percent(load.blocked),
            since("trackflow_stage_items_total", &[("stage", &load.id)]) / seconds,
            channels.join(", "),
        );
        loads.push(load);
    }
    if let Some(sentence) = sentence(&loads, PRAISE) {
        text += &format!("\n{sentence}\n");
    }
    text + &training(before, now, seconds)
}

/// `→ crop [####    ] 4/8`.
fn fill(to: &str, depth: f64, capacity: f64) -> String {
    let marks = if capacity > 0.0 { (8.0 * depth / capacity).round() as usize } else { 0 };
    format!("→ {to} [{:<8}] {depth}/{capacity}", "#".repeat(marks.min(8)))
}

/// How training goes, when the job trains.
fn training(before: &Sample, now: &Sample, seconds: f64) -> String {
    let steps = now.sum("trackflow_train_steps_total", &[]);
    if steps == 0.0 {
        return String::new();
    }
    let rate = (steps - before.sum("trackflow_train_steps_total", &[])).max(0.0) / seconds;
    let clips = now.sum("trackflow_train_clips_total", &[]) - before.sum("trackflow_train_clips_total", &[]);
    format!(
        "\nepoch {}  step {steps}  loss {:.4}  IoU {:.3}  {rate:.2} steps/s  {:.1} samples/s\n",
        now.sum("trackflow_train_epoch", &[]),
        now.sum("trackflow_train_loss", &[("term", "total")]),
        now.sum("trackflow_train_iou", &[]),
        clips.max(0.0) / seconds,
    )
}
