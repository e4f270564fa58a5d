//! trackflow trains multi-task visual object trackers as a dataflow of actors over bounded channels.
//!
//! The folders stand in dependency order; each imports only from those above it. `ARCHITECTURE.md` walks through them.

pub use trackflow_config::{self as settings, failure, reads, text};
pub use trackflow_dataflow as flow;
pub use trackflow_kernels as native;

pub mod atomic_file;
pub mod failpoint;
pub mod lock;
pub mod telemetry;

pub mod vision;

pub mod data;

pub mod weights;

pub mod model;

pub mod loss;

pub mod train;

pub mod track;

pub mod stages;

pub mod monitor;

pub mod session;

pub mod cli;
