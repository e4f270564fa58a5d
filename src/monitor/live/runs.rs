//! Other runs beside the one that is served, or all runs below a folder: what they wrote down, read by a thread of its own,
//! so that no request reads a file. What is kept of a run is as bounded as that of a running one, and so is their number.

use super::{Live, previews::Previews, status::RunSummary};
use crate::{
    lock,
    monitor::artifacts::read_previews,
    train::run_event::{RunEvent, RunLine, Timestamp},
};
use std::{
    collections::BTreeSet,
    fs::File,
    io::{Read, Seek, SeekFrom},
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    thread,
    time::{Duration, Instant, SystemTime},
};

/// The most runs that are kept.
const MOST: usize = 200;

/// How far below the folder runs are looked for.
const DEPTH: usize = 4;

/// Folders that are looked into at most, each time.
const FOLDERS: usize = 5_000;

/// So much of a log is read at a time.
const CHUNK: u64 = 8 << 20;

/// Milliseconds that a question is remembered.
const ASKED: u64 = 60_000;

/// Longer lines are none of a log.
const LONGEST_LINE: usize = 64 << 20;

/// What runs keep in their folders, where no other run is.
const OWN: [&str; 8] =
    ["checkpoints", "tensorboard", "features", "examples", "data", "tracking_results", "benchmark", "node_modules"];

/// Runs by what they wrote down.
#[derive(Debug)]
pub struct Runs {
    root: PathBuf,
    /// A run that is served itself, and not listed.
    own: Option<PathBuf>,
    depth: usize,
    began: Instant,
    /// Milliseconds after `began` when somebody asked last.
    asked: AtomicU64,
    entries: Mutex<Entries>,
}

#[derive(Debug, Default)]
struct Entries {
    runs: Vec<Arc<FollowedRun>>,
    /// Runs that found no place.
    more: usize,
}

/// A run.
#[derive(Debug)]
pub(super) struct FollowedRun {
    name: String,
    folder: PathBuf,
    pub live: Arc<Live>,
    log: Mutex<Log>,
}

/// How far its log was read.
#[derive(Debug, Default)]
struct Log {
    offset: u64,
    /// A line whose end is not there yet.
    rest: Vec<u8>,
    previews: Option<SystemTime>,
}

fn held<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Runs {
    /// All runs below `root`.
    pub fn below(root: &Path) -> Arc<Self> {
        Arc::new(Self::new(root.to_path_buf(), None, DEPTH))
    }

    /// The runs beside the one in `folder`. Nothing is read until somebody asks for them.
    pub fn beside(folder: &Path) -> Option<Arc<Self>> {
        let own = std::fs::canonicalize(folder).ok()?;
        let root = own.parent()?.to_path_buf();
        Some(Arc::new(Self::new(root, Some(own), 1)))
    }

    fn new(root: PathBuf, own: Option<PathBuf>, depth: usize) -> Self {
        Self { root, own, depth, began: Instant::now(), asked: AtomicU64::new(0), entries: Mutex::default() }
    }

    /// Looks for runs and reads their logs every `period`, on a thread of its own, while somebody asks; at once where
    /// all runs of a folder are served.
    pub fn watch(self: &Arc<Self>, period: Duration) {
        let runs = Arc::downgrade(self);
        let watch = move || {
            while let Some(runs) = runs.upgrade() {
                if runs.own.is_none() || runs.is_asked() {
                    runs.scan();
                }
                drop(runs);
                thread::sleep(period);
            }
        };
        // Whoever cannot start a thread shows no other runs.
        let _ = thread::Builder::new().name("runs".into()).spawn(watch);
    }

    fn is_asked(&self) -> bool {
        let (asked, now) = (self.asked.load(Ordering::Relaxed), self.began.elapsed().as_millis() as u64);
        asked > 0 && now.saturating_sub(asked) < ASKED
    }

    /// The runs as of now, and how many more there are.
    pub(super) fn list(&self) -> (Vec<RunSummary>, usize) {
        self.asked.store((self.began.elapsed().as_millis() as u64).max(1), Ordering::Relaxed);
        let entries = held(&self.entries);
        let (runs, more) = (entries.runs.clone(), entries.more);
        drop(entries);
        (runs.iter().enumerate().map(|(number, run)| run.live.summary(number, &run.name)).collect(), more)
    }

    /// The run of this number in the list.
    pub(super) fn run(&self, number: usize) -> Option<Arc<Live>> {
        held(&self.entries).runs.get(number).map(|run| Arc::clone(&run.live))
    }

    /// How many runs there are.
    pub fn count(&self) -> usize {
        held(&self.entries).runs.len()
    }

    /// Looks once.
    pub fn scan(&self) {
        let mut found = BTreeSet::new();
        let mut left = FOLDERS;
        find(&self.root, self.depth, &mut left, &mut found);
        if let Some(own) = &self.own {
            found.remove(own);
        }
        let mut entries = held(&self.entries);
        // A run keeps its number; one that is gone stays until the process ends.
        let new = found.into_iter().filter(|folder| !entries.runs.iter().any(|run| run.folder == *folder));
        let new: Vec<PathBuf> = new.collect();
        for folder in &new {
            if entries.runs.len() >= MOST {
                break;
            }
            let name = folder.strip_prefix(&self.root).unwrap_or(folder).display().to_string();
            let name = if name.is_empty() {
                folder.file_name().map_or(".".into(), |n| n.to_string_lossy().into())
            } else {
                name
            };
            let (folder, live, log) = (folder.clone(), Live::new("train"), Mutex::default());
            entries.runs.push(Arc::new(FollowedRun { name, folder, live, log }));
        }
        let listed = new.iter().filter(|folder| entries.runs.iter().any(|run| run.folder == **folder)).count();
        entries.more = new.len() - listed;
        let runs = entries.runs.clone();
        drop(entries);
        runs.iter().for_each(|run| run.read());
    }
}

/// Adds the folders with a `run.jsonl` in or below `folder`.
fn find(folder: &Path, depth: usize, left: &mut usize, found: &mut BTreeSet<PathBuf>) {
    if *left == 0 {
        return;
    }
    *left -= 1;
    if folder.join("run.jsonl").is_file() {
        found.insert(folder.to_path_buf());
    }
    if depth == 0 {
        return;
    }
    let mut below: Vec<PathBuf> = std::fs::read_dir(folder)
        .into_iter()
        .flatten()
        .flatten()
        // Links may lead in circles.
        .filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()))
        .map(|entry| entry.path())
        .collect();
    below.sort();
    for folder in below {
        let name = folder.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        if !name.starts_with('.') && !OWN.contains(&name.as_str()) {
            find(&folder, depth - 1, left, found);
        }
    }
}

impl FollowedRun {
    /// Reads what was written since the last time.
    fn read(&self) {
        let mut log = held(&self.log);
        self.live.set_in_use(lock::in_use(&self.folder));
        if let Ok(mut file) = File::open(self.folder.join("run.jsonl")) {
            let length = file.metadata().map_or(0, |data| data.len());
            if length < log.offset {
                // The run went back, or another one began here.
                self.live.forget();
                *log = Log::default();
            }
            if log.offset == 0
                && let Ok(text) = std::fs::read_to_string(self.folder.join("experiment.yaml"))
            {
                self.live.experiment(&text);
            }
            while log.offset < length && file.seek(SeekFrom::Start(log.offset)).is_ok() {
                let mut bytes = Vec::new();
                match (&file).take(CHUNK).read_to_end(&mut bytes) {
                    Ok(count) if count > 0 => log.offset += count as u64,
                    _ => break,
                }
                self.lines(&mut log.rest, &bytes);
            }
        }
        let examples = std::fs::metadata(self.folder.join("examples/examples.json"));
        if let Ok(changed) = examples.and_then(|data| data.modified())
            && log.previews.is_none_or(|before| before < changed)
            && let Some((status, files)) = read_previews(&self.folder)
        {
            log.previews = Some(changed);
            self.live.show_previews(Previews::kept(status, files));
        }
    }

    fn lines(&self, rest: &mut Vec<u8>, bytes: &[u8]) {
        rest.extend_from_slice(bytes);
        let whole = rest.iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1);
        for line in rest[..whole].split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
            // What a later version wrote, or is damaged, is in the report.
            if let Ok((line, _)) = RunLine::parse(line) {
                self.live.replay(&line);
            }
        }
        rest.drain(..whole);
        if rest.len() > LONGEST_LINE {
            rest.clear();
        }
    }
}

/// Seconds since 1970 of an event; none for logs of earlier versions.
pub(super) fn time(line: &RunLine) -> Option<f64> {
    line.time.map(Timestamp::seconds)
}

/// What became of a run, from what it wrote last.
pub(super) fn state_of(event: Option<&RunEvent>, in_use: bool) -> &'static str {
    match event {
        Some(RunEvent::End(end)) => match end.reason.as_str() {
            "complete" => "finished",
            "failure" => "failed",
            _ => "stopped",
        },
        _ if in_use => "running",
        _ => "ended without a last line",
    }
}

#[cfg(test)]
mod tests;
