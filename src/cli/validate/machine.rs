//! What this machine has.

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
        let memory = [limit, total()].into_iter().flatten().min();
        Self { cores, memory }
    }
}

/// `MemTotal` of `/proc/meminfo`, which counts in KiB.
fn total() -> Option<u64> {
    let text = std::fs::read_to_string("/proc/meminfo").ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
    line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok().map(|kib| kib << 10)
}
