//! Results as the benchmarks' servers take them: checked against their rules first, then written as a zip.

mod got10k;
mod trackingnet;

use super::{ResultFiles, Video, results};
use crate::{
    atomic_file::write_atomic,
    data::problems::Problems,
    failure::{Failure, Result},
    vision::rect::Rect,
};
use std::{io::Write, path::Path};
use zip::{CompressionMethod, DateTime, ZipWriter, write::SimpleFileOptions};

/// A server that scores results.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Server {
    /// got-10k.aitestunion.com: GOT-10k's test set
    Got10k,
    /// eval.tracking-net.org: TrackingNet's test set
    #[value(name = "trackingnet")]
    TrackingNet,
}

/// The results of a sequence, ready to be written.
pub(super) struct Tracked<'a> {
    pub name: &'a str,
    /// The boxes of each run, the first of them as it was given.
    pub runs: Vec<Vec<Rect>>,
    /// Seconds of each frame, a column for each run; where the server wants them.
    pub seconds: Vec<Vec<f64>>,
}

/// What a server wants.
struct Rules {
    /// Under our name.
    dataset: &'static str,
    sequences: usize,
    /// The most runs of a sequence.
    runs: usize,
    wants_seconds: bool,
    /// The files of a sequence: names in the zip, and what they hold.
    files: fn(&Tracked<'_>) -> Vec<(String, String)>,
}

/// A first box that was written in whole numbers is off by less than this, in pixels.
const CUT: f64 = 1.0;

impl Server {
    fn rules(self) -> Rules {
        match self {
            Self::Got10k => got10k::RULES,
            Self::TrackingNet => trackingnet::RULES,
        }
    }

    /// The data set whose results it takes.
    pub fn dataset(self) -> &'static str {
        self.rules().dataset
    }

    /// Writes the results of all `videos`, as `find` finds them, as a zip at `path`; the value is a line that says what
    /// it holds.
    ///
    /// # Errors
    /// 66 with every rule of the server that the results break; nothing is written then. 74 when the zip cannot be
    /// written.
    pub fn pack(
        self,
        videos: &[Video],
        folder: &Path,
        find: impl Fn(&Video) -> Option<ResultFiles>,
        path: &Path,
    ) -> Result<String> {
        let rules = self.rules();
        let mut problems = Problems::default();
        if videos.len() != rules.sequences {
            let what = format!(
                "{} sequences of {}, but the server wants all {}",
                videos.len(),
                rules.dataset,
                rules.sequences
            );
            let place = videos.first().and_then(|video| video.frames.folder().parent()).unwrap_or(folder);
            problems.file(place, format_args!("{what}: complete the data set and track it"));
        }
        let mut all = Vec::new();
        for video in videos {
            match find(video) {
                Some(files) => all.extend(checked(&rules, video, &files, &mut problems)),
                None => {
                    let file = folder.join(format!("{}.txt", video.name));
                    problems.file(&file, "no such result; run trackflow track --skip_existing first");
                }
            }
        }
        problems.all_into_result()?;
        let failed = |error: &dyn std::fmt::Display| Failure::output(error.to_string());
        let mut count = 0;
        let bytes = write_atomic(path, |file| {
            let mut zip = ZipWriter::new(file);
            // No time of day: the same results give the same bytes.
            let options = SimpleFileOptions::default()
                .compression_method(CompressionMethod::Stored)
                .last_modified_time(DateTime::default());
            for tracked in &all {
                for (name, text) in (rules.files)(tracked) {
                    zip.start_file(name, options).map_err(|error| failed(&error))?;
                    zip.write_all(text.as_bytes()).map_err(|error| failed(&error))?;
                    count += 1;
                }
            }
            zip.finish().map(|_| ()).map_err(|error| failed(&error))
        })?;
        Ok(format!("{}: {} sequences, {count} files, {bytes} bytes", path.display(), all.len()))
    }
}

/// The results of `video`, if they break no rule.
fn checked<'a>(rules: &Rules, video: &'a Video, files: &ResultFiles, problems: &mut Problems) -> Option<Tracked<'a>> {
    let (frames, given) = (video.frames.len(), video.start());
    let before = problems.len();
    let mut tracked = Tracked { name: &video.name, runs: Vec::new(), seconds: Vec::new() };
    if files.runs.len() > rules.runs {
        let what = format!("{} runs, but the server takes {} at most", files.runs.len(), rules.runs);
        problems.file(&files.runs[0], format_args!("{what}; take the others away"));
    }
    for file in &files.runs {
        let Some(mut boxes) = results::read(file, problems) else { continue };
        if boxes.len() != frames {
            let what = format!("{} boxes for {frames} frames", boxes.len());
            problems.file(file, format_args!("{what}; track the sequence again"));
        }
        if let Some(at) = boxes.iter().position(|found| found.w < 0.0 || found.h < 0.0) {
            problems.line(file, at + 1, "a negative size; write x,y,w,h with w and h from 0 on");
        }
        let first = boxes[0];
        let apart = [first.x - given.x, first.y - given.y, first.w - given.w, first.h - given.h];
        if apart.iter().any(|apart| apart.abs() >= CUT) {
            let Rect { x, y, w, h } = given;
            problems.line(file, 1, format_args!("is not the given box {x},{y},{w},{h}; track the sequence again"));
        }
        boxes[0] = given;
        tracked.runs.push(boxes);
    }
    if rules.wants_seconds {
        tracked.seconds = seconds(files, frames, problems);
    }
    (problems.len() == before).then_some(tracked)
}

/// The seconds of each frame, a column for each run.
fn seconds(files: &ResultFiles, frames: usize, problems: &mut Problems) -> Vec<Vec<f64>> {
    let Some(file) = &files.seconds else {
        problems.file(&files.runs[0], "no file of seconds (<name>_time.txt) beside it; track the sequence again");
        return Vec::new();
    };
    let text = match crate::text::read(file) {
        Ok(text) => text,
        Err(error) => {
            problems.text(file, &error);
            return Vec::new();
        }
    };
    let (mut rows, runs) = (Vec::new(), files.runs.len());
    for (at, line) in text.trim_end().lines().enumerate() {
        let fields = line.split([',', '\t', ' ', ';']).map(str::trim).filter(|field| !field.is_empty());
        let row: Vec<f64> = fields.map(|field| field.parse().unwrap_or(f64::NAN)).collect();
        if row.len() != runs || row.iter().any(|value| !value.is_finite() || *value < 0.0) {
            problems.line(file, at + 1, format_args!("is not one number of seconds for each of {runs} runs"));
        }
        rows.push(row);
    }
    if rows.len() != frames {
        problems.file(file, format_args!("{} lines for {frames} frames; track the sequence again", rows.len()));
    }
    rows
}
