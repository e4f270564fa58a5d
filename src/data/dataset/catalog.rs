//! The data sets by the names of the experiment file, and opening them.

use std::path::{Path, PathBuf};
use std::time::{Instant, SystemTime};

use super::cache::{self, Kept};
use super::coco::Coco;
use super::folder::AnyFolder;
use super::got10k::{Got10k, Mvtd};
use super::lasot::{Lasot, LasotExt};
use super::nfs::Nfs;
use super::otb::Otb;
use super::packed::{self, Packed};
use super::tc128::{Tc128, Tc128Ce};
use super::tnl2k::Tnl2k;
use super::trackingnet::TrackingNet;
use super::uav123::Uav123;
use super::vid::Vid;
use super::vot::Vot;
use super::{Ask, Dataset, Inquiry, Layout, Opening, PATHS_FILE, Roots, Sequence, Truth};
use crate::data::problems::Problems;
use crate::failure::{Failure, Result};

/// The part of a data set that a name stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Part {
    /// What is for training.
    Train,
    /// GOT-10k train without the sequences that the VOT challenge uses.
    VotTrain,
    /// The sequences of GOT-10k train that are held out for validation.
    VotVal,
    /// GOT-10k's own validation set.
    OfficialVal,
    /// What is for testing.
    Test,
    /// Everything there is.
    All,
}

/// The reference's names first, in its spelling.
const KNOWN: [(&str, &dyn Layout, Part); 21] = [
    ("LASOT", &Lasot, Part::Train),
    ("GOT10K_vottrain", &Got10k, Part::VotTrain),
    ("GOT10K_votval", &Got10k, Part::VotVal),
    ("GOT10K_train_full", &Got10k, Part::Train),
    ("GOT10K_official_val", &Got10k, Part::OfficialVal),
    ("COCO17", &Coco, Part::Train),
    ("VID", &Vid, Part::Train),
    ("TRACKINGNET", &TrackingNet, Part::Train),
    ("GOT10K_test", &Got10k, Part::Test),
    ("LASOT_test", &Lasot, Part::Test),
    ("OTB", &Otb, Part::All),
    ("UAV123", &Uav123, Part::All),
    ("MVTD", &Mvtd, Part::Train),
    ("MVTD_test", &Mvtd, Part::Test),
    ("LASOT_EXT", &LasotExt, Part::All),
    ("NFS", &Nfs, Part::All),
    ("TNL2K", &Tnl2k, Part::All),
    ("TC128", &Tc128, Part::All),
    ("TC128_ce", &Tc128Ce, Part::All),
    ("TRACKINGNET_test", &TrackingNet, Part::Test),
    ("VOT", &Vot, Part::All),
];

/// The name of any folder of sequences, `folder` or `folder:PATH`.
const FOLDER: &str = "folder";

/// The names that [`load`] understands.
pub fn known_names() -> impl Iterator<Item = &'static str> {
    KNOWN.iter().map(|(name, ..)| *name).chain(["folder:PATH", "packed:PATH"])
}

impl Roots {
    /// The folder that a key of [`PATHS_FILE`] stands for, when it is there.
    pub fn found(&self, key: &str) -> Option<PathBuf> {
        let (_, layout, part) = KNOWN.iter().find(|(_, layout, part)| layout.key(*part) == key)?;
        match self.own(key) {
            Some(own) => own.is_dir().then(|| own.to_owned()),
            None => layout.folders(*part).iter().map(|folder| self.base.join(folder)).find(|path| path.is_dir()),
        }
    }
}

/// A name as the user wrote it, and what it means.
struct Request {
    name: String,
    layout: &'static dyn Layout,
    part: Part,
    /// The folder of `folder:PATH`.
    path: Option<PathBuf>,
    /// The list of `NAME@LIST`.
    list: Option<PathBuf>,
}

impl Request {
    fn parse(text: &str) -> std::result::Result<Self, String> {
        let (base, list) = match text.split_once('@') {
            Some((base, list)) => (base, Some(PathBuf::from(list))),
            None => (text, None),
        };
        let name = text.to_owned();
        if base == FOLDER || base.starts_with("folder:") {
            let path = base.strip_prefix("folder:").map(PathBuf::from);
            return Ok(Self { name, layout: &AnyFolder, part: Part::All, path, list });
        }
        if let Some(path) = base.strip_prefix("packed:") {
            return Ok(Self { name, layout: &Packed, part: Part::All, path: Some(path.into()), list });
        }
        let Some(&(_, layout, part)) = KNOWN.iter().find(|(known, ..)| *known == base) else {
            return Err(unknown_name(base));
        };
        // A user's own list takes the place of the usual one.
        let part = match (part, &list) {
            (Part::Train | Part::VotTrain | Part::VotVal, Some(_)) => Part::All,
            _ => part,
        };
        Ok(Self { name, layout, part, path: None, list })
    }

    /// The same data set in shards, where its own files are not at hand but it was packed below the data folder.
    fn or_packed(self, roots: &Roots) -> Self {
        let folder = Path::new(packed::FOLDER).join(&self.name);
        let at_hand = self.path.is_some() || self.root(roots).is_ok() || !packed::is_pack(&roots.base.join(&folder));
        if at_hand { self } else { Self { layout: &Packed, part: Part::All, path: Some(folder), ..self } }
    }

    /// The data set's folder, or why there is none.
    fn root(&self, roots: &Roots) -> std::result::Result<PathBuf, Problems> {
        let mut problems = Problems::default();
        if let Some(path) = &self.path {
            let path = roots.base.join(path);
            if !path.is_dir() {
                problems.file(&path, format_args!("no such folder; {} names it", self.name));
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
}

/// A sequence and what is wrong with its annotation.
#[derive(Clone, Debug)]
pub struct Found {
    /// The sequence, as far as it could be read.
    pub sequence: Sequence,
    /// Faults of its files.
    pub problems: Problems,
    /// Its ground truth in double precision, where that was asked for and the layout has it.
    pub truth: Option<Truth>,
}

/// Everything that looking into a data set brought, faults included.
#[derive(Debug)]
pub struct Scan {
    /// The name as given.
    pub name: String,
    /// The data set's folder.
    pub root: PathBuf,
    /// Whether it holds pictures instead of videos.
    pub images: bool,
    /// Its sequences, in its own order.
    pub sequences: Vec<Found>,
    /// What is wrong with the data set as a whole.
    pub problems: Problems,
    /// What the user should know about how it was read.
    pub notes: Vec<String>,
    inquiry: Inquiry,
}

#[cfg(test)]
impl Scan {
    pub(super) fn sources(&self) -> &[(PathBuf, Option<super::inquiry::Stamp>)] {
        &self.inquiry.sources
    }
}

/// Opens the named data sets, in the order of `names`: from the cache where nothing has changed, else by reading the
/// annotations in parallel on rayon's threads.
///
/// # Errors
/// 78 for a name that does not exist (all of them at once); 66 for folders that are missing and for annotations with
/// faults, again all at once. No picture is opened: that is [`crate::data::verify::verify`]'s task.
pub fn load(names: &[String], roots: &Roots) -> Result<Vec<Dataset>> {
    let mut problems = Problems::default();
    let mut datasets = Vec::new();
    for request in requests(names)? {
        let request = request.or_packed(roots);
        match open(&request, roots) {
            Ok(dataset) => datasets.push(dataset),
            Err(found) => problems.extend(found),
        }
    }
    problems.into_result()?;
    Ok(datasets)
}

/// Looks into the named data set and reports its faults by sequence, past any cache.
///
/// # Errors
/// 78 for a name that does not exist, 66 when its folder is missing.
pub fn scan(name: &str, roots: &Roots) -> Result<Scan> {
    look_into(name, roots, false)
}

/// The same, with each sequence's ground truth in double precision.
///
/// # Errors
/// As those of [`scan`].
pub fn scan_exact(name: &str, roots: &Roots) -> Result<Scan> {
    look_into(name, roots, true)
}

fn look_into(name: &str, roots: &Roots, exact: bool) -> Result<Scan> {
    let requests = requests(&[name.to_owned()])?;
    let request = requests.into_iter().next().ok_or_else(|| Failure::config("no data set named"))?.or_packed(roots);
    match request.root(roots) {
        Ok(root) => Ok(read(&request, &root, exact)),
        Err(problems) => match problems.into_result() {
            Err(failure) => Err(failure),
            Ok(()) => Err(Failure::input(format!("{name}: no such folder"))),
        },
    }
}

fn requests(names: &[String]) -> Result<Vec<Request>> {
    let (mut known, mut unknown) = (Vec::new(), Vec::new());
    for name in names {
        match Request::parse(name) {
            Ok(request) => known.push(request),
            Err(what) => unknown.push(what),
        }
    }
    if unknown.is_empty() { Ok(known) } else { Err(Failure::config(unknown.join("\n"))) }
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

fn open(request: &Request, roots: &Roots) -> std::result::Result<Dataset, Problems> {
    let start = Instant::now();
    let root = request.root(roots)?;
    let list = request.list.as_deref();
    let file = roots.cache.as_ref().map(|folder| cache::file(folder, &request.name, &root, list));
    let dataset = |kept: Kept, from_cache: bool, start: Instant| {
        let name = &request.name;
        Dataset {
            name: name.as_str().into(),
            sequences: kept.sequences,
            notes: kept.notes.into_iter().map(|note| format!("{name}: {note}")).collect(),
            images: request.layout.is_images(&root),
            opening: Opening { seconds: start.elapsed().as_secs_f64(), from_cache },
        }
    };
    if let Some(kept) = file.as_ref().and_then(|file| cache::load(file, &request.name, &root, list)) {
        return Ok(dataset(kept, true, start));
    }
    let read_at = SystemTime::now();
    let scan = read(request, &root, false);
    let mut problems = scan.problems;
    let mut sequences = Vec::with_capacity(scan.sequences.len());
    for found in scan.sequences {
        sequences.push(found.sequence);
        problems.extend(found.problems);
    }
    if problems.is_empty() && sequences.is_empty() {
        problems.file(&root, format_args!("holds no sequences of {}; extract the data set there", request.name));
    }
    if !problems.is_empty() {
        return Err(problems);
    }
    let mut kept = Kept { notes: scan.notes, sequences };
    if let Some(file) = file
        && let Err(error) = cache::store(&file, (&request.name, &root, list), &scan.inquiry.sources, &kept, read_at)
    {
        kept.notes.push(format!("{} cannot be written ({error}): it is read anew each time", file.display()));
    }
    Ok(dataset(kept, false, start))
}

fn read(request: &Request, root: &Path, exact: bool) -> Scan {
    let mut inquiry = Inquiry::default();
    let ask = Ask { root, part: request.part, list: request.list.as_deref(), exact };
    let sequences = request.layout.sequences(&ask, &mut inquiry);
    Scan {
        name: request.name.clone(),
        root: root.to_owned(),
        images: request.layout.is_images(root),
        sequences,
        problems: std::mem::take(&mut inquiry.problems),
        notes: std::mem::take(&mut inquiry.notes),
        inquiry,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unknown_names_are_listed_with_what_was_meant() {
        let names = ["GOT10K_vottrian", "COCO14x", "lasot", "LASOT_lmdb"].map(str::to_owned);
        let failure = load(&names, &Roots::below(Path::new("nowhere"))).unwrap_err();
        assert_eq!(failure.kind.exit_code(), 78);
        let lines: Vec<&str> = failure.message.lines().collect();
        assert!(lines[0].starts_with("GOT10K_vottrian: unknown data set; did you mean GOT10K_vottrain?"), "{lines:?}");
        assert!(lines[1].starts_with("COCO14x: unknown data set; "), "{lines:?}");
        assert!(lines[2].contains("did you mean LASOT?"), "{lines:?}");
        assert!(lines[3].starts_with("LASOT_lmdb: LMDB copies are not read;"), "{lines:?}");
    }

    #[test]
    fn every_missing_folder_is_named_with_the_remedy() {
        let names = ["GOT10K_vottrain", "OTB", "folder:gone"].map(str::to_owned);
        let failure = load(&names, &Roots::below(Path::new("/nowhere"))).unwrap_err();
        assert_eq!(failure.kind.exit_code(), 66);
        let lines: Vec<&str> = failure.message.lines().collect();
        assert_eq!(lines.len(), 3);
        assert!(lines[0].starts_with("/nowhere/got10k/train: no such folder"), "{lines:?}");
        assert!(lines[..2].iter().all(|line| line.contains("--data_dir")), "{lines:?}");
        assert!(lines[2].starts_with("/nowhere/gone: no such folder"), "{lines:?}");
    }
}
