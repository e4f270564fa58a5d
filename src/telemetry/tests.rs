use std::collections::BTreeSet;
use std::time::Duration;

use metrics::{counter, gauge, histogram};

use super::names::{self, ALL, MetricKind, Unit};
use super::{SecondsCounter, record};

#[test]
fn what_is_recorded_is_rendered_in_the_text_format() {
    let recorder = record().unwrap();
    counter!(names::TRAIN_CLIPS).increment(32);
    gauge!(names::TRAIN_LOSS, "term" => "giou").set(0.5);
    histogram!(names::TRAIN_STEP_SECONDS).record(0.25);
    SecondsCounter::new(names::STAGE_BUSY, &[("stage", "a \"b\""), ("kind", "k")])
        .increment(Duration::from_millis(1500));
    let text = recorder.render();
    for line in [
        "# HELP trackflow_train_clips_total Clips that went through a step.",
        "# TYPE trackflow_train_clips_total counter",
        "trackflow_train_clips_total 32",
        "trackflow_train_loss{term=\"giou\"} 0.5",
        "# TYPE trackflow_train_step_seconds histogram",
        "trackflow_train_step_seconds_bucket{le=\"0.2\"} 0",
        "trackflow_train_step_seconds_bucket{le=\"0.3\"} 1",
        "trackflow_train_step_seconds_bucket{le=\"+Inf\"} 1",
        "trackflow_train_step_seconds_count 1",
        "# TYPE trackflow_stage_busy_seconds_total counter",
        "trackflow_stage_busy_seconds_total{stage=\"a \\\"b\\\"\",kind=\"k\"} 1.5",
    ] {
        assert!(text.lines().any(|other| other == line), "{line}\n{text}");
    }
    for start in ["trackflow_build_info{version=", "trackflow_process_cpu_seconds_total ", "trackflow_process_threads "]
    {
        assert!(text.lines().any(|line| line.starts_with(start)), "{start}\n{text}");
    }
    assert!(!text.contains("quantile="), "no summaries");
    // A second call gives the same numbers.
    assert!(record().unwrap().render().contains("trackflow_train_clips_total 32"));
}

#[test]
fn a_total_of_seconds_never_goes_back() {
    let counter = SecondsCounter::new(names::TRAIN_PART_SECONDS, &[("part", "test")]);
    counter.reach(Duration::from_millis(1500));
    counter.reach(Duration::from_millis(500));
    assert!(record().unwrap().render().contains("trackflow_train_part_seconds_total{part=\"test\"} 1.5\n"));
}

#[test]
fn names_follow_the_conventions() {
    let mut seen = BTreeSet::new();
    for metric in ALL {
        assert!(seen.insert(metric.name), "{} twice", metric.name);
        assert!(metric.name.starts_with("trackflow_"), "{}", metric.name);
        assert!(metric.name.chars().all(|c| c.is_ascii_lowercase() || c == '_'), "{}", metric.name);
        let total = matches!(metric.kind, MetricKind::Counter | MetricKind::Seconds);
        assert_eq!(metric.name.ends_with("_total"), total, "{}", metric.name);
        assert!(metric.help.ends_with('.') && metric.help.len() < 120, "{}", metric.name);
        for (unit, word) in [(Unit::Second, "_seconds"), (Unit::Byte, "_bytes"), (Unit::Watt, "_watts")] {
            assert_eq!(metric.unit == unit, metric.name.contains(word), "{}", metric.name);
        }
        if metric.kind == MetricKind::Seconds {
            assert_eq!(metric.unit, Unit::Second, "{}", metric.name);
        }
        if let MetricKind::Histogram(buckets) = metric.kind {
            assert!(metric.name.ends_with("_seconds") && buckets.is_sorted_by(|a, b| a < b), "{}", metric.name);
        }
    }
}
