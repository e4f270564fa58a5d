//! Data sets, annotations, condition labels, clip planning, counter-based randomness and synthetic scenes.

pub mod condition;
pub mod random;
pub mod synth;
