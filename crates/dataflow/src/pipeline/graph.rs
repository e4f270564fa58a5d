//! A checked pipeline, ready to run: stages from their sources to their sinks, with branches and merges.

use std::sync::Arc;

use super::links::{self, Linked};
use super::segments::{Segment, segments};
use crate::failure::{Failure, Result};
use crate::settings::Origin;
use crate::stage::item_ops::ItemOps;
use crate::stage::kind::{Kind, StageConfig, StageContext};
use crate::stage::kinds::Kinds;
use crate::stage::port::Port;

/// One stage of a graph.
pub struct Node<C: StageContext> {
    /// Its name, unique in the graph.
    pub id: String,
    /// Its kind.
    pub kind: &'static Kind<C>,
    /// Its threads; where they are scaled while the run goes on, those that it starts with.
    pub workers: usize,
    /// Whether threads are added and taken away while the run goes on.
    pub auto: bool,
    /// The capacity of each of its output channels; without a meaning for a sink.
    pub capacity: usize,
    /// How often its workers may fail before the run does.
    pub max_failures: u64,
    /// Its options.
    pub stage_config: Arc<dyn StageConfig<C>>,
    /// The same as the pipeline file says them, defaults filled in.
    pub options: String,
    /// Where the pipeline file declares it.
    pub origin: Option<Origin>,
}

impl<C: StageContext> Clone for Node<C> {
    fn clone(&self) -> Self {
        Self {
            id: self.id.clone(),
            kind: self.kind,
            workers: self.workers,
            auto: self.auto,
            capacity: self.capacity,
            max_failures: self.max_failures,
            stage_config: Arc::clone(&self.stage_config),
            options: self.options.clone(),
            origin: self.origin.clone(),
        }
    }
}

impl<C: StageContext> Node<C> {
    /// A stage with the workers and the capacity that its kind prefers, whose first failure ends the run.
    pub fn new(id: impl Into<String>, kind: &'static Kind<C>, stage_config: impl StageConfig<C> + 'static) -> Self {
        Self {
            id: id.into(),
            kind,
            workers: kind.workers.clamp(1, kind.worker_limit()),
            auto: false,
            capacity: kind.capacity.max(1),
            max_failures: 0,
            stage_config: Arc::new(stage_config),
            options: String::new(),
            origin: None,
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

    /// The same with workers that may fail `max_failures` times.
    pub fn max_failures(mut self, max_failures: u64) -> Self {
        self.max_failures = max_failures;
        self
    }

    /// The most threads that it can have in the course of a run on `cores` cores.
    pub fn most_workers(&self, cores: usize) -> usize {
        match self.auto {
            true => self.kind.worker_limit().min(cores.max(1)).max(self.workers),
            false => self.workers,
        }
    }
}

/// A pipeline that can run.
pub struct Graph<C: StageContext> {
    name: String,
    nodes: Vec<Node<C>>,
    inputs: Vec<Vec<usize>>,
}

impl<C: StageContext> Clone for Graph<C> {
    fn clone(&self) -> Self {
        Self { name: self.name.clone(), nodes: self.nodes.clone(), inputs: self.inputs.clone() }
    }
}

impl<C: StageContext> Graph<C> {
    /// A chain in the order of `nodes`.
    ///
    /// # Errors
    /// `Config`, with every reason why these stages do not form a chain that can run.
    pub fn chain(name: impl Into<String>, nodes: Vec<Node<C>>) -> Result<Self> {
        let inputs = (0..nodes.len()).map(|index| index.checked_sub(1).into_iter().collect()).collect();
        Self::new(name, nodes, inputs)
    }

    /// The stages `nodes`, each with the places (in `nodes`) of the stages that it takes its input from.
    ///
    /// # Errors
    /// `Config`, with every reason why these stages do not form a graph that can run.
    pub fn new(name: impl Into<String>, nodes: Vec<Node<C>>, inputs: Vec<Vec<usize>>) -> Result<Self> {
        let mut problems: Vec<String> = Vec::new();
        if nodes.len() < 2 {
            problems.push("a pipeline needs a source and a sink".to_string());
        }
        for (index, node) in nodes.iter().enumerate() {
            if nodes[..index].iter().any(|other| other.id == node.id) {
                problems.push(format!("two stages are named `{}`", node.id));
            }
            if node.workers == 0 || node.workers > node.kind.worker_limit() {
                problems.push(format!("stage `{}`: workers: {}", node.id, worker_complaint(node.kind, node.workers)));
            }
            if node.capacity == 0 {
                problems.push(format!("stage `{}`: capacity: must be at least 1", node.id));
            }
        }
        if inputs.len() != nodes.len() || inputs.iter().flatten().any(|&input| input >= nodes.len()) {
            problems.push("an input leads nowhere".to_string());
        } else {
            let linked: Vec<Linked<'_, C>> =
                nodes.iter().zip(&inputs).map(|(node, inputs)| Linked::of(node, inputs)).collect();
            let complaints = links::complaints(&linked, &Kinds::default());
            problems
                .extend(complaints.iter().map(|found| format!("stage `{}`: {}", nodes[found.stage].id, found.message)));
        }
        match problems.is_empty() {
            true => Ok(Self::sorted(name.into(), nodes, &inputs)),
            false => Err(Failure::config(problems.join("\n"))),
        }
    }

    /// Puts the stages in an order in which each comes after its inputs, and otherwise keeps theirs.
    pub(crate) fn sorted(name: String, nodes: Vec<Node<C>>, inputs: &[Vec<usize>]) -> Self {
        let mut place: Vec<Option<usize>> = vec![None; nodes.len()];
        let mut order = Vec::with_capacity(nodes.len());
        while order.len() < nodes.len() {
            let ready = |index: &usize| place[*index].is_none() && inputs[*index].iter().all(|&i| place[i].is_some());
            // The checks have found no circle, so one is always ready.
            let Some(next) = (0..nodes.len()).find(ready) else { break };
            place[next] = Some(order.len());
            order.push(next);
        }
        let inputs = order.iter().map(|&old| inputs[old].iter().filter_map(|&input| place[input]).collect()).collect();
        let mut nodes: Vec<Option<Node<C>>> = nodes.into_iter().map(Some).collect();
        Self { name, nodes: order.into_iter().filter_map(|old| nodes[old].take()).collect(), inputs }
    }

    /// The pipeline's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The stages, each after those that it takes its input from.
    pub fn nodes(&self) -> &[Node<C>] {
        &self.nodes
    }

    /// The places of the stages that stage `index` takes its input from.
    pub fn inputs(&self, index: usize) -> &[usize] {
        &self.inputs[index]
    }

    /// The places of the stages that take the output of stage `index`.
    pub fn consumers(&self, index: usize) -> Vec<usize> {
        (0..self.nodes.len()).filter(|&other| self.inputs[other].contains(&index)).collect()
    }

    /// What stage `index` emits: its own port, or that of its input when it passes items of any type on.
    pub fn output(&self, index: usize) -> Option<Port> {
        match self.nodes[index].kind.output {
            Some(port) if port.is_any() => {
                self.inputs[index].first().and_then(|&input| self.output(input)).or(Some(port))
            }
            port => port,
        }
    }

    /// What can be done with what stage `index` emits.
    pub fn item_ops(&self, index: usize) -> ItemOps {
        self.output(index).map_or(ItemOps::NONE, |port| port.item_ops())
    }

    /// The segments that numbers and permits belong to. See [`crate::channel::order`].
    pub(crate) fn segments(&self, cores: usize) -> Vec<Segment> {
        segments(self, cores)
    }

    /// Whether the stage numbers its own output.
    pub(crate) fn is_head(&self, index: usize) -> bool {
        self.inputs[index].is_empty() || self.nodes[index].kind.ordered
    }

    /// Whether a worker of stage `index` that fails is replaced, so that the run can go on.
    pub fn is_supervised(&self, index: usize) -> bool {
        let node = &self.nodes[index];
        node.max_failures > 0 && links::can_be_supervised(node.kind) && !node.stage_config.is_vital()
    }
}

/// Why a stage of `kind` cannot have so many `workers`.
pub(crate) fn worker_complaint<C: StageContext>(kind: &Kind<C>, workers: usize) -> String {
    match kind.worker_limit() {
        _ if workers == 0 => "must be at least 1".to_string(),
        1 if kind.ordered => format!("{} takes its input in order, so it has 1 worker, not {workers}", kind.name),
        1 => format!("{} has 1 worker, not {workers}", kind.name),
        limit => format!("{} has at most {limit} workers, not {workers}", kind.name),
    }
}
