//! A pipeline file with other workers than before.

use crate::flow::{Graph, Role, StageContext};

/// The file of `graph` with these workers; `head` and `reasons` (one for each stage) become comments.
pub(super) fn render<C: StageContext>(
    graph: &Graph<C>,
    workers: &[usize],
    name: &str,
    head: &[String],
    reasons: &[String],
) -> String {
    let mut text: String = head.iter().filter(|line| !line.is_empty()).map(|line| format!("# {line}\n")).collect();
    // Rust quotes a text as YAML does.
    text += &format!("name: {name:?}\nstages:\n");
    for (index, node) in graph.nodes().iter().enumerate() {
        if let Some(reason) = reasons.get(index) {
            text += &format!("  # {reason}\n");
        }
        let mut keys = vec![format!("kind: {}", node.kind.name)];
        let inputs: Vec<&str> = graph.inputs(index).iter().map(|&input| graph.nodes()[input].id.as_str()).collect();
        if !inputs.is_empty() {
            keys.push(format!("inputs: [{}]", inputs.join(", ")));
        }
        if node.kind.worker_limit() > 1 {
            keys.push(format!("workers: {}", workers[index]));
        }
        if node.kind.role() != Role::Sink {
            // Twice as many places as workers keep these busy when items are of uneven cost.
            let capacity =
                if workers[index] > node.workers { node.capacity.max(2 * workers[index]) } else { node.capacity };
            keys.push(format!("capacity: {capacity}"));
        }
        if graph.is_supervised(index) {
            keys.push(format!("max_failures: {}", node.max_failures));
        }
        if node.options != "{}" && !node.options.is_empty() {
            keys.push(format!("options: {}", node.options));
        }
        text += &format!("  {}: {{{}}}\n", node.id, keys.join(", "));
    }
    text
}
