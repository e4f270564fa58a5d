//! What NVIDIA's management library says about the GPUs, where there are any. The library is loaded while the program
//! runs; without it nothing is said.

use std::sync::{Mutex, PoisonError};

use metrics::gauge;
use nvml_wrapper::Nvml;

use super::names;

/// A GPU at one moment. What it does not tell is `None`.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Gpu {
    /// Its number.
    pub index: u32,
    /// Share of the last moment in which a kernel ran, from 0 to 1.
    pub utilisation: Option<f64>,
    /// Bytes of its memory that are in use, and all of them.
    pub memory: Option<(u64, u64)>,
    /// Power that it draws.
    pub watts: Option<f64>,
}

/// NVIDIA's driver on this machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Driver {
    /// Its version.
    pub version: String,
    /// The newest CUDA that it can run: major and minor version.
    pub cuda: [i32; 2],
    /// Name and memory in bytes of each of its GPUs.
    pub gpus: Vec<(String, u64)>,
}

/// The driver of this machine.
///
/// # Errors
/// Why there is none that answers.
pub fn driver() -> Result<Driver, String> {
    let nvml = Nvml::init().map_err(|error| error.to_string())?;
    let unknown = || "unknown".to_string();
    let cuda = nvml.sys_cuda_driver_version().unwrap_or(0);
    let gpu = |index| {
        let gpu = nvml.device_by_index(index).ok();
        let name = gpu.as_ref().and_then(|gpu| gpu.name().ok()).unwrap_or_else(unknown);
        (name, gpu.and_then(|gpu| gpu.memory_info().ok()).map_or(0, |memory| memory.total))
    };
    Ok(Driver {
        version: nvml.sys_driver_version().unwrap_or_else(|_| unknown()),
        cuda: [cuda / 1000, cuda % 1000 / 10],
        gpus: (0..nvml.device_count().unwrap_or(0)).map(gpu).collect(),
    })
}

static NEWEST: Mutex<Vec<Gpu>> = Mutex::new(Vec::new());

/// The GPUs of this machine as they were a few seconds ago; none before metrics are recorded.
pub fn gpus() -> Vec<Gpu> {
    NEWEST.lock().unwrap_or_else(PoisonError::into_inner).clone()
}

/// The names of the GPUs of this machine, in the order of their numbers; none without a driver that answers.
pub fn gpu_names() -> Vec<String> {
    let Ok(nvml) = Nvml::init() else { return Vec::new() };
    let name = |index| nvml.device_by_index(index).and_then(|gpu| gpu.name()).ok();
    (0..nvml.device_count().unwrap_or(0)).filter_map(name).collect()
}

/// The library, and through it the GPUs of this machine.
pub(super) struct Gpus(Nvml);

impl Gpus {
    /// `None` without the library or a driver that answers.
    pub(super) fn open() -> Option<Self> {
        Nvml::init().ok().map(Self)
    }

    /// Looks at each GPU, and tells the recorder and [`gpus`].
    pub(super) fn publish(&self) {
        let gpus: Vec<Gpu> = (0..self.0.device_count().unwrap_or(0)).map(|index| self.look(index)).collect();
        for gpu in &gpus {
            let set = |name: &'static str, value: Option<f64>| {
                if let Some(value) = value {
                    gauge!(name, "gpu" => gpu.index.to_string()).set(value);
                }
            };
            set(names::GPU_UTILISATION, gpu.utilisation);
            set(names::GPU_MEMORY_USED, gpu.memory.map(|(used, _)| used as f64));
            set(names::GPU_MEMORY, gpu.memory.map(|(_, all)| all as f64));
            set(names::GPU_POWER, gpu.watts);
        }
        *NEWEST.lock().unwrap_or_else(PoisonError::into_inner) = gpus;
    }

    fn look(&self, index: u32) -> Gpu {
        let Ok(gpu) = self.0.device_by_index(index) else { return Gpu { index, ..Gpu::default() } };
        Gpu {
            index,
            utilisation: gpu.utilization_rates().ok().map(|rates| f64::from(rates.gpu) / 100.0),
            memory: gpu.memory_info().ok().map(|memory| (memory.used, memory.total)),
            watts: gpu.power_usage().ok().map(|milliwatts| f64::from(milliwatts) / 1000.0),
        }
    }
}
