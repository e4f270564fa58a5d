//! Two tasks, one backbone: how much each counts, what happens where their gradients are opposed, and how the gradients
//! compare. All of it stays on the device.

mod gradients;
mod pcgrad;
mod weighting;

pub use gradients::{Analysis, BlockGradients, Gradients};
pub use pcgrad::combine;
pub use weighting::{Balancer, TaskWeighting};

#[cfg(test)]
mod tests;
