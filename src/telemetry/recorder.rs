//! The one recorder of the process, and its upkeep.

use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use metrics::{describe_counter, describe_gauge, describe_histogram};
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle, PrometheusRecorder};

use super::gpu::Gpus;
use super::names::{self, ALL, MetricKind};
use super::process;
use crate::failure::{Failure, Result};
use trackflow_dataflow::stats::seconds;

/// How often observations are folded into their buckets, so that they do not pile up when nobody scrapes, and how often
/// process and GPUs are looked at.
const UPKEEP: Duration = Duration::from_secs(5);

/// Gives out what was recorded.
#[derive(Clone, Debug)]
pub struct Recorder(PrometheusHandle);

impl Recorder {
    /// All metrics in the text format of Prometheus.
    pub fn render(&self) -> String {
        let text = self.0.render() + &seconds::render(ALL);
        match super::log::rank() {
            Some(rank) => labelled(&text, rank),
            None => text,
        }
    }
}

/// `text` with the label `rank` on every metric that has none.
fn labelled(text: &str, rank: usize) -> String {
    let label = |line: &str| match line.find(['{', ' ']) {
        None => line.to_string(),
        _ if line.starts_with('#') || line.contains("{rank=") || line.contains(",rank=") => line.to_string(),
        Some(at) => {
            let (name, rest) = line.split_at(at);
            match rest.strip_prefix('{') {
                Some(rest) => format!("{name}{{rank=\"{rank}\",{rest}"),
                None => format!("{name}{{rank=\"{rank}\"}}{rest}"),
            }
        }
    };
    text.lines().map(|line| label(line) + "\n").collect()
}

/// Records the metrics of this process from the first call on.
///
/// # Errors
/// `Unavailable` when another recorder is there, or no thread is to be had.
pub fn record() -> Result<Recorder> {
    static RECORDER: Mutex<Option<Recorder>> = Mutex::new(None);
    let mut installed = RECORDER.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(recorder) = installed.as_ref() {
        return Ok(recorder.clone());
    }
    let failed = |error: &dyn std::fmt::Display| Failure::unavailable(format!("cannot record metrics: {error}"));
    let recorder = build()?;
    let handle = recorder.handle();
    metrics::set_global_recorder(recorder).map_err(|error| failed(&error))?;
    describe();
    metrics::gauge!(names::BUILD_INFO, "version" => env!("CARGO_PKG_VERSION")).set(1.0);
    process::publish_start();
    process::publish();
    let kept = handle.clone();
    thread::Builder::new()
        .name("upkeep".into())
        .spawn(move || {
            // Opening takes a while where there are GPUs.
            let gpus = Gpus::open();
            loop {
                gpus.iter().for_each(Gpus::publish);
                thread::sleep(UPKEEP);
                kept.run_upkeep();
                process::publish();
            }
        })
        .map_err(|error| Failure::unavailable(format!("cannot start the thread upkeep: {error}")))?;
    Ok(installed.insert(Recorder(handle)).clone())
}

/// A recorder with the buckets of every histogram.
fn build() -> Result<PrometheusRecorder> {
    let mut builder = PrometheusBuilder::new();
    for metric in ALL {
        if let MetricKind::Histogram(buckets) = metric.kind {
            builder = builder
                .set_buckets_for_metric(Matcher::Full(metric.name.to_string()), buckets)
                .map_err(|error| Failure::unavailable(format!("cannot record metrics: {error}")))?;
        }
    }
    Ok(builder.build_recorder())
}

fn describe() {
    for metric in ALL {
        match metric.kind {
            MetricKind::Counter => describe_counter!(metric.name, metric.help),
            MetricKind::Gauge => describe_gauge!(metric.name, metric.help),
            MetricKind::Histogram(_) => describe_histogram!(metric.name, metric.help),
            MetricKind::Seconds => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_metric_gets_the_rank_as_a_label() {
        let text = "# HELP a b c\na 1\nb{x=\"y z\"} 2\nc{rank=\"0\"} 3\n\n";
        let expected = "# HELP a b c\na{rank=\"2\"} 1\nb{rank=\"2\",x=\"y z\"} 2\nc{rank=\"0\"} 3\n\n";
        assert_eq!(labelled(text, 2), expected);
    }
}
