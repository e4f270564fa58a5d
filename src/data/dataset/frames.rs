//! The frame files of a sequence, compact: a million frames are numbered files, not a million paths.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::codec::{Reader, Writer};
use super::file::{FrameFile, Member, MemberLocation};
use super::order::{self, Gap};
use super::remarks::{Remark, Remarks};
use crate::reads;
use crate::vision::decode::UNREAD;

/// The files of a sequence's frames, in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FrameFiles {
    folder: Arc<Path>,
    names: Names,
    packed: Option<Packed>,
}

/// Where the files lie when they are members of a shard.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Packed {
    shard: Arc<Path>,
    locations: Vec<MemberLocation>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Names {
    /// `first`, `first + 1`, … with at least `digits` digits and an extension.
    Numbered { first: u64, digits: usize, extension: &'static str, count: usize },
    /// Anything else.
    Listed(Vec<Box<OsStr>>),
}

/// File name extensions of frames.
const EXTENSIONS: [&str; 6] = ["jpg", "jpeg", "png", "JPG", "JPEG", "PNG"];

/// A folder's frames, and what there is to say of their names.
#[derive(Debug)]
pub(super) struct Scanned {
    pub files: FrameFiles,
    pub remarks: Remarks,
    /// Where their numbers leave some out.
    pub gap: Option<Gap>,
}

impl Scanned {
    /// Of a folder in which nothing is looked for.
    pub fn nothing(folder: &Path) -> Self {
        Self { files: FrameFiles::listed(folder, Vec::new()), remarks: Remarks::default(), gap: None }
    }
}

impl FrameFiles {
    /// The picture files in `folder` in natural order; other files are not frames.
    pub fn scan(folder: &Path) -> io::Result<Self> {
        Ok(Self::look(folder)?.files)
    }

    /// The same, with what there is to say of their names.
    pub(super) fn look(folder: &Path) -> io::Result<Scanned> {
        let (mut names, mut remarks) = (Vec::new(), Remarks::default());
        let _read = reads::begin(folder);
        for entry in std::fs::read_dir(folder)? {
            let name = entry?.file_name();
            match is_picture(&name) {
                // Left-overs of archive tools (`._00000001.jpg`).
                true if is_hidden(&name) => remarks.add(Remark::Foreign, folder.join(&name).display().to_string()),
                true => names.push(name),
                false => {}
            }
        }
        // Names of one length are numbered with leading zeros, in digits of whatever kind (`000a`): they stand in their
        // order as they are.
        let length = names.first().map_or(0, |name| name.len());
        match names.iter().all(|name| name.len() == length) {
            true => names.sort(),
            false => names.sort_by(|a, b| order::natural(a, b)),
        }
        let numbered = numbered(&names);
        let gap = if numbered.is_some() { None } else { order::look(folder, &names, &mut remarks) };
        Ok(Scanned { files: Self::named(folder.into(), names, numbered), remarks, gap })
    }

    /// What a message about missing frames adds when `folder` holds pictures of formats that are not read; else nothing.
    pub fn unread(folder: &Path) -> String {
        let mut counts: BTreeMap<String, usize> = BTreeMap::new();
        for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
            let name = entry.file_name().to_string_lossy().to_ascii_lowercase();
            if let Some((_, end)) = name.rsplit_once('.').filter(|(stem, end)| !stem.is_empty() && UNREAD.contains(end))
            {
                *counts.entry(end.to_owned()).or_default() += 1;
            }
        }
        if counts.is_empty() {
            return String::new();
        }
        let counted: Vec<String> = counts.iter().map(|(end, count)| format!("{count} .{end}")).collect();
        format!(" ({} files there are not read: convert them to .jpg or .png)", counted.join(", "))
    }

    /// The files with these names in `folder`.
    pub fn listed(folder: &Path, names: Vec<String>) -> Self {
        Self::of(folder.into(), names)
    }

    /// The one file `name` in a folder that many share.
    pub(super) fn one(folder: &Arc<Path>, name: &str) -> Self {
        Self::of(Arc::clone(folder), vec![name.to_owned()])
    }

    /// The members of `shard` with these names below `folder`, at `locations`; as many as both lists have.
    pub(super) fn packed(
        shard: &Arc<Path>,
        folder: &str,
        mut names: Vec<String>,
        mut locations: Vec<MemberLocation>,
    ) -> Self {
        names.truncate(locations.len());
        locations.truncate(names.len());
        let packed = Some(Packed { shard: Arc::clone(shard), locations });
        Self { packed, ..Self::of(shard.join(folder).into(), names) }
    }

    fn of(folder: Arc<Path>, names: Vec<String>) -> Self {
        let names: Vec<OsString> = names.into_iter().map(OsString::from).collect();
        let numbered = numbered(&names);
        Self::named(folder, names, numbered)
    }

    fn named(folder: Arc<Path>, names: Vec<OsString>, numbered: Option<Names>) -> Self {
        let listed = || Names::Listed(names.into_iter().map(OsString::into_boxed_os_str).collect());
        Self { folder, names: numbered.unwrap_or_else(listed), packed: None }
    }

    /// How many frames there are.
    pub fn len(&self) -> usize {
        match &self.names {
            Names::Numbered { count, .. } => *count,
            Names::Listed(names) => names.len(),
        }
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The folder that holds the frames.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The file of frame `index`, counted from 0.
    ///
    /// # Panics
    /// If `index` is not below [`FrameFiles::len`].
    pub fn path(&self, index: usize) -> PathBuf {
        assert!(index < self.len(), "frame {index} of {}", self.len());
        match &self.names {
            Names::Numbered { first, digits, extension, .. } => {
                self.folder.join(format!("{:0digits$}.{extension}", first + index as u64))
            }
            Names::Listed(names) => self.folder.join(&*names[index]),
        }
    }

    /// Where frame `index` lies.
    ///
    /// # Panics
    /// If `index` is not below [`FrameFiles::len`].
    pub fn file(&self, index: usize) -> FrameFile {
        let member = self
            .packed
            .as_ref()
            .map(|packed| Member { shard: Arc::clone(&packed.shard), location: packed.locations[index] });
        FrameFile { path: self.path(index), member }
    }

    /// The frames from `from` to before `to`, both limited to what exists.
    pub fn slice(&self, from: usize, to: usize) -> Self {
        let to = to.min(self.len());
        let from = from.min(to);
        let names = match &self.names {
            Names::Numbered { first, digits, extension, .. } => {
                Names::Numbered { first: first + from as u64, digits: *digits, extension, count: to - from }
            }
            Names::Listed(names) => Names::Listed(names[from..to].to_vec()),
        };
        let packed = self
            .packed
            .as_ref()
            .map(|packed| Packed { shard: packed.shard.clone(), locations: packed.locations[from..to].to_vec() });
        Self { folder: self.folder.clone(), names, packed }
    }
}

impl FrameFiles {
    /// All but the folder, as bytes.
    pub(super) fn encode(&self, to: &mut Writer) {
        match &self.names {
            Names::Numbered { first, digits, extension, count } => {
                to.u8(0);
                to.u64(*first);
                to.u64(*digits as u64);
                to.u8(EXTENSIONS.iter().position(|known| known == extension).unwrap_or_default() as u8);
                to.u64(*count as u64);
            }
            Names::Listed(names) => {
                to.u8(1);
                to.count(names.len());
                names.iter().for_each(|name| to.name(name));
            }
        }
        to.u8(u8::from(self.packed.is_some()));
        if let Some(packed) = &self.packed {
            to.text(&packed.shard.to_string_lossy());
            to.count(packed.locations.len());
            for location in &packed.locations {
                to.u64(location.offset);
                to.u64(u64::from(location.length) << 32 | u64::from(location.head));
                to.u64(u64::from(location.crc));
            }
        }
    }

    /// The files in `folder` that [`FrameFiles::encode`] wrote down.
    pub(super) fn decode(folder: &Arc<Path>, from: &mut Reader<'_>) -> Option<Self> {
        let names = match from.u8()? {
            0 => Names::Numbered {
                first: from.u64()?,
                digits: usize::try_from(from.u64()?).ok()?,
                extension: EXTENSIONS.get(usize::from(from.u8()?)).copied()?,
                count: usize::try_from(from.u64()?).ok()?,
            },
            _ => Names::Listed((0..from.count()?).map(|_| Some(from.name()?.into())).collect::<Option<_>>()?),
        };
        let mut files = Self { folder: Arc::clone(folder), names, packed: None };
        if from.u8()? != 0 {
            let shard = Path::new(from.text()?).into();
            let locations: Vec<MemberLocation> = (0..from.count()?).map(|_| location(from)).collect::<Option<_>>()?;
            files.packed = (locations.len() == files.len()).then_some(Packed { shard, locations });
            files.packed.as_ref()?;
        }
        Some(files)
    }
}

fn location(from: &mut Reader<'_>) -> Option<MemberLocation> {
    let (offset, lengths, crc) = (from.u64()?, from.u64()?, from.u64()?);
    Some(MemberLocation { offset, length: (lengths >> 32) as u32, head: lengths as u32, crc: crc as u32 })
}

/// Whether a file name is one of a picture.
pub(super) fn is_picture(name: &OsStr) -> bool {
    let end = Path::new(name).extension();
    // `.jpg` alone has no extension.
    end.is_some_and(|end| EXTENSIONS.iter().any(|known| end.eq_ignore_ascii_case(known)))
}

fn is_hidden(name: &OsStr) -> bool {
    name.as_encoded_bytes().starts_with(b".")
}

/// The numbered form of `names`, if that gives exactly these names back.
fn numbered(names: &[OsString]) -> Option<Names> {
    let (stem, extension) = names.first()?.to_str()?.rsplit_once('.')?;
    let (first, digits) = (stem.parse::<u64>().ok()?, stem.len());
    first.checked_add(names.len() as u64)?;
    let extension = EXTENSIONS.into_iter().find(|known| *known == extension)?;
    let fits = |(i, name): (usize, &OsString)| {
        name.to_str()
            .and_then(|name| name.rsplit_once('.'))
            .is_some_and(|(stem, end)| end == extension && stem == format!("{:0digits$}", first + i as u64))
    };
    let all = names.iter().enumerate().all(fits);
    all.then_some(Names::Numbered { first, digits, extension, count: names.len() })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder(names: &[&str]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for name in names {
            std::fs::write(folder.path().join(name), "").unwrap();
        }
        folder
    }

    fn scanned(names: &[&str]) -> (Vec<String>, bool) {
        let folder = folder(names);
        let frames = FrameFiles::scan(folder.path()).unwrap();
        let found = (0..frames.len()).map(|i| frames.path(i).file_name().unwrap().to_str().unwrap().to_owned());
        (found.collect(), matches!(frames.names, Names::Numbered { .. }))
    }

    #[test]
    fn numbers_order_the_frames_with_and_without_padding() {
        let padded = ["00000001.jpg", "00000002.jpg", "00000003.jpg", "groundtruth.txt", "._00000001.jpg"];
        assert_eq!(scanned(&padded), (padded[..3].iter().map(|s| (*s).to_owned()).collect(), true));
        let (names, compact) = scanned(&["10.jpg", "9.jpg", "8.jpg", "11.jpg"]);
        assert_eq!(names, ["8.jpg", "9.jpg", "10.jpg", "11.jpg"]);
        assert!(compact);
    }

    #[test]
    fn names_of_one_length_stand_in_their_own_order() {
        let hex: Vec<String> = (4..=17).map(|i| format!("{i:04x}.jpg")).collect();
        let names: Vec<&str> = hex.iter().rev().map(String::as_str).collect();
        assert_eq!(scanned(&names).0, hex);
    }

    #[test]
    fn what_is_no_plain_file_is_not_waited_for() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("1.jpg")).unwrap();
        let file = FrameFile::from(folder.path().join("1.jpg"));
        assert!(file.length().unwrap_err().to_string().contains("a folder, a pipe or a device"));
        assert!(file.start(4).is_err());
    }

    #[test]
    fn gaps_and_prefixes_keep_their_own_names() {
        let (names, compact) = scanned(&["0001.png", "0003.png"]);
        assert_eq!((names, compact), (vec!["0001.png".to_owned(), "0003.png".to_owned()], false));
        let (names, _) = scanned(&["img2.JPG", "img10.JPG"]);
        assert_eq!(names, ["img2.JPG", "img10.JPG"]);
    }

    #[test]
    fn a_slice_keeps_the_numbers() {
        let frames = FrameFiles::listed(Path::new("d"), (300..=310).map(|i| format!("{i:04}.jpg")).collect());
        let slice = frames.slice(5, 99);
        assert_eq!((slice.len(), slice.path(0)), (6, PathBuf::from("d/0305.jpg")));
        assert!(frames.slice(20, 30).is_empty());
    }
}
