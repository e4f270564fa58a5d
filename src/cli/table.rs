//! The two tables of kinds that pipeline files are made of: the stages of a training run, and simulated ones.

use crate::{
    failure::Result,
    flow::{Graph, compile_all, sim},
    session::find,
    settings::{Diagnostics, Node, Value},
    stages::{KINDS, RunContext},
};

/// A compiled pipeline of either table.
pub enum AnyGraph {
    /// For `trackflow train`.
    Training(Graph<RunContext>),
    /// For `trackflow simulate`.
    Simulated(Graph<sim::Sim>),
}

/// Whether `file` is made of simulated stages: it names a kind that only they have.
pub fn is_simulated(file: &Node) -> bool {
    let Some(Value::Map(stages)) = file.get("stages").map(|node| &node.value) else { return false };
    stages.iter().filter_map(|stage| stage.node.get("kind")).any(|kind| match &kind.value {
        Value::Text(kind) => {
            !KINDS.iter().any(|known| known.name == *kind) && sim::KINDS.iter().any(|known| known.name == *kind)
        }
        _ => false,
    })
}

/// Compiles `file` with the table that it is made of; problems go to `diagnostics`.
pub fn compile(diagnostics: &Diagnostics, file: &Node) -> Option<AnyGraph> {
    match is_simulated(file) {
        true => compile_all(diagnostics, file, sim::KINDS).map(AnyGraph::Simulated),
        false => compile_all(diagnostics, file, &KINDS).map(AnyGraph::Training),
    }
}

/// Finds and compiles the pipeline `name`.
///
/// # Errors
/// There is no such file, or anything in it is wrong.
pub fn open(name: &str) -> Result<AnyGraph> {
    let diagnostics = Diagnostics::new();
    let graph = compile(&diagnostics, &find::pipeline(name)?);
    find::finish(&diagnostics)?;
    graph.ok_or_else(|| crate::failure::Failure::config(format!("{name}: could not be read")))
}
