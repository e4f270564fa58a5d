//! Data that is away for a while: a server that restarts, a mount that is gone, descriptors that are used up. None of
//! that is the fault of a frame, so it is waited for.

use std::collections::BTreeMap;
use std::io::{Error, ErrorKind};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::data::dataset::{Dataset, FrameFile};
use crate::data::retry::{FrameFault, Origin};
use crate::failure::Failure;

/// What to do where the system does not give a file.
pub const REMEDY: &str = "the file may be sound: look at the disk, the mount or the server that it lies on";

/// Errors that tell of the system, of whatever file is read.
const OF_SYSTEM: [i32; 21] = [
    libc::EIO,
    libc::ESTALE,
    libc::EMFILE,
    libc::ENFILE,
    libc::ENOMEM,
    libc::EAGAIN,
    libc::ENODEV,
    libc::ENXIO,
    libc::ETIMEDOUT,
    libc::EREMOTEIO,
    libc::ENOTCONN,
    libc::ESHUTDOWN,
    libc::ECONNREFUSED,
    libc::ECONNRESET,
    libc::ECONNABORTED,
    libc::ENETDOWN,
    libc::ENETUNREACH,
    libc::ENETRESET,
    libc::EHOSTDOWN,
    libc::EHOSTUNREACH,
    libc::ENOLINK,
];

/// What an error in reading a file tells of.
pub fn origin(error: &Error) -> Origin {
    match error.raw_os_error() {
        Some(code) if OF_SYSTEM.contains(&code) => Origin::System,
        Some(libc::ENOENT | libc::ENOTDIR) => Origin::Missing,
        _ if error.kind() == ErrorKind::OutOfMemory => Origin::System,
        _ => Origin::File,
    }
}

/// The folders below which all of each data set lies, by its name.
#[derive(Clone, Debug, Default)]
pub struct Bases(BTreeMap<Arc<str>, PathBuf>);

impl Bases {
    /// Those of `datasets`.
    pub fn of<'a>(datasets: impl IntoIterator<Item = &'a Dataset>) -> Self {
        let base = |dataset: &Dataset| {
            let mut folders = dataset.sequences.iter().map(|sequence| sequence.frames.folder());
            let first = folders.next()?.to_path_buf();
            let common = folders.fold(first, |mut common, folder| {
                while !folder.starts_with(&common) {
                    common.pop();
                }
                common
            });
            Some((Arc::clone(&dataset.name), common))
        };
        Self(datasets.into_iter().filter_map(base).collect())
    }

    /// Whether `file` of `dataset` is missing because all that lies around it is: its data set, or a mount in it, which
    /// leaves an empty folder behind.
    fn is_gone(&self, dataset: &str, file: &FrameFile) -> bool {
        let Some(base) = self.0.get(dataset) else { return false };
        let path = file.member.as_ref().map_or(file.path.as_path(), |member| &member.shard);
        let Some(folder) = path.parent() else { return false };
        let Some(there) = folder.ancestors().find(|folder| folder.is_dir()) else { return true };
        let is_empty = || std::fs::read_dir(there).is_ok_and(|mut entries| entries.next().is_none());
        let above = there != base && base.starts_with(there);
        above || ((there != folder || there == base) && is_empty())
    }
}

/// The outage of one run, if there is one; clones share it.
#[derive(Clone, Debug)]
pub struct Outage {
    patience: Duration,
    state: Arc<Mutex<State>>,
}

#[derive(Debug, Default)]
struct State {
    /// How many wait.
    waiting: usize,
    since: Option<Instant>,
}

/// Someone who waits for data that is away.
#[derive(Debug)]
pub struct Waiting<'a> {
    outage: &'a Outage,
    since: Instant,
    pause: Duration,
    has_left: bool,
}

impl Outage {
    /// One that is waited for so long.
    pub fn new(patience: Duration) -> Self {
        Self { patience, state: Arc::default() }
    }

    /// Begins to wait because of `fault`; for the first who does so, with what is to be said.
    pub fn begin(&self, fault: &FrameFault) -> (Waiting<'_>, Option<String>) {
        let now = Instant::now();
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.waiting += 1;
        let first = state.since.is_none();
        state.since.get_or_insert(now);
        let (file, seconds) = (fault.file.display(), self.patience.as_secs_f64());
        let text =
            format!("the data is away: {file}: {}; waiting for it, up to {seconds:.0} s (DATA.PATIENCE)", fault.detail);
        (Waiting { outage: self, since: now, pause: Duration::from_millis(50), has_left: false }, first.then_some(text))
    }
}

impl Waiting<'_> {
    /// How long to wait before the next attempt: longer from one to the next, and not beyond the patience.
    ///
    /// # Errors
    /// The patience is over (66).
    pub fn pause(&mut self, fault: &FrameFault) -> Result<Duration, Failure> {
        let left = self.outage.patience.saturating_sub(self.since.elapsed());
        if left.is_zero() {
            let (file, seconds) = (fault.file.display(), self.outage.patience.as_secs_f64());
            return Err(Failure::input(format!(
                "{file}: {}; the data was away for {seconds:.0} s (DATA.PATIENCE); when it is back, the same command goes on",
                fault.detail
            )));
        }
        self.pause = (2 * self.pause).min(Duration::from_secs(2));
        Ok(self.pause.min(left))
    }

    /// The data is back; for the last who waited, with what is to be said.
    pub fn end(mut self) -> Option<String> {
        let since = self.leave()?;
        Some(format!("the data is back after {:.1} s; the run goes on", since.elapsed().as_secs_f64()))
    }

    /// Waits no longer; for the last who did, since when the data was away. Counted and asked for at once: of two who end
    /// together, one is the last.
    fn leave(&mut self) -> Option<Instant> {
        if std::mem::replace(&mut self.has_left, true) {
            return None;
        }
        let mut state = self.outage.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.waiting -= 1;
        if state.waiting == 0 { state.since.take() } else { None }
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.leave();
    }
}

/// Whether `fault` tells of data that is away, and not of its frame.
pub fn is_away(fault: &FrameFault, dataset: &str, file: &FrameFile, bases: &Bases) -> bool {
    match fault.origin {
        Origin::File => false,
        Origin::System => true,
        // It may have come back since it was asked for.
        Origin::Missing => bases.is_gone(dataset, file) || fault.file.exists(),
    }
}

/// The file of `files` whose fault it is.
pub fn file_of<'a>(fault: &FrameFault, mut files: impl Iterator<Item = &'a FrameFile>) -> Option<&'a FrameFile> {
    files.find(|file| file.path == fault.file)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::data::dataset::{FrameFiles, Sequence};

    fn dataset(root: &Path, sequences: &[&str]) -> Dataset {
        let sequence = |name: &&str| {
            let files = FrameFiles::listed(&root.join(name), vec!["1.jpg".into()]);
            Sequence::new(name, files, vec![[1.0; 4]], None)
        };
        Dataset::new("A", sequences.iter().map(sequence).collect())
    }

    #[test]
    fn a_set_that_is_gone_is_told_from_a_file_that_is_missing() {
        let home = tempfile::tempdir().unwrap();
        let root = home.path().join("got10k");
        let file = FrameFile::from(root.join("train/a/1.jpg"));
        let bases = Bases::of([&dataset(&root.join("train"), &["a", "b"])]);
        let gone = || bases.is_gone("A", &file);
        std::fs::create_dir_all(root.join("train/a")).unwrap();
        std::fs::create_dir_all(root.join("train/b")).unwrap();
        assert!(!gone(), "one frame is missing");
        std::fs::remove_dir(root.join("train/a")).unwrap();
        assert!(!gone(), "one sequence is missing");
        std::fs::remove_dir(root.join("train/b")).unwrap();
        assert!(gone(), "a mount is gone, its folder is empty");
        std::fs::remove_dir_all(&root).unwrap();
        assert!(gone(), "the root is gone");
        assert!(!bases.is_gone("B", &file));
    }

    #[test]
    fn an_outage_is_spoken_of_once_however_many_wait() {
        let outage = Outage::new(Duration::from_secs(9));
        let error = Error::from_raw_os_error(libc::ESTALE);
        assert_eq!((origin(&error), origin(&ErrorKind::InvalidData.into())), (Origin::System, Origin::File));
        let (file, detail) = (PathBuf::from("x.jpg"), error.to_string());
        let fault = FrameFault { file, reason: "unreadable", detail, is_of_file: false, origin: Origin::System };
        let (mut first, said) = outage.begin(&fault);
        assert!(said.unwrap().contains("up to 9 s"));
        let (second, said) = outage.begin(&fault);
        assert_eq!(said, None);
        assert!(first.pause(&fault).unwrap() < first.pause(&fault).unwrap());
        assert_eq!(second.end(), None);
        assert!(first.end().unwrap().starts_with("the data is back after"));
        let none = Outage::new(Duration::ZERO);
        assert_eq!(none.begin(&fault).0.pause(&fault).unwrap_err().kind.exit_code(), 66);
    }
}
