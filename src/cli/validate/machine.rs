//! What this machine has.

use crate::telemetry::process::machine_memory;
use std::path::Path;

/// Cores and memory that this process may use.
pub(in crate::cli) struct Machine {
    pub cores: usize,
    /// Bytes, where the system tells: the machine's, or what its container may take.
    pub memory: Option<u64>,
}

impl Machine {
    pub fn here() -> Self {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let groups = std::fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
        let limit = limit(&groups, |path| std::fs::read_to_string(path).ok());
        let memory = [limit, machine_memory().map(|(total, _)| total)].into_iter().flatten().min();
        Self { cores, memory }
    }
}

/// The smallest limit of the control groups that `groups` (`/proc/self/cgroup`) names and of those around them, in
/// either version.
fn limit(groups: &str, read: impl Fn(&Path) -> Option<String>) -> Option<u64> {
    let of_group = |line: &str| -> Option<u64> {
        let mut parts = line.splitn(3, ':').skip(1);
        let (controllers, path) = (parts.next()?, parts.next()?);
        let (root, file) = match controllers {
            "" => ("/sys/fs/cgroup", "memory.max"),
            names if names.split(',').any(|name| name == "memory") => {
                ("/sys/fs/cgroup/memory", "memory.limit_in_bytes")
            }
            _ => return None,
        };
        let group = Path::new(root).join(path.trim_start_matches('/'));
        let around = group.ancestors().take_while(|folder| folder.starts_with(root));
        around.filter_map(|folder| read(&folder.join(file))?.trim().parse().ok()).min()
    };
    groups.lines().filter_map(of_group).min()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_smallest_limit_around_the_process_counts_in_both_versions() {
        let files = [
            ("/sys/fs/cgroup/memory.max", "max\n"),
            ("/sys/fs/cgroup/pod/memory.max", "4096\n"),
            ("/sys/fs/cgroup/pod/one/memory.max", "8192\n"),
            ("/sys/fs/cgroup/memory/job/memory.limit_in_bytes", "2048\n"),
        ];
        let read = |path: &Path| files.iter().find(|(name, _)| Path::new(name) == path).map(|(_, text)| (*text).into());
        assert_eq!(limit("0::/pod/one\n", read), Some(4096));
        assert_eq!(limit("4:cpu,memory:/job\n1:pids:/x\n0::/\n", read), Some(2048));
        assert_eq!(limit("0::/\n", read), None);
    }
}
