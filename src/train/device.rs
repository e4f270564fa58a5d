//! The device that trains. The program links only libtorch's CPU part; the CUDA part is loaded when it is asked for, so
//! one program serves both kinds of machine.

use crate::{
    failure::{Failure, Result},
    native,
    telemetry::{driver, process::Process},
};
use std::{error::Error, sync::OnceLock};
use tch::{Cuda, Device};

/// Where to train.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum DeviceChoice {
    /// The first GPU when there is one, else the CPU.
    #[default]
    Auto,
    /// The CPU.
    Cpu,
    /// The GPU of this number.
    Cuda(usize),
}

impl std::str::FromStr for DeviceChoice {
    type Err = String;

    fn from_str(text: &str) -> std::result::Result<Self, String> {
        match text {
            "auto" => Ok(Self::Auto),
            "cpu" => Ok(Self::Cpu),
            "cuda" => Ok(Self::Cuda(0)),
            _ => text
                .strip_prefix("cuda:")
                .and_then(|number| number.parse().ok())
                .map(Self::Cuda)
                .ok_or_else(|| "expected auto, cpu or cuda:N".to_string()),
        }
    }
}

impl std::fmt::Display for DeviceChoice {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Auto => f.write_str("auto"),
            Self::Cpu => f.write_str("cpu"),
            Self::Cuda(number) => write!(f, "cuda:{number}"),
        }
    }
}

impl DeviceChoice {
    /// The device, ready for use.
    ///
    /// # Errors
    /// A GPU is asked for and there is none of that number, or this libtorch has no CUDA part.
    pub fn open(self) -> Result<Device> {
        let wanted = match self {
            Self::Cpu => return Ok(Device::Cpu),
            Self::Auto => None,
            Self::Cuda(number) => Some(number),
        };
        let missing = load_cuda().err();
        let count = if missing.is_none() && Cuda::is_available() { Cuda::device_count().max(0) as usize } else { 0 };
        match wanted {
            None if count > 0 => Ok(Device::Cuda(0)),
            None => Ok(Device::Cpu),
            Some(number) if number < count => Ok(Device::Cuda(number)),
            Some(number) => {
                let why = match (missing, count) {
                    (Some(error), _) => format!("this libtorch has no CUDA part ({error}); {INSTALL}"),
                    (None, 0) => "no GPU answers; check nvidia-smi".to_string(),
                    (None, count) => format!("there are {count} GPUs, numbered from 0"),
                };
                Err(Failure::unavailable(format!("--device cuda:{number}: {why}, or use --device cpu")))
            }
        }
    }
}

/// Why training goes on a CPU although there is a GPU; none where it does not, or where the CPU was asked for.
pub fn gpu_left_out(choice: DeviceChoice, device: Device) -> Option<String> {
    if choice != DeviceChoice::Auto || device.is_cuda() {
        return None;
    }
    let driver = driver().ok().filter(|driver| !driver.gpus.is_empty())?;
    let why = match load_cuda() {
        Err(error) => format!("this libtorch cannot use it ({error}); {INSTALL}"),
        Ok(()) => "libtorch finds none: a driver that is too old, or CUDA_VISIBLE_DEVICES hides it".to_string(),
    };
    let (name, count) = (&driver.gpus[0].0, driver.gpus.len());
    Some(format!(
        "there is a GPU ({count} × {name}, driver {}), but {why}; to train on the CPU on purpose, pass --device cpu",
        driver.version
    ))
}

/// What brings the CUDA part.
pub const INSTALL: &str = "install all of torch 2.11.0 (pip3 install torch==2.11.0) and build with LIBTORCH_USE_PYTORCH=1, or put \
                           the folders of its libraries into LD_LIBRARY_PATH";

/// Loads libtorch's CUDA part.
///
/// # Errors
/// Which library is missing.
pub fn cuda_part() -> std::result::Result<(), String> {
    load_cuda()
}

/// Waits until `device` has done what was asked of it. A CPU always has.
pub fn wait(device: Device) {
    if let Device::Cuda(number) = device {
        Cuda::synchronize(i64::try_from(number).unwrap_or(0));
    }
}

/// The most memory in bytes that this process used on `device` at once: of a GPU what tensors took, of the CPU what was
/// resident.
///
/// # Errors
/// The system or libtorch does not tell.
pub fn peak_memory(device: Device) -> Result<u64> {
    match device {
        Device::Cuda(number) => Ok(native::memory::gpu_peak(number)?),
        _ => {
            let missing = || Failure::unavailable("/proc/self/status: has no peak memory (VmHWM)");
            Process::now().peak_memory.ok_or_else(missing)
        }
    }
}

/// Loads libtorch's CUDA part for the whole process, once.
fn load_cuda() -> std::result::Result<(), String> {
    static LOADED: OnceLock<std::result::Result<(), String>> = OnceLock::new();
    LOADED
        .get_or_init(|| {
            use libloading::os::unix::{Library, RTLD_GLOBAL, RTLD_NOW};
            // SAFETY: the library's initialisers register kernels with the libtorch that is already loaded, of the
            // same release, and touch nothing of ours; it stays loaded for as long as the process lives.
            let library = unsafe { Library::open(Some("libtorch_cuda.so"), RTLD_NOW | RTLD_GLOBAL) };
            // The reason is below: "dlopen failed" alone helps nobody.
            let reason = |error: &dyn Error| error.source().map_or_else(|| error.to_string(), ToString::to_string);
            library.map(std::mem::forget).map_err(|error| reason(&error))
        })
        .clone()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn devices_are_named_as_in_pytorch() {
        assert_eq!("auto".parse(), Ok(DeviceChoice::Auto));
        assert_eq!("cpu".parse(), Ok(DeviceChoice::Cpu));
        assert_eq!("cuda:3".parse(), Ok(DeviceChoice::Cuda(3)));
        for text in ["auto", "cpu", "cuda:3"] {
            assert_eq!(text.parse::<DeviceChoice>().unwrap().to_string(), text);
        }
        assert!("gpu".parse::<DeviceChoice>().is_err());
    }

    #[test]
    fn the_cpu_knows_its_peak() {
        wait(Device::Cpu);
        let before = peak_memory(Device::Cpu).unwrap();
        let large = vec![1u8; before as usize];
        assert!(large.iter().all(|byte| *byte == 1));
        assert!(peak_memory(Device::Cpu).unwrap() > before);
    }

    #[test]
    fn a_gpu_that_is_not_there_is_unavailable() {
        let failure = DeviceChoice::Cuda(4096).open().unwrap_err();
        assert_eq!(failure.kind.exit_code(), 69);
        assert!(failure.message.contains("--device cpu"), "{failure}");
    }
}
