//! The experiment, the optimizer, the step and checkpoints.

pub mod experiment;
