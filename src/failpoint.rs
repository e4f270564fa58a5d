//! Instants that tests make, instead of waiting for them to happen: with `TRACKFLOW_FAILPOINTS=DIR` in the environment,
//! the program stops at a named point while a file of that name lies in the folder. Without the variable this costs one
//! look at a cell.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::{
        OnceLock,
        atomic::{AtomicU64, Ordering},
    },
    thread,
    time::Duration,
};

static FOLDER: OnceLock<Option<PathBuf>> = OnceLock::new();

fn folder() -> Option<&'static Path> {
    FOLDER.get_or_init(|| std::env::var_os("TRACKFLOW_FAILPOINTS").map(PathBuf::from)).as_deref()
}

/// Stops here while `DIR/<point>` exists and its text is part of `subject`: the file is renamed to `<point>.reached`, and
/// the call returns when that one is gone. Every file stops one thread, once.
pub fn reach(point: &str, subject: &str) {
    let Some(folder) = folder() else { return };
    let (armed, reached) = (folder.join(point), folder.join(format!("{point}.reached")));
    let Ok(part) = fs::read_to_string(&armed) else { return };
    // Of several threads one can rename it; a rename that fails means that another one did, or the test is over.
    if subject.contains(part.trim()) && fs::rename(&armed, &reached).is_ok() {
        while reached.exists() {
            thread::sleep(Duration::from_millis(2));
        }
    }
}

static PASSED: AtomicU64 = AtomicU64::new(0);

/// Time that counts as passed in addition to what the clock says; see [`when_time_passes`].
pub fn time() -> Duration {
    Duration::from_secs(PASSED.load(Ordering::Relaxed))
}

/// From here on the seconds in `DIR/time` count as passed as soon as there is such a file, which is taken away; then `wake`
/// is called. That ends when its value is false.
pub fn when_time_passes(wake: impl Fn() -> bool + Send + 'static) {
    let Some(file) = folder().map(|folder| folder.join("time")) else { return };
    let watch = move || {
        loop {
            if let Some(seconds) = fs::read_to_string(&file).ok().and_then(|text| text.trim().parse().ok())
                && fs::remove_file(&file).is_ok()
            {
                PASSED.fetch_add(seconds, Ordering::Relaxed);
                if !wake() {
                    return;
                }
            }
            thread::sleep(Duration::from_millis(2));
        }
    };
    // A test that waits for this says that nothing happens.
    let _ = thread::Builder::new().name("failpoints".into()).spawn(watch);
}
