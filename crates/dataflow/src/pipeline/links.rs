//! The checks on how stages follow one another: ends, ports, branches, merges and circles.

use super::graph::Node;
use crate::channel::merge::Turns;
use crate::stage::item_ops::ItemOps;
use crate::stage::kind::{Kind, Role, StageContext};
use crate::stage::kinds::Kinds;
use crate::stage::port::Port;

/// A stage as far as its links go. What could not be read is absent, and nothing is said about it twice.
pub(crate) struct Linked<'a, C: StageContext> {
    pub(crate) id: &'a str,
    pub(crate) kind: Option<&'static Kind<C>>,
    pub(crate) inputs: Vec<usize>,
    /// Whether all that was written about its inputs was understood.
    pub(crate) clear: bool,
    pub(crate) turns: Option<Turns>,
}

/// What is wrong with the links of a stage.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Complaint {
    pub(crate) stage: usize,
    /// Whether `inputs` is the place to look, rather than the stage as a whole.
    pub(crate) at_inputs: bool,
    pub(crate) message: String,
}

impl<'a, C: StageContext> Linked<'a, C> {
    pub(crate) fn of(node: &'a Node<C>, inputs: &[usize]) -> Self {
        Self {
            id: &node.id,
            kind: Some(node.kind),
            inputs: inputs.to_vec(),
            clear: true,
            turns: node.stage_config.turns(),
        }
    }
}

/// Whether a worker of this kind can be replaced: it has no state that the order of its input has formed.
pub(crate) fn can_be_supervised<C: StageContext>(kind: &Kind<C>) -> bool {
    !kind.ordered && kind.role() != Role::Source
}

/// Every reason why `stages` cannot run; `kinds` are those that a remedy may name.
pub(crate) fn complaints<C: StageContext>(stages: &[Linked<'_, C>], kinds: &Kinds<C>) -> Vec<Complaint> {
    let mut links = Links { stages, kinds, found: Vec::new() };
    links.check_inputs();
    links.check_consumers();
    links.check_ports();
    if !links.check_circles() {
        links.check_reunions();
    }
    links.found
}

struct Links<'a, C: StageContext> {
    stages: &'a [Linked<'a, C>],
    kinds: &'a Kinds<C>,
    found: Vec<Complaint>,
}

impl<C: StageContext> Links<'_, C> {
    fn report(&mut self, stage: usize, message: String) {
        self.found.push(Complaint { stage, at_inputs: false, message });
    }

    fn report_inputs(&mut self, stage: usize, message: String) {
        self.found.push(Complaint { stage, at_inputs: true, message });
    }

    /// The kinds that can stand at one end of a pipeline.
    fn offer(&self, role: Role, verb: &str) -> String {
        let names: Vec<_> = self.kinds.iter().filter(|kind| kind.role() == role).map(|kind| kind.name).collect();
        if names.is_empty() { String::new() } else { format!("; {verb}: {}", names.join(", ")) }
    }

    fn check_inputs(&mut self) {
        for (index, stage) in self.stages.iter().enumerate() {
            let Some(kind) = stage.kind else { continue };
            match (kind.input, stage.inputs.len()) {
                (None, 0) | (Some(_), 1) => {}
                (None, _) => self.report_inputs(index, format!("{} is a source and takes no input", kind.name)),
                (Some(_), 0) if !stage.clear => {}
                (Some(port), 0) => {
                    let sources = self.offer(Role::Source, "begin with a source");
                    self.report(index, format!("needs {} as input{sources}", port.name));
                }
                (Some(_), count) => match &stage.turns {
                    None => {
                        let message = format!("{} takes one input, not {count}; put a merge before it", kind.name);
                        self.report_inputs(index, message);
                    }
                    Some(turns) => {
                        if let Some(message) = turns.complaint(count) {
                            self.report(index, message);
                        }
                        let unranked = stage.inputs.iter().find(|&&input| !self.item_ops(input).is_ranked());
                        if let (Turns::Order, Some(&input)) = (turns, unranked) {
                            let other = self.stages[input].id;
                            let message =
                                format!("what `{other}` emits does not know its place in the run; merge by: ratio");
                            self.report_inputs(index, message);
                        }
                    }
                },
            }
        }
    }

    fn item_ops(&self, index: usize) -> ItemOps {
        self.emitted(index).map_or(ItemOps::NONE, |port| port.item_ops())
    }

    /// What `index` emits; where it passes on items of any type, what those before it emit.
    fn emitted(&self, index: usize) -> Option<Port> {
        let mut here = index;
        for _ in 0..=self.stages.len() {
            match self.stages[here].kind?.output? {
                port if port.is_any() => here = *self.stages[here].inputs.first()?,
                port => return Some(port),
            }
        }
        None
    }

    /// Every output has a consumer, and several only where it can be copied.
    fn check_consumers(&mut self) {
        let clear = self.stages.iter().all(|stage| stage.clear && stage.kind.is_some());
        for (index, stage) in self.stages.iter().enumerate() {
            let Some(kind) = stage.kind else { continue };
            let consumers: Vec<usize> =
                (0..self.stages.len()).filter(|&other| self.stages[other].inputs.contains(&index)).collect();
            match (consumers.as_slice(), kind.output) {
                ([], Some(port)) if clear => {
                    let sinks = self.offer(Role::Sink, "end with a sink");
                    self.report(index, format!("nothing takes the {} that it emits{sinks}", port.name));
                }
                ([] | [_], Some(_)) | ([], None) => {}
                (_, Some(port)) => {
                    if !self.item_ops(index).can_copy() {
                        let ids: Vec<String> =
                            consumers.iter().map(|&other| format!("`{}`", self.stages[other].id)).collect();
                        let message = format!("feeds {}, but {} cannot be copied", ids.join(" and "), port.name);
                        self.report(index, message);
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

    fn check_ports(&mut self) {
        for (index, stage) in self.stages.iter().enumerate() {
            let Some(taken) = stage.kind.and_then(|kind| kind.input) else { continue };
            let mut first: Option<(Port, usize)> = None;
            for &input in &stage.inputs {
                let Some(given) = self.emitted(input) else { continue };
                let from = self.stages[input].id;
                if !taken.is_any() && given != taken {
                    let (gives, takes) = (given.beside(&taken), taken.beside(&given));
                    self.report(index, format!("{from} emits {gives}, {} expects {takes}", stage.id));
                }
                match first {
                    Some((port, other)) if port != given => {
                        let other = self.stages[other].id;
                        let (one, two) = (port.beside(&given), given.beside(&port));
                        let message = format!("{other} emits {one}, {from} emits {two}; one flow has one type");
                        self.report_inputs(index, message);
                    }
                    _ => first = Some((given, input)),
                }
            }
        }
    }

    /// Follows the inputs back from every stage; who meets itself is on a circle, reported once.
    fn check_circles(&mut self) -> bool {
        let mut known = vec![false; self.stages.len()];
        let mut any = false;
        for start in 0..self.stages.len() {
            let Some(path) = self.way_back(start) else { continue };
            any = true;
            if !path.iter().any(|&index| known[index]) {
                let mut names: Vec<_> = path.iter().map(|&index| self.stages[index].id).collect();
                names.push(self.stages[start].id);
                names.reverse();
                self.report_inputs(start, format!("the stages feed each other in a circle: {}", names.join(" → ")));
            }
            path.iter().for_each(|&index| known[index] = true);
        }
        any
    }

    /// A way from `start` against the flow to itself.
    fn way_back(&self, start: usize) -> Option<Vec<usize>> {
        let mut visited = vec![false; self.stages.len()];
        let mut open = vec![vec![start]];
        while let Some(path) = open.pop() {
            let here = path[path.len() - 1];
            for &input in &self.stages[here].inputs {
                if input == start {
                    return Some(path);
                }
                if !std::mem::replace(&mut visited[input], true) {
                    let mut longer = path.clone();
                    longer.push(input);
                    open.push(longer);
                }
            }
        }
        None
    }

    /// Two stages are joined by one way at most; the proof in [`crate::channel::order`] that nothing can get stuck needs it.
    fn check_reunions(&mut self) {
        let mut group: Vec<usize> = (0..self.stages.len()).collect();
        for (index, stage) in self.stages.iter().enumerate() {
            for (place, &input) in stage.inputs.iter().enumerate() {
                let from = self.stages[input].id;
                if stage.inputs[..place].contains(&input) {
                    self.report_inputs(index, format!("`{from}` is named twice"));
                    continue;
                }
                let (ours, theirs) = (group[index], group[input]);
                if ours == theirs {
                    let remedy = "give each branch a source or a sink of its own";
                    let message = format!("`{from}` and `{}` are joined by another way already; {remedy}", stage.id);
                    self.report_inputs(index, message);
                }
                group.iter_mut().filter(|group| **group == theirs).for_each(|group| *group = ours);
            }
        }
    }
}
