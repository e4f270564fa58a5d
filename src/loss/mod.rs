//! What training minimises: boxes, score map and condition, as tensors that stay on the device.

pub mod class;
mod counts;
pub mod focal;
pub mod heatmap;
pub mod overlap;
mod terms;

pub use class::{ClassLoss, confusion};
pub use counts::Counts;
pub use terms::{LossTerms, Report, Target, Weights, loss, loss_of_part};

#[cfg(test)]
mod tests;
