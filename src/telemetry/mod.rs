//! What trackflow tells a Prometheus: the names of all metrics, and the endpoint that serves them.

mod exporter;
pub mod names;
mod seconds;

pub use exporter::{DEFAULT_ADDRESS, serve};
pub use seconds::SecondsCounter;

#[cfg(test)]
mod tests;
