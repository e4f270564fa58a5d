//! A checked pipeline, ready to run: a chain of stages from one source to one sink.

use super::kind::{Blueprint, Kind, Role};
use crate::failure::{Failure, Result};

/// One stage of a graph.
pub struct Node<C: 'static> {
    /// Its name, unique in the graph.
    pub id: String,
    /// Its kind.
    pub kind: &'static Kind<C>,
    /// Its threads.
    pub workers: usize,
    /// The capacity of its output channel; without a meaning for a sink.
    pub capacity: usize,
    /// Its options.
    pub blueprint: Box<dyn Blueprint<C>>,
}

impl<C> Node<C> {
    /// A stage with the workers and the capacity that its kind prefers.
    pub fn new(id: impl Into<String>, kind: &'static Kind<C>, blueprint: impl Blueprint<C> + 'static) -> Self {
        Self {
            id: id.into(),
            kind,
            workers: kind.workers.clamp(1, kind.worker_limit()),
            capacity: kind.capacity.max(1),
            blueprint: Box::new(blueprint),
        }
    }

    /// The same with `workers` threads.
    pub fn workers(mut self, workers: usize) -> Self {
        self.workers = workers;
        self
    }

    /// The same with an output channel of `capacity` items.
    pub fn capacity(mut self, capacity: usize) -> Self {
        self.capacity = capacity;
        self
    }
}

/// A pipeline that can run.
pub struct Graph<C: 'static> {
    name: String,
    nodes: Vec<Node<C>>,
}

/// One line of the thread and memory plan.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Planned {
    /// The stage.
    pub id: String,
    /// Its kind.
    pub kind: &'static str,
    /// Threads.
    pub workers: usize,
    /// Whether its input arrives in order.
    pub ordered: bool,
    /// Its output channel: capacity and the name of the items; `None` for a sink.
    pub output: Option<(usize, &'static str)>,
    /// The most items of its own numbering that can be on their way to the next ordered stage, when there is one.
    pub window: Option<usize>,
}

impl<C> Graph<C> {
    /// A chain in the order of `nodes`.
    ///
    /// # Errors
    /// `Config`, with every reason why these stages do not form a chain that can run.
    pub fn chain(name: impl Into<String>, nodes: Vec<Node<C>>) -> Result<Self> {
        let mut problems = Vec::new();
        if nodes.len() < 2 {
            problems.push("a pipeline needs a source and a sink".to_string());
        }
        for (index, node) in nodes.iter().enumerate() {
            let place = match index {
                0 => Role::Source,
                _ if index + 1 == nodes.len() => Role::Sink,
                _ => Role::Stage,
            };
            problems.extend(node.complaints(place));
            if nodes[..index].iter().any(|other| other.id == node.id) {
                problems.push(format!("two stages are named `{}`", node.id));
            }
        }
        problems.extend(nodes.windows(2).filter_map(|pair| {
            let complaint = misfit((&pair[0].id, pair[0].kind), (&pair[1].id, pair[1].kind))?;
            Some(format!("stage `{}`: {complaint}", pair[1].id))
        }));
        match problems.is_empty() {
            true => Ok(Self { name: name.into(), nodes }),
            false => Err(Failure::config(problems.join("\n"))),
        }
    }

    /// The pipeline's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The stages from source to sink.
    pub fn nodes(&self) -> &[Node<C>] {
        &self.nodes
    }

    /// Threads, capacities and windows, for people to read.
    pub fn plan(&self) -> Vec<Planned> {
        let windows = self.windows();
        self.nodes
            .iter()
            .zip(windows)
            .map(|(node, window)| Planned {
                id: node.id.clone(),
                kind: node.kind.name,
                workers: node.workers,
                ordered: node.kind.ordered,
                output: node.kind.output.map(|port| (node.capacity, port.name)),
                window,
            })
            .collect()
    }

    /// For the head of each segment that has a tail: capacities, and workers between the two. See [`super::order`].
    pub(crate) fn windows(&self) -> Vec<Option<usize>> {
        (0..self.nodes.len())
            .map(|head| {
                if !self.is_head(head) {
                    return None;
                }
                let tail = self.next_ordered(head)?;
                let capacities: usize = self.nodes[head..tail].iter().map(|node| node.capacity).sum();
                let workers: usize = self.nodes[head + 1..tail].iter().map(|node| node.workers).sum();
                Some(capacities + workers)
            })
            .collect()
    }

    /// Whether the stage numbers its own output.
    pub(crate) fn is_head(&self, index: usize) -> bool {
        index == 0 || self.nodes[index].kind.ordered
    }

    /// The first ordered stage behind `index`.
    pub(crate) fn next_ordered(&self, index: usize) -> Option<usize> {
        (index + 1..self.nodes.len()).find(|&later| self.nodes[later].kind.ordered)
    }
}

impl<C> Node<C> {
    fn complaints(&self, place: Role) -> Vec<String> {
        let mut complaints = Vec::new();
        let Self { id, kind, workers, capacity, .. } = self;
        match (kind.role(), place) {
            (role, place) if role == place => {}
            (Role::Source, _) => {
                complaints.push(format!("stage `{id}`: {} takes no input, so it comes first", kind.name))
            }
            (_, Role::Source) => {
                complaints.push(format!("stage `{id}`: {} needs an input, so it cannot be first", kind.name))
            }
            (Role::Sink, _) => {
                complaints.push(format!("stage `{id}`: {} gives no output, so it comes last", kind.name))
            }
            (Role::Stage, _) => complaints.push(format!("stage `{id}`: nothing takes the output of {}", kind.name)),
        }
        if *workers == 0 || *workers > kind.worker_limit() {
            complaints.push(format!("stage `{id}`: workers: {}", worker_complaint(kind, *workers)));
        }
        if *capacity == 0 {
            complaints.push(format!("stage `{id}`: capacity: must be at least 1"));
        }
        complaints
    }
}

/// Why a stage of `kind` cannot have so many `workers`.
pub(crate) fn worker_complaint<C>(kind: &Kind<C>, workers: usize) -> String {
    match kind.worker_limit() {
        _ if workers == 0 => "must be at least 1".to_string(),
        1 if kind.ordered => format!("{} takes its input in order, so it has 1 worker, not {workers}", kind.name),
        1 => format!("{} has 1 worker, not {workers}", kind.name),
        limit => format!("{} has at most {limit} workers, not {workers}", kind.name),
    }
}

/// Why the output of the stage `from` cannot be the input of the stage `to`.
pub(crate) fn misfit<C>((from, giver): (&str, &Kind<C>), (to, taker): (&str, &Kind<C>)) -> Option<String> {
    let (output, input) = (giver.output?, taker.input?);
    (output != input).then(|| format!("{from} emits {}, {to} expects {}", output.name, input.name))
}
