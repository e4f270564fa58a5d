//! The experiment, the optimizer, the step and checkpoints.

pub mod checkpoint;
pub mod events;
pub mod experiment;
pub mod itinerary;
pub mod optimizer;
pub mod tally;
