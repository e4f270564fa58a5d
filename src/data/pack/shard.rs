//! Writing one shard, and telling whether it is there already.

use std::collections::HashMap;
use std::fmt::Display;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use rayon::prelude::*;

use super::convert::{Converted, Loss, convert};
use super::{folder_name, write_text};
use crate::atomic_file::write_atomic;
use crate::data::dataset::packed::{How, IndexEntry, Shard, index_name};
use crate::data::dataset::{FrameFile, MemberLocation, Sequence};
use crate::data::problems::Problems;
use crate::failure::{Failure, Result};
use crate::vision::rect::Rect;

/// Frames that are converted at a time.
const CHUNK: usize = 64;

/// The shard that was planned so, when it is there and whole.
pub(super) fn whole(folder: &Path, planned: &Shard, sequences: &[&Sequence]) -> Option<Shard> {
    let index = std::fs::read_to_string(folder.join(index_name(&planned.file))).ok()?;
    let bytes = std::fs::metadata(folder.join(&planned.file)).ok()?.len();
    let entries: Vec<IndexEntry> = index.lines().map(|line| serde_json::from_str(line).ok()).collect::<Option<_>>()?;
    let same = entries.len() == sequences.len()
        && entries.iter().zip(sequences).all(|(entry, sequence)| {
            entry.sequence == *sequence.name
                && entry.locations.len() == sequence.len()
                && entry.visible == sequence.visible()
        });
    // A tar file ends with two blocks of zeros after its last member.
    let ends = entries.iter().flat_map(|entry| &entry.locations).map(MemberLocation::end).max();
    let end = ends.map_or(0, |end| end.next_multiple_of(512)) + 1024;
    (same && bytes == end).then(|| Shard { bytes, ..planned.clone() })
}

/// Converts and writes the frames of `sequences`.
///
/// # Errors
/// 66 for frames that cannot be read, all at once; 74 when the shard cannot be written.
pub(super) fn write(
    folder: &Path,
    planned: &Shard,
    sequences: &[&Sequence],
    how: &How,
    loss: &mut Loss,
    progress: &(impl Fn(usize) + Sync),
) -> Result<Shard> {
    let (path, index) = (folder.join(&planned.file), folder.join(index_name(&planned.file)));
    let (mut problems, mut lines) = (Problems::default(), String::new());
    let written = write_atomic(&path, |file| {
        let failed = |error: &dyn Display| Failure::output(error.to_string());
        let mut writer =
            Writer { tar: tar::Builder::new(Counted { file: BufWriter::new(file), written: 0 }), seen: HashMap::new() };
        let mut folders = HashMap::new();
        for sequence in sequences {
            let entry = writer.sequence(sequence, how, &mut folders, loss, &mut problems, progress);
            lines += &serde_json::to_string(&entry.map_err(|error| failed(&error))?).map_err(|error| failed(&error))?;
            lines.push('\n');
        }
        writer.close().map_err(|error| failed(&error))?;
        // Frames that cannot be read leave no shard.
        if problems.is_empty() { Ok(()) } else { Err(failed(&"its frames have faults")) }
    });
    problems.into_result()?;
    let bytes = written?;
    write_text(&index, &lines)?;
    Ok(Shard { bytes, ..planned.clone() })
}

struct Writer<'a> {
    tar: tar::Builder<Counted<'a>>,
    /// Where files lie that several sequences may share.
    seen: HashMap<PathBuf, Stored>,
}

/// A file that is in the shard.
struct Stored {
    folder: String,
    name: String,
    location: MemberLocation,
}

impl Writer<'_> {
    fn sequence(
        &mut self,
        sequence: &Sequence,
        how: &How,
        folders: &mut HashMap<String, usize>,
        loss: &mut Loss,
        problems: &mut Problems,
        progress: &(impl Fn(usize) + Sync),
    ) -> std::io::Result<IndexEntry> {
        let mut entry = IndexEntry {
            sequence: sequence.name.to_string(),
            folder: String::new(),
            names: Vec::with_capacity(sequence.len()),
            boxes: sequence.boxes().to_vec(),
            visible: sequence.visible().to_vec(),
            locations: Vec::with_capacity(sequence.len()),
        };
        // A picture that several objects share is stored once, as long as it is stored as it is.
        if let (1, How::Lossless { .. }, Some(Stored { folder, name, location })) =
            (sequence.len(), how, self.seen.get(&sequence.path(0)))
        {
            (entry.folder, entry.names, entry.locations) = (folder.clone(), vec![name.clone()], vec![*location]);
            progress(1);
            return Ok(entry);
        }
        entry.folder = folder_name(&sequence.name, folders);
        let frames: Vec<usize> = (0..sequence.len()).collect();
        for chunk in frames.chunks(CHUNK) {
            let converted: Vec<std::result::Result<Converted, (FrameFile, String)>> =
                chunk.par_iter().map(|&frame| one(sequence, frame, how)).collect();
            for (&frame, converted) in chunk.iter().zip(converted) {
                match converted {
                    Ok(converted) => {
                        for value in &mut entry.boxes[frame] {
                            *value = (f64::from(*value) * converted.scale) as f32;
                        }
                        loss.add(&converted.loss);
                        let path = sequence.path(frame);
                        let Some(name) = path.file_name().unwrap_or_default().to_str().map(str::to_owned) else {
                            let what = format!("{path:?}: no UTF-8 text, as names in shards must be; rename the file");
                            problems.file(sequence.frames.folder(), what);
                            continue;
                        };
                        entry.locations.push(self.member(&format!("{}/{name}", entry.folder), &converted)?);
                        entry.names.push(name);
                    }
                    Err((file, what)) => {
                        problems.file(&file.path, format_args!("{what}; repair the file, or leave the sequence out"));
                    }
                }
            }
            progress(chunk.len());
        }
        if let ([name], [location]) = (entry.names.as_slice(), entry.locations.as_slice()) {
            let stored = Stored { folder: entry.folder.clone(), name: name.clone(), location: *location };
            self.seen.insert(sequence.path(0), stored);
        }
        Ok(entry)
    }

    /// Appends a member; where it lies.
    fn member(&mut self, name: &str, converted: &Converted) -> std::io::Result<MemberLocation> {
        let bytes = &converted.bytes;
        let mut header = tar::Header::new_ustar();
        header.set_size(bytes.len() as u64);
        header.set_mode(0o644);
        header.set_entry_type(tar::EntryType::Regular);
        self.tar.append_data(&mut header, name, bytes.as_slice())?;
        // A member is padded to whole blocks.
        let offset = self.tar.get_ref().written - (bytes.len() as u64).next_multiple_of(512);
        Ok(MemberLocation { offset, length: bytes.len() as u32, head: converted.head, crc: crc32fast::hash(bytes) })
    }

    fn close(self) -> std::io::Result<()> {
        self.tar.into_inner()?.flush()
    }
}

/// Counts what is written.
struct Counted<'a> {
    file: BufWriter<&'a mut File>,
    written: u64,
}

impl Write for Counted<'_> {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        let written = self.file.write(bytes)?;
        self.written += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.file.flush()
    }
}

fn one(sequence: &Sequence, frame: usize, how: &How) -> std::result::Result<Converted, (FrameFile, String)> {
    let file = sequence.file(frame);
    // A frame without the object is scaled as the last one with it.
    let display = sequence.visible().get(..=frame).and_then(|visible| visible.iter().rposition(|&seen| seen));
    let object: Option<Rect> = display.map(|frame| sequence.object(frame));
    let converted = file
        .read()
        .map_err(|error| error.to_string())
        .and_then(|bytes| convert(bytes, how, object.as_ref()).map_err(|error| error.to_string()));
    converted.map_err(|what| (file, what))
}
