//! The folder of a run's checkpoints: names, the newest that is whole, and which ones to keep.

use super::{
    file::{self, Metadata, State},
    retention::{Candidate, Retention, obsolete},
};
use crate::{
    failure::{Failure, Result},
    weights::WeightsFile,
};
use std::path::{Path, PathBuf};

/// A checkpoint file in the folder. What its header says of it counts; where that cannot be read, its name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Saved {
    /// Epoch of its last batch, from 0.
    pub epoch: usize,
    /// Batches of the run that are done.
    pub position: u64,
    /// Whether it closes an epoch; others were written when a run was stopped.
    pub epoch_end: bool,
    /// The file.
    pub path: PathBuf,
}

/// `<save_dir>/checkpoints/train/<script>/<config>`.
#[derive(Clone, Debug)]
pub struct Folder {
    path: PathBuf,
}

/// How the files of a tracker with and of one without historical prompts are called, as in the reference.
const STEMS: [&str; 2] = ["HIPTrack", "OSTrack"];

impl Folder {
    /// Opens the folder, making it when it is not there, and checks that files can be written.
    ///
    /// # Errors
    /// The folder cannot be made or written to.
    pub fn open(path: &Path) -> Result<Self> {
        let failed = |error: std::io::Error| {
            Failure::output(format!("{}: cannot write here: {error}; choose another --save_dir", path.display()))
        };
        std::fs::create_dir_all(path).map_err(failed)?;
        let probe = path.join(format!(".probe-{}", std::process::id()));
        std::fs::write(&probe, b"").map_err(failed)?;
        std::fs::remove_file(&probe).map_err(failed)?;
        // What a killed run was writing is of no use to anyone.
        for entry in std::fs::read_dir(path).map_err(failed)?.flatten() {
            if entry.path().extension().is_some_and(|ending| ending == "tmp") {
                let _ = std::fs::remove_file(entry.path());
            }
        }
        Ok(Self { path: path.to_path_buf() })
    }

    /// The folder as it is, for whoever only looks: nothing is made, checked or cleared away.
    pub fn at(path: &Path) -> Self {
        Self { path: path.to_path_buf() }
    }

    /// The folder's path.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The file of `state`: `HIPTrack_ep0003_pos00000120.safetensors` after 120 batches at the end of epoch 3, with
    /// `_mid` before the ending when the epoch is unfinished; `OSTrack_…` where the model has no historical prompts.
    pub fn file(&self, state: &State, epoch_end: bool) -> PathBuf {
        let Metadata { epoch, position, .. } = state.metadata;
        let has = |part: &str| state.tensors.iter().any(|(name, _)| name.starts_with(part));
        let plain = has("backbone.") && !has("HIP.");
        let (stem, mid) = (STEMS[usize::from(plain)], if epoch_end { "" } else { "_mid" });
        self.path.join(format!("{stem}_ep{:04}_pos{position:08}{mid}.safetensors", epoch + 1))
    }

    /// Moves the checkpoints that `which` accepts into a new folder below this one, whose path is the value when there
    /// were any.
    ///
    /// # Errors
    /// They cannot be moved.
    pub fn set_aside(&self, which: impl Fn(&Saved) -> bool) -> Result<Option<PathBuf>> {
        let saved: Vec<Saved> = self.list().into_iter().filter(which).collect();
        if saved.is_empty() {
            return Ok(None);
        }
        let failed = |error: std::io::Error| Failure::output(format!("{}: {error}", self.path.display()));
        let aside = (1..).map(|n| self.path.join(format!("before-{n}"))).find(|path| !path.exists());
        let aside = aside.unwrap_or_else(|| self.path.join("before"));
        std::fs::create_dir(&aside).map_err(failed)?;
        for one in saved {
            let Some(name) = one.path.file_name() else { continue };
            std::fs::rename(&one.path, aside.join(name)).map_err(failed)?;
        }
        Ok(Some(aside))
    }

    /// Whether `path` is a file of this folder itself.
    pub fn holds(&self, path: &Path) -> bool {
        let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
        matches!((parent.canonicalize(), self.path.canonicalize()), (Ok(a), Ok(b)) if a == b)
    }

    /// All checkpoints, oldest first by what they say. Temporary files of a run that was killed are not among them.
    pub fn list(&self) -> Vec<Saved> {
        self.with_headers().into_iter().map(|(saved, _)| saved).collect()
    }

    /// The same, each with its header where that can be read.
    fn with_headers(&self) -> Vec<(Saved, Option<Metadata>)> {
        let Ok(entries) = std::fs::read_dir(&self.path) else { return Vec::new() };
        let metadata = |path: &Path| {
            let file = WeightsFile::open(path).ok()?;
            file::header(&file).ok()?.map(|(_, metadata)| metadata)
        };
        let mut found: Vec<(Saved, Option<Metadata>)> = entries
            .flatten()
            .filter_map(|entry| parse(&entry.path()))
            .map(|named| match metadata(&named.path) {
                Some(metadata) => {
                    (Saved { epoch: metadata.epoch, position: metadata.position, ..named }, Some(metadata))
                }
                None => (named, None),
            })
            .collect();
        found.sort_by(|a, b| a.0.cmp(&b.0));
        found
    }

    /// The newest checkpoint that is whole, by what it says. Each that may be newer and is not whole is handed to `warn`.
    ///
    /// # Errors
    /// There are checkpoints, but none can be read.
    pub fn newest(&self, mut warn: impl FnMut(&Failure)) -> Result<Option<(Saved, State)>> {
        // A damaged header can say anything: it is at most as new as its name or that.
        let claim = |saved: &Saved| {
            let named = parse(&saved.path).map_or((0, 0), |named| (named.epoch, named.position));
            named.max((saved.epoch, saved.position))
        };
        let mut claims: Vec<((usize, u64), Saved)> = self.list().into_iter().map(|one| (claim(&one), one)).collect();
        claims.sort();
        let (mut best, mut last) = (None::<(Saved, State)>, None);
        for (claim, saved) in claims.into_iter().rev() {
            if best.as_ref().is_some_and(|(best, _)| claim <= (best.epoch, best.position)) {
                break;
            }
            match file::read(&saved.path) {
                Ok(state) if best.as_ref().is_none_or(|(best, _)| *best < saved) => best = Some((saved, state)),
                Ok(_) => {}
                Err(failure) => {
                    warn(&failure);
                    last = Some(failure);
                }
            }
        }
        if best.is_some() {
            return Ok(best);
        }
        last.map_or(Ok(None), |failure| Err(failure.within("no checkpoint can be read; --resume never starts anew")))
    }

    /// Writes `state` and then removes what [`obsolete`] names. Returns the file and its size in bytes.
    ///
    /// # Errors
    /// The file cannot be written; nothing is removed then.
    pub fn save(&self, state: &State, epoch_end: bool, retention: &Retention) -> Result<(PathBuf, u64)> {
        let path = self.file(state, epoch_end);
        let bytes = file::write(&path, state)?;
        // What was just written stays, whatever else lies here.
        for saved in obsolete(&self.candidates(), retention).into_iter().filter(|saved| saved.path != path) {
            // A file that cannot be removed costs space, not results.
            let _ = std::fs::remove_file(&saved.path);
        }
        Ok((path, bytes))
    }

    /// All checkpoints, oldest first, with what their headers say. One whose header cannot be read is not sound.
    pub fn candidates(&self) -> Vec<Candidate> {
        let scores = super::benchmark::read(&self.path);
        let rated = |(saved, metadata): (Saved, Option<Metadata>)| {
            let sound = metadata.as_ref().is_some_and(|metadata| metadata.nonfinite_in_a_row == 0);
            let name = saved.path.file_name().unwrap_or_default().to_string_lossy();
            let benchmark = scores.iter().rev().find(|one| one.checkpoint == name).map(|one| one.score);
            Candidate { validation: metadata.and_then(|metadata| metadata.validation), benchmark, sound, saved }
        };
        self.with_headers().into_iter().map(rated).collect()
    }

    /// The newest checkpoint that was written while steps were finite.
    pub fn newest_sound(&self) -> Option<PathBuf> {
        self.candidates().into_iter().rev().find(|one| one.sound).map(|one| one.saved.path)
    }
}

fn parse(path: &Path) -> Option<Saved> {
    let name = path.file_name()?.to_str()?.strip_suffix(".safetensors")?;
    let (name, epoch_end) = name.strip_suffix("_mid").map_or((name, true), |name| (name, false));
    let rest = STEMS.into_iter().find_map(|stem| name.strip_prefix(stem))?;
    let (epoch, position) = rest.strip_prefix("_ep")?.split_once("_pos")?;
    let epoch = epoch.parse::<usize>().ok()?.checked_sub(1)?;
    Some(Saved { epoch, position: position.parse().ok()?, epoch_end, path: path.to_path_buf() })
}
