//! What trackflow reports to Prometheus: the names of all metrics, and the recorder that keeps them.

mod gpu;
pub mod log;
pub mod machine;
pub mod names;
pub mod preparation;
pub mod process;
mod recorder;
pub mod terminal;
pub mod version;

pub use gpu::{Driver, Gpu, driver, gpu_names, gpus};
pub use recorder::{Recorder, record};
pub use trackflow_dataflow::stats::SecondsCounter;

#[cfg(test)]
mod tests;
