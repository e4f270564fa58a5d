//! `trackflow graph`: a pipeline as a picture.

use super::table::{self, AnyGraph};
use crate::{
    failure::Result,
    flow::{Graph, StageContext},
};
use clap::{Args, ValueEnum};

/// `trackflow graph`.
#[derive(Debug, Args)]
pub struct GraphArgs {
    /// Pipeline: pipelines/<PIPELINE>.yaml, or a path that ends in .yaml
    #[arg(long, default_value = "train")]
    pipeline: String,
    /// dot (Graphviz), mermaid (Markdown), or text
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Format {
    Dot,
    Mermaid,
    Text,
}

/// Prints the picture.
///
/// # Errors
/// There is no such pipeline, or it is wrong.
pub fn graph(args: &GraphArgs) -> Result<()> {
    let text = match table::open(&args.pipeline)? {
        AnyGraph::Training(graph) => draw(&graph, args.format),
        AnyGraph::Simulated(graph) => draw(&graph, args.format),
    };
    print!("{text}");
    Ok(())
}

fn draw<C: StageContext>(graph: &Graph<C>, format: Format) -> String {
    match format {
        Format::Dot => graph.dot(),
        Format::Mermaid => graph.mermaid(),
        Format::Text => graph.text(),
    }
}
