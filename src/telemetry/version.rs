//! What this program is: its version, the commit that it was built from, the libtorch that it runs with, its features.

use crate::native;
use std::sync::OnceLock;

/// The commit of the source, where git or whoever built the program said it; `-dirty` after it where files were changed.
pub fn commit() -> Option<&'static str> {
    Some(env!("TRACKFLOW_COMMIT")).filter(|commit| !commit.is_empty())
}

/// The features that were built in.
pub fn features() -> Vec<&'static str> {
    let all = [
        ("turbojpeg", cfg!(feature = "turbojpeg")),
        ("cpu-kernels", cfg!(feature = "cpu-kernels")),
        ("png", cfg!(feature = "png")),
    ];
    all.into_iter().filter_map(|(name, there)| there.then_some(name)).collect()
}

/// `0.1.0 (c68d83e01234)`.
pub fn short() -> &'static str {
    static TEXT: OnceLock<String> = OnceLock::new();
    TEXT.get_or_init(|| match commit() {
        Some(commit) => format!("{} ({commit})", env!("CARGO_PKG_VERSION")),
        None => format!("{} (commit unknown)", env!("CARGO_PKG_VERSION")),
    })
}

/// The same with libtorch, where that was found, and features, a line each.
pub fn long() -> &'static str {
    static TEXT: OnceLock<String> = OnceLock::new();
    TEXT.get_or_init(|| {
        let place = libtorch().map_or_else(String::new, |path| format!(" ({path})"));
        let features = features();
        let features = if features.is_empty() { "none".to_string() } else { features.join(", ") };
        format!("{}\nlibtorch {}{place}\nfeatures {features}", short(), native::torch_version())
    })
}

/// The file of the libtorch that this process runs with, where the system tells.
fn libtorch() -> Option<String> {
    let maps = std::fs::read_to_string("/proc/self/maps").ok()?;
    let path = maps.lines().find(|line| line.ends_with("/libtorch_cpu.so"))?;
    Some(path[path.find('/')?..].to_string())
}
