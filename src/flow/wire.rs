//! Turns a graph into workers with their channels.

use std::sync::Arc;

use crossbeam_channel as crossbeam;

use super::channel::{Receiver, channel};
use super::graph::{Graph, Node};
use super::item::Item;
use super::kind::Role;
use super::order::Inlet;
use super::outbox::{Outbox, Route};
use super::panics::guard;
use super::report::{Board, ChannelMeter, StageMeter, StageStats};
use super::token::{Cancel, StopToken};
use super::worker::{Work, Worker, panicked};
use crate::failure::Result;

/// The workers of one stage.
pub(crate) type Crew = Vec<Worker>;

/// Builds every worker of `graph`, from source to sink, and the meters.
///
/// # Errors
/// The first stage that cannot be built, with its name.
pub(crate) fn wire<C>(graph: &Graph<C>, context: &C, stop: &StopToken, cancel: &Cancel) -> Result<(Vec<Crew>, Board)> {
    let mut board = Board::default();
    let mut crews = Vec::new();
    let windows = graph.windows();
    // What the stage before has left for this one: its channel, and the permits of the segment that is open.
    let mut incoming: Option<Receiver<Item>> = None;
    let mut open: Option<crossbeam::Receiver<()>> = None;
    for (index, node) in graph.nodes().iter().enumerate() {
        let stats = Arc::new(StageStats::default());
        board.stages.push(StageMeter {
            id: node.id.clone(),
            kind: node.kind.name,
            workers: node.workers,
            stats: Arc::clone(&stats),
        });
        let arriving = incoming.take();
        let released = if node.kind.ordered { open.take() } else { None };
        let outgoing = graph.nodes().get(index + 1).map(|next| {
            let (sender, receiver, stats) = channel(node.capacity, cancel);
            board.channels.push(ChannelMeter { from: node.id.clone(), to: next.id.clone(), stats });
            incoming = Some(receiver);
            sender
        });
        let permits = windows[index].map(|window| {
            let (sender, receiver) = crossbeam::bounded(window);
            open = Some(receiver);
            sender
        });
        let mut crew = Crew::new();
        for worker in 0..node.workers {
            let route = match &outgoing {
                None => Route::Nowhere,
                Some(sender) if graph.is_head(index) => {
                    Route::Head { sender: sender.clone(), next: 0, permits: permits.clone() }
                }
                Some(sender) => {
                    let tombstones = graph.next_ordered(index).is_some();
                    Route::Inner { sender: sender.clone(), slot: None, tombstones }
                }
            };
            let inlet = arriving.clone().map(|receiver| match &released {
                Some(permits) => Inlet::ordered(receiver, permits.clone()),
                None => Inlet::direct(receiver),
            });
            crew.push(Worker {
                id: node.id.clone(),
                kind: node.kind.name,
                index: worker,
                work: build(node, context, worker, inlet)?,
                outbox: Outbox::new(route, stop.clone(), cancel.clone(), Arc::clone(&stats)),
                stop: stop.clone(),
                cancel: cancel.clone(),
                stats: Arc::clone(&stats),
            });
        }
        crews.push(crew);
    }
    Ok((crews, board))
}

fn build<C>(node: &Node<C>, context: &C, index: usize, inlet: Option<Inlet>) -> Result<Work> {
    let built = guard(|| match (node.kind.role(), inlet) {
        (Role::Source, _) | (_, None) => node.blueprint.source(context).map(Work::Source),
        (_, Some(inlet)) => node.blueprint.worker(context, index).map(|stage| Work::Stage(stage, inlet)),
    });
    match built {
        Ok(work) => work.map_err(|failure| failure.within(format!("stage `{}`", node.id))),
        Err(panic) => Err(panicked(&node.id, node.kind.name, &panic)),
    }
}
