//! Packing a data set into shards that are read faster than files of its own.
//!
//! Frames of a sequence lie one after the other, in time, so that a clip's reads go forward. JPEG files are rewritten
//! in tiles ([`crate::vision::tiles`]): a window is decoded without what lies beside it, with the same pixels. Which
//! sequences make a shard is decided beforehand, by the sizes of their files alone; a shard that is whole is kept when
//! packing is interrupted and run again.

mod convert;
mod shard;

use std::collections::HashMap;
use std::io::Write;
use std::path::Path;

use rayon::prelude::*;

use crate::atomic_file::write_atomic;
use crate::data::dataset::packed::{FORMAT, How, SUMMARY, Shard, Summary};
use crate::data::dataset::{Scan, Sequence};
use crate::data::problems::Problems;
use crate::failure::{Failure, Result};
use crate::lock;

pub use convert::Loss;

/// The summary of a set that is not complete.
const UNFINISHED: &str = "pack.unfinished.json";

/// What packing did.
#[derive(Clone, Debug)]
pub struct Packed {
    /// What the set holds now.
    pub summary: Summary,
    /// Shards that were whole already.
    pub kept: usize,
    /// What scaling cost, of the shards that were written now.
    pub loss: Loss,
}

/// Packs `scan` into `folder`, in shards of about `shard_bytes` of source files; `progress` hears of every frame.
///
/// # Errors
/// 66 for faults of the set or its frames (all of a shard at once; nothing that is whole is lost), 74 when `folder`
/// cannot be written, 78 when it holds something else.
pub fn pack(
    scan: &Scan,
    folder: &Path,
    how: &How,
    shard_bytes: u64,
    progress: impl Fn(usize) + Sync,
) -> Result<Packed> {
    let mut problems = scan.problems.clone();
    scan.sequences.iter().for_each(|found| problems.extend(found.problems.clone()));
    problems.into_result()?;
    let sequences: Vec<&Sequence> = scan.sequences.iter().map(|found| &found.sequence).collect();
    let sizes = sizes(&sequences)?;
    let groups = groups(&sizes, shard_bytes);
    let plan = Summary {
        format: FORMAT.into(),
        name: scan.name.clone(),
        images: scan.images,
        how: how.clone(),
        keeps_orientation: true,
        source_bytes: sizes.iter().sum(),
        shards: groups.iter().enumerate().map(|(number, group)| planned(number, &sequences[group.clone()])).collect(),
    };
    begin(folder, &plan)?;

    let mut packed = Packed { summary: plan, kept: 0, loss: Loss::default() };
    for (number, group) in groups.into_iter().enumerate() {
        let source_bytes = sizes[group.clone()].iter().sum();
        let sequences = &sequences[group];
        let planned = Shard { source_bytes, ..packed.summary.shards[number].clone() };
        packed.summary.shards[number] = match shard::whole(folder, &planned, sequences) {
            Some(whole) => {
                packed.kept += 1;
                sequences.iter().for_each(|sequence| progress(sequence.len()));
                whole
            }
            None => shard::write(folder, &planned, sequences, how, &mut packed.loss, &progress)?,
        };
    }
    write_json(&folder.join(SUMMARY), &packed.summary)?;
    let _ = std::fs::remove_file(folder.join(UNFINISHED));
    Ok(packed)
}

/// Bytes of each sequence's files.
fn sizes(sequences: &[&Sequence]) -> Result<Vec<u64>> {
    let sized: Vec<(u64, Problems)> = sequences
        .par_iter()
        .map(|sequence| {
            let (mut sum, mut problems) = (0, Problems::default());
            for frame in 0..sequence.len() {
                let file = sequence.file(frame);
                match file.length() {
                    Ok(length) => sum += length,
                    Err(error) => {
                        problems.file(&file.path, format_args!("{error}; see that the file is there and readable"))
                    }
                }
            }
            (sum, problems)
        })
        .collect();
    let mut problems = Problems::default();
    let mut sizes = Vec::with_capacity(sized.len());
    for (size, found) in sized {
        sizes.push(size);
        problems.extend(found);
    }
    problems.into_result()?;
    Ok(sizes)
}

/// Neighbouring sequences, each group just above `most` bytes.
fn groups(sizes: &[u64], most: u64) -> Vec<std::ops::Range<usize>> {
    let (mut groups, mut start, mut sum) = (Vec::new(), 0, 0);
    for (index, size) in sizes.iter().enumerate() {
        sum += size;
        if sum >= most || index + 1 == sizes.len() {
            groups.push(start..index + 1);
            (start, sum) = (index + 1, 0);
        }
    }
    groups
}

fn planned(number: usize, sequences: &[&Sequence]) -> Shard {
    Shard {
        file: format!("shard-{number:06}.tar"),
        bytes: 0,
        sequences: sequences.len(),
        frames: sequences.iter().map(|sequence| sequence.len()).sum(),
        source_bytes: 0,
    }
}

/// Makes the folder, unless it holds a set that was packed from something else or otherwise.
fn begin(folder: &Path, plan: &Summary) -> Result<()> {
    std::fs::create_dir_all(folder).map_err(|error| cannot(folder, &error))?;
    let before = [UNFINISHED, SUMMARY].map(|name| folder.join(name)).into_iter().find(|file| file.is_file());
    if let Some(file) = before {
        let read = crate::text::read(&file).map_err(|error| error.of(&file))?;
        let same = serde_json::from_str::<Summary>(&read).is_ok_and(|before| {
            let count = |summary: &Summary| summary.shards.iter().map(|s| (s.sequences, s.frames)).collect::<Vec<_>>();
            let plain = |summary: &Summary| (summary.images, summary.source_bytes, summary.keeps_orientation);
            (&before.name, &before.how, plain(&before), count(&before))
                == (&plan.name, &plan.how, plain(plan), count(plan))
        });
        if !same {
            let what = "holds what was packed from other files or in another way; name another --out or remove it";
            return Err(Failure::config(format!("{}: {what}", folder.display())));
        }
    } else if std::fs::read_dir(folder)
        .is_ok_and(|entries| entries.flatten().any(|entry| entry.file_name() != lock::NAME))
    {
        return Err(Failure::config(format!("{}: holds something else; name another --out", folder.display())));
    }
    let _ = std::fs::remove_file(folder.join(SUMMARY));
    write_json(&folder.join(UNFINISHED), plan)
}

fn write_text(path: &Path, text: &str) -> Result<u64> {
    write_atomic(path, |file| file.write_all(text.as_bytes()).map_err(|error| Failure::output(error.to_string())))
}

fn write_json(path: &Path, summary: &Summary) -> Result<()> {
    let text = serde_json::to_string_pretty(summary).map_err(|error| cannot(path, &error))?;
    write_text(path, &(text + "\n")).map(drop)
}

fn cannot(path: &Path, error: &dyn std::fmt::Display) -> Failure {
    Failure::output(format!("{}: cannot be written: {error}", path.display()))
}

/// Numbers for the folders of members, unique in a shard: names of sequences need not be names of folders.
fn folder_name(sequence: &str, taken: &mut HashMap<String, usize>) -> String {
    let clean = |c: char| if c.is_control() || c == '\\' { '_' } else { c };
    let parts = sequence.split('/').filter(|part| !part.is_empty() && *part != "." && *part != "..");
    let name = parts.map(|part| part.chars().map(clean).collect::<String>()).collect::<Vec<_>>().join("/");
    let count = taken.entry(name.clone()).or_default();
    *count += 1;
    if *count == 1 && !name.is_empty() { name } else { format!("{name}~{count}") }
}

#[cfg(test)]
mod tests;
