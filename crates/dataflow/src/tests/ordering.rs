//! Everything arrives once and in order, for any shape.

use std::time::Duration;

use proptest::prelude::*;

use super::{chain, node, run};
use crate::Node;
use crate::sim::{Batch, Collect, Count, DropEvery, Order, Sim, Sleep, Ungroup};

/// A middle part: one stage, or a pair that groups and ungroups.
fn part() -> impl Strategy<Value = (u8, usize, usize, u64)> {
    (0u8..4, 1usize..6, 1usize..4, 1u64..60)
}

fn nodes((what, workers, capacity, number): (u8, usize, usize, u64)) -> Vec<Node<Sim>> {
    let nodes = match what {
        0 => {
            vec![node("sleep", Sleep { mean: Duration::from_micros(number), jitter: true }).workers(workers)]
        }
        1 => vec![node("drop", DropEvery { every: number + 1 }).workers(workers)],
        2 => vec![node("order", Order)],
        _ => vec![node("batch", Batch { size: workers }), node("split", Ungroup)],
    };
    nodes.into_iter().map(|node| node.capacity(capacity)).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 32, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn all_items_arrive_once_and_in_order(
        items in 0u64..200,
        capacity in 1usize..4,
        parts in prop::collection::vec(part(), 0..5),
    ) {
        let sim = Sim::default();
        let mut all = vec![node("count", Count { items, first: 0 }).capacity(capacity)];
        all.extend(parts.iter().copied().flat_map(nodes));
        all.push(node("collect", Collect { stalled: false }));
        let outcome = run(&chain(all), &sim);
        prop_assert_eq!(outcome.result, Ok(()));
        let dropped = |number: u64| parts.iter().any(|part| part.0 == 1 && number.is_multiple_of(part.3 + 1));
        let expected: Vec<u64> = (0..items).filter(|number| !dropped(*number)).collect();
        prop_assert_eq!(sim.journal(), expected);
    }
}
