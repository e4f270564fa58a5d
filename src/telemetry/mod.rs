//! What trackflow tells a Prometheus: the names of all metrics, and the recorder that keeps them.

mod gpu;
pub mod log;
pub mod machine;
pub mod names;
pub mod process;
mod recorder;
mod seconds;

pub use gpu::{Gpu, gpus};
pub use recorder::{Recorder, record};
pub use seconds::SecondsCounter;

#[cfg(test)]
mod tests;
