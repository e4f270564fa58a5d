//! The data sets by the names of the experiment file, and opening them.

use std::path::{Path, PathBuf};
use std::time::{Instant, SystemTime};

use super::cache::{self, Kept};
use super::coco::Coco;
use super::got10k::{Got10k, Mvtd};
use super::lasot::{Lasot, LasotExt};
use super::nfs::Nfs;
use super::otb::Otb;
use super::request::{Purpose, Request};
use super::tc128::{Tc128, Tc128Ce};
use super::tnl2k::Tnl2k;
use super::trackingnet::TrackingNet;
use super::uav123::Uav123;
use super::vasttrack::VastTrack;
use super::vid::Vid;
use super::vot::Vot;
use super::{Ask, Dataset, Layout, Opening, Roots, ScanContext, Sequence, Truth};
use crate::data::problems::Problems;
use crate::failure::{Failure, Result};
use crate::telemetry::preparation::Preparation;

/// The part of a data set that a name stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Subset {
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
pub(super) const KNOWN: [(&str, &dyn Layout, Subset); 23] = [
    ("LASOT", &Lasot, Subset::Train),
    ("GOT10K_vottrain", &Got10k, Subset::VotTrain),
    ("GOT10K_votval", &Got10k, Subset::VotVal),
    ("GOT10K_train_full", &Got10k, Subset::Train),
    ("GOT10K_official_val", &Got10k, Subset::OfficialVal),
    ("COCO17", &Coco, Subset::Train),
    ("VID", &Vid, Subset::Train),
    ("TRACKINGNET", &TrackingNet, Subset::Train),
    ("GOT10K_test", &Got10k, Subset::Test),
    ("LASOT_test", &Lasot, Subset::Test),
    ("OTB", &Otb, Subset::All),
    ("UAV123", &Uav123, Subset::All),
    ("MVTD", &Mvtd, Subset::Train),
    ("MVTD_test", &Mvtd, Subset::Test),
    ("LASOT_EXT", &LasotExt, Subset::All),
    ("NFS", &Nfs, Subset::All),
    ("TNL2K", &Tnl2k, Subset::All),
    ("TC128", &Tc128, Subset::All),
    ("TC128_ce", &Tc128Ce, Subset::All),
    ("TRACKINGNET_test", &TrackingNet, Subset::Test),
    ("VOT", &Vot, Subset::All),
    ("VASTTRACK", &VastTrack, Subset::Train),
    ("VASTTRACK_test", &VastTrack, Subset::Test),
];

/// The names that [`load`] understands.
pub fn known_names() -> impl Iterator<Item = &'static str> {
    KNOWN.iter().map(|(name, ..)| *name).chain(["folder:PATH", "packed:PATH"])
}

impl Roots {
    /// The folder that a key of `PATHS_FILE` stands for, when it is there.
    pub fn found(&self, key: &str) -> Option<PathBuf> {
        let (_, layout, part) = KNOWN.iter().find(|(_, layout, part)| layout.key(*part) == key)?;
        match self.own(key) {
            Some(own) => own.is_dir().then(|| own.to_owned()),
            None => layout.folders(*part).iter().map(|folder| self.base.join(folder)).find(|path| path.is_dir()),
        }
    }
}

/// A sequence and what is wrong with its annotation.
#[derive(Clone, Debug)]
pub struct CheckedSequence {
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
    pub sequences: Vec<CheckedSequence>,
    /// What is wrong with the data set as a whole.
    pub problems: Problems,
    /// What the user should know about how it was read.
    pub notes: Vec<String>,
    scan: ScanContext,
}

#[cfg(test)]
impl Scan {
    pub(super) fn sources(&self) -> &[(PathBuf, Option<super::scan_context::Stamp>)] {
        &self.scan.sources
    }
}

/// Opens the named data sets, in the order of `names`: from the cache where nothing has changed, else by reading the
/// annotations in parallel on rayon's threads.
///
/// # Errors
/// 78 for a name that does not exist (all of them at once); 66 for folders that are missing and for annotations with
/// faults, again all at once. No picture is decoded: that is [`crate::data::verify::verify`]'s task.
pub fn load(names: &[String], roots: &Roots) -> Result<Vec<Dataset>> {
    load_for(Purpose::Training, names, roots)
}

/// The same for another purpose than training.
///
/// # Errors
/// Those of [`load`].
pub fn load_for(purpose: Purpose, names: &[String], roots: &Roots) -> Result<Vec<Dataset>> {
    let mut problems = Problems::default();
    let mut datasets = Vec::new();
    let requests = requests(purpose, names, roots)?;
    let progress = Preparation::begin("reading annotations", "data sets", requests.len());
    for request in requests {
        let request = request.or_packed(roots);
        let found = open(&request, roots);
        progress.add(1);
        match found {
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
    scan_for(Purpose::Training, name, roots)
}

/// The same for another purpose than training; for [`Purpose::Scoring`] with each sequence's ground truth in double
/// precision.
///
/// # Errors
/// Those of [`scan`].
pub fn scan_for(purpose: Purpose, name: &str, roots: &Roots) -> Result<Scan> {
    let requests = requests(purpose, &[name.to_owned()], roots)?;
    let request = requests.into_iter().next().ok_or_else(|| Failure::config("no data set named"))?.or_packed(roots);
    match request.root(roots) {
        Ok(root) => Ok(read(&request, &root)),
        Err(problems) => match problems.into_result() {
            Err(failure) => Err(failure),
            Ok(()) => Err(Failure::input(format!("{name}: no such folder"))),
        },
    }
}

fn requests(purpose: Purpose, names: &[String], roots: &Roots) -> Result<Vec<Request>> {
    let (mut known, mut unknown) = (Vec::new(), Vec::new());
    for name in names {
        match Request::parse(name, purpose, roots) {
            Ok(request) => known.push(request),
            Err(what) => unknown.push(what),
        }
    }
    // In an experiment it is a wrong setting, on the command line of a tracker an input that is not there.
    match purpose {
        _ if unknown.is_empty() => Ok(known),
        Purpose::Training => Err(Failure::config(unknown.join("\n"))),
        Purpose::Tracking | Purpose::Scoring => Err(Failure::input(unknown.join("\n"))),
    }
}

fn open(request: &Request, roots: &Roots) -> std::result::Result<Dataset, Problems> {
    let start = Instant::now();
    let root = request.root(roots)?;
    let list = request.list.as_deref();
    let identity = request.identity();
    let file = roots.cache.as_ref().map(|folder| cache::file(folder, &identity, &root, list));
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
    if let Some(kept) = file.as_ref().and_then(|file| cache::load(file, &identity, &root, list)) {
        return Ok(dataset(kept, true, start));
    }
    let read_at = SystemTime::now();
    let scan = read(request, &root);
    let mut problems = scan.problems;
    let mut sequences = Vec::with_capacity(scan.sequences.len());
    for found in scan.sequences {
        sequences.push(found.sequence);
        problems.extend(found.problems);
    }
    if problems.is_empty() && sequences.is_empty() {
        problems.file(&root, nothing(&request.name, list));
    }
    if !problems.is_empty() {
        return Err(problems);
    }
    let mut kept = Kept { notes: scan.notes, sequences };
    if let Some(file) = file
        && let Err(error) = cache::store(&file, (&identity, &root, list), &scan.scan.sources, &kept, read_at)
    {
        kept.notes.push(format!("{} cannot be written ({error}): it is read anew each time", file.display()));
    }
    Ok(dataset(kept, false, start))
}

/// What is said of a data set without sequences.
fn nothing(name: &str, list: Option<&Path>) -> String {
    match list {
        Some(list) => format!("{} lists no sequence of {name}", list.display()),
        None => format!("holds no sequences of {name}; put the data set there, laid out as it is published"),
    }
}

fn read(request: &Request, root: &Path) -> Scan {
    let mut scan = ScanContext::default();
    let ask = Ask { root, part: request.part, list: request.list.as_deref(), purpose: request.purpose };
    let sequences = request.layout.sequences(&ask, &mut scan);
    Scan {
        name: request.name.clone(),
        root: root.to_owned(),
        images: request.layout.is_images(root),
        sequences,
        problems: std::mem::take(&mut scan.problems),
        notes: scan.take_notes(),
        scan,
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
