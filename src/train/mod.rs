//! The experiment, the optimizer, the step and checkpoints.

pub mod checkpoint;
pub mod confusion;
pub mod device;
pub mod ema;
pub mod events;
pub mod experiment;
pub mod features;
pub mod means;
pub mod memory;
pub mod metrics;
pub mod network;
pub mod normalise;
pub mod optimizer;
pub mod overlaps;
pub mod precision;
pub mod pretrained;
pub mod ranks;
mod replicas;
pub mod run_event;
pub mod run_schedule;
pub mod step;
pub mod tasks;
