//! What training minimises: boxes, score map and condition, as tensors that stay on the device.

pub mod class;
mod components;
mod counts;
pub mod focal;
pub mod heatmap;
pub mod overlap;

pub use class::{ClassLoss, confusion};
pub use components::{LossComponents, Report, Target, Weights, loss, loss_of_part};
pub use counts::Counts;

#[cfg(test)]
mod tests;
