//! Reading settings files (YAML) so that every mistake is named at once, with file, line, key path and remedy.
//!
//! [`Node`] is the parsed tree in which each value knows where it was written. [`Section`] reads one mapping of it:
//! each key that is asked for counts as known, all others are reported with the nearest known name. [`Reading`]
//! collects the problems of all sections and the resolved values, so a whole file is judged in one pass.

pub mod failure;
mod field;
mod from_node;
mod node;
mod problem;
mod section;
mod snippet;
mod suggest;
pub mod text;
mod unknown;

pub use field::{Field, FieldType, schema};
pub use from_node::FromNode;
pub use node::{Entry, Node, Origin, Value};
pub use problem::{Problem, Reading};
pub use section::Section;
pub use snippet::{line_of, render};
pub use suggest::{did_you_mean, nearest};

#[cfg(test)]
mod tests;
