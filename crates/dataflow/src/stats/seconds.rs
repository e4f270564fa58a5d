//! Counters of seconds with fractions. The `metrics` crate counts in whole numbers only, so these are kept here and
//! rendered beside its own.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use super::names::{Metric, MetricKind};

type Family = BTreeMap<String, Arc<AtomicU64>>;

static FAMILIES: Mutex<BTreeMap<&'static str, Family>> = Mutex::new(BTreeMap::new());

/// A counter of seconds, of kind [`MetricKind::Seconds`].
#[derive(Clone, Debug)]
pub struct SecondsCounter(Arc<AtomicU64>);

impl SecondsCounter {
    /// The counter of `name` with `labels`; the same name and labels give the same counter.
    pub fn new(name: &'static str, labels: &[(&str, &str)]) -> Self {
        let rendered: Vec<String> = labels.iter().map(|(key, value)| format!("{key}=\"{}\"", escape(value))).collect();
        let mut families = FAMILIES.lock().unwrap_or_else(PoisonError::into_inner);
        Self(Arc::clone(families.entry(name).or_default().entry(rendered.join(",")).or_default()))
    }

    /// Adds `time`.
    pub fn increment(&self, time: Duration) {
        // 584 years of nanoseconds fit.
        self.0.fetch_add(u64::try_from(time.as_nanos()).unwrap_or(u64::MAX), Ordering::Relaxed);
    }

    /// Makes it `total`, unless it is more already.
    pub fn reach(&self, total: Duration) {
        self.0.fetch_max(u64::try_from(total.as_nanos()).unwrap_or(u64::MAX), Ordering::Relaxed);
    }
}

/// All counters of seconds in the text format of Prometheus, with the help that `metrics` has for them.
pub fn render(metrics: &[Metric]) -> String {
    let mut text = String::new();
    for (name, family) in FAMILIES.lock().unwrap_or_else(PoisonError::into_inner).iter() {
        let help = metrics.iter().find(|metric| metric.name == *name && metric.kind == MetricKind::Seconds);
        if let Some(metric) = help {
            // Writing to a String cannot fail.
            let _ = writeln!(text, "# HELP {name} {}", metric.help);
        }
        let _ = writeln!(text, "# TYPE {name} counter");
        for (labels, nanos) in family {
            let seconds = Duration::from_nanos(nanos.load(Ordering::Relaxed)).as_secs_f64();
            let _ = match labels.is_empty() {
                true => writeln!(text, "{name} {seconds}"),
                false => writeln!(text, "{name}{{{labels}}} {seconds}"),
            };
        }
        text.push('\n');
    }
    text
}

/// A label value as the text format wants it.
fn escape(value: &str) -> String {
    value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}
