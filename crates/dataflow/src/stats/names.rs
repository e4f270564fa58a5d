//! The metrics of the engine, and how a program declares its own beside them.
//!
//! Units are base units (seconds, bytes, watts, ratios from 0 to 1); counters end in `_total`.

/// How a metric behaves.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum MetricKind {
    /// Counts events.
    Counter,
    /// Adds up seconds, with fractions.
    Seconds,
    /// Goes up and down.
    Gauge,
    /// Counts observations by the upper bounds of its buckets; an infinite one is implied.
    Histogram(&'static [f64]),
}

/// What a metric is counted in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// A number of things, a loss, a weight: no unit.
    One,
    /// From 0 to 1.
    Ratio,
    /// Seconds.
    Second,
    /// Bytes.
    Byte,
    /// Watts.
    Watt,
}

/// One metric.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Metric {
    /// The full name.
    pub name: &'static str,
    /// How it behaves.
    pub kind: MetricKind,
    /// What it is counted in.
    pub unit: Unit,
    /// Its labels.
    pub labels: &'static [&'static str],
    /// What it says.
    pub help: &'static str,
}

/// Declares a table of metrics, and for each a constant with its full name.
///
/// ```
/// use trackflow_dataflow::stats::names::MetricKind::Counter;
///
/// trackflow_dataflow::declare_metrics! { KITCHEN:
///     CAKES = "cakes_total", Counter, One, ["oven"], "Cakes that were baked.";
/// }
/// assert_eq!(CAKES, "trackflow_cakes_total");
/// assert_eq!(KITCHEN[0].labels, ["oven"]);
/// ```
#[macro_export]
macro_rules! declare_metrics {
    ($table:ident: $($constant:ident = $name:literal, $kind:expr, $unit:ident, [$($label:literal),*], $help:literal;)*) => {
        $(#[doc = $help] pub const $constant: &str = concat!("trackflow_", $name);)*

        /// All of this table.
        pub const $table: &[$crate::stats::names::Metric] = &[
            $($crate::stats::names::Metric {
                name: $constant, kind: $kind, unit: $crate::stats::names::Unit::$unit, labels: &[$($label),*], help: $help,
            }),*
        ];
    };
}

use MetricKind::{Counter, Gauge, Seconds};

declare_metrics! { ENGINE:
    CHANNEL_DEPTH = "channel_depth", Gauge, One, ["from", "to"], "Items that wait in the channel.";
    CHANNEL_CAPACITY = "channel_capacity", Gauge, One, ["from", "to"], "The most items that can wait in the channel.";
    CHANNEL_ITEMS = "channel_items_total", Counter, One, ["from", "to"], "Items that were put into the channel.";
    CHANNEL_SEND_BLOCKED = "channel_send_blocked_seconds_total", Seconds, Second, ["from", "to"],
        "Seconds that workers of `from` were blocked because `to` did not keep up, summed over workers.";
    CHANNEL_RECEIVE_WAIT = "channel_receive_wait_seconds_total", Seconds, Second, ["from", "to"],
        "Seconds that workers of `to` waited for `from`, summed over workers.";

    STAGE_BUSY = "stage_busy_seconds_total", Seconds, Second, ["stage", "kind"],
        "Seconds spent in the stage's own work, summed over workers.";
    STAGE_ITEMS = "stage_items_total", Counter, One, ["stage", "kind"], "Items that the stage has taken.";
    STAGE_WORKERS = "stage_workers", Gauge, One, ["stage", "kind"], "Workers that are running.";
    STAGE_FAILURES = "stage_failures_total", Counter, One, ["stage", "kind"],
        "How often a worker failed with an error or a panic.";
    STAGE_RESTARTS = "stage_restarts_total", Counter, One, ["stage", "kind"],
        "How often a worker that had failed was replaced.";
    STAGE_LEFT_OUT = "stage_left_out_total", Counter, One, ["stage", "kind"],
        "Items that failed twice and that the run went on without.";
}
