//! A day of work in less than a minute: as many items as a training run takes in 24 hours at four clips a second, with
//! faults now and then, through stages that take no time. Memory stays where it was after the first tenth.

use std::sync::Arc;
use trackflow::flow::{
    Graph, Kind, Node, Run, Settings, Shutdown, Turns,
    merge::Merge,
    sim::{Count, Discard, Flaky, KINDS, Order, Sim},
    to_nobody,
};

const ITEMS: u64 = 24 * 3600 * 4;

fn kind(name: &str) -> &'static Kind<Sim> {
    KINDS.iter().find(|kind| kind.name == name).unwrap()
}

/// Resident memory in bytes.
fn resident() -> u64 {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap();
    statm.split(' ').nth(1).unwrap().parse::<u64>().unwrap() * 4096
}

/// Two sources, a stage that panics and one that fails, a merge and a branch.
fn day() -> Graph<Sim> {
    let nodes = vec![
        Node::new("days", kind("count"), Count { items: ITEMS, first: 1 }).capacity(8),
        Node::new("panics", kind("flaky"), Flaky { once: 8191, always: 65_521, panics: true })
            .workers(2)
            .max_failures(u64::MAX),
        Node::new("nights", kind("count"), Count { items: ITEMS / 4, first: 1 << 40 }).capacity(8),
        Node::new("fails", kind("flaky"), Flaky { once: 0, always: 4093, panics: false }).max_failures(u64::MAX),
        Node::new("merge", kind("merge"), Merge { turns: Turns::Ratio(vec![4, 1]) }),
        Node::new("order", kind("order"), Order),
        Node::new("end", kind("discard"), Discard { stalled: false }).workers(2),
        Node::new("aside", kind("discard"), Discard { stalled: false }),
    ];
    let inputs = [&[][..], &[0], &[], &[2], &[1, 3], &[4], &[5], &[4]].map(<[usize]>::to_vec).to_vec();
    Graph::new("day", nodes, inputs).unwrap()
}

#[test]
fn a_day_with_faults_in_bounded_memory_accounts_for_every_item() {
    let _alone = crate::alone();
    let settings = Settings { notify: to_nobody(), ..Settings::default() };
    let run = Run::build_with(&day(), &Arc::new(Sim::default()), Shutdown::new(), settings).unwrap();
    let board = run.board();
    let run = std::thread::spawn(move || run.join());
    let (mut early, mut most) = (None, 0);
    while !run.is_finished() {
        std::thread::sleep(std::time::Duration::from_millis(20));
        let taken = board.stages().iter().find(|stage| stage.id == "days").unwrap().taken;
        let now = resident();
        if taken > ITEMS / 10 {
            early.get_or_insert(now);
        }
        most = most.max(now);
    }
    let outcome = run.join().unwrap();
    assert_eq!(outcome.result, Ok(()));
    let stage = |id: &str| outcome.stages.iter().find(|stage| stage.id == id).unwrap();
    let multiples = |of: u64, first: u64, count: u64| (first + count - 1) / of - (first - 1) / of;
    assert_eq!(stage("days").taken, ITEMS);
    assert_eq!(stage("panics").skipped, multiples(65_521, 1, ITEMS));
    assert_eq!(stage("fails").skipped, multiples(4093, 1 << 40, ITEMS / 4));
    let skipped = stage("panics").skipped + stage("fails").skipped;
    for end in ["end", "aside"] {
        assert_eq!(stage(end).taken, ITEMS + ITEMS / 4 - skipped);
    }
    assert!(stage("panics").restarts > stage("panics").skipped * 2, "some went through at the second attempt");
    let grown = most.saturating_sub(early.unwrap_or(most));
    assert!(grown < 8 << 20, "memory has grown by {grown} bytes");
}
