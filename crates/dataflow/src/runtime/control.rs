//! Changes to a run while it goes on: capacities, workers, and options of stages that can be rebuilt between two items.

use std::sync::Arc;

use super::build::{Sizes, builder};
use super::orders::Orders;
use crate::pipeline::graph::Graph;
use crate::pipeline::links::can_be_supervised;
use crate::stage::kind::StageContext;
use crate::stats::report::Board;

/// A handle to a run. Clones are one handle.
#[derive(Clone)]
pub struct Control {
    board: Arc<Board>,
    orders: Orders,
    sizes: Arc<Sizes>,
    cores: usize,
}

/// What became of a new pipeline file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reloaded {
    /// What was changed, a line each.
    pub applied: Vec<String>,
    /// What was not, each with the reason.
    pub refused: Vec<String>,
}

impl Control {
    pub(crate) fn new(board: Arc<Board>, orders: Orders, sizes: Arc<Sizes>, cores: usize) -> Self {
        Self { board, orders, sizes, cores }
    }

    /// Makes the run that of `new` where that is possible while it goes on, given that it was started with `old`.
    ///
    /// Capacities, workers and the options of stages that are not ordered change at once: each worker changes between two
    /// items, so none is lost or done twice. Nothing changes when the two graphs differ in their stages, kinds or links.
    pub fn reload<C: StageContext>(&self, old: &Graph<C>, new: &Graph<C>, context: &Arc<C>) -> Reloaded {
        let mut reloaded = Reloaded::default();
        let shape = |graph: &Graph<C>| {
            let nodes = graph.nodes().iter().enumerate();
            nodes
                .map(|(index, node)| (node.id.clone(), node.kind.name, graph.inputs(index).to_vec()))
                .collect::<Vec<_>>()
        };
        if shape(old) != shape(new) {
            reloaded.refused.push("stages, kinds or inputs differ from those that run; start anew for that".into());
            return reloaded;
        }
        self.sizes.change(old, new, self.cores);
        for (index, (before, now)) in old.nodes().iter().zip(new.nodes()).enumerate() {
            let id = &now.id;
            if before.capacity != now.capacity {
                reloaded.applied.push(format!("{id}: capacity {} → {}", before.capacity, now.capacity));
            }
            if before.max_failures != now.max_failures {
                let (was, is) = (before.max_failures, now.max_failures);
                reloaded.refused.push(format!("{id}: max_failures {was} → {is}: start anew for that"));
            }
            let running = self.orders.workers(index);
            if !now.auto && running != now.workers {
                self.orders.scale(index, now.workers);
                reloaded.applied.push(format!("{id}: workers {running} → {}", now.workers));
            }
            if before.options != now.options {
                let change = format!("{id}: options {} → {}", before.options, now.options);
                match can_be_supervised(now.kind) {
                    true => {
                        self.orders.rebuild(index, builder(now, context));
                        reloaded.applied.push(change);
                    }
                    false => reloaded.refused.push(format!("{change}: {} keeps a state; start anew", now.kind.name)),
                }
            }
        }
        reloaded
    }

    /// The meters of the run.
    pub fn board(&self) -> &Board {
        &self.board
    }
}
