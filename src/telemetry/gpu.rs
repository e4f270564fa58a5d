//! What NVIDIA's management library says about the GPUs, where there are any. The library is loaded while the program
//! runs; without it nothing is said.

use metrics::gauge;
use nvml_wrapper::Nvml;

use super::names;

/// The GPUs of this machine.
pub(super) struct Gpus(Nvml);

impl Gpus {
    /// `None` without the library or a driver that answers.
    pub(super) fn open() -> Option<Self> {
        Nvml::init().ok().map(Self)
    }

    /// Tells the recorder how each GPU is now. What a GPU does not tell is left out.
    pub(super) fn publish(&self) {
        for index in 0..self.0.device_count().unwrap_or(0) {
            let Ok(gpu) = self.0.device_by_index(index) else { continue };
            let set = |name: &'static str, value: f64| gauge!(name, "gpu" => index.to_string()).set(value);
            if let Ok(rates) = gpu.utilization_rates() {
                set(names::GPU_UTILISATION, f64::from(rates.gpu) / 100.0);
            }
            if let Ok(memory) = gpu.memory_info() {
                set(names::GPU_MEMORY_USED, memory.used as f64);
                set(names::GPU_MEMORY, memory.total as f64);
            }
            if let Ok(milliwatts) = gpu.power_usage() {
                set(names::GPU_POWER, f64::from(milliwatts) / 1000.0);
            }
        }
    }
}
