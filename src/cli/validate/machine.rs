//! What this machine has.

use crate::telemetry::process::machine_memory;

/// Cores and memory that this process may use.
pub(super) struct Machine {
    pub cores: usize,
    /// Bytes, where the system tells.
    pub memory: Option<u64>,
}

impl Machine {
    pub fn here() -> Self {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let limit = std::fs::read_to_string("/sys/fs/cgroup/memory.max").ok().and_then(|text| text.trim().parse().ok());
        let memory = [limit, machine_memory().map(|(total, _)| total)].into_iter().flatten().min();
        Self { cores, memory }
    }
}
