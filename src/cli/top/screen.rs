//! The screen of `trackflow top`: how training goes, what the stages do, and who holds the others up.

use crate::{
    monitor::live::status::{ChannelStatus, Pipeline, Run, Short, StageStatus, Status},
    telemetry::terminal::Paint,
};
use console::truncate_str;

/// With so many columns, outputs are named.
const WIDE: usize = 110;

/// The job as it is now, for a window of so many columns; rates are those since the look `before`.
pub(super) fn screen(before: &Status, now: &Status, columns: usize) -> String {
    let seconds = (now.time - before.time).max(1e-9);
    let mut text = head(now) + &training(before, now, seconds) + "\n";
    match (&now.pipeline, &now.preparing) {
        (Some(pipeline), _) => text += &stages(before.pipeline.as_ref(), pipeline, seconds, columns),
        (None, Some(preparing)) => {
            text += &format!("{}: {} of {} {}\n", preparing.what, preparing.done, preparing.total, preparing.unit);
        }
        (None, None) => text += "starting: the pipeline does not run yet\n",
    }
    if columns >= usize::from(u16::MAX) {
        return text;
    }
    text.lines().map(|line| truncate_str(line, columns, "…").into_owned() + "\n").collect()
}

/// `hiptrack/demo  running  epoch 3/60  step 12/240  32 %  1m 20s left`.
fn head(now: &Status) -> String {
    let Some(run) = &now.run else { return format!("trackflow {}  {}\n", now.program.verb, now.state) };
    let Run { experiment, epochs, step, steps, progress, .. } = run;
    let epoch = run.epoch.unwrap_or(0);
    let left = match run.eta_seconds.0 {
        eta if eta.is_finite() => {
            let eta = std::time::Duration::from_secs(eta.max(0.0).round() as u64);
            format!("  {} left", humantime::format_duration(eta))
        }
        _ => String::new(),
    };
    format!(
        "{}  {}  epoch {epoch}/{epochs}  step {step}/{steps}  {:.0} %{left}\n",
        Paint::Strong.out(experiment),
        now.state,
        100.0 * progress
    )
}

/// How training goes, when the job trains.
fn training(before: &Status, now: &Status, seconds: f64) -> String {
    let (Some(run), Some(last)) = (&now.run, now.run.as_ref().and_then(|run| run.last)) else { return String::new() };
    let (steps, clips) = before.run.as_ref().map_or((run.step, run.clips), |before| (before.step, before.clips));
    let rate = |now: u64, before: u64| now.saturating_sub(before) as f64 / seconds;
    let accuracy = last.accuracy.map_or(String::new(), |share| format!("  accuracy {:.1} %", 100.0 * share.0));
    format!(
        "loss {:.4}  IoU {:.3}{accuracy}  {:.2} steps/s  {:.1} training clips/s\n",
        last.total.0,
        last.iou.0,
        rate(run.step, steps),
        rate(run.clips, clips),
    )
}

fn stages(before: Option<&Pipeline>, now: &Pipeline, seconds: f64, columns: usize) -> String {
    let name = now.stages.iter().map(|stage| stage.id.chars().count()).max().unwrap_or(0).clamp(5, 18);
    let heading = format!(
        "{:<name$} {:>7} {:>6} {:>8} {:>8} {:>8}  output channel",
        "stage", "workers", "busy", "waiting", "blocked", "items/s"
    );
    let mut text = Paint::Faint.out(&heading) + "\n";
    for (at, stage) in now.stages.iter().enumerate() {
        let same = |other: &&StageStatus| other.id == stage.id;
        let items = before.and_then(|before| before.stages.iter().find(same)).map_or(0, |before| before.items);
        let outputs: Vec<&ChannelStatus> = now.channels.iter().filter(|channel| channel.from == stage.id).collect();
        // What goes to the next line needs no name.
        let next = now.stages.get(at + 1).map(|stage| stage.id.as_str());
        let plain = columns < WIDE && outputs.len() == 1 && outputs.first().map(|output| output.to.as_str()) == next;
        let outputs: Vec<String> =
            outputs.into_iter().map(|channel| fill(channel, !plain, plain || columns >= WIDE)).collect();
        let row = format!(
            "{:<name$} {:>7} {:>6} {:>8} {:>8} {:>8}  {}",
            truncate_str(&stage.id, name, "…"),
            stage.workers,
            percent(stage.busy),
            percent(stage.waiting),
            percent(stage.blocked),
            rate(stage.items.saturating_sub(items) as f64 / seconds),
            outputs.join(", "),
        );
        let busiest = now.busiest.as_ref() == Some(&stage.id);
        text += &(if busiest { Paint::Strong.out(row.trim_end()) } else { row.trim_end().to_string() } + "\n");
    }
    let window = match now.window_seconds.0 {
        window if window >= 1.0 => format!("shares of the last {window:.0} s; items/s of the last {seconds:.1} s"),
        _ => "shares are not known in the first second".to_string(),
    };
    text += &(Paint::Faint.out(&window) + "\n");
    if let Some(sentence) = &now.bottleneck {
        text += &format!("\n{}\n", crate::telemetry::terminal::wrap(sentence, Some(columns)));
    }
    text
}

/// Items a second in at most 8 letters.
fn rate(rate: f64) -> String {
    match rate {
        rate if rate < 1e6 => format!("{rate:.1}"),
        rate if rate < 1e9 => format!("{:.1}M", rate / 1e6),
        rate => format!("{rate:.1e}"),
    }
}

fn percent(share: Short) -> String {
    match share.0.is_finite() {
        true => format!("{:.0} %", 100.0 * share.0),
        false => "-".into(),
    }
}

/// `[####    ] 4/8`, perhaps with the stage that it leads to, perhaps without the bar.
fn fill(channel: &ChannelStatus, named: bool, bar: bool) -> String {
    let ChannelStatus { to, depth, capacity, .. } = channel;
    let marks = (8 * depth + capacity / 2).checked_div(*capacity).unwrap_or(0);
    let name = if named { format!("→ {to} ") } else { String::new() };
    let bar = if bar { format!("[{:<8}] ", "#".repeat(marks.min(8))) } else { String::new() };
    format!("{name}{bar}{depth}/{capacity}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::monitor::live::status::Numbers;

    fn look(time: f64, items: u64, step: u64) -> Status {
        let stage =
            |id: &str| StageStatus { id: id.into(), workers: 2, busy: Short(0.756), items, ..StageStatus::default() };
        let channel = |from: &str, to: &str| ChannelStatus {
            from: from.into(),
            to: to.into(),
            depth: 4,
            capacity: 8,
            ..ChannelStatus::default()
        };
        let stages = ["decode", "crop", "a-stage-with-a-long-name", "count"].map(stage).to_vec();
        let channels = vec![channel("decode", "crop"), channel("crop", "count")];
        let last = Some(Numbers { total: Short(1.5), iou: Short(0.25), ..Numbers::default() });
        let run = Run { epoch: Some(1), epochs: 60, step, steps: 240, clips: 4 * step, last, ..Run::default() };
        let bottleneck = Some(format!("`decode` is the bottleneck: {}", "many words ".repeat(12)));
        let pipeline = Pipeline { stages, channels, window_seconds: Short(15.0), bottleneck, ..Pipeline::default() };
        Status { time, pipeline: Some(pipeline), run: Some(run), state: "running".into(), ..Status::default() }
    }

    #[test]
    fn a_screen_has_stages_channels_and_rates_between_two_looks() {
        let text = screen(&look(10.0, 100, 6), &look(12.0, 150, 7), 120);
        let words = |line: &str| line.split_whitespace().map(str::to_string).collect::<Vec<_>>().join(" ");
        let lines: Vec<String> = text.lines().map(words).collect();
        assert!(lines[0].contains("running epoch 1/60 step 7/240"), "{text}");
        assert_eq!(lines[1], "loss 1.5000 IoU 0.250 0.50 steps/s 2.0 training clips/s");
        assert_eq!(lines[4], "decode 2 76 % - - 25.0 → crop [#### ] 4/8");
        assert!(screen(&Status::default(), &Status::default(), 80).contains("starting"));
    }

    #[test]
    fn at_80_columns_nothing_is_wider() {
        let text = screen(&look(10.0, 100, 6), &look(12.0, 150_000_000, 7), 80);
        for line in text.lines() {
            assert!(console::measure_text_width(line) <= 80, "{line}");
        }
        // A channel that leads to the next stage needs no name, another one does.
        assert!(text.contains("  [####    ] 4/8\n") && text.contains("→ count 4/8\n"), "{text}");
    }
}
