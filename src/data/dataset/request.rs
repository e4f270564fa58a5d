//! A data set as the user names it: `NAME`, `NAME@LIST`, `folder:PATH`, `folder:PATH@LIST`, …

use std::path::{Path, PathBuf};

use super::catalog::{KNOWN, Subset, known_names};
use super::folder::AnyFolder;
use super::packed::{self, Packed};
use super::{Layout, PATHS_FILE, Roots};
use crate::data::problems::Problems;

/// The name of any folder of sequences, `folder` or `folder:PATH`.
const FOLDER: &str = "folder";

/// What a data set is opened for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// Training: every frame needs its box.
    Training,
    /// Tracking: the first box is enough to start, and a folder may go by its path alone.
    Tracking,
    /// Scoring: as for tracking, but without pictures too, and with the ground truth in double precision.
    Scoring,
}

/// A name as the user wrote it, and what it means.
pub(super) struct Request {
    pub name: String,
    pub layout: &'static dyn Layout,
    pub part: Subset,
    /// The folder of `folder:PATH`.
    pub path: Option<PathBuf>,
    /// The list of `NAME@LIST`.
    pub list: Option<PathBuf>,
    pub purpose: Purpose,
}

impl Request {
    pub fn parse(text: &str, purpose: Purpose, roots: &Roots) -> Result<Self, String> {
        let request = |layout, part, path, list| Self { name: text.to_owned(), layout, part, path, list, purpose };
        let folder = |path: &str, layout| {
            let (path, list) = split(path, roots);
            request(layout, Subset::All, Some(path), list)
        };
        if let Some(path) = text.strip_prefix("folder:") {
            return Ok(folder(path, &AnyFolder));
        }
        if let Some(path) = text.strip_prefix("packed:") {
            return Ok(folder(path, &Packed));
        }
        let (base, list) = match text.split_once('@') {
            Some((base, list)) => (base, Some(PathBuf::from(list))),
            None => (text, None),
        };
        if base == FOLDER {
            return Ok(request(&AnyFolder, Subset::All, None, list));
        }
        if let Some(&(_, layout, part)) = KNOWN.iter().find(|(known, ..)| *known == base) {
            // A user's own list takes the place of the usual one.
            let part = match (part, &list) {
                (Subset::Train | Subset::VotTrain | Subset::VotVal, Some(_)) => Subset::All,
                _ => part,
            };
            return Ok(request(layout, part, None, list));
        }
        let is_folder = roots.base.join(split(text, roots).0).is_dir();
        match purpose {
            Purpose::Tracking | Purpose::Scoring if is_folder => Ok(folder(text, &AnyFolder)),
            Purpose::Tracking | Purpose::Scoring => {
                let below = format!("; nor is it a folder below {}", roots.base.display());
                Err(unknown_name(base) + &below)
            }
            Purpose::Training if is_folder => Err(format!("{text}: no data set; as a folder it is folder:{text}")),
            Purpose::Training => Err(unknown_name(base)),
        }
    }

    /// The same data set in shards, where its own files are not at hand but it was packed below the data folder.
    pub fn or_packed(self, roots: &Roots) -> Self {
        let folder = Path::new(packed::FOLDER).join(&self.name);
        let at_hand = self.path.is_some() || self.root(roots).is_ok() || !packed::is_pack(&roots.base.join(&folder));
        if at_hand { self } else { Self { layout: &Packed, part: Subset::All, path: Some(folder), ..self } }
    }

    /// The data set's folder, or why there is none.
    pub fn root(&self, roots: &Roots) -> Result<PathBuf, Problems> {
        let mut problems = Problems::default();
        if let Some(path) = &self.path {
            let path = roots.base.join(path);
            if !path.is_dir() {
                let what = if path.exists() { "a file, not a folder" } else { "no such folder" };
                problems.file(&path, format_args!("{what}; {} names it", self.name));
                return Err(problems);
            }
            return Ok(path);
        }
        let key = self.layout.key(self.part);
        if let Some(own) = roots.own(key) {
            if !own.is_dir() {
                problems.file(own, format_args!("no such folder; {PATHS_FILE} names it as {key}"));
                return Err(problems);
            }
            return Ok(own.to_owned());
        }
        let folders = self.layout.folders(self.part);
        if let Some(found) = folders.iter().map(|folder| roots.base.join(folder)).find(|path| path.is_dir()) {
            return Ok(found);
        }
        let expected = roots.base.join(folders.first().copied().unwrap_or_default());
        let others = match folders.get(1..) {
            Some(others) if !others.is_empty() => format!(" (nor {} beside it)", others.join(", ")),
            _ => String::new(),
        };
        let what = format!("no such folder{others}; {} is looked for there", self.name);
        problems.file(&expected, format_args!("{what}: put it there or name another --data_dir"));
        Err(problems)
    }

    /// What makes this another data set than one of the same name.
    pub fn identity(&self) -> String {
        match self.purpose {
            Purpose::Training => self.name.clone(),
            Purpose::Tracking | Purpose::Scoring => format!("{} to track", self.name),
        }
    }
}

/// A path and the list behind its last `@` before which there is a folder. A path that exists as a whole has no list.
fn split(path: &str, roots: &Roots) -> (PathBuf, Option<PathBuf>) {
    if roots.base.join(path).exists() {
        return (path.into(), None);
    }
    let locations = path.match_indices('@').map(|(at, _)| (&path[..at], &path[at + 1..]));
    let found = locations.rev().find(|(folder, list)| !list.is_empty() && roots.base.join(folder).is_dir());
    match found.or_else(|| path.split_once('@')) {
        Some((folder, list)) => (folder.into(), Some(list.into())),
        None => (path.into(), None),
    }
}

fn unknown_name(name: &str) -> String {
    if name.to_lowercase().contains("lmdb") {
        let remedy = "name the data set itself and give the folder in which its files lie as published";
        return format!("{name}: LMDB copies are not read; {remedy} (--data_dir, {PATHS_FILE})");
    }
    let close =
        known_names().map(|known| (strsim::damerau_levenshtein(&name.to_lowercase(), &known.to_lowercase()), known));
    let hint = match close.min() {
        Some((distance, known)) if distance <= known.len() / 3 => format!("did you mean {known}? "),
        _ => String::new(),
    };
    let all: Vec<&str> = known_names().collect();
    format!("{name}: unknown data set; {hint}known are {}; NAME@LIST takes the sequences of a list", all.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_with_at_signs_is_split_only_where_it_does_not_exist() {
        let base = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(base.path().join("a@b")).unwrap();
        let roots = Roots::below(base.path());
        for (text, path, list) in [
            ("folder:a@b", "a@b", None),
            ("folder:a@b@c.txt", "a@b", Some("c.txt")),
            ("folder:a@b@c@d.txt", "a@b", Some("c@d.txt")),
            ("folder:gone@c.txt", "gone", Some("c.txt")),
            ("a@b", "a@b", None),
            ("a@b@c.txt", "a@b", Some("c.txt")),
        ] {
            let request = Request::parse(text, Purpose::Tracking, &roots).unwrap();
            assert_eq!((request.path, request.list), (Some(path.into()), list.map(PathBuf::from)), "{text}");
        }
        let request = Request::parse("LASOT@x@y.txt", Purpose::Training, &roots).unwrap();
        assert_eq!((request.part, request.list), (Subset::All, Some("x@y.txt".into())));
        let unknown = Request::parse("a@b", Purpose::Training, &roots).err().unwrap();
        assert_eq!(unknown, "a@b: no data set; as a folder it is folder:a@b");
    }
}
