//! What this process may use: the machine's cores and memory, or what its container leaves of them. Whatever asks for
//! either asks here.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};

use super::process::kib;

/// Cores and memory that this process may use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Machine {
    /// Cores; with a quota of processor time, as many as it is worth.
    pub cores: usize,
    /// Memory, where the system tells.
    pub memory: Option<Memory>,
}

/// Bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Memory {
    /// All that this process could ever have.
    pub total: u64,
    /// What is left of that.
    pub available: u64,
    /// Whether a control group allows less than the machine has.
    pub limited: bool,
}

impl Machine {
    /// As of now.
    pub fn here() -> Self {
        Self { cores: cores(), memory: memory() }
    }

    /// Bytes of [`Memory::total`].
    pub fn memory_total(&self) -> Option<u64> {
        self.memory.map(|memory| memory.total)
    }
}

/// Cores that this process may use: those of the machine that it may run on, or what the quotas of its control groups
/// are worth (the standard library reads both versions).
///
/// Of several processes that train together on this machine, each has its share ([`share_with`]).
pub fn cores() -> usize {
    let all = std::thread::available_parallelism().map_or(1, usize::from);
    (all / SHARERS.load(Ordering::Relaxed).max(1)).max(1)
}

static SHARERS: AtomicUsize = AtomicUsize::new(1);

/// So many processes, this one included, share the machine's cores.
pub fn share_with(processes: usize) {
    SHARERS.store(processes, Ordering::Relaxed);
}

/// How many files this process may have open at a time.
pub fn descriptors() -> u64 {
    limit(libc::RLIMIT_NOFILE).map_or(1024, |limit| limit.rlim_cur)
}

/// Allows as many open files as the system lets this process have, and gives their number.
pub fn raise_descriptors() -> u64 {
    if let Some(limit) = limit(libc::RLIMIT_NOFILE) {
        // More than any run needs, where there is no limit at all.
        let wanted = libc::rlimit { rlim_cur: limit.rlim_max.min(1 << 16).max(limit.rlim_cur), ..limit };
        // SAFETY: it reads the limit alone. Where it fails, the limit is as before.
        unsafe { libc::setrlimit(libc::RLIMIT_NOFILE, &wanted) };
    }
    descriptors()
}

/// Bytes of address space that this process may have, where there is a limit (`ulimit -v`).
pub fn address_space() -> Option<u64> {
    limit(libc::RLIMIT_AS).map(|limit| limit.rlim_cur).filter(|most| *most != libc::RLIM_INFINITY)
}

fn limit(of: libc::__rlimit_resource_t) -> Option<libc::rlimit> {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: getrlimit fills what it is given, and says so by 0.
    (unsafe { libc::getrlimit(of, &mut limit) } == 0).then_some(limit)
}

/// Memory that this process may use.
pub fn memory() -> Option<Memory> {
    let text = fs::read_to_string("/proc/meminfo").ok()?;
    let groups = fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
    let machine = Memory { total: kib(&text, "MemTotal")?, available: kib(&text, "MemAvailable")?, limited: false };
    Some(within(machine, &groups, |path| fs::read_to_string(path).ok()))
}

/// The files of one version of control groups.
struct Files {
    root: &'static str,
    limit: &'static str,
    used: &'static str,
    /// Of the file of statistics, what counts as used and can be given back at once: pages of files.
    cached: &'static str,
}

const SECOND: Files =
    Files { root: "/sys/fs/cgroup", limit: "memory.max", used: "memory.current", cached: "inactive_file" };
const FIRST: Files = Files {
    root: "/sys/fs/cgroup/memory",
    limit: "memory.limit_in_bytes",
    used: "memory.usage_in_bytes",
    cached: "total_inactive_file",
};

/// What is left of `machine` within the control groups that `groups` (`/proc/self/cgroup`) names and those around them,
/// in either version.
fn within(machine: Memory, groups: &str, read: impl Fn(&Path) -> Option<String>) -> Memory {
    let number = |path: PathBuf| read(&path)?.trim().parse::<u64>().ok();
    let mut memory = machine;
    for line in groups.lines() {
        let mut parts = line.splitn(3, ':').skip(1);
        let (Some(controllers), Some(path)) = (parts.next(), parts.next()) else { continue };
        let files = match controllers {
            "" => SECOND,
            names if names.split(',').any(|name| name == "memory") => FIRST,
            _ => continue,
        };
        let group = Path::new(files.root).join(path.trim_start_matches('/'));
        for folder in group.ancestors().take_while(|folder| folder.starts_with(files.root)) {
            // Without a limit the second version says `max`, the first one a number beyond all machines.
            let Some(limit) = number(folder.join(files.limit)).filter(|limit| *limit < machine.total) else { continue };
            let statistics = read(&folder.join("memory.stat")).unwrap_or_default();
            let cached =
                statistics.lines().find_map(|line| line.strip_prefix(files.cached)?.trim().parse::<u64>().ok());
            let used = number(folder.join(files.used)).unwrap_or(0).saturating_sub(cached.unwrap_or(0));
            memory.total = memory.total.min(limit);
            memory.available = memory.available.min(limit.saturating_sub(used));
            memory.limited = true;
        }
    }
    memory
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_smallest_limit_around_the_process_counts_in_both_versions() {
        let files = [
            ("/sys/fs/cgroup/memory.max", "max\n"),
            ("/sys/fs/cgroup/pod/memory.max", "4096\n"),
            ("/sys/fs/cgroup/pod/memory.current", "3000\n"),
            ("/sys/fs/cgroup/pod/memory.stat", "anon 1000\ninactive_file 2000\n"),
            ("/sys/fs/cgroup/pod/one/memory.max", "8192\n"),
            ("/sys/fs/cgroup/pod/one/memory.current", "7000\n"),
            ("/sys/fs/cgroup/memory/job/memory.limit_in_bytes", "2048\n"),
            ("/sys/fs/cgroup/memory/job/memory.usage_in_bytes", "2000\n"),
            ("/sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712\n"),
        ];
        let read = |path: &Path| files.iter().find(|(name, _)| Path::new(name) == path).map(|(_, text)| (*text).into());
        let machine = Memory { total: 1 << 20, available: 1 << 19, limited: false };
        let of = |groups| within(machine, groups, read);
        assert_eq!(of("0::/pod/one\n"), Memory { total: 4096, available: 1192, limited: true });
        assert_eq!(of("4:cpu,memory:/job\n1:pids:/x\n0::/\n"), Memory { total: 2048, available: 48, limited: true });
        assert_eq!(of("0::/\n"), machine);
    }

    #[test]
    fn this_machine_has_both() {
        let Machine { cores, memory } = Machine::here();
        let memory = memory.unwrap();
        assert!(cores > 0 && memory.total > memory.available && memory.available > 0, "{cores} {memory:?}");
    }
}
