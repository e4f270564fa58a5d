//! The experiment, the optimizer, the step and checkpoints.

pub mod experiment;
pub mod itinerary;
pub mod optimizer;
