//! The numbers of a run, in its outcome and at the metrics endpoint.

use std::sync::Arc;
use std::time::Duration;

use metrics_exporter_prometheus::PrometheusBuilder;

use super::{chain, node, run};
use crate::sim::{Collect, Count, Sim, Sleep};
use crate::stats::{names, seconds};
use crate::{Graph, Run, Settings, Shutdown, to_nobody};

fn value(text: &str, series: &str) -> f64 {
    let line = text.lines().find_map(|line| line.strip_prefix(series)).unwrap_or_else(|| panic!("{series}\n{text}"));
    line.trim().parse().unwrap()
}

#[test]
fn the_outcome_and_a_scrape_tell_the_same_and_runs_add_up() {
    let recorder = PrometheusBuilder::new().install_recorder().unwrap();
    let scrape = || recorder.render() + &seconds::render(names::ENGINE);
    let nodes = vec![
        node("count", Count { items: 12, ..Count::default() }).capacity(1),
        node("sleep", Sleep { mean: Duration::from_millis(2), jitter: false }).capacity(5),
        node("collect", Collect { stalled: false }),
    ];
    let graph = Graph::chain("metered", nodes).unwrap();
    let first = run(&graph, &Sim::default());
    let text = scrape();
    assert_eq!(value(&text, r#"trackflow_channel_items_total{from="count",to="sleep"}"#), 12.0);
    assert_eq!(value(&text, r#"trackflow_channel_capacity{from="sleep",to="collect"}"#), 5.0);
    assert_eq!(value(&text, r#"trackflow_channel_depth{from="sleep",to="collect"}"#), 0.0);
    assert_eq!(value(&text, r#"trackflow_stage_items_total{stage="sleep",kind="sleep"}"#), 12.0);
    assert_eq!(value(&text, r#"trackflow_stage_workers{stage="sleep",kind="sleep"}"#), 0.0);
    assert_eq!(value(&text, r#"trackflow_stage_failures_total{stage="sleep",kind="sleep"}"#), 0.0);
    let busy = r#"trackflow_stage_busy_seconds_total{stage="sleep",kind="sleep"}"#;
    let wait = r#"trackflow_channel_receive_wait_seconds_total{from="sleep",to="collect"}"#;
    assert_eq!(value(&text, busy), first.stages[1].busy.as_secs_f64());
    assert_eq!(value(&text, wait), first.channels[1].receive_wait.as_secs_f64());
    // The stage sleeps 12 × 2 ms.
    assert!(first.stages[1].busy >= Duration::from_millis(24));
    assert!(first.wall >= first.stages[1].busy);

    let second = run(&graph, &Sim::default());
    let text = scrape();
    assert_eq!(value(&text, r#"trackflow_stage_items_total{stage="sleep",kind="sleep"}"#), 24.0);
    assert_eq!(value(&text, busy), (first.stages[1].busy + second.stages[1].busy).as_secs_f64());
}

/// Two stages of two workers each that sleep: together they would overlap.
#[test]
fn one_stage_at_a_time_tells_what_each_costs() {
    let sleep = |millis| Sleep { mean: Duration::from_millis(millis), jitter: false };
    let nodes = vec![
        node("count", Count { items: 20, ..Count::default() }).capacity(4),
        node("sleep", sleep(3)).workers(2).capacity(4),
        node("sleep", sleep(6)).workers(2).capacity(4),
        node("collect", Collect { stalled: false }),
    ];
    let graph = chain(nodes);
    let settings = Settings { one_at_a_time: true, notify: to_nobody(), ..Settings::default() };
    let outcome = Run::build_with(&graph, &Arc::new(Sim::default()), Shutdown::new(), settings).unwrap().join();
    assert_eq!(outcome.result, Ok(()));
    let wall: Vec<Duration> = outcome.stages.iter().map(|stage| stage.isolated_cost.unwrap().wall).collect();
    assert!(wall[1] >= Duration::from_millis(60) && wall[2] >= Duration::from_millis(120), "{wall:?}");
    assert!(outcome.wall >= wall.iter().sum::<Duration>(), "{wall:?} in {:?}", outcome.wall);
    assert_eq!(run(&graph, &Sim::default()).stages[1].isolated_cost, None);
}
