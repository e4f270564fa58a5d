//! The engine: runs a pipeline of stages on threads of their own, joined by bounded channels.
//!
//! From the file to the run: a table of [`Kind`]s and a pipeline file compile into a [`Graph`] (all mistakes at once);
//! [`run`] builds its [`Source`] and [`Stage`] workers, runs them under a supervisor, and returns a [`RunOutcome`].
//! Backpressure is the only flow control: with a stalled sink, exactly as many items are taken from the source as there
//! are places in the channels and workers on the way (an item is *taken* when [`Source::next`] returns it).

mod channel;
mod compile;
mod graph;
mod item;
mod kind;
mod order;
mod outbox;
mod panics;
mod publish;
mod report;
mod signals;
pub mod sim;
mod spec;
mod stage;
mod supervisor;
mod token;
mod wire;
mod worker;

pub use compile::compile;
pub use graph::{Graph, Node, Planned};
pub use item::{Payload, pack, unpack};
pub use kind::{Blueprint, Kind, Port, Role};
pub use outbox::Outbox;
pub use report::{Board, ChannelReport, RunOutcome, StageReport};
pub use signals::{SignalWatch, watch_signals};
pub use stage::{Source, Stage};
pub use supervisor::{Run, run};
pub use token::{StopReason, StopToken};

#[cfg(test)]
mod tests;
