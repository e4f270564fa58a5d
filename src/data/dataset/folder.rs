//! Any folder of pictures with a box file `groundtruth*.txt`: one such sequence, or a folder of several.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

use super::FrameFiles;
use super::catalog::{CheckedSequence, Subset};
use super::frames::is_picture;
use super::remarks::Remark;
use super::request::Purpose;
use super::scan_context::printed;
use super::{Ask, Layout, ScanContext, SequenceFiles, annotation};

pub(super) struct AnyFolder;

/// Where the frames of a sequence may lie below its folder, if not beside the boxes.
const FRAMES: [&str; 6] = ["img", "imgs", "images", "frames", "color", "rgb"];
/// How the names of box files begin, in any case.
const TRUTH: &str = "groundtruth";
/// What stands behind [`TRUTH`] in names of files that hold the same boxes in another form.
const FORMS: [&str; 8] = ["", "rect", "rectangle", "box", "bbox", "poly", "polygon", "corners"];

impl Layout for AnyFolder {
    fn folders(&self, _part: Subset) -> &'static [&'static str] {
        &[""]
    }

    fn key(&self, _part: Subset) -> &'static str {
        "data_dir"
    }

    /// Every frame with a box shows the object.
    fn sequences(&self, ask: &Ask<'_>, scan: &mut ScanContext) -> Vec<CheckedSequence> {
        let own = truths(ask.root, scan);
        let names = scan.names(ask.root, true);
        let below: Vec<(PathBuf, Vec<Truth>)> = names
            .iter()
            // Folders of frames hold many files and no sequences.
            .filter(|name| own.is_empty() || !is_frames(name))
            .map(|name| ask.root.join(name))
            .map(|path| (path.clone(), truths(&path, scan)))
            .collect();
        let inner = below.iter().any(|(_, truths)| !truths.is_empty());
        let mut entries = Vec::new();
        // A stray box file beside sequences does not make their folder one.
        if !own.is_empty() && (!inner || location(ask.root, &names, &own, &mut ScanContext::default()).is_ok()) {
            for (path, _) in below.iter().filter(|(_, truths)| !truths.is_empty()) {
                scan.remarks.add(Remark::Inner, path.display().to_string());
            }
            add(&mut entries, ask, (ask.root, &names), &own, scan);
        } else {
            for (path, truths) in &below {
                match truths.is_empty() {
                    true if inner => scan.remarks.add(Remark::NoTruth, without(path)),
                    true => {}
                    false => {
                        let names = scan.names(path, true);
                        add(&mut entries, ask, (path, &names), truths, scan);
                    }
                }
            }
            if inner && !own.is_empty() {
                let file = ask.root.join(&own[0].file);
                scan.notes.push(format!("{} is beside sequences and has no frames: not read", file.display()));
            }
            if !inner {
                let what = format!("no sequence: that is a folder with a {TRUTH}*.txt, here or one level below");
                scan.problems.file(ask.root, format_args!("{what}; {}", holds(ask.root, &below)));
            }
        }
        unique(&mut entries, scan);
        annotation::sequences(ask, entries, scan, |_, _, _| None)
    }
}

/// A box file of a folder.
struct Truth {
    file: OsString,
    /// Which of several objects it is of; empty where it says nothing of that.
    object: String,
    /// Whether the folder holds more than this one.
    several: bool,
}

/// The box files in `folder`. Of several that hold the same object's boxes in other forms, the plainest.
fn truths(folder: &Path, scan: &mut ScanContext) -> Vec<Truth> {
    let mut objects: BTreeMap<String, Vec<OsString>> = BTreeMap::new();
    for file in scan.names(folder, false) {
        let name = printed(&file);
        if let Some(behind) = behind(&name) {
            let object = object(behind);
            objects.entry(object.to_owned()).or_default().push(file);
        }
    }
    let several = objects.values().map(Vec::len).sum::<usize>() > 1;
    let is_empty = |file: &OsString, scan: &mut ScanContext| {
        let path = folder.join(file);
        scan.exists(&path);
        let short = std::fs::metadata(&path).is_ok_and(|data| data.len() < 16);
        short && std::fs::read(&path).is_ok_and(|bytes| bytes.trim_ascii().is_empty())
    };
    let mut truths = Vec::new();
    for (object, mut files) in objects {
        files.retain(|file| {
            let empty = several && is_empty(file, scan);
            if empty {
                scan.remarks.add(Remark::Empty, folder.join(file).display().to_string());
            }
            !empty
        });
        // `groundtruth.txt` before `groundtruth_rect.txt`.
        files.sort_by_key(|file| (file.len(), file.clone()));
        if let [taken, others @ ..] = files.as_slice() {
            if !others.is_empty() {
                let others: Vec<String> = others.iter().map(|file| printed(file)).collect();
                let what = format!("{}: {}, not {}", folder.display(), printed(taken), others.join(", "));
                scan.remarks.add(Remark::Forms, what);
            }
            truths.push(Truth { file: taken.clone(), object, several });
        }
    }
    truths.sort_by(|a, b| super::order::natural(OsStr::new(&a.object), OsStr::new(&b.object)));
    truths
}

/// What stands between `groundtruth` and `.txt`.
fn behind(name: &str) -> Option<&str> {
    let stem = name.get(..name.len().checked_sub(4)?)?;
    let begins = stem.get(..TRUTH.len())?.eq_ignore_ascii_case(TRUTH);
    (begins && name.to_ascii_lowercase().ends_with(".txt")).then(|| &stem[TRUTH.len()..])
}

/// The object in what stands behind `groundtruth`: `1` of `_1` and of `_rect.1`, nothing of `_rect`.
fn object(behind: &str) -> &str {
    let bare = |text: &str| text.trim_matches(['_', '-', '.', ' ', '(', ')']).len();
    let is_form = |text: &str| FORMS.iter().any(|form| text.eq_ignore_ascii_case(form));
    let text = behind.trim_matches(['_', '-', '.', ' ', '(', ')']);
    if bare(text) == 0 || is_form(text) {
        return "";
    }
    match text.split_once(['_', '-', '.', ' ']) {
        Some((form, rest)) if is_form(form) => rest,
        _ => text,
    }
}

fn is_frames(name: &OsStr) -> bool {
    FRAMES.iter().any(|known| name.eq_ignore_ascii_case(known))
}

/// Adds the sequences in `folder`, which has these folders `below` it: one for each object.
fn add(
    entries: &mut Vec<SequenceFiles>,
    ask: &Ask<'_>,
    (folder, below): (&Path, &[OsString]),
    truths: &[Truth],
    scan: &mut ScanContext,
) {
    let whole = std::path::absolute(folder).unwrap_or_else(|_| folder.to_owned());
    let name = whole.file_name().map_or_else(|| folder.display().to_string(), printed);
    let first_only = ask.purpose != Purpose::Training;
    let style = annotation::Style { polygons: true, nan_is_absent: true, first_only, ..annotation::Style::default() };
    let (frames, lost) = match location(folder, below, truths, scan) {
        Ok(frames) => (frames, None),
        // Scores need no pictures.
        Err(_) if ask.purpose == Purpose::Scoring && !has_pictures(folder, below) => (folder.to_owned(), None),
        Err(what) => (folder.to_owned(), Some(what)),
    };
    let mut named = Vec::new();
    for truth in truths {
        let name = match truth.object.as_str() {
            object if truth.several && !object.is_empty() => format!("{name}_{object}"),
            _ => name.clone(),
        };
        named.push(format!("{name} ({})", printed(&truth.file)));
        let entry = SequenceFiles::new(name, frames.clone(), folder.join(&truth.file));
        entries.push(SequenceFiles { style, lost: lost.clone(), ..entry });
    }
    if truths.len() > 1 {
        scan.remarks.add(Remark::Objects, format!("{}: {}", folder.display(), named.join(", ")));
    }
}

/// The folder with the frames of the sequence in `folder`, or why there is none.
fn location(folder: &Path, below: &[OsString], truths: &[Truth], scan: &mut ScanContext) -> Result<PathBuf, String> {
    let usual = below.iter().filter(|name| is_frames(name)).map(|name| folder.join(name));
    let mut found: Vec<(PathBuf, usize)> = Vec::new();
    for path in std::iter::once(folder.to_owned()).chain(usual) {
        scan.exists(&path);
        let count = pictures(&path);
        if count > 0 {
            found.push((path, count));
        }
    }
    if let [only] = found.as_slice() {
        return Ok(only.0.clone());
    }
    if found.is_empty() {
        let others: Vec<String> =
            below.iter().filter(|name| pictures(&folder.join(name)) > 0).map(|name| printed(name)).collect();
        let usual = below.iter().filter(|name| is_frames(name)).map(|name| folder.join(name));
        let locations = std::iter::once(folder.to_owned()).chain(usual);
        // Pictures of formats that are not read, which are named then.
        let unread = locations.map(|path| FrameFiles::unread(&path)).find(|unread| !unread.is_empty());
        let looked = format!(
            "no frames (.jpg, .jpeg, .png) beside {TRUTH}*.txt nor in {}{}",
            FRAMES.join(", "),
            unread.unwrap_or_default()
        );
        return Err(match others.as_slice() {
            [] => format!("{looked}; put the sequence's frames there"),
            [other] => format!("{looked}, but in {other}; call that folder img"),
            _ => format!(
                "{looked}, but in {}: a layout of several cameras or kinds of pictures, which is not read; call the \
                 folder that the boxes belong to img",
                others.join(" and in ")
            ),
        });
    }
    // A stray picture beside a folder of frames, or two kinds of frames: the number of boxes may tell.
    let boxes = truths.first().and_then(|truth| std::fs::read(folder.join(&truth.file)).ok());
    let boxes = boxes.map_or(0, |bytes| String::from_utf8_lossy(&bytes).trim_end().lines().count());
    let fitting = found.iter().filter(|(_, count)| *count == boxes).count();
    let taken = match fitting {
        1 => found.iter().find(|(_, count)| *count == boxes),
        _ => found.first(),
    };
    let Some((taken, count)) = taken else { return Ok(folder.to_owned()) };
    let others: Vec<String> = found.iter().map(|(path, count)| format!("{} ({count})", path.display())).collect();
    scan.remarks.add(Remark::Places, format!("{} ({count}) of {}", taken.display(), others.join(", ")));
    Ok(taken.clone())
}

/// Whether there is a picture in `folder` or in one of these folders `below` it.
fn has_pictures(folder: &Path, below: &[OsString]) -> bool {
    pictures(folder) > 0 || below.iter().any(|name| pictures(&folder.join(name)) > 0)
}

/// How many pictures are in `folder`.
fn pictures(folder: &Path) -> usize {
    let names = std::fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.file_name());
    names.filter(|name| is_picture(name) && !name.as_encoded_bytes().starts_with(b".")).count()
}

/// A folder without a box file among sequences, and whether it holds some.
fn without(folder: &Path) -> String {
    match deeper(folder) {
        Some(remedy) => format!("{}: {remedy}", folder.display()),
        None => folder.display().to_string(),
    }
}

/// What is said of a folder that holds sequences itself.
fn deeper(folder: &Path) -> Option<String> {
    let mut own = ScanContext::default();
    let name = own.names(folder, true).into_iter().find(|name| !truths(&folder.join(name), &mut own).is_empty())?;
    let whole = std::path::absolute(folder).unwrap_or_else(|_| folder.to_owned());
    let name = printed(&name);
    Some(format!("{name} in it is a sequence; to read those in it, name folder:{}", whole.display()))
}

/// What a folder that is no sequence holds, in a few words.
fn holds(root: &Path, below: &[(PathBuf, Vec<Truth>)]) -> String {
    const MOST_LISTED: usize = 5;
    let some = |names: &[String], what: &str| match names.len() {
        0 => String::new(),
        more if more > MOST_LISTED => format!("{what} {}, … ({more} in all)", names[..MOST_LISTED].join(", ")),
        _ => format!("{what} {}", names.join(", ")),
    };
    let texts = |path: &Path| -> Vec<String> {
        let files = ScanContext::default().names(path, false);
        files.iter().map(|file| printed(file)).filter(|name| name.ends_with(".txt")).collect()
    };
    let folders: Vec<String> = below.iter().filter_map(|(path, _)| path.file_name()).map(printed).collect();
    let mut parts = vec![some(&texts(root), "the text files"), some(&folders, "the folders")];
    if let Some((path, name)) = below.first().map(|(path, _)| path).zip(folders.first()) {
        parts.push(some(&texts(path), &format!("and in {name} the text files")));
    }
    parts.retain(|part| !part.is_empty());
    let further = below.iter().find_map(|(path, _)| Some(format!("; in {}, {}", path.display(), deeper(path)?)));
    match parts.is_empty() {
        true => "it holds neither text files nor folders".into(),
        false => format!("it holds {}{}", parts.join(", "), further.unwrap_or_default()),
    }
}

/// Takes out sequences whose name an earlier one has: results and labels are found by it.
fn unique(entries: &mut Vec<SequenceFiles>, scan: &mut ScanContext) {
    let mut known: BTreeMap<String, PathBuf> = BTreeMap::new();
    entries.retain(|entry| match known.get(&entry.name) {
        Some(other) => {
            let what = format!("the sequence is called {}, as that of {}; rename one", entry.name, other.display());
            scan.problems.file(&entry.boxes, what);
            false
        }
        None => known.insert(entry.name.clone(), entry.boxes.clone()).is_none(),
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_stands_behind_groundtruth_is_the_object_or_a_form() {
        for (name, expected) in [
            ("groundtruth.txt", Some("")),
            ("Groundtruth.TXT", Some("")),
            ("groundtruth_rect.txt", Some("")),
            ("groundtruth_1.txt", Some("1")),
            ("groundtruth_rect.2.txt", Some("2")),
            ("groundtruth (3).txt", Some("3")),
            ("groundtruth-left_dog.txt", Some("left_dog")),
            ("gt.txt", None),
            ("groundtruth.csv", None),
            ("größer.txt", None),
        ] {
            assert_eq!(behind(name).map(object), expected, "{name}");
        }
    }
}
