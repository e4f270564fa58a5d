//! From the pipeline file to a graph: names, kinds, links, ports, workers, options, with all mistakes at once.

use super::graph::{Graph, Node};
use super::links::{self, Linked};
use super::spec::{Declared, Spec};
use crate::failure::Result;
use crate::settings::{self, Diagnostics, did_you_mean};
use crate::stage::kind::{Role, StageContext};
use crate::stage::kinds::Kinds;
use crate::text::excerpt;

/// Compiles the pipeline file `file` with the stages that `kinds` offers. The resolved file is `diagnostics.resolved()`.
///
/// # Errors
/// `Config`, with every problem of `diagnostics`, one a line, in the order of the file.
pub fn compile<C: StageContext>(
    diagnostics: &Diagnostics,
    file: &settings::Node,
    kinds: impl Into<Kinds<C>>,
) -> Result<Graph<C>> {
    let graph = compile_all(diagnostics, file, kinds);
    diagnostics.finish()?;
    graph.ok_or_else(|| crate::failure::Failure::config("the pipeline could not be read"))
}

/// The same, leaving it to the caller to ask `diagnostics` whether anything is wrong; then there may be no graph.
pub fn compile_all<C: StageContext>(
    diagnostics: &Diagnostics,
    file: &settings::Node,
    kinds: impl Into<Kinds<C>>,
) -> Option<Graph<C>> {
    let kinds = kinds.into();
    let Spec { name, stages } = Spec::read(diagnostics, file, &kinds);
    let linked: Vec<Linked<'_, C>> = (0..stages.len()).map(|index| link(diagnostics, &stages, index)).collect();
    let complaints = links::complaints(&linked, &kinds);
    let inputs: Vec<Vec<usize>> = linked.into_iter().map(|stage| stage.inputs).collect();
    let sound = complaints.is_empty();
    for complaint in complaints {
        let stage = &stages[complaint.stage];
        let written = stage.inputs.as_ref().filter(|_| complaint.at_inputs);
        let path =
            if complaint.at_inputs { format!("stages.{}.inputs", stage.id) } else { format!("stages.{}", stage.id) };
        diagnostics.report(written.map_or(&stage.origin, |(_, origin)| origin), &path, complaint.message);
    }
    let count = stages.len();
    let nodes: Vec<Node<C>> = stages.into_iter().filter_map(node).collect();
    (sound && nodes.len() == count && count > 1).then(|| Graph::sorted(name, nodes, &inputs))
}

fn node<C: StageContext>(stage: Declared<C>) -> Option<Node<C>> {
    let built = stage.built?;
    Some(Node {
        id: stage.id,
        kind: built.kind,
        workers: built.workers,
        auto: built.auto,
        capacity: built.capacity,
        max_failures: built.max_failures,
        stage_config: built.stage_config.into(),
        options: built.options,
        origin: Some(stage.origin),
    })
}

/// Finds the stages that stage `index` names as its inputs; the one above it when it names none.
fn link<'a, C: StageContext>(diagnostics: &Diagnostics, stages: &'a [Declared<C>], index: usize) -> Linked<'a, C> {
    let stage = &stages[index];
    let kind = stage.built.as_ref().map(|built| built.kind);
    let mut clear = true;
    let inputs = match &stage.inputs {
        None if stage.wrote_inputs => {
            clear = false;
            Vec::new()
        }
        None if kind.is_some_and(|kind| kind.role() == Role::Source) => Vec::new(),
        None => index.checked_sub(1).into_iter().collect(),
        Some((names, origin)) => names
            .iter()
            .filter_map(|name| {
                let found = stages.iter().position(|other| other.id == *name);
                if found.is_none() {
                    clear = false;
                    let others = stages.iter().map(|other| other.id.as_str());
                    let known = did_you_mean(name, others.filter(|other| *other != stage.id));
                    diagnostics.report(
                        origin,
                        &format!("stages.{}.inputs", stage.id),
                        format!("unknown stage `{}`{known}", excerpt(name)),
                    );
                }
                found
            })
            .collect(),
    };
    let stage_config = stage.built.as_ref().map(|built| &built.stage_config);
    Linked { id: &stage.id, kind, inputs, clear, turns: stage_config.and_then(|stage_config| stage_config.turns()) }
}
