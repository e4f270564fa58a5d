//! Where the results of a sequence lie, under whichever name and in whichever layout the community has.

use super::benchmark::Family;
use std::path::{Path, PathBuf};

/// The result files of one sequence.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ResultFiles {
    /// Boxes, a file for each run.
    pub runs: Vec<PathBuf>,
    /// Seconds, one column for each run, where they were kept.
    pub seconds: Option<PathBuf>,
    /// What was passed over.
    pub ignored: Vec<PathBuf>,
    /// The folder that they were found in.
    pub folder: PathBuf,
}

/// The folder that results of a data set (whose own folder is called `set`) are written to, below that of all results.
pub fn written_to(folder: &Path, set: &str) -> PathBuf {
    folder.join(set)
}

/// The results of a data set's `sequence` in `folder`: `<name>.txt` under each of its names, in the `set`'s folder, in
/// the one below that GOT-10k and TrackingNet have elsewhere, or here; or `<name>/<name>_001.txt`, … as the GOT-10k
/// toolkit writes them. `None` where there are none.
pub fn find(folder: &Path, set: &str, family: Family, sequence: &str) -> Option<ResultFiles> {
    let names = family.names(sequence);
    let mut found: Vec<ResultFiles> = Vec::new();
    let mut folders = vec![written_to(folder, set)];
    folders.extend(family.subfolder().map(|below| folder.join(below)));
    folders.push(folder.to_owned());
    for folder in &folders {
        for name in std::iter::once(&names.written).chain(&names.others) {
            let file = folder.join(format!("{name}.txt"));
            if file.is_file() {
                let times = [folder.join(format!("{name}_time.txt")), folder.join(format!("times/{name}_time.txt"))];
                let seconds = times.into_iter().find(|file| file.is_file());
                found.push(ResultFiles { runs: vec![file], seconds, ignored: Vec::new(), folder: folder.clone() });
            }
            let runs = runs(&folder.join(name), name);
            if !runs.is_empty() {
                let seconds = Some(folder.join(name).join(format!("{name}_time.txt"))).filter(|file| file.is_file());
                found.push(ResultFiles { runs, seconds, ignored: Vec::new(), folder: folder.clone() });
            }
        }
    }
    let mut found = found.into_iter();
    let mut first = found.next()?;
    first.ignored = found.flat_map(|other| other.runs).collect();
    Some(first)
}

/// `<name>_001.txt`, `<name>_002.txt`, … in their order.
fn runs(folder: &Path, name: &str) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(folder) else { return Vec::new() };
    let mut runs: Vec<(u32, PathBuf)> = entries
        .flatten()
        .filter_map(|entry| {
            let file = entry.file_name().to_str()?.to_owned();
            let number = file.strip_prefix(name)?.strip_prefix('_')?.strip_suffix(".txt")?.parse().ok()?;
            Some((number, entry.path()))
        })
        .collect();
    runs.sort();
    runs.into_iter().map(|(_, path)| path).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn put(root: &Path, file: &str) {
        let path = root.join(file);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, "1,2,3,4\n").unwrap();
    }

    fn found(root: &Path, family: Family, sequence: &str) -> Vec<String> {
        let files = find(root, "set", family, sequence).unwrap_or_default();
        let short = |path: PathBuf| path.strip_prefix(root).unwrap().display().to_string();
        files.runs.into_iter().chain(files.seconds).map(short).collect()
    }

    #[test]
    fn either_name_will_do_and_the_communitys_comes_first() {
        let root = tempfile::tempdir().unwrap();
        let root = root.path();
        assert_eq!(find(root, "set", Family::Otb, "Jogging.1"), None);
        put(root, "Jogging.1.txt");
        assert_eq!(found(root, Family::Otb, "Jogging.1"), ["Jogging.1.txt"]);
        put(root, "Jogging_1.txt");
        put(root, "Jogging_1_time.txt");
        assert_eq!(found(root, Family::Otb, "Jogging.1"), ["Jogging_1.txt", "Jogging_1_time.txt"]);
        assert_eq!(find(root, "set", Family::Otb, "Jogging.1").unwrap().ignored, [root.join("Jogging.1.txt")]);
        put(root, "bike1.txt");
        assert_eq!(found(root, Family::Uav, "bike1"), ["bike1.txt"]);
    }

    #[test]
    fn runs_of_the_toolkit_and_folders_below_are_found() {
        let root = tempfile::tempdir().unwrap();
        let root = root.path();
        for run in ["010", "001", "002"] {
            put(root, &format!("s/s_{run}.txt"));
        }
        put(root, "s/s_time.txt");
        let all = ["s/s_001.txt", "s/s_002.txt", "s/s_010.txt", "s/s_time.txt"];
        assert_eq!(found(root, Family::Got10k, "s"), all);
        put(root, "got10k/s.txt");
        assert_eq!(found(root, Family::Got10k, "s"), ["got10k/s.txt"]);
        assert_eq!(found(root, Family::Other, "s"), all);
        put(root, "set/s.txt");
        assert_eq!(found(root, Family::Got10k, "s"), ["set/s.txt"]);
        assert_eq!(find(root, "set", Family::Got10k, "s").unwrap().folder, written_to(root, "set"));
    }
}
