//! Whose results are scored, and where they lie.

use super::{args::EvaluateArgs, display};
use crate::{
    cli::track::stem,
    data::problems::Problems,
    failure::{Failure, Result},
    track::{self, ResultFiles, Subject, provenance, results, written_to},
};
use std::path::{Path, PathBuf};

/// A tracker: its name, and the folders of its runs.
pub(super) struct Tracker {
    pub name: String,
    pub folders: Vec<PathBuf>,
    /// Whether the folder is where `trackflow track` writes.
    pub ours: bool,
}

/// The trackers of the command line: that of `--results` or `--config`, and those of `--compare`.
///
/// # Errors
/// 64 for a `--compare` without a name or with one that is taken; 66 for folders that are not there.
pub(super) fn of(args: &EvaluateArgs) -> Result<Vec<Tracker>> {
    let mut all = Vec::new();
    let (config, folders) = (stem(&args.config), args.results.clone());
    let name = |own: Option<String>| args.name.clone().or(own).unwrap_or_else(|| "results".into());
    if !folders.is_empty() {
        let last = folders[0].file_name().map(|name| name.to_string_lossy().into_owned());
        let own = if args.config.is_empty() { last } else { Some(config.display().to_string()) };
        all.push(Tracker { name: name(own), folders, ours: false });
    } else if !args.config.is_empty() {
        let folders = vec![results::folder(&args.save_dir, &args.script, &config)];
        all.push(Tracker { name: name(Some(config.display().to_string())), folders, ours: true });
    }
    for text in &args.compare {
        let Some((name, folder)) = text.split_once('=').filter(|(name, folder)| !name.is_empty() && !folder.is_empty())
        else {
            return Err(Failure::usage(format!(
                "--compare {text}: write NAME=DIR, for example OSTrack=results/ostrack"
            )));
        };
        if all.iter().any(|one| one.name == name) {
            return Err(Failure::usage(format!("--compare {text}: {name} is the name of another tracker too")));
        }
        all.push(Tracker { name: name.to_owned(), folders: vec![PathBuf::from(folder)], ours: false });
    }
    let given = all.iter().filter(|tracker| !tracker.ours).flat_map(|tracker| &tracker.folders);
    let gone: Vec<PathBuf> = given.filter(|folder| !folder.is_dir()).cloned().collect();
    if !gone.is_empty() {
        return Err(Failure::input(format!("{}: no such folder of results", display(&gone))));
    }
    Ok(all)
}

impl Tracker {
    /// The result files of a sequence in all folders.
    pub fn files(&self, subject: &Subject, notes: &mut Vec<String>, problems: &mut Problems) -> Option<ResultFiles> {
        let mut all = ResultFiles::default();
        let names = subject.family.names(&subject.name);
        for folder in &self.folders {
            let Some(found) = track::find(folder, &subject.set, subject.family, &subject.name) else {
                let others = match names.others.is_empty() {
                    true => String::new(),
                    false => format!(" (nor {})", names.others.join(", ")),
                };
                let what =
                    format!("no such result{others}; run trackflow track first, or name its folder with --results");
                problems.file(&folder.join(format!("{}.txt", names.written)), what);
                continue;
            };
            if self.ours && found.folder != written_to(folder, &subject.set) {
                let what = "where earlier versions wrote results; a data set has a folder of its own now";
                notes.push(format!("{}: {what}", found.runs[0].display()));
            }
            for ignored in &found.ignored {
                notes.push(format!("{}: passed over, {} is scored", ignored.display(), found.runs[0].display()));
            }
            all.runs.extend(found.runs);
            all.seconds = all.seconds.or(found.seconds);
        }
        (!all.runs.is_empty()).then_some(all)
    }

    /// What to say where results of `subjects` are those of several weights.
    pub fn mixture(&self, subjects: &[&Subject]) -> Option<String> {
        let set = subjects.first()?.set.as_str();
        let names: Vec<String> = subjects.iter().map(|one| one.family.names(&one.name).written).collect();
        self.folders.iter().find_map(|folder| provenance::mixture(&written_to(folder, set), &names))
    }

    /// The file that scores on `set` go to when none is named.
    pub fn scores_file(&self, set: &str, several: bool) -> PathBuf {
        let (folder, own) = (&self.folders[0], written_to(&self.folders[0], set));
        match several {
            _ if own.is_dir() => own.join("scores.json"),
            true => folder.join(format!("scores_{set}.json")),
            false => folder.join("scores.json"),
        }
    }
}

/// Where nothing was found in the usual place: says which other folders below `--save_dir` have results.
pub(super) fn elsewhere(args: &EvaluateArgs, trackers: &[Tracker], subjects: &[Subject], problems: &mut Problems) {
    let Some(usual) = trackers.iter().find(|tracker| tracker.ours).map(|tracker| &tracker.folders[0]) else { return };
    let has = |folder: &Path| subjects.iter().any(|one| track::find(folder, &one.set, one.family, &one.name).is_some());
    if has(usual) {
        return;
    }
    let folders = |path: &Path| -> Vec<PathBuf> {
        let entries = std::fs::read_dir(path).into_iter().flatten().flatten();
        let mut all: Vec<PathBuf> = entries.map(|entry| entry.path()).filter(|path| path.is_dir()).collect();
        all.sort();
        all
    };
    let base = args.save_dir.join("test/tracking_results");
    for script in folders(&base) {
        for folder in folders(&script).into_iter().filter(|folder| has(folder)) {
            let name = |path: &Path| path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            let (script, config) = (name(&script), name(&folder));
            problems.file(
                &folder,
                format_args!("has results of these sequences: give --script {script} --config {config}"),
            );
        }
    }
}
