//! Pipeline files, right and wrong.

use proptest::prelude::*;

use crate::failure::FailureKind;
use crate::flow::sim::{KINDS, Sim};
use crate::flow::{Graph, StopToken, compile, run};
use crate::settings::{Node, Reading};

fn graph(text: &str) -> crate::failure::Result<(Graph<Sim>, String)> {
    let reading = Reading::new();
    let graph = compile(&reading, &Node::parse("p.yaml", text)?, KINDS)?;
    Ok((graph, reading.resolved()))
}

fn problems(text: &str) -> String {
    let failure = graph(text).err().unwrap();
    assert_eq!(failure.kind, FailureKind::Config);
    failure.message
}

const GOOD: &str = "\
name: numbers
description: Counts.
stages:
  numbers: {kind: count, capacity: 8, options: {items: 20}}
  wait: {kind: sleep, workers: 4, capacity: 2, options: {ms: 0.01, jitter: true}}
  end: {kind: collect, inputs: wait}
";

#[test]
fn a_file_becomes_a_plan_and_runs() {
    let (graph, resolved) = graph(GOOD).unwrap();
    assert_eq!(graph.name(), "numbers");
    let plan: Vec<String> = graph.plan().iter().map(|line| format!("{line:?}")).collect();
    insta::assert_snapshot!(plan.join("\n"), @r#"
    Planned { id: "numbers", kind: "count", workers: 1, ordered: false, output: Some((8, "numbers")), window: Some(14) }
    Planned { id: "wait", kind: "sleep", workers: 4, ordered: false, output: Some((2, "numbers")), window: None }
    Planned { id: "end", kind: "collect", workers: 1, ordered: true, output: None, window: None }
    "#);
    insta::assert_snapshot!(resolved, @r#"
    name: "numbers"
    description: "Counts."
    stages:
      numbers:
        kind: "count"
        workers: 1
        capacity: 8
        options:
          items: 20
      wait:
        kind: "sleep"
        workers: 4
        capacity: 2
        options:
          ms: 0.01
          jitter: true
      end:
        kind: "collect"
        inputs: ["wait"]
        workers: 1
        options:
          stalled: false
    "#);
    let sim = Sim::default();
    assert_eq!(run(&graph, &sim, StopToken::new()).result, Ok(()));
    assert_eq!(sim.journal(), (0..20).collect::<Vec<_>>());
}

#[test]
fn the_resolved_file_compiles_to_the_same_graph() {
    let (first, resolved) = graph(GOOD).unwrap();
    let (second, again) = graph(&resolved).unwrap();
    assert_eq!((first.plan(), resolved), (second.plan(), again));
}

#[test]
fn explicit_inputs_may_stand_in_any_order() {
    let text = "\
name: backwards
stages:
  end: {kind: collect, inputs: [b]}
  b: {kind: order, inputs: [a]}
  a: {kind: count, inputs: []}
";
    let ids: Vec<String> = graph(text).unwrap().0.plan().into_iter().map(|line| line.id).collect();
    assert_eq!(ids, ["a", "b", "end"]);
}

#[test]
fn names_kinds_keys_workers_and_options_are_told_at_once() {
    insta::assert_snapshot!(problems("\
nmae: x
stages:
  Numbers: {kind: count, workers: 2, capacity: 0}
  wait: {kind: slep, worker: 3, workers: 3}
  sleep: {kind: sleep, workers: 65, options: {ms: -1, jiter: true}}
  order: {kind: order, workers: 2, inputs: slep}
  empty:
  odd: {kind: sleep, workers: 0, inputs: 7}
  end: {kind: collect, capacity: 3, options: {stalled: maybe}}
"), @r#"
    p.yaml:1:1: name: missing; give it text
    p.yaml:1:1: nmae: unknown key; did you mean name?
    p.yaml:3:3: stages.Numbers: a stage's name consists of a-z, 0-9, _ and -
    p.yaml:3:35: stages.Numbers.workers: count has 1 worker, not 2
    p.yaml:3:48: stages.Numbers.capacity: must be at least 1
    p.yaml:4:16: stages.wait.kind: unknown kind `slep`; did you mean sleep?
    p.yaml:4:22: stages.wait.worker: unknown key; known: inputs, capacity, options
    p.yaml:5:33: stages.sleep.workers: sleep has at most 64 workers, not 65
    p.yaml:5:51: stages.sleep.options.ms: must be from 0 to 3600000
    p.yaml:5:55: stages.sleep.options.jiter: unknown key; did you mean jitter?
    p.yaml:6:33: stages.order.workers: order takes its input in order, so it has 1 worker, not 2
    p.yaml:6:44: stages.order.inputs: unknown stage `slep`; did you mean sleep?
    p.yaml:7:8: stages.empty.kind: missing; give it text
    p.yaml:8:31: stages.odd.workers: must be at least 1
    p.yaml:8:42: stages.odd.inputs: expected the name of a stage, found 7
    p.yaml:9:24: stages.end.capacity: unknown key; known: inputs, workers
    p.yaml:9:56: stages.end.options.stalled: expected true or false, found the text `maybe`
    "#);
}

#[test]
fn ports_must_fit() {
    insta::assert_snapshot!(problems("\
name: misfits
stages:
  count: {kind: count}
  split: {kind: split}
  batch: {kind: batch}
  end: {kind: collect}
"), @r#"
    p.yaml:4:3: stages.split: count emits numbers, split expects groups of numbers
    p.yaml:6:3: stages.end: batch emits groups of numbers, end expects numbers
    "#);
}

#[test]
fn only_chains_are_supported_so_far() {
    insta::assert_snapshot!(problems("\
name: branches
stages:
  first: {kind: count}
  second: {kind: count, inputs: first}
  a: {kind: sleep, inputs: first}
  b: {kind: sleep, inputs: first}
  merge: {kind: order, inputs: [a, b]}
  end: {kind: collect}
  after: {kind: discard, inputs: end}
"), @r#"
    p.yaml:4:3: stages.second: a second source beside `first`: only chains are supported so far
    p.yaml:4:33: stages.second.inputs: a source takes no input
    p.yaml:6:28: stages.b.inputs: `first` feeds `a` already: only chains are supported so far
    p.yaml:7:32: stages.merge.inputs: several inputs: only chains are supported so far; name one
    p.yaml:9:34: stages.after.inputs: `end` is a sink and emits nothing
    "#);
}

#[test]
fn missing_ends_are_named() {
    insta::assert_snapshot!(problems("name: loose\nstages: {a: {kind: sleep}, b: {kind: sleep}}\n"), @r#"
    p.yaml:2:10: stages.a: needs numbers as input; begin with a source: count
    p.yaml:2:28: stages.b: nothing takes the numbers that it emits; end with a sink: collect, discard
    "#);
    insta::assert_snapshot!(problems("name: empty\n"), @"p.yaml:1:1: stages: a pipeline needs at least a source and a sink");
    insta::assert_snapshot!(problems("name: empty\nstages: 3\n"), @r#"
    p.yaml:2:9: stages: expected a mapping of keys, found 3
    p.yaml:2:9: stages: a pipeline needs at least a source and a sink
    "#);
}

#[test]
fn circles_are_followed_once() {
    insta::assert_snapshot!(problems("\
name: circles
stages:
  count: {kind: count}
  a: {kind: sleep, inputs: c}
  b: {kind: sleep, inputs: a}
  c: {kind: sleep, inputs: b}
  d: {kind: sleep, inputs: d}
  end: {kind: collect, inputs: count}
"), @r#"
    p.yaml:4:28: stages.a.inputs: the stages feed each other in a circle: a → b → c → a
    p.yaml:7:28: stages.d.inputs: the stages feed each other in a circle: d → d
    "#);
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    /// Whatever a file says, it compiles to a chain that holds all its stages, or says what is wrong.
    #[test]
    fn every_file_compiles_or_complains(stages in prop::collection::vec((0..KINDS.len(), 0usize..8), 0..7)) {
        let mut text = "name: random\nstages:\n".to_string();
        for (index, (kind, input)) in stages.iter().enumerate() {
            let inputs = match input {
                0..=3 => String::new(),
                other => format!(", inputs: s{}", other - 4),
            };
            text.push_str(&format!("  s{index}: {{kind: {}{inputs}}}\n", KINDS[*kind].name));
        }
        match graph(&text) {
            Ok((graph, _)) => prop_assert_eq!(graph.nodes().len(), stages.len()),
            Err(failure) => prop_assert!(
                failure.message.lines().all(|line| line.starts_with("p.yaml:")),
                "{}\n{}", text, failure
            ),
        }
    }
}
