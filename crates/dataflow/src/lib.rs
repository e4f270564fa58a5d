//! The engine: runs a pipeline of stages on threads of their own, joined by bounded channels.
//!
//! From the file to the run: a table of [`Kind`]s and a pipeline file compile into a [`Graph`] (all mistakes at once);
//! [`run`] builds its [`Source`] and [`Stage`] workers, runs them under a supervisor, and returns a [`RunOutcome`].
//! Backpressure is the only flow control: with a stalled sink, exactly as many items are taken from the source as there
//! are places in the channels and workers on the way (an item is *taken* when [`Source::next`] returns it).
//!
//! ```
//! use std::sync::Arc;
//! use trackflow_dataflow::settings::{Diagnostics, Node};
//! use trackflow_dataflow::sim::{KINDS, Sim};
//! use trackflow_dataflow::{Shutdown, compile, run};
//!
//! let file = "
//! name: shape
//! stages:
//!   numbers: { kind: count, capacity: 2, options: { items: 50 } }
//!   work: { kind: sleep, workers: 3, capacity: 4, options: { ms: 0.1 } }
//!   sink: { kind: collect }
//! ";
//! let graph = compile(&Diagnostics::new(), &Node::parse("shape.yaml", file)?, KINDS)?;
//! let sim = Sim::default();
//! sim.valve.open();
//! let outcome = run(&graph, &Arc::new(sim.clone()), Shutdown::new());
//! outcome.result?;
//! assert_eq!(sim.journal(), (0..50).collect::<Vec<_>>()); // in order, whoever was faster
//! assert_eq!(outcome.channels[1].items, 50);
//! # Ok::<(), trackflow_dataflow::failure::Failure>(())
//! ```

pub mod channel;
mod pipeline;
mod runtime;
pub mod sim;
pub mod stage;
pub mod stats;

pub use channel::emitter::{Emitter, Meter, RunEnd};
pub use channel::merge::{self, Turns};
pub use channel::overhead;
pub use pipeline::compile::{compile, compile_all};
pub use pipeline::graph::{Graph, Node};
pub use pipeline::plan::{Memory, MemoryLine, Planned};
pub use pipeline::schema::pipeline_schema;
pub use runtime::control::{Control, Reloaded};
pub use runtime::isolate::IsolatedCost;
pub use runtime::notice::{Notice, Notify, to_nobody, to_stderr};
pub use runtime::panics::guard;
pub use runtime::run::{Run, Settings, run};
pub use runtime::shutdown::{Shutdown, StopReason};
pub use runtime::signals::{
    SignalWatch, pass_signals, survive_file_limits, watch_hangups, watch_save_requests, watch_signals,
};
pub use stage::count;
pub use stage::element_spec::{ArraySpec, Dtype, ElementSpec, MemoryKind, human_bytes};
pub use stage::item::{Payload, pack, unpack};
pub use stage::item_ops::{ItemOps, StreamItem};
pub use stage::kind::{Kind, Role, StageConfig, StageContext};
pub use stage::kinds::Kinds;
pub use stage::port::Port;
pub use stage::traits::{Source, Stage};
pub use stats::bottleneck::{Load, busiest, sentence};
pub use stats::report::{Board, ChannelReport, RunOutcome, SkippedItem, StageReport};
pub use stats::trace::Trace;

/// Failures, settings files and the text of messages, as stages meet them.
pub use trackflow_config::{self as settings, failure};

use trackflow_config::text;

#[cfg(test)]
mod tests;
