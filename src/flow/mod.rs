//! The engine: runs a pipeline of stages on threads of their own, joined by bounded channels.
//!
//! From the file to the run: a table of [`Kind`]s and a pipeline file compile into a [`Graph`] (all mistakes at once);
//! [`run`] builds its [`Source`] and [`Stage`] workers, runs them under a supervisor, and returns a [`RunOutcome`].
//! Backpressure is the only flow control: with a stalled sink, exactly as many items are taken from the source as there
//! are places in the channels and workers on the way (an item is *taken* when [`Source::next`] returns it).

mod bottleneck;
mod care;
mod channel;
mod compile;
mod control;
pub mod count;
mod crew;
mod draw;
mod form;
mod graph;
mod handling;
mod item;
mod kind;
mod links;
pub mod merge;
mod notice;
mod order;
mod outbox;
pub mod overhead;
mod panics;
mod plan;
mod publish;
mod queue;
mod report;
mod run;
mod scale;
mod schema;
mod segments;
mod signals;
pub mod sim;
mod spec;
mod stage;
mod stall;
mod supervisor;
mod token;
mod turnstile;
mod wire;
mod worker;

pub use bottleneck::{Load, busiest, sentence};
pub use compile::{compile, compile_all};
pub use control::{Control, Reloaded};
pub use form::{Dtype, Form, Part, Place, human_bytes};
pub use graph::{Graph, Node};
pub use handling::{Handling, Traveller};
pub use item::{Payload, pack, unpack};
pub use kind::{Blueprint, Kind, Port, Role, World};
pub use merge::Turns;
pub use notice::{Notice, Tell, to_nobody, to_stderr};
pub use outbox::Outbox;
pub use panics::guard;
pub use plan::{Memory, MemoryLine, Planned};
pub use report::{Board, ChannelReport, LeftOut, RunOutcome, StageReport};
pub use run::{Run, Settings, run};
pub use schema::pipeline_schema;
pub use signals::{SignalWatch, survive_file_limits, watch_hangups, watch_save_requests, watch_signals};
pub use stage::{Source, Stage};

pub use token::{StopReason, StopToken};
pub use turnstile::Alone;

#[cfg(test)]
mod tests;
