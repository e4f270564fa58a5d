//! What the system says about this process and its machine.

use std::fs;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use metrics::gauge;
pub use trackflow_dataflow::stats::process::processor_time;

use super::{SecondsCounter, machine, names};

/// This process at one moment. What the system does not tell is `None`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Process {
    /// Bytes that are resident.
    pub memory: Option<u64>,
    /// The most bytes that ever were.
    pub peak_memory: Option<u64>,
    /// Threads.
    pub threads: Option<u64>,
    /// Processor time, summed over threads.
    pub cpu: Option<Duration>,
}

impl Process {
    /// As of now.
    pub fn now() -> Self {
        let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
        Self {
            memory: kib(&status, "VmRSS"),
            peak_memory: kib(&status, "VmHWM"),
            threads: field(&status, "Threads"),
            cpu: processor_time(),
        }
    }
}

/// The name of the processor, where the system tells.
pub fn processor() -> Option<String> {
    let text = fs::read_to_string("/proc/cpuinfo").ok()?;
    let name = text.lines().find_map(|line| line.strip_prefix("model name")?.split_once(':'))?;
    Some(name.1.trim().to_string())
}

/// The number after `name:`.
fn field(text: &str, name: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))?;
    line.split_whitespace().next()?.parse().ok()
}

/// The same for lines in KiB, in bytes.
pub(super) fn kib(text: &str, name: &str) -> Option<u64> {
    field(text, name).map(|kib| kib << 10)
}

/// Seconds since 1970.
pub fn timestamp(time: SystemTime) -> f64 {
    time.duration_since(UNIX_EPOCH).map_or(0.0, |since| since.as_secs_f64())
}

/// Says when the process began.
pub(super) fn publish_start() {
    gauge!(names::PROCESS_START).set(timestamp(SystemTime::now()).floor());
}

/// Tells the recorder how this process and its machine are now.
pub(super) fn publish() {
    let set = |name: &'static str, value: Option<u64>| {
        if let Some(value) = value {
            gauge!(name).set(value as f64);
        }
    };
    let process = Process::now();
    set(names::PROCESS_MEMORY, process.memory);
    set(names::PROCESS_PEAK_MEMORY, process.peak_memory);
    set(names::PROCESS_THREADS, process.threads);
    set(names::PROCESS_OPEN_FILES, fs::read_dir("/proc/self/fd").ok().map(|files| files.count() as u64));
    if let Some(cpu) = process.cpu {
        SecondsCounter::new(names::PROCESS_CPU, &[]).reach(cpu);
    }
    let machine = machine::memory();
    set(names::MACHINE_MEMORY, machine.map(|memory| memory.total));
    set(names::MACHINE_MEMORY_AVAILABLE, machine.map(|memory| memory.available));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_uses_what_it_has_and_its_time_grows() {
        let before = Process::now();
        let large = vec![1u8; 64 << 20];
        let sum: u64 = large.iter().map(|byte| u64::from(*byte)).sum();
        let after = Process::now();
        assert_eq!(sum, 64 << 20);
        assert!(after.peak_memory.unwrap() >= before.memory.unwrap().max(64 << 20), "{before:?} {after:?}");
        assert!(after.cpu.unwrap() > before.cpu.unwrap() && after.threads.unwrap() >= 1);
    }

    #[test]
    fn fields_are_told_by_their_whole_name() {
        let text = "VmRSSx: 1 kB\nVmRSS:\t  12 kB\nThreads:\t3\n";
        assert_eq!((kib(text, "VmRSS"), field(text, "Threads"), kib(text, "VmHWM")), (Some(12288), Some(3), None));
    }
}
