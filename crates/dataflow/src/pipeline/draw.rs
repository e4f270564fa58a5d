//! Pictures of a graph: Graphviz, Mermaid, and plain text.

use std::fmt::Write;

use super::graph::Graph;
use crate::stage::kind::StageContext;

impl<C: StageContext> Graph<C> {
    /// The graph in Graphviz's language: `dot -Tsvg`.
    pub fn dot(&self) -> String {
        let mut text = format!("digraph \"{}\" {{\n  rankdir=LR;\n  node [shape=box, style=rounded];\n", self.name());
        for node in self.nodes() {
            // Writing to a String cannot fail.
            let _ = writeln!(text, "  \"{}\" [label=\"{}\"];", node.id, self.label(node, "\\n"));
        }
        for (from, to, what) in self.edges() {
            let _ = writeln!(text, "  \"{from}\" -> \"{to}\" [label=\"{what}\"];");
        }
        text + "}\n"
    }

    /// The graph for Mermaid, as Markdown readers draw it.
    pub fn mermaid(&self) -> String {
        let mut text = "flowchart LR\n".to_string();
        // A stage may be called `end` or `graph`, which Mermaid would not take for a name.
        for node in self.nodes() {
            let _ = writeln!(text, "    s_{}[\"{}\"]", node.id.replace('-', "_"), self.label(node, "<br/>"));
        }
        for (from, to, what) in self.edges() {
            let (from, to) = (from.replace('-', "_"), to.replace('-', "_"));
            let _ = writeln!(text, "    s_{from} -->|{what}| s_{to}");
        }
        text
    }

    /// The graph as lines of text, each stage with what it takes and gives.
    pub fn text(&self) -> String {
        let mut text = format!("{}\n", self.name());
        for (index, node) in self.nodes().iter().enumerate() {
            let inputs: Vec<&str> = self.inputs(index).iter().map(|&input| self.nodes()[input].id.as_str()).collect();
            let from = if inputs.is_empty() { String::new() } else { format!("{} → ", inputs.join(" + ")) };
            let to = match (self.output(index), self.consumers(index).len()) {
                (None, _) => String::new(),
                (Some(port), 0 | 1) => format!(" → [{}] {}", node.capacity, port.name),
                (Some(port), count) => format!(" → [{}] {}, to {count} stages", node.capacity, port.name),
            };
            let _ = writeln!(text, "  {from}{}{to}", self.label(node, ", "));
        }
        text
    }

    fn label(&self, node: &super::graph::Node<C>, between: &str) -> String {
        let workers = match (node.auto, node.workers) {
            (true, _) => format!("{between}auto"),
            (false, 1) => String::new(),
            (false, workers) => format!("{between}{workers} workers"),
        };
        let kind = if node.id == node.kind.name { String::new() } else { format!("{between}{}", node.kind.name) };
        format!("{}{kind}{workers}", node.id)
    }

    /// From, to, and what flows there.
    fn edges(&self) -> impl Iterator<Item = (&str, &str, String)> {
        (0..self.nodes().len()).flat_map(move |index| {
            let node = &self.nodes()[index];
            let what = self.output(index).map_or(String::new(), |port| format!("{} × {}", node.capacity, port.name));
            let consumers = self.consumers(index).into_iter();
            consumers.map(move |to| (node.id.as_str(), self.nodes()[to].id.as_str(), what.clone()))
        })
    }
}
