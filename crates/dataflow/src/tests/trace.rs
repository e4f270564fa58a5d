//! What is recorded of workers.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use super::{chain, node};
use crate::failure::Result;
use crate::sim::{Collect, Count, Sim, Sleep};
use crate::{Run, Settings, Shutdown, Trace, to_nobody};

fn recorded(trace: &Trace) -> serde_json::Value {
    let mut text = Vec::new();
    trace.write(&mut text).unwrap();
    serde_json::from_slice(&text).unwrap()
}

#[test]
fn every_worker_has_a_row_and_every_item_a_slice() -> Result<()> {
    let sleep = Sleep { mean: Duration::from_millis(1), jitter: false };
    let nodes = vec![
        node("count", Count { items: 40, ..Count::default() }).capacity(1),
        node("sleep", sleep).workers(2).capacity(1),
        node("collect", Collect { stalled: false }),
    ];
    let graph = chain(nodes);
    // Nobody counts steps here: it is on from the beginning.
    let trace = Trace::of_steps(0..1);
    let settings = Settings { trace: Some(Arc::clone(&trace)), notify: to_nobody(), ..Settings::default() };
    Run::build_with(&graph, &Arc::new(Sim::default()), Shutdown::new(), settings)?.join().result?;
    let all = recorded(&trace);
    let events = all["traceEvents"].as_array().unwrap();
    let named = |event: &&serde_json::Value| event["name"] == "thread_name";
    let rows: Vec<&str> = events.iter().filter(named).map(|event| event["args"]["name"].as_str().unwrap()).collect();
    assert_eq!(rows, ["count0 0", "sleep1 0", "sleep1 1", "collect2 0"]);
    let mut count: BTreeMap<&str, usize> = BTreeMap::new();
    for event in events.iter().filter(|event| event["ph"] == "X") {
        *count.entry(event["name"].as_str().unwrap()).or_default() += 1;
    }
    // Each call into a stage, of which there are some at the end of each worker too.
    for (stage, workers) in [("count0", 1), ("sleep1", 2), ("collect2", 1)] {
        assert!((40..=40 + 2 * workers + 1).contains(&count[stage]), "{stage}: {count:?}");
    }
    // The source is faster than two sleepers with one place in front of them.
    assert!(count["wait"] > 0 && count["blocked"] > 0, "{count:?}");
    Ok(())
}

#[test]
fn a_trace_that_never_begins_is_empty_and_one_without_is_not_there() -> Result<()> {
    let graph =
        chain(vec![node("count", Count { items: 5, ..Count::default() }), node("collect", Collect { stalled: false })]);
    let trace = Trace::of_steps(3..4);
    let settings = Settings { trace: Some(Arc::clone(&trace)), notify: to_nobody(), ..Settings::default() };
    Run::build_with(&graph, &Arc::new(Sim::default()), Shutdown::new(), settings)?.join().result?;
    assert!(trace.is_empty());
    assert_eq!(recorded(&trace)["otherData"]["steps"], "3:4");
    Ok(())
}
