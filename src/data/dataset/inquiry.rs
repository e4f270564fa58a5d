//! Looking into a data set: what was consulted, what is wrong with it, and what a user should know about it.
//!
//! Every file and folder that decides what a data set holds is consulted through here, so that the cache knows when it
//! is out of date.

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use super::FrameFiles;
use crate::data::problems::Problems;
use crate::text::{self, TextError};

const REMEDY: &str = "extract the data set's archive again";

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
        let data = std::fs::metadata(path).ok()?;
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
pub(super) struct Inquiry {
    /// What is wrong.
    pub problems: Problems,
    /// What a user should know.
    pub notes: Vec<String>,
    /// All that was consulted, present or not, as it was before it was read.
    pub sources: Vec<(PathBuf, Option<Stamp>)>,
}

impl Inquiry {
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
            Err(error @ TextError::Io(_)) => {
                self.problems.file(path, format_args!("{error}; {REMEDY}"));
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

    /// The names of the folders in `parent` (`folders`) or of its files, sorted, without hidden ones.
    fn names(&mut self, parent: &Path, folders: bool) -> Vec<String> {
        self.exists(parent);
        let list = || -> std::io::Result<Vec<String>> {
            let mut names = Vec::new();
            for entry in std::fs::read_dir(parent)? {
                let entry = entry?;
                let name = entry.file_name().to_string_lossy().into_owned();
                // `path().is_dir()` follows links, as large data sets are often linked together.
                if !name.starts_with('.') && entry.path().is_dir() == folders {
                    names.push(name);
                }
            }
            names.sort();
            Ok(names)
        };
        list().unwrap_or_else(|error| {
            self.problems.file(parent, format_args!("cannot be listed: {error}; {REMEDY}"));
            Vec::new()
        })
    }

    /// The folders in `parent`, by name in sorted order.
    pub fn folders(&mut self, parent: &Path) -> Vec<String> {
        self.names(parent, true)
    }

    /// The files in `parent`, by name in sorted order.
    pub fn files(&mut self, parent: &Path) -> Vec<String> {
        self.names(parent, false)
    }

    /// The frames in `folder`.
    pub fn frames(&mut self, folder: &Path) -> FrameFiles {
        self.exists(folder);
        FrameFiles::scan(folder).unwrap_or_else(|error| {
            self.problems.file(folder, format_args!("cannot be listed: {error}; {REMEDY}"));
            FrameFiles::listed(folder, Vec::new())
        })
    }
}
