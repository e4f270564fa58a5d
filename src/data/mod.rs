//! Data sets, annotations, condition labels, clip planning, counter-based randomness and synthetic scenes.

pub mod condition;
pub mod dataset;
pub mod labels;
pub mod plan;
pub mod problems;
pub mod random;
pub mod rejects;
pub mod synth;
pub mod verify;
