//! A pipeline before it runs: the file (`spec`) and the graph it compiles into (`compile`, `graph`), with its
//! checks on branches and merges (`links`); what can be said of it without running: threads, memory, a drawing, the
//! schema of its file.

pub(crate) mod compile;
mod draw;
pub(crate) mod graph;
pub(crate) mod links;
pub(crate) mod plan;
pub(crate) mod schema;
mod segments;
pub(crate) mod spec;
