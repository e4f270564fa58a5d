//! From the pipeline file to a graph: names, kinds, ports, circles, workers, options, with all mistakes at once.

use super::graph::{Graph, Node, misfit};
use super::kind::{Kind, Role};
use super::spec::{Declared, Spec};
use crate::failure::Result;
use crate::settings::{self, Reading, did_you_mean};

/// Compiles the pipeline file `file` with the stages that `kinds` offers. The resolved file is `reading.resolved()`.
///
/// # Errors
/// `Config`, with every problem of `reading`, one a line, in the order of the file.
pub fn compile<C>(reading: &Reading, file: &settings::Node, kinds: &'static [Kind<C>]) -> Result<Graph<C>> {
    let Spec { name, stages } = Spec::read(reading, file, kinds);
    let links = Links { reading, stages: &stages };
    let before = links.predecessors();
    links.check_sources(&before, kinds);
    links.check_consumers(&before, kinds);
    links.check_ports(&before);
    links.check_circles(&before);
    reading.finish()?;
    let order = in_order(&before);
    let mut nodes: Vec<Option<Node<C>>> = stages.into_iter().map(node).collect();
    Graph::chain(name, order.into_iter().filter_map(|index| nodes[index].take()).collect())
}

fn node<C>(stage: Declared<C>) -> Option<Node<C>> {
    let built = stage.built?;
    Some(Node {
        id: stage.id,
        kind: built.kind,
        workers: built.workers,
        capacity: built.capacity,
        blueprint: built.blueprint,
    })
}

/// The stages of a chain from its source to its sink.
fn in_order(before: &[Option<usize>]) -> Vec<usize> {
    let mut order = Vec::new();
    let mut here = before.iter().position(Option::is_none);
    while let Some(index) = here {
        order.push(index);
        here = before.iter().position(|&other| other == Some(index));
    }
    order
}

/// The kinds that can stand at one end of a pipeline.
fn offer<C>(kinds: &[Kind<C>], role: Role) -> String {
    let names: Vec<_> = kinds.iter().filter(|kind| kind.role() == role).map(|kind| kind.name).collect();
    names.join(", ")
}

/// The checks on how stages follow one another.
struct Links<'a, C: 'static> {
    reading: &'a Reading,
    stages: &'a [Declared<C>],
}

impl<C> Links<'_, C> {
    fn report(&self, index: usize, message: String) {
        let stage = &self.stages[index];
        self.reading.report(&stage.origin, &format!("stages.{}", stage.id), message);
    }

    fn report_inputs(&self, index: usize, message: String) {
        let stage = &self.stages[index];
        let origin = stage.inputs.as_ref().map_or(&stage.origin, |(_, origin)| origin);
        self.reading.report(origin, &format!("stages.{}.inputs", stage.id), message);
    }

    fn role(&self, index: usize) -> Option<Role> {
        self.stages[index].built.as_ref().map(|built| built.kind.role())
    }

    /// The stage that each one takes its input from.
    fn predecessors(&self) -> Vec<Option<usize>> {
        (0..self.stages.len()).map(|index| self.predecessor(index)).collect()
    }

    fn predecessor(&self, index: usize) -> Option<usize> {
        let source = self.role(index) == Some(Role::Source);
        let Some((names, _)) = &self.stages[index].inputs else {
            return if source { None } else { index.checked_sub(1) };
        };
        match names.as_slice() {
            [] => None,
            _ if source => {
                self.report_inputs(index, "a source takes no input".to_string());
                None
            }
            [name] => {
                let found = self.stages.iter().position(|stage| stage.id == *name);
                if found.is_none() {
                    let others = self.stages.iter().map(|stage| stage.id.as_str());
                    let known = did_you_mean(name, others.filter(|other| *other != self.stages[index].id));
                    self.report_inputs(index, format!("unknown stage `{name}`{known}"));
                }
                found
            }
            _ => {
                self.report_inputs(index, "several inputs: only chains are supported so far; name one".to_string());
                None
            }
        }
    }

    /// Every stage but the source has an input.
    fn check_sources(&self, before: &[Option<usize>], kinds: &[Kind<C>]) {
        let mut source: Option<&str> = None;
        for (index, stage) in self.stages.iter().enumerate() {
            let Some(built) = &stage.built else { continue };
            let named = stage.inputs.as_ref().is_some_and(|(names, _)| !names.is_empty());
            match (built.kind.input, source) {
                (None, None) => source = Some(&stage.id),
                (None, Some(first)) => {
                    self.report(index, format!("a second source beside `{first}`: only chains are supported so far"));
                }
                (Some(port), _) if before[index].is_none() && !named => {
                    let sources = offer(kinds, Role::Source);
                    self.report(index, format!("needs {} as input; begin with a source: {sources}", port.name));
                }
                (Some(_), _) => {}
            }
        }
    }

    /// Every output has exactly one consumer.
    fn check_consumers(&self, before: &[Option<usize>], kinds: &[Kind<C>]) {
        for (index, stage) in self.stages.iter().enumerate() {
            let Some(built) = &stage.built else { continue };
            let consumers: Vec<usize> = (0..before.len()).filter(|&other| before[other] == Some(index)).collect();
            match (consumers.as_slice(), built.kind.output) {
                ([], Some(port)) if self.all_inputs_are_clear(before) => {
                    let sinks = offer(kinds, Role::Sink);
                    let emits = port.name;
                    self.report(index, format!("nothing takes the {emits} that it emits; end with a sink: {sinks}"));
                }
                ([], _) => {}
                ([first, rest @ ..], Some(_)) => {
                    let first = &self.stages[*first].id;
                    for &other in rest {
                        let taken = format!("`{}` feeds `{first}` already: only chains are supported so far", stage.id);
                        self.report_inputs(other, taken);
                    }
                }
                (consumers, None) => {
                    for &other in consumers {
                        self.report_inputs(other, format!("`{}` is a sink and emits nothing", stage.id));
                    }
                }
            }
        }
    }

    /// Whether each `inputs` led somewhere; what a wrong one means to take is not to be reported as left over.
    fn all_inputs_are_clear(&self, before: &[Option<usize>]) -> bool {
        let clear = |(stage, before): (&Declared<C>, &Option<usize>)| match &stage.inputs {
            Some((names, _)) => names.is_empty() || before.is_some(),
            None => true,
        };
        self.stages.iter().zip(before).all(clear)
    }

    fn check_ports(&self, before: &[Option<usize>]) {
        for (index, from) in before.iter().enumerate() {
            let Some(from) = *from else { continue };
            let (giver, taker) = (&self.stages[from], &self.stages[index]);
            if let (Some(given), Some(taken)) = (&giver.built, &taker.built)
                && let Some(message) = misfit((&giver.id, given.kind), (&taker.id, taken.kind))
            {
                self.report(index, message);
            }
        }
    }

    /// Follows the inputs back from every stage; who meets itself is on a circle, reported once.
    fn check_circles(&self, before: &[Option<usize>]) {
        let mut known = vec![false; before.len()];
        for start in 0..before.len() {
            let mut path = vec![start];
            while let Some(next) = before[path[path.len() - 1]] {
                if next == start {
                    if !path.iter().any(|&index| known[index]) {
                        let mut names: Vec<_> = path.iter().map(|&index| self.stages[index].id.as_str()).collect();
                        names.push(&self.stages[start].id);
                        names.reverse();
                        self.report_inputs(
                            start,
                            format!("the stages feed each other in a circle: {}", names.join(" → ")),
                        );
                    }
                    path.iter().for_each(|&index| known[index] = true);
                    break;
                }
                if path.contains(&next) {
                    break;
                }
                path.push(next);
            }
        }
    }
}
