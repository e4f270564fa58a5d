//! Data sets, annotations, condition labels, clip planning, counter-based randomness and synthetic scenes.

pub mod condition;
pub mod dataset;
pub mod frame;
pub mod inspect;
pub mod labelling;
pub mod labels;
pub mod outage;
pub mod pack;
mod pictures;
pub mod plan;
pub mod problems;
pub mod random;
pub mod rejects;
pub mod retry;
pub mod shared;
pub mod stats;
pub mod synth;
pub mod verify;
