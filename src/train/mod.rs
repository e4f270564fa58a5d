//! The experiment, the optimizer, the step and checkpoints.

pub mod checkpoint;
pub mod experiment;
pub mod itinerary;
pub mod optimizer;
