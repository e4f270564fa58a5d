//! Pipeline files, right and wrong.

use std::sync::Arc;

use proptest::prelude::*;

use crate::failure::FailureKind;
use crate::settings::{Diagnostics, Node};
use crate::sim::{KINDS, Sim};
use crate::{Graph, Kind, Kinds, Port, Shutdown, StreamItem, compile, count, run};

fn graph(text: &str) -> crate::failure::Result<(Graph<Sim>, String)> {
    let diagnostics = Diagnostics::new();
    let graph = compile(&diagnostics, &Node::parse("p.yaml", text)?, KINDS)?;
    Ok((graph, diagnostics.resolved()))
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
    let plan: Vec<String> = graph.plan(2).iter().map(|line| format!("{line:?}")).collect();
    insta::assert_snapshot!(plan.join("\n"), @r#"
    Planned { id: "numbers", kind: "count", inputs: [], workers: 1, auto: false, ordered: false, output: Some((8, "numbers")), window: Some(14), max_failures: 0 }
    Planned { id: "wait", kind: "sleep", inputs: ["numbers"], workers: 4, auto: false, ordered: false, output: Some((2, "numbers")), window: None, max_failures: 8 }
    Planned { id: "end", kind: "collect", inputs: ["wait"], workers: 1, auto: false, ordered: true, output: None, window: None, max_failures: 0 }
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
          first: 0
      wait:
        kind: "sleep"
        workers: 4
        capacity: 2
        options:
          ms: 0.01
          jitter: true
        max_failures: 8
      end:
        kind: "collect"
        inputs: ["wait"]
        workers: 1
        options:
          stalled: false
    "#);
    let sim = Sim::default();
    assert_eq!(run(&graph, &Arc::new(sim.clone()), Shutdown::new()).result, Ok(()));
    assert_eq!(sim.journal(), (0..20).collect::<Vec<_>>());
}

#[test]
fn the_resolved_file_compiles_to_the_same_graph() {
    let (first, resolved) = graph(GOOD).unwrap();
    let (second, again) = graph(&resolved).unwrap();
    assert_eq!((first.plan(2), resolved), (second.plan(2), again));
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
    let ids: Vec<String> = graph(text).unwrap().0.plan(2).into_iter().map(|line| line.id).collect();
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
"), @r"
    p.yaml:1:1: name: missing; give it text
    p.yaml:1:1: nmae: unknown key; did you mean name?
    p.yaml:3:3: stages.Numbers: a stage's name consists of a-z, 0-9, _ and -
    p.yaml:3:35: stages.Numbers.workers: count has 1 worker, not 2
    p.yaml:3:48: stages.Numbers.capacity: must be from 1 to 1000000, found 0
    p.yaml:4:16: stages.wait.kind: unknown kind `slep`; did you mean sleep?
    p.yaml:4:22: stages.wait.worker: unknown key; did you mean workers?
    p.yaml:5:33: stages.sleep.workers: sleep has at most 64 workers, not 65
    p.yaml:5:51: stages.sleep.options.ms: must be from 0 to 3600000
    p.yaml:5:55: stages.sleep.options.jiter: unknown key; did you mean jitter?
    p.yaml:6:33: stages.order.workers: order takes its input in order, so it has 1 worker, not 2
    p.yaml:6:44: stages.order.inputs: unknown stage `slep`; did you mean sleep?
    p.yaml:7:8: stages.empty.kind: missing; give it text
    p.yaml:8:31: stages.odd.workers: must be at least 1
    p.yaml:8:42: stages.odd.inputs: expected the name of a stage, found 7
    p.yaml:9:24: stages.end.capacity: unknown key; known: kind, inputs, workers, options, max_failures
    p.yaml:9:56: stages.end.options.stalled: expected true or false, found the text `maybe`
    ");
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
fn branches_and_merges_that_cannot_be_are_named() {
    insta::assert_snapshot!(problems("\
name: branches
stages:
  first: {kind: count}
  second: {kind: count, inputs: first}
  a: {kind: sleep, inputs: first}
  b: {kind: sleep, inputs: first}
  sum: {kind: order, inputs: [a, b]}
  merge: {kind: merge, inputs: [sum, second], options: {ratio: [1, 2, 3]}}
  batch: {kind: batch}
  one: {kind: split, inputs: batch}
  two: {kind: split, inputs: batch}
  end: {kind: collect, inputs: one}
  after: {kind: discard, inputs: end}
"), @r"
    p.yaml:4:33: stages.second.inputs: count is a source and takes no input
    p.yaml:7:30: stages.sum.inputs: order takes one input, not 2; put a merge before it
    p.yaml:7:30: stages.sum.inputs: `b` and `sum` are joined by another way already; give each branch a source or a sink of its own
    p.yaml:8:3: stages.merge: has 3 shares in `ratio` for 2 inputs
    p.yaml:8:32: stages.merge.inputs: `second` and `merge` are joined by another way already; give each branch a source or a sink of its own
    p.yaml:9:3: stages.batch: feeds `one` and `two`, but groups of numbers cannot be copied
    p.yaml:11:3: stages.two: nothing takes the numbers that it emits; end with a sink: collect, discard, drain
    p.yaml:13:34: stages.after.inputs: `end` is a sink and emits nothing
    ");
}

#[test]
fn a_merge_knows_its_turns_and_types() {
    insta::assert_snapshot!(problems("\
name: merges
stages:
  a: {kind: count}
  batch: {kind: batch}
  b: {kind: count}
  merge: {kind: merge, inputs: [batch, b], options: {by: order, ratio: [1, 0]}}
  end: {kind: collect}
"), @r"
    p.yaml:6:32: stages.merge.inputs: what `batch` emits does not know its place in the run; merge by: ratio
    p.yaml:6:32: stages.merge.inputs: batch emits groups of numbers, b emits numbers; one flow has one type
    p.yaml:6:72: stages.merge.options.ratio: must be from 1 to 1000000, found 0
    p.yaml:6:72: stages.merge.options.ratio: has no meaning with `by: order`; leave it out
    p.yaml:7:3: stages.end: merge emits groups of numbers, end expects numbers
    ");
}

impl StreamItem for u32 {}

/// Ports of one name whose items are of different types, as kinds of different authors may have.
#[test]
fn ports_fit_by_their_type_too() {
    static OTHERS: [Kind<Sim>; 2] = [
        Kind { name: "words", output: Some(Port::copied::<u32>("numbers")), ..count::kind() },
        Kind { name: "small", input: Some(Port::of::<u32>("numbers")), ..count::kind() },
    ];
    let mut kinds = Kinds::from(KINDS);
    OTHERS.iter().try_for_each(|kind| kinds.add(kind)).unwrap();
    let compiled = |text: &str| {
        let diagnostics = Diagnostics::new();
        compile(&diagnostics, &Node::parse("p.yaml", text).unwrap(), &kinds)
    };
    let wrong = compiled(
        "name: types\nstages:\n  a: {kind: count}\n  b: {kind: small}\n  c: {kind: count}\n  d: {kind: words, inputs: c}\n  \
         m: {kind: merge, inputs: [a, d]}\n  e: {kind: drain}\n",
    );
    insta::assert_snapshot!(wrong.err().unwrap().message, @r"
    p.yaml:4:3: stages.b: a emits numbers of type u64, b expects numbers of type u32
    p.yaml:7:28: stages.m.inputs: a emits numbers of type u64, d emits numbers of type u32; one flow has one type
    ");
    // `words` takes items of any type.
    let graph = compiled("name: types\nstages:\n  c: {kind: count}\n  d: {kind: words}\n  b: {kind: small}\n").unwrap();
    assert!(graph.item_ops(1).can_copy() && !graph.item_ops(1).is_ranked() && graph.item_ops(0).is_ranked());
}

#[test]
fn branches_and_merges_compile() {
    let text = "\
name: two
stages:
  a: {kind: count, options: {items: 6}}
  b: {kind: count, options: {items: 3, first: 100}}
  merge: {kind: merge, inputs: [a, b], options: {ratio: [2, 1]}}
  end: {kind: collect}
  aside: {kind: discard, inputs: merge}
";
    let (graph, resolved) = graph(text).unwrap();
    insta::assert_snapshot!(graph.text(), @r"
    two
      a, count → [4] numbers
      b, count → [4] numbers
      a + b → merge → [4] numbers, to 2 stages
      merge → end, collect
      merge → aside, discard
    ");
    insta::assert_snapshot!(graph.mermaid(), @r#"
    flowchart LR
        s_a["a<br/>count"]
        s_b["b<br/>count"]
        s_merge["merge"]
        s_end["end<br/>collect"]
        s_aside["aside<br/>discard"]
        s_a -->|4 × numbers| s_merge
        s_b -->|4 × numbers| s_merge
        s_merge -->|4 × numbers| s_end
        s_merge -->|4 × numbers| s_aside
    "#);
    insta::assert_snapshot!(graph.dot(), @r#"
    digraph "two" {
      rankdir=LR;
      node [shape=box, style=rounded];
      "a" [label="a\ncount"];
      "b" [label="b\ncount"];
      "merge" [label="merge"];
      "end" [label="end\ncollect"];
      "aside" [label="aside\ndiscard"];
      "a" -> "merge" [label="4 × numbers"];
      "b" -> "merge" [label="4 × numbers"];
      "merge" -> "end" [label="4 × numbers"];
      "merge" -> "aside" [label="4 × numbers"];
    }
    "#);
    let sim = Sim::default();
    assert_eq!(run(&graph, &Arc::new(sim.clone()), Shutdown::new()).result, Ok(()));
    assert_eq!(sim.journal(), [0, 100, 1, 2, 101, 3, 4, 102, 5]);
    assert_eq!(self::graph(&resolved).unwrap().0.plan(2), graph.plan(2));
}

#[test]
fn missing_ends_are_named() {
    insta::assert_snapshot!(problems("name: loose\nstages: {a: {kind: sleep}, b: {kind: sleep}}\n"), @r"
    p.yaml:2:10: stages.a: needs numbers as input; begin with a source: count
    p.yaml:2:28: stages.b: nothing takes the numbers that it emits; end with a sink: collect, discard, drain
    ");
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
