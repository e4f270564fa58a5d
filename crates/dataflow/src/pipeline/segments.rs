//! The segments of a graph: from each stage that numbers items to each ordered stage that waits for these numbers.

use super::graph::Graph;
use crate::stage::kind::StageContext;

/// The way from a head to one of its tails. See [`crate::channel::order`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Segment {
    /// The stage that numbers the items: a source or an ordered stage.
    pub(crate) head: usize,
    /// The first ordered stage on this way.
    pub(crate) tail: usize,
    /// Which of the tail's inputs the way arrives at.
    pub(crate) input: usize,
    /// The most items that the head may have on the way.
    pub(crate) window: usize,
}

/// All segments, by tail and input. Between head and tail every stage has one input, so the way back is unique.
pub(crate) fn segments<C: StageContext>(graph: &Graph<C>, cores: usize) -> Vec<Segment> {
    let mut found = Vec::new();
    for (tail, node) in graph.nodes().iter().enumerate().filter(|(_, node)| node.kind.ordered) {
        debug_assert!(node.kind.ordered);
        for (input, &first) in graph.inputs(tail).iter().enumerate() {
            let mut here = first;
            let mut window = graph.nodes()[here].capacity;
            while !graph.is_head(here) {
                window += graph.nodes()[here].most_workers(cores);
                here = graph.inputs(here)[0];
                window += graph.nodes()[here].capacity;
            }
            found.push(Segment { head: here, tail, input, window });
        }
    }
    found
}
