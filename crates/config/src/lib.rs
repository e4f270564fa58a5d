//! Reading settings files (YAML) so that every mistake is named at once, with file, line, key path and remedy.
//!
//! [`Node`] is the parsed tree in which each value knows where it was written. [`Section`] reads one mapping of it:
//! each key that is asked for counts as known, all others are reported with the nearest known name. [`Diagnostics`]
//! collects the problems of all sections and the resolved values, so a whole file is judged in one pass.

// The derived code names this crate, here too.
extern crate self as trackflow_config;

mod config;
pub mod failure;
mod field;
mod from_node;
mod key;
mod limits;
mod node;
mod problem;
pub mod reads;
mod remarks;
mod section;
mod snippet;
mod suggest;
pub mod text;
mod unknown;

#[doc(hidden)]
pub use config::derived;
pub use config::{Config, Usage};
pub use field::{Field, FieldType, Standing, schema};
pub use from_node::FromNode;
pub use key::{Key, Resume};
pub use limits::Limits;
pub use node::{KeyValue, Node, Origin, Value};
pub use problem::{Diagnostics, Problem};
pub use section::Section;
pub use snippet::{line_of, render};
pub use suggest::{did_you_mean, nearest};
pub use trackflow_config_derive::Config;

#[cfg(test)]
mod config_tests;
#[cfg(test)]
mod tests;
