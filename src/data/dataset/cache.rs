//! What a data set holds, kept in a file: opening it again costs a look at sizes and times instead of reading it.
//!
//! A cached set is used only when every file and folder that was consulted has the size and the times that it had, and
//! what was absent still is. Files that changed within [`STABLE_AFTER`] before they were read are not cached, as a later
//! change within the clock's resolution could not be told. A cache that is damaged, of another version or of another
//! place is read past and written anew.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use rayon::prelude::*;

use super::codec::{Reader, Writer};
use super::scan_context::Stamp;
use super::{FrameFiles, Sequence};

/// Changes with every change of the format or of what is read from annotations.
const FORMAT: &str = concat!("trackflow data set 3, ", env!("CARGO_PKG_VERSION"));

/// Files have to be older than this when they are read, in nanoseconds.
const STABLE_AFTER: i64 = 2_000_000_000;

/// What is kept of a data set.
pub(super) struct Kept {
    pub notes: Vec<String>,
    pub sequences: Vec<Sequence>,
}

/// The file of the data set that `name` means below `root`.
pub(super) fn file(folder: &Path, name: &str, root: &Path, list: Option<&Path>) -> PathBuf {
    let mut hasher = DefaultHasher::new();
    (identity(name, root, list)).hash(&mut hasher);
    let readable: String = name.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).take(40).collect();
    folder.join(format!("{readable}-{:016x}.set", hasher.finish()))
}

fn identity(name: &str, root: &Path, list: Option<&Path>) -> String {
    let absolute = |path: &Path| std::path::absolute(path).unwrap_or_else(|_| path.to_owned()).display().to_string();
    format!("{name}\n{}\n{}", absolute(root), list.map(absolute).unwrap_or_default())
}

/// The kept data set, when it is whole and nothing has changed since.
pub(super) fn load(file: &Path, name: &str, root: &Path, list: Option<&Path>) -> Option<Kept> {
    let bytes = std::fs::read(file).ok()?;
    let (body, sum) = bytes.split_at_checked(bytes.len().checked_sub(4)?)?;
    if crc32fast::hash(body).to_le_bytes() != sum {
        return None;
    }
    let mut reader = Reader::new(body);
    if reader.text()? != FORMAT || reader.text()? != identity(name, root, list) {
        return None;
    }
    let folders: Vec<Arc<Path>> =
        (0..reader.count()?).map(|_| Some(Path::new(reader.text()?).into())).collect::<Option<_>>()?;
    let sources: Vec<(PathBuf, Option<Stamp>)> =
        (0..reader.count()?).map(|_| source(&mut reader, &folders)).collect::<Option<_>>()?;
    if !sources.par_iter().all(|(path, stamp)| Stamp::of(path) == *stamp) {
        return None;
    }
    let notes = (0..reader.count()?).map(|_| Some(reader.text()?.to_owned())).collect::<Option<_>>()?;
    let sequences = (0..reader.count()?)
        .map(|_| {
            let name = reader.text()?;
            let folder = folders.get(usize::try_from(reader.u64()?).ok()?)?;
            let frames = FrameFiles::decode(folder, &mut reader)?;
            Some(Sequence::new(name, frames, reader.boxes()?, Some(reader.flags()?)))
        })
        .collect::<Option<_>>()?;
    reader.is_at_end().then_some(Kept { notes, sequences })
}

fn source(reader: &mut Reader<'_>, folders: &[Arc<Path>]) -> Option<(PathBuf, Option<Stamp>)> {
    let folder = folders.get(usize::try_from(reader.u64()?).ok()?)?;
    let name = reader.text()?;
    let path = if name.is_empty() { folder.to_path_buf() } else { folder.join(name) };
    let stamp = match reader.u8()? {
        0 => None,
        _ => Some(Stamp {
            length: reader.u64()?,
            modified: reader.u64()?.cast_signed(),
            changed: reader.u64()?.cast_signed(),
        }),
    };
    Some((path, stamp))
}

/// Numbers for folders, as most paths share theirs.
#[derive(Default)]
struct Folders {
    numbers: HashMap<PathBuf, u64>,
    paths: Vec<PathBuf>,
}

impl Folders {
    fn number(&mut self, path: &Path) -> u64 {
        if let Some(&number) = self.numbers.get(path) {
            return number;
        }
        let number = self.paths.len() as u64;
        self.numbers.insert(path.to_owned(), number);
        self.paths.push(path.to_owned());
        number
    }
}

/// Keeps a data set that was read from `sources` at the time `read_at`. Whether it was kept; what changed a moment ago
/// is not.
pub(super) fn store(
    file: &Path,
    (name, root, list): (&str, &Path, Option<&Path>),
    sources: &[(PathBuf, Option<Stamp>)],
    kept: &Kept,
    read_at: SystemTime,
) -> std::io::Result<bool> {
    let read_at = read_at.duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_nanos() as i64);
    let newest = sources.iter().filter_map(|(_, stamp)| stamp.map(|s| s.modified.max(s.changed))).max();
    // A path that is not UTF-8 cannot be kept as text.
    if newest.is_some_and(|newest| newest + STABLE_AFTER > read_at)
        || sources.iter().any(|(path, _)| path.to_str().is_none())
    {
        return Ok(false);
    }
    let mut sources = sources.to_vec();
    sources.sort();
    sources.dedup();
    let mut folders = Folders::default();
    let mut body = Writer::default();
    body.count(sources.len());
    for (path, stamp) in &sources {
        match (path.parent(), path.file_name().and_then(|name| name.to_str())) {
            (Some(parent), Some(name)) => {
                body.u64(folders.number(parent));
                body.text(name);
            }
            _ => {
                body.u64(folders.number(path));
                body.text("");
            }
        }
        body.u8(u8::from(stamp.is_some()));
        if let Some(stamp) = stamp {
            body.u64(stamp.length);
            body.u64(stamp.modified.cast_unsigned());
            body.u64(stamp.changed.cast_unsigned());
        }
    }
    body.count(kept.notes.len());
    kept.notes.iter().for_each(|note| body.text(note));
    body.count(kept.sequences.len());
    for sequence in &kept.sequences {
        body.text(&sequence.name);
        body.u64(folders.number(sequence.frames.folder()));
        sequence.frames.encode(&mut body);
        body.boxes(sequence.boxes());
        body.flags(sequence.visible());
    }
    let mut whole = Writer::default();
    whole.text(FORMAT);
    whole.text(&identity(name, root, list));
    whole.count(folders.paths.len());
    folders.paths.iter().for_each(|path| whole.text(&path.to_string_lossy()));
    whole.bytes.append(&mut body.bytes);
    let sum = crc32fast::hash(&whole.bytes);
    whole.bytes.extend(sum.to_le_bytes());
    if let Some(folder) = file.parent() {
        std::fs::create_dir_all(folder)?;
    }
    // Renamed when whole: two runs that start together each write their own.
    let draft = file.with_extension(format!("{}.tmp", std::process::id()));
    std::fs::write(&draft, &whole.bytes)?;
    std::fs::rename(&draft, file).inspect_err(|_| drop(std::fs::remove_file(&draft)))?;
    Ok(true)
}
