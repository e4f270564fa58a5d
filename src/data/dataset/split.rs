//! Which sequences of a data set are for training and which are held out: by list files, else by a fixed rule.
//!
//! A list file stands in the data set's folder, in the folder above, or in `data_specs/` below the working folder, where
//! users of the reference have theirs. Its lines are sequence names, or numbers that
//! count the data set's sequences from 0 (as in the reference's `data_specs`).

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};

use super::remarks::Remark;
use super::{Ask, ScanContext};
use crate::data::problems::LISTED;
use crate::settings::nearest;
use crate::text::excerpt;

/// The file names of a two-part split.
pub(super) struct SplitFiles {
    pub train: &'static [&'static str],
    pub held_out: &'static [&'static str],
}

/// Without list files, one sequence in this many is held out.
const HOLD_OUT: usize = 10;

/// The training part (`train`) or the held-out part of `names`.
///
/// With a list file of the part: what it lists. With only the other part's: what that does not list. With neither:
/// every tenth sequence is held out (of fewer than ten, the last), and a note says so.
pub(super) fn choose(
    split: &SplitFiles,
    train: bool,
    root: &Path,
    names: Vec<String>,
    scan: &mut ScanContext,
) -> Vec<String> {
    let (own, other) = if train { (split.train, split.held_out) } else { (split.held_out, split.train) };
    if let Some(file) = find(own, root, scan) {
        return listed(&file, &names, scan);
    }
    if let Some(file) = find(other, root, scan) {
        let theirs: HashSet<String> = listed(&file, &names, scan).into_iter().collect();
        scan.notes.push(format!(
            "no {} in {}: using the sequences that {} does not list",
            own[0],
            root.display(),
            file.display()
        ));
        return names.into_iter().filter(|name| !theirs.contains(name)).collect();
    }
    let count = names.len();
    if count < 2 {
        let what = format!("no {} in {}, and one sequence is too few to hold one out", own[0], root.display());
        scan.notes.push(what);
        return names;
    }
    let held = |i: usize| if count < HOLD_OUT { i + 1 == count } else { i % HOLD_OUT == HOLD_OUT - 1 };
    let rule = if count < HOLD_OUT { "the last sequence is" } else { "every tenth sequence is" };
    scan.notes.push(format!("no {} in {}: {rule} held out for validation", own[0], root.display()));
    names.into_iter().enumerate().filter(|(i, _)| held(*i) != train).map(|(_, name)| name).collect()
}

/// What the first of `files` that exists lists; all `names` when none does.
pub(super) fn only(files: &[&str], root: &Path, names: Vec<String>, scan: &mut ScanContext) -> Vec<String> {
    match find(files, root, scan) {
        Some(file) => listed(&file, &names, scan),
        None => names,
    }
}

/// Those of `items` that the user's own list names, in their order; all of them without a list.
pub(super) fn keep<T>(ask: &Ask<'_>, items: Vec<T>, name: impl Fn(&T) -> &str, scan: &mut ScanContext) -> Vec<T> {
    let Some(list) = ask.list else { return items };
    let names: Vec<String> = items.iter().map(|item| name(item).to_owned()).collect();
    let chosen: HashSet<String> = listed(list, &names, scan).into_iter().collect();
    items.into_iter().filter(|item| chosen.contains(name(item))).collect()
}

/// The first of `files` that exists in `root`, above it, or where the reference keeps its lists.
pub(super) fn find(files: &[&str], root: &Path, scan: &mut ScanContext) -> Option<PathBuf> {
    let folders = [Some(root), root.parent(), Some(Path::new("data_specs")), Some(Path::new("lib/train/data_specs"))];
    let paths = folders.into_iter().flatten().flat_map(|folder| files.iter().map(|file| folder.join(file)));
    paths.into_iter().find(|path| scan.exists(path) && path.is_file())
}

/// Among more names than this, none is looked for that a misspelt one may mean.
const SUGGESTED: usize = 20_000;

/// `; did you mean X?` or nothing.
pub(super) fn meant<'a>(name: &str, names: impl ExactSizeIterator<Item = &'a str>) -> String {
    let near = (names.len() <= SUGGESTED).then(|| nearest(name, names)).flatten();
    near.map_or_else(String::new, |near| format!("; did you mean {near}?"))
}

/// The lines of a list with their numbers. A line that repeats an earlier one is said and left out.
pub(super) fn unique(file: &Path, scan: &mut ScanContext) -> Vec<(usize, String)> {
    let mut first: HashMap<String, usize> = HashMap::new();
    let mut lines = scan.lines(file);
    lines.retain(|(number, line)| match first.get(line) {
        Some(earlier) => {
            let what = format!("{}:{number}: `{line}`, as line {earlier}", file.display());
            scan.remarks.add(Remark::Repeated, what);
            false
        }
        None => {
            first.insert(line.clone(), *number);
            true
        }
    });
    lines
}

/// The sequences that `file` lists, in the order of `names`.
fn listed(file: &Path, names: &[String], scan: &mut ScanContext) -> Vec<String> {
    let by_name: HashMap<&str, usize> = names.iter().enumerate().map(|(i, name)| (name.as_str(), i)).collect();
    let mut chosen: Vec<Option<usize>> = vec![None; names.len()];
    for (number, line) in &unique(file, scan) {
        let index =
            by_name.get(line.as_str()).copied().or_else(|| line.parse().ok().filter(|&i: &usize| i < names.len()));
        match index.map(|index| (&mut chosen[index], &names[index])) {
            Some((slot @ None, _)) => *slot = Some(*number),
            // Once by its name and once by its number.
            Some((Some(earlier), name)) => {
                let what = format!("{}:{number}: `{line}` is `{name}`, as line {earlier}", file.display());
                scan.remarks.add(Remark::Repeated, what);
            }
            None => {
                // Only the first problems are shown.
                let hint = match scan.problems.lines().len() < LISTED {
                    true => meant(line, names.iter().map(String::as_str)),
                    false => String::new(),
                };
                let hint = if hint.is_empty() { "; remove the line or the list" } else { &hint };
                let what = format!("`{}` is none of the {} sequences here{hint}", excerpt(line), names.len());
                scan.problems.line(file, *number, what);
            }
        }
    }
    names.iter().zip(chosen).filter(|(_, chosen)| chosen.is_some()).map(|(name, _)| name.clone()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const SPLIT: SplitFiles = SplitFiles { train: &["a.txt"], held_out: &["b.txt"] };

    fn names(count: usize) -> Vec<String> {
        (0..count).map(|i| format!("s{i:02}")).collect()
    }

    fn both(root: &Path, count: usize) -> (Vec<String>, Vec<String>, usize) {
        let mut scan = ScanContext::default();
        let train = choose(&SPLIT, true, root, names(count), &mut scan);
        let held = choose(&SPLIT, false, root, names(count), &mut scan);
        assert!(scan.problems.is_empty());
        (train, held, scan.notes.len())
    }

    #[test]
    fn without_lists_every_tenth_is_held_out_and_noted() {
        let home = tempfile::tempdir().unwrap();
        // Lists are looked for in the folder above too.
        let folder = tempfile::tempdir_in(home.path()).unwrap();
        let (train, held, notes) = both(folder.path(), 25);
        assert_eq!(held, ["s09", "s19"]);
        assert_eq!((train.len(), notes), (23, 2));
        assert!(train.iter().all(|name| !held.contains(name)));
        assert_eq!(both(folder.path(), 4).1, ["s03"]);
        assert_eq!(both(folder.path(), 1).1, ["s00"]);
    }

    #[test]
    fn lists_hold_names_or_numbers() {
        let home = tempfile::tempdir().unwrap();
        // Lists are looked for in the folder above too.
        let folder = tempfile::tempdir_in(home.path()).unwrap();
        std::fs::write(folder.path().join("a.txt"), "s03\ns01\n").unwrap();
        std::fs::write(folder.path().join("b.txt"), "0\n4\n").unwrap();
        assert_eq!(both(folder.path(), 5), (vec!["s01".into(), "s03".into()], vec!["s00".into(), "s04".into()], 0));
        // Only one list: the other part is the rest.
        std::fs::remove_file(folder.path().join("a.txt")).unwrap();
        assert_eq!(both(folder.path(), 5).0, ["s01", "s02", "s03"]);
    }

    #[test]
    fn a_list_of_other_sequences_is_an_error_with_lines() {
        let home = tempfile::tempdir().unwrap();
        // Lists are looked for in the folder above too.
        let folder = tempfile::tempdir_in(home.path()).unwrap();
        std::fs::write(folder.path().join("a.txt"), "s00\nother\n17\n").unwrap();
        let mut scan = ScanContext::default();
        choose(&SPLIT, true, folder.path(), names(3), &mut scan);
        let problems = scan.problems.lines();
        assert_eq!(problems.len(), 2);
        assert!(problems[0].contains("a.txt:2: `other`"), "{problems:?}");
    }

    #[test]
    fn names_that_are_repeated_count_once_and_misspelt_ones_are_recognised() {
        let home = tempfile::tempdir().unwrap();
        // Lists are looked for in the folder above too.
        let folder = tempfile::tempdir_in(home.path()).unwrap();
        std::fs::write(folder.path().join("a.txt"), "s01\n\ns02\ns01\n2\n").unwrap();
        let mut scan = ScanContext::default();
        assert_eq!(choose(&SPLIT, true, folder.path(), names(3), &mut scan), ["s01", "s02"]);
        let notes = scan.take_notes();
        assert_eq!(notes.len(), 1);
        assert!(notes[0].starts_with("2 lines repeat a name: it counts once (first: "), "{notes:?}");
        assert!(notes[0].ends_with("a.txt:4: `s01`, as line 1)"), "{notes:?}");
        std::fs::write(folder.path().join("a.txt"), "GOT_000012\n").unwrap();
        let names = vec!["GOT_000010".to_owned(), "GOT_00012".to_owned()];
        choose(&SPLIT, true, folder.path(), names, &mut scan);
        assert!(scan.problems.lines()[0].ends_with("here; did you mean GOT_00012?"), "{:?}", scan.problems);
    }
}
