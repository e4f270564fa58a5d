//! Looking into a data set: what was consulted, what is wrong with it, and what a user should know about it.
//!
//! Every file and folder that decides what a data set holds is consulted through here, so that the cache knows when it
//! is out of date.

use std::ffi::{OsStr, OsString};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use super::FrameFiles;
use super::frames::{Scanned, is_picture};
use super::remarks::{Remark, Remarks};
use crate::data::problems::Problems;
use crate::reads;
use crate::text::{self, TextError};

const REMEDY: &str = "see that it is there and readable";

/// Folders and files that operating systems, archive tools and network disks leave among others, in lower case; what
/// is hidden is so too.
const FOREIGN: [&str; 11] = [
    "__macosx",
    "__pycache__",
    "@eadir",
    "@recycle",
    "#recycle",
    "#snapshot",
    "$recycle.bin",
    "system volume information",
    "lost+found",
    "thumbs.db",
    "desktop.ini",
];

/// Whether a name is none of a user's own.
fn is_foreign(name: &OsStr) -> bool {
    let hidden = name.as_encoded_bytes().starts_with(b".");
    hidden || FOREIGN.iter().any(|known| name.eq_ignore_ascii_case(known))
}

/// A name for messages and results; bytes that are no text are written as `\xE9`.
pub(super) fn printed(name: &OsStr) -> String {
    match name.to_str() {
        Some(name) => name.to_owned(),
        None => format!("{name:?}").trim_matches('"').to_owned(),
    }
}

/// Size and times of a file or folder: what differs when its content does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Stamp {
    /// Bytes.
    pub length: u64,
    /// Time of the last change of the content, in nanoseconds since 1970.
    pub modified: i64,
    /// Time of the last change of content or attributes, which no program can set back, in nanoseconds since 1970.
    pub changed: i64,
}

impl Stamp {
    /// The stamp of what is at `path` now; `None` where nothing is.
    pub fn of(path: &Path) -> Option<Self> {
        let data = reads::metadata(path).ok()?;
        let time = |seconds: i64, nanos: i64| seconds.saturating_mul(1_000_000_000).saturating_add(nanos);
        Some(Self {
            length: data.len(),
            modified: time(data.mtime(), data.mtime_nsec()),
            changed: time(data.ctime(), data.ctime_nsec()),
        })
    }
}

/// The state of one look into a data set.
#[derive(Debug, Default)]
pub(super) struct ScanContext {
    /// What is wrong.
    pub problems: Problems,
    /// What a user should know.
    pub notes: Vec<String>,
    /// The same of many files alike.
    pub remarks: Remarks,
    /// All that was consulted, present or not, as it was before it was read.
    pub sources: Vec<(PathBuf, Option<Stamp>)>,
}

impl ScanContext {
    /// Whether there is something at `path`.
    pub fn exists(&mut self, path: &Path) -> bool {
        let stamp = Stamp::of(path);
        self.sources.push((path.to_owned(), stamp));
        stamp.is_some()
    }

    /// The text of a file, or a noted problem.
    pub fn text(&mut self, path: &Path) -> Option<String> {
        self.exists(path);
        match text::read(path) {
            Ok(text) => Some(text),
            Err(TextError::Io(error)) => {
                self.problems.io(path, "read", &error, REMEDY);
                None
            }
            Err(error) => {
                self.problems.text(path, &error);
                None
            }
        }
    }

    /// The non-empty lines of a file, each with its number from 1.
    pub fn lines(&mut self, path: &Path) -> Vec<(usize, String)> {
        let text = self.text(path).unwrap_or_default();
        let numbered = text.lines().enumerate().map(|(i, line)| (i + 1, line.trim()));
        numbered.filter(|(_, line)| !line.is_empty()).map(|(number, line)| (number, line.to_owned())).collect()
    }

    /// The names of the folders in `parent` (`folders`) or of its files, sorted, without those that no user made.
    pub fn names(&mut self, parent: &Path, folders: bool) -> Vec<OsString> {
        self.exists(parent);
        let mut names = Vec::new();
        let mut list = || -> std::io::Result<()> {
            let _read = reads::begin(parent);
            for entry in std::fs::read_dir(parent)? {
                let entry = entry?;
                let (name, path) = (entry.file_name(), entry.path());
                let kind = entry.file_type()?;
                // Links are followed, as large data sets are often linked together.
                let is_folder = if kind.is_symlink() {
                    std::fs::metadata(&path).map(|data| data.is_dir())
                } else {
                    Ok(kind.is_dir())
                };
                match is_folder {
                    Ok(is_folder) if is_folder != folders => {}
                    // Hidden pictures are counted where frames are looked for.
                    Ok(_) if is_foreign(&name) && is_picture(&name) => {}
                    Ok(_) if is_foreign(&name) => self.remarks.add(Remark::Foreign, path.display().to_string()),
                    Ok(_) => names.push(name),
                    // It is not known what it would be: said where folders are wanted.
                    Err(_) if folders => self.remarks.add(Remark::DeadLink, path.display().to_string()),
                    Err(_) => {}
                }
            }
            Ok(())
        };
        if let Err(error) = list() {
            self.problems.io(parent, "listed", &error, REMEDY);
        }
        names.sort();
        names
    }

    /// Those of `names` in `parent` that are text. Data sets with a layout of their own find a sequence's files by its
    /// name, which results and lists hold as text.
    fn texts(&mut self, parent: &Path, names: Vec<OsString>) -> Vec<String> {
        let text = |name: OsString| match name.into_string() {
            Ok(name) => Some(name),
            Err(name) => {
                let what = format!("`{}` is no UTF-8 text, as a name here must be; rename it", printed(&name));
                self.problems.file(parent, what);
                None
            }
        };
        names.into_iter().filter_map(text).collect()
    }

    /// The folders in `parent`, by name in sorted order.
    pub fn folders(&mut self, parent: &Path) -> Vec<String> {
        let names = self.names(parent, true);
        self.texts(parent, names)
    }

    /// The files in `parent`, by name in sorted order.
    pub fn files(&mut self, parent: &Path) -> Vec<String> {
        let names = self.names(parent, false);
        self.texts(parent, names)
    }

    /// The frames in `folder`.
    pub fn frames(&mut self, folder: &Path) -> Scanned {
        self.exists(folder);
        FrameFiles::look(folder).unwrap_or_else(|error| {
            self.problems.io(folder, "listed", &error, REMEDY);
            Scanned::nothing(folder)
        })
    }

    /// Takes over what `other` consulted and remarked.
    pub fn join(&mut self, other: Self) {
        self.sources.extend(other.sources);
        self.problems.extend(other.problems);
        self.notes.extend(other.notes);
        self.remarks.extend(other.remarks);
    }

    /// All that a user should know, remarks included.
    pub fn take_notes(&mut self) -> Vec<String> {
        let mut notes = std::mem::take(&mut self.notes);
        notes.extend(std::mem::take(&mut self.remarks).notes());
        notes
    }
}
