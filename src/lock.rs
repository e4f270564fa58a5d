//! A folder that one process at a time may write to.

use crate::failure::{Failure, Result};
use serde::{Deserialize, Serialize};
use std::{
    fmt,
    fs::{File, OpenOptions, TryLockError},
    io::{Read, Seek, Write},
    path::{Path, PathBuf},
    time::SystemTime,
};

/// The name of the file in the folder, which says who writes there.
pub const NAME: &str = ".lock";

/// Who holds a folder.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Holder {
    host: String,
    pid: u32,
    /// What it does there, for example `train`.
    verb: String,
    /// When it began, as RFC 3339.
    since: String,
}

impl Holder {
    fn me(verb: &str) -> Self {
        Self {
            host: host(),
            pid: std::process::id(),
            verb: verb.into(),
            // A clock may stand before 1970, of which the format knows nothing.
            since: humantime::format_rfc3339_seconds(SystemTime::now().max(SystemTime::UNIX_EPOCH)).to_string(),
        }
    }

    /// Whether a process with its number exists on this machine.
    fn runs(&self) -> bool {
        // SAFETY: signal 0 is never delivered; it only asks whether the process is there.
        i32::try_from(self.pid).is_ok_and(|pid| pid > 0 && unsafe { libc::kill(pid, 0) } == 0)
    }
}

impl fmt::Display for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { host, pid, verb, since } = self;
        write!(f, "trackflow {verb}, process {pid} on {host}, since {since}")
    }
}

/// The name of this machine.
pub fn host() -> String {
    let mut name = [0u8; 256];
    // SAFETY: the buffer is ours, and its length is what is passed.
    let failed = unsafe { libc::gethostname(name.as_mut_ptr().cast(), name.len()) } != 0;
    let end = name.iter().position(|byte| *byte == 0).unwrap_or(name.len());
    if failed { "unknown".into() } else { String::from_utf8_lossy(&name[..end]).into_owned() }
}

/// Whether a process writes to `folder`, as far as this machine can find out. Nothing is locked for it, so that nobody
/// who begins meets this.
pub fn in_use(folder: &Path) -> bool {
    let holder = std::fs::read_to_string(folder.join(NAME)).ok();
    let holder = holder.and_then(|text| serde_json::from_str::<Holder>(&text).ok());
    holder.is_some_and(|holder| holder.host != host() || holder.runs())
}

/// Keeps others out of a folder until it is dropped, or its process ends in whatever way.
#[derive(Debug)]
pub struct FolderLock {
    path: PathBuf,
    _file: File,
}

impl FolderLock {
    /// Takes `folder`, which is made where it is not there, for what `verb` does. Nothing else is written.
    ///
    /// The system releases the lock of a process that has died. On a file system that knows no locks, and between
    /// machines whose locks do not reach each other, what the file says decides: a process of this machine is looked
    /// for, of another one nothing can be known.
    ///
    /// # Errors
    /// Another process writes there (69), or the folder cannot be written to (74).
    pub fn take(folder: &Path, verb: &str) -> Result<Self> {
        let path = folder.join(NAME);
        let failed = |error: std::io::Error| {
            Failure::output(format!(
                "{}: cannot write here: {error}; choose another folder (--save_dir or --out)",
                folder.display()
            ))
        };
        std::fs::create_dir_all(folder).map_err(failed)?;
        loop {
            let mut options = OpenOptions::new();
            let mut file = options.read(true).write(true).create(true).truncate(false).open(&path).map_err(failed)?;
            let mut text = String::new();
            let locked = match file.try_lock() {
                Ok(()) => true,
                Err(TryLockError::WouldBlock) => {
                    let _ = file.read_to_string(&mut text);
                    return Err(held(folder, &path, &text));
                }
                Err(TryLockError::Error(_)) => false,
            };
            // Whoever held the lock before may have removed the file since it was opened here.
            if locked && !is_the_same(&file, &path) {
                continue;
            }
            let _ = file.read_to_string(&mut text);
            if let Ok(holder) = serde_json::from_str::<Holder>(&text) {
                let here = holder.host == host();
                if !here || (!locked && holder.runs()) {
                    return Err(held(folder, &path, &text));
                }
            }
            let me = serde_json::to_string(&Holder::me(verb)).map_err(|error| failed(error.into()))?;
            file.set_len(0)
                .and_then(|()| file.rewind())
                .and_then(|()| file.write_all((me + "\n").as_bytes()))
                .map_err(failed)?;
            return Ok(Self { path, _file: file });
        }
    }
}

impl Drop for FolderLock {
    fn drop(&mut self) {
        // One that stays is recognised by the next process.
        let _ = std::fs::remove_file(&self.path);
    }
}

fn is_the_same(file: &File, path: &Path) -> bool {
    use std::os::unix::fs::MetadataExt;
    let id = |data: std::fs::Metadata| (data.dev(), data.ino());
    matches!((file.metadata().map(id), std::fs::metadata(path).map(id)), (Ok(a), Ok(b)) if a == b)
}

fn held(folder: &Path, path: &Path, text: &str) -> Failure {
    let (folder, path) = (folder.display(), path.display());
    let Ok(holder) = serde_json::from_str::<Holder>(text) else {
        return Failure::unavailable(format!(
            "{folder}: another process writes here; wait for it, or choose another folder"
        ));
    };
    let remedy = match holder.host == host() {
        true => "wait for it or stop it, or choose another folder".to_string(),
        false => format!(
            "wait for it or choose another folder; if it no longer runs (which this machine cannot find out), remove {path}"
        ),
    };
    Failure::unavailable(format!("{folder}: in use by {holder}; {remedy}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_second_one_is_told_who_holds_the_folder_and_leaves_no_trace() {
        let home = tempfile::tempdir().unwrap();
        let folder = home.path().join("run");
        let lock = FolderLock::take(&folder, "train").unwrap();
        let before = std::fs::read_to_string(folder.join(NAME)).unwrap();
        let failure = FolderLock::take(&folder, "track").unwrap_err();
        assert_eq!(failure.kind.exit_code(), 69);
        let words = format!("in use by trackflow train, process {} on {}", std::process::id(), host());
        assert!(failure.message.contains(&words), "{failure}");
        assert_eq!(std::fs::read_to_string(folder.join(NAME)).unwrap(), before);
        drop(lock);
        assert_eq!(std::fs::read_dir(&folder).unwrap().count(), 0);
        FolderLock::take(&folder, "track").unwrap();
    }

    #[test]
    fn what_a_dead_process_left_is_taken_over_and_another_machine_is_asked_about() {
        let home = tempfile::tempdir().unwrap();
        let leave = |host: String| {
            let dead = Holder { host, ..Holder::me("train") };
            std::fs::write(home.path().join(NAME), serde_json::to_string(&dead).unwrap()).unwrap();
        };
        leave(host());
        drop(FolderLock::take(home.path(), "train").unwrap());
        leave("elsewhere".into());
        let failure = FolderLock::take(home.path(), "train").unwrap_err();
        assert_eq!(failure.kind.exit_code(), 69);
        assert!(failure.message.contains("on elsewhere"), "{failure}");
        assert!(failure.message.contains(&format!("remove {}", home.path().join(NAME).display())), "{failure}");
        // Half a line says nothing.
        std::fs::write(home.path().join(NAME), "{\"ho").unwrap();
        FolderLock::take(home.path(), "train").unwrap();
    }
}
