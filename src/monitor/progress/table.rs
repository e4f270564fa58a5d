//! A line for each epoch, in columns that fit 80 columns of a terminal.

use crate::{telemetry::terminal::Paint, train::metrics::StepMetrics};

/// What one epoch came to.
#[derive(Clone, Debug, Default)]
pub(super) struct Row {
    /// From 1; 0 is the validation before training.
    pub epoch: u64,
    /// Means over its training clips.
    pub train: Option<StepMetrics>,
    /// Means over the validation after it.
    pub val: Option<StepMetrics>,
    /// Training clips a second, waiting for data included.
    pub clips_per_second: Option<f64>,
    /// How long its training took.
    pub seconds: Option<f64>,
}

/// The columns of a run.
#[derive(Clone, Copy, Debug)]
pub(super) struct Columns {
    /// Epochs of the run.
    pub epochs: usize,
    /// Whether conditions are predicted.
    pub classes: bool,
}

impl Columns {
    /// What stands above the rows.
    pub fn heading(self) -> String {
        let accuracy = if self.classes { format!("{:>10}", "accuracy") } else { String::new() };
        format!(
            "{:>9}{:>9}{:>7}{accuracy}{:>10}{:>7}{accuracy}{:>9}{:>8}",
            "epoch", "loss", "IoU", "val loss", "IoU", "clips/s", "time"
        )
    }

    /// A row; `best` is whether its validation has the best IoU so far.
    pub fn row(self, row: &Row, best: bool) -> String {
        let epoch = if row.epoch == 0 { "before".to_string() } else { format!("{}/{}", row.epoch, self.epochs) };
        let means = |means: Option<&StepMetrics>, width: usize| {
            let of = |text: &dyn Fn(&StepMetrics) -> String| means.map_or("-".to_string(), text);
            let mut cells = format!("{:>width$}{:>7}", of(&|one| number(one.total)), of(&|one| fixed(one.iou, 3)));
            if self.classes {
                cells += &format!("{:>10}", of(&|one| one.accuracy().map_or("-".into(), percent)));
            }
            cells
        };
        let val = means(row.val.as_ref(), 10);
        format!(
            "{epoch:>9}{}{}{:>9}{:>8}",
            means(row.train.as_ref(), 9),
            if best { Paint::Good.out(&val) } else { val },
            row.clips_per_second.map_or("-".into(), number),
            row.seconds.map_or("-".into(), duration),
        )
    }
}

/// Loss, IoU and accuracy in few letters, for a bar.
pub(super) fn brief(means: &StepMetrics) -> String {
    let accuracy = means.accuracy().map_or(String::new(), |share| format!(" acc {}", percent(share)));
    format!("loss {} IoU {}{accuracy}", number(means.total), fixed(means.iou, 3))
}

fn fixed(value: f64, digits: usize) -> String {
    if value.is_finite() { format!("{value:.digits$}") } else { "-".into() }
}

/// `21.1 %`.
pub(super) fn percent(share: f64) -> String {
    if share.is_finite() { format!("{:.1} %", 100.0 * share) } else { "-".into() }
}

/// Four digits that count, where there are so many, and no more than 8 letters.
pub(super) fn number(value: f64) -> String {
    match value.abs() {
        _ if !value.is_finite() => "-".into(),
        size if size != 0.0 && size < 1e-3 => format!("{value:.1e}"),
        size if size < 10.0 => format!("{value:.3}"),
        size if size < 100.0 => format!("{value:.2}"),
        size if size < 1000.0 => format!("{value:.1}"),
        size if size < 1e6 => format!("{value:.0}"),
        _ => format!("{value:.1e}"),
    }
}

/// `4.2 s`, `3m 20s`, `2h 05m`, `3d 04h`.
pub(super) fn duration(seconds: f64) -> String {
    if !seconds.is_finite() || seconds < 0.0 {
        return "-".into();
    }
    if seconds < 59.95 {
        return format!("{seconds:.1} s");
    }
    let whole = seconds.round() as u64;
    let (minutes, hours, days) = (whole / 60, whole / 3600, whole / 86400);
    match (hours, days) {
        (0, _) => format!("{minutes}m {:02}s", whole % 60),
        (_, 0) => format!("{hours}h {:02}m", minutes % 60),
        _ => format!("{days}d {:02}h", hours % 24),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn means(total: f64, iou: f64, labelled: f64) -> StepMetrics {
        StepMetrics { total, iou, correct: labelled / 4.0, labelled, ..StepMetrics::default() }
    }

    #[test]
    fn rows_stand_below_their_heading_and_fit_80_columns() {
        for classes in [true, false] {
            let columns = Columns { epochs: 1000, classes };
            let heading = columns.heading();
            assert!(heading.chars().count() <= 79, "{heading}");
            let huge = Row {
                epoch: 1000,
                train: Some(means(1234567.0, 0.12345, 8.0)),
                val: Some(means(99999.0, 1.0, 8.0)),
                clips_per_second: Some(123456.7),
                seconds: Some(86399.0),
            };
            let unknown = Row { epoch: 0, val: Some(means(f64::NAN, f64::NAN, 0.0)), ..Row::default() };
            for row in [&huge, &unknown, &Row { epoch: 7, train: Some(means(3e-5, 0.5, 0.0)), ..Row::default() }] {
                let text = console::strip_ansi_codes(&columns.row(row, true)).to_string();
                assert_eq!(text.chars().count(), heading.chars().count(), "{text}");
            }
            let text = columns.row(&huge, false);
            assert_eq!(text.contains("25.0 %"), classes, "{text}");
        }
        let row = Row { epoch: 3, train: Some(means(10.6412, 0.0879, 8.0)), ..Row::default() };
        let text = Columns { epochs: 60, classes: true }.row(&row, false);
        let words: Vec<&str> = text.split_whitespace().collect();
        assert_eq!(words, ["3/60", "10.64", "0.088", "25.0", "%", "-", "-", "-", "-", "-"]);
    }

    #[test]
    fn numbers_and_times_are_as_long_as_they_help() {
        assert_eq!([10.64124, 0.32, 123.456, 1.5e9, 0.0].map(number), ["10.64", "0.320", "123.5", "1.5e9", "0.000"]);
        let times = [4.24, 59.96, 3600.0, 7500.0, 273600.0].map(duration);
        assert_eq!(times, ["4.2 s", "1m 00s", "1h 00m", "2h 05m", "3d 04h"]);
    }
}
