//! What is wrong with a pipeline for training although each of its stages is right: `validate` and `train` ask alike.

use super::{Facts, RunContext};
use crate::{
    flow::Graph,
    settings::{Diagnostics, Origin},
};

/// Kinds of which a run has one stage at most, and why.
const ONCE: [(&str, &str); 3] = [
    ("step", "there is one model to train"),
    ("aggregate", "each batch would be counted twice"),
    ("checkpoint", "both would write the same files"),
];

/// Reports what keeps `graph` from running; with `facts` also where shapes, types and places do not fit.
pub fn check(diagnostics: &Diagnostics, graph: &Graph<RunContext>, facts: Option<&Facts>) {
    for (kind, why) in ONCE {
        let mut stages = graph.nodes().iter().filter(|node| node.kind.name == kind);
        let Some(first) = stages.next() else { continue };
        for again in stages {
            let origin = again.origin.clone().unwrap_or_else(|| Origin::whole(graph.name()));
            let message = format!("is a second stage of the kind {kind}, after `{}`: {why}; keep one", first.id);
            diagnostics.report(&origin, &format!("stages.{}", again.id), message);
        }
    }
    if let Some(facts) = facts {
        graph.check_element_specs(diagnostics, facts);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{flow::compile_all, settings::Node, stages::KINDS};

    #[test]
    fn a_run_has_one_step_one_aggregate_and_one_writer_of_checkpoints() {
        let head = "name: x\nstages:\n  sample: {kind: sample}\n  decode: {kind: decode}\n  crop: {kind: crop}\n  \
                    augment: {kind: augment}\n";
        let line = |id: &str, kind: &str, from: &str| format!("  {id}: {{kind: {kind}, inputs: [{from}]}}\n");
        let side = |step: &str, id: &str| {
            let (aggregate, checkpoint) = (format!("a{id}"), format!("c{id}"));
            line(&aggregate, "aggregate", step) + &line(&checkpoint, "checkpoint", &aggregate)
        };
        let found = |text: String| -> Vec<String> {
            let diagnostics = Diagnostics::new();
            let graph = compile_all(&diagnostics, &Node::parse("x.yaml", &text).unwrap(), &KINDS).unwrap();
            check(&diagnostics, &graph, None);
            diagnostics.problems().iter().map(|problem| format!("{}: {}", problem.origin.line, problem.path)).collect()
        };
        // Batches cannot be copied: each step has its own from the clips on.
        let step = |id: &str| {
            let (batches, uploaded) = (format!("b{id}"), format!("u{id}"));
            line(&batches, "collate", "augment") + &line(&uploaded, "upload", &batches) + &line(id, "step", &uploaded)
        };
        assert_eq!(found(format!("{head}{}{}", step("s"), side("s", "1"))), Vec::<String>::new());
        let twice = found(format!("{head}{}{}{}{}", step("s"), step("t"), side("s", "1"), side("t", "2")));
        assert_eq!(twice, ["12: stages.t", "15: stages.a2", "16: stages.c2"]);
    }
}
