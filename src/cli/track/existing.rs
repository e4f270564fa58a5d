//! Results that are there already, and whose they are (`--skip_existing`).

use crate::{
    failure::{Failure, Result},
    text,
    track::{
        self, Video,
        provenance::{self, MadeBy},
        written_to,
    },
};
use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

/// How many sequences of others a message names.
const NAMED: usize = 3;

/// Leaves in `videos` those that have no results of `ours` in `folder`, and says what is odd about the others.
///
/// # Errors
/// 66 for results of another tracker (scores over both would be nobody's), but where those are to be `renewed`.
pub(super) fn skip(videos: &mut Vec<Video>, folder: &Path, ours: &MadeBy, renewed: bool) -> Result<()> {
    let mut records: BTreeMap<PathBuf, BTreeMap<String, MadeBy>> = BTreeMap::new();
    let (mut unknown, mut others, mut earlier) = (0, Vec::new(), 0);
    videos.retain(|video| {
        let Some(files) = track::find(folder, &video.set, video.family, &video.name) else { return true };
        // A file that was cut short, or of other frames, is no result.
        if let Some((file, lines)) =
            files.runs.iter().map(|file| (file, lines(file))).find(|(_, lines)| *lines != video.frames.len())
        {
            println!("{}: {lines} lines for {} frames: tracked again", file.display(), video.frames.len());
            return true;
        }
        let made = records.entry(files.folder.clone()).or_insert_with(|| provenance::read(&files.folder));
        let stem = files.runs[0].file_stem().unwrap_or_default().to_string_lossy().into_owned();
        match made.get(&stem) {
            None => unknown += 1,
            Some(theirs) if theirs.is_same(ours) => {}
            Some(theirs) if renewed => {
                println!("{}: of {}: tracked again", files.runs[0].display(), ours.difference(theirs));
                return true;
            }
            Some(theirs) => others.push((files.runs[0].clone(), ours.difference(theirs))),
        }
        earlier += usize::from(files.folder != written_to(folder, &video.set));
        false
    });
    if let Some((_, difference)) = others.first() {
        let count = others.len();
        let mut named: Vec<String> = others.iter().take(NAMED).map(|(file, _)| file.display().to_string()).collect();
        named.extend((count > NAMED).then(|| format!("and {} more", count - NAMED)));
        return Err(Failure::input(format!(
            "--skip_existing: {count} sequences have results of {difference}: {}; leave out --skip_existing to track them \
             again, or name another --save_dir",
            named.join(", ")
        )));
    }
    if unknown > 0 {
        println!(
            "{unknown} sequences have results without a record of their weights: they are assumed to be of these weights"
        );
    }
    if earlier > 0 {
        println!("{earlier} of the results lie in {} itself, where earlier versions wrote them", folder.display());
    }
    Ok(())
}

fn lines(file: &Path) -> usize {
    let text = text::read(file).unwrap_or_default();
    text.lines().filter(|line| !line.trim().is_empty()).count()
}
