//! trackflow trains multi-task visual object trackers as a dataflow of actors over bounded channels.
//!
//! The folders stand in dependency order; each imports only from those above it. `ARCHITECTURE.md` walks through them.

pub mod failure;
pub mod lock;
pub mod reads;
pub mod telemetry;
pub mod text;
pub mod whole;

pub mod settings;

pub mod flow;

pub mod vision;

pub mod data;

pub mod native;
pub mod weights;

pub mod model;

pub mod loss;

pub mod train;

pub mod track;

pub mod stages;

pub mod monitor;

pub mod cli;
