//! Changes while a run goes on: workers that come and go, options that are read again, stalls that are told.

use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use super::{chain, node, wait_until};
use crate::settings::{self, Diagnostics};
use crate::sim::{Collect, Count, Discard, KINDS, Sim, Sleep};
use crate::{Graph, Node, Notify, Run, Settings, Shutdown, StopReason, compile};

fn ears() -> (Notify, Arc<Mutex<Vec<String>>>) {
    let said = Arc::new(Mutex::new(Vec::new()));
    let heard = Arc::clone(&said);
    (Arc::new(move |notice| heard.lock().unwrap().push(notice.text().to_string())), said)
}

fn sleep(millis: f64) -> Node<Sim> {
    node("sleep", Sleep { mean: Duration::from_secs_f64(millis / 1000.0), jitter: false })
}

#[test]
fn automatic_workers_grow_where_the_flow_waits() {
    let (notify, said) = ears();
    let mut slow = sleep(8.0).capacity(8);
    slow.auto = true;
    let mut quick = sleep(0.1).capacity(8);
    quick.auto = true;
    let graph = chain(vec![
        node("count", Count { items: u64::MAX, first: 0 }).capacity(8),
        slow,
        quick,
        // 2 ms for each: four workers of the slow stage are enough.
        node("order", Sleep { mean: Duration::from_millis(2), jitter: false }).capacity(8),
        node("collect", Collect { stalled: false }),
    ]);
    let settings = Settings { notify, cores: 12, scaling_period: Duration::from_millis(150), ..Settings::default() };
    let (stop, sim) = (Shutdown::new(), Sim::default());
    let run = Run::build_with(&graph, &Arc::new(sim.clone()), stop.clone(), settings).unwrap();
    let board = run.board();
    let run = thread::spawn(move || run.join());
    // How many there are in the end depends on how busy the machine is; the rules are tested in virtual time.
    let has_grown = || said.lock().unwrap().iter().any(|text| text.starts_with("sleep1: 1 → 2 workers: it is "));
    wait_until(|| has_grown() && board.stages()[1].running > 1);
    let stages = board.stages();
    stop.stop(StopReason::Signal(15));
    let outcome = run.join().unwrap();
    assert_eq!(outcome.result, Ok(()));
    let workers = stages[1].running + stages[2].running;
    assert!((3..=12).contains(&workers), "{workers} workers: {:#?}", said.lock().unwrap());
    assert_eq!(sim.journal(), (0..outcome.stages[0].taken).collect::<Vec<_>>());
}

fn compiled(text: &str) -> Graph<Sim> {
    compile(&Diagnostics::new(), &settings::Node::parse("p.yaml", text).unwrap(), KINDS).unwrap()
}

const BEFORE: &str = "\
name: before
stages:
  numbers: {kind: count, options: {items: 100000000}}
  wait: {kind: sleep, workers: 1, capacity: 2, options: {ms: 1}}
  end: {kind: collect}
";

#[test]
fn a_new_file_changes_workers_and_options_without_losing_an_item() {
    let (sim, stop) = (Arc::new(Sim::default()), Shutdown::new());
    let old = compiled(BEFORE);
    let run = Run::build(&old, &sim, stop.clone()).unwrap();
    let (control, board) = (run.control(), run.board());
    let run = thread::spawn(move || run.join());
    wait_until(|| board.stages()[2].taken > 5);
    let new = compiled(
        &BEFORE
            .replace("workers: 1", "workers: 3")
            .replace("{ms: 1}", "{ms: 0.5}")
            .replace("capacity: 2", "capacity: 5"),
    );
    let reloaded = control.reload(&old, &new, &sim);
    assert_eq!(
        reloaded.applied,
        [
            "wait: capacity 2 → 5",
            "wait: workers 1 → 3",
            "wait: options {ms: 1.0, jitter: false} → {ms: 0.5, jitter: false}"
        ]
    );
    assert!(reloaded.refused.is_empty(), "{:?}", reloaded.refused);
    assert_eq!(board.channels()[1].capacity, 5);
    wait_until(|| board.stages()[1].running == 3);
    let back = control.reload(&new, &old, &sim);
    assert_eq!(back.applied.len(), 3);
    wait_until(|| board.stages()[1].running == 1);
    stop.stop(StopReason::Signal(1));
    let outcome = run.join().unwrap();
    assert_eq!(outcome.result, Ok(()));
    assert_eq!(sim.journal(), (0..outcome.stages[0].taken).collect::<Vec<_>>());
}

/// What is ordered before the actors are there waits for them.
#[test]
fn a_new_file_before_the_beginning_is_that_of_the_run() {
    let (sim, stop) = (Arc::new(Sim::default()), Shutdown::new());
    let old = compiled(BEFORE);
    let run = Run::build(&old, &sim, stop.clone()).unwrap();
    let new = compiled(&BEFORE.replace("workers: 1", "workers: 4").replace("{ms: 1}", "{ms: 0.5}"));
    let (control, board) = (run.control(), run.board());
    assert_eq!(control.reload(&old, &new, &sim).applied.len(), 2);
    // A number that was asked for is in force, whether or not the workers are there yet.
    assert_eq!(control.reload(&new, &new, &sim).applied, Vec::<String>::new());
    let run = thread::spawn(move || run.join());
    wait_until(|| board.stages()[1].running == 4);
    stop.stop(StopReason::Signal(1));
    assert_eq!(run.join().unwrap().result, Ok(()));
    assert_eq!(control.reload(&new, &old, &sim).applied.len(), 2, "of no effect, and no fault");
}

/// Behind a stalled sink exactly as many items are taken as the file in force has places and workers.
#[test]
fn a_capacity_that_changes_is_filled_and_no_more() {
    let file = |first: usize, second: usize| {
        compiled(&format!(
            "name: sizes\nstages:\n  numbers: {{kind: count, capacity: {first}, options: {{items: 1000}}}}\n  \
             wait: {{kind: sleep, workers: 2, capacity: {second}, options: {{ms: 0}}}}\n  \
             end: {{kind: collect, options: {{stalled: true}}}}\n"
        ))
    };
    let (sim, small, large) = (Arc::new(Sim::default()), file(2, 1), file(5, 9));
    let run = Run::build(&small, &sim, Shutdown::new()).unwrap();
    let (control, board) = (run.control(), run.board());
    let run = thread::spawn(move || run.join());
    let stays_at = |places: u64| {
        wait_until(|| board.stages()[0].taken == places);
        thread::sleep(Duration::from_millis(60));
        assert_eq!(board.stages()[0].taken, places);
    };
    stays_at(2 + 1 + 4);
    assert_eq!(control.reload(&small, &large, &sim).refused, Vec::<String>::new());
    // The old channel before the sink still holds its item; the other one has been emptied by the workers behind it.
    stays_at(5 + 9 + 4 + 1);
    assert_eq!(control.reload(&large, &small, &sim).refused, Vec::<String>::new());
    sim.valve.open();
    assert_eq!(run.join().unwrap().result, Ok(()));
    assert_eq!(sim.journal(), (0..1000).collect::<Vec<_>>());
}

#[test]
fn a_file_with_other_stages_is_refused_as_a_whole() {
    let sim = Arc::new(Sim::default());
    let old = compiled(BEFORE);
    let run = Run::build(&old, &sim, Shutdown::new()).unwrap();
    let reloaded = run.control().reload(
        &old,
        &compiled(&BEFORE.replace("kind: sleep", "kind: drop").replace(", options: {ms: 1}", "")),
        &sim,
    );
    assert_eq!((reloaded.applied.len(), reloaded.refused.len()), (0, 1));
}

#[test]
fn a_stall_names_the_stage_that_everyone_waits_for() {
    let (notify, said) = ears();
    let settings = Settings { notify, patience: Duration::from_millis(900), ..Settings::default() };
    let graph = chain(vec![
        node("count", Count { items: 100, first: 0 }).capacity(2),
        sleep(0.0).capacity(3),
        node("discard", Discard { stalled: true }),
    ]);
    let sim = Sim::default();
    let run = Run::build_with(&graph, &Arc::new(sim.clone()), Shutdown::new(), settings).unwrap();
    let run = thread::spawn(move || run.join());
    let everyone_waits = |text: &String| text.contains("everyone waits for `discard2` (1 of 1 workers inside)");
    let is_full =
        |text: &String| text.contains("count0 → sleep1: 2 of 2") && text.contains("sleep1 → discard2: 3 of 3");
    // On a busy machine a first one can come before everything is full.
    wait_until(|| said.lock().unwrap().iter().any(|text| everyone_waits(text) && is_full(text)));
    sim.valve.open();
    assert_eq!(run.join().unwrap().result, Ok(()));
}
