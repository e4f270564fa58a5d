//! First condition labels, from boxes and pixels alone: what `trackflow data label` writes.
//!
//! Five of the ten conditions follow from measurements with stated thresholds ([`RULES`]). The labels are in the later
//! schema, each with what was measured as its `source`. A condition that is not named counts as absent where labels are
//! read, so a frame in which none of the five is found is a normal one, unless [`LabelOptions::only_found`] leaves it
//! without a label.

mod agreement;
mod file;
mod pixels;
mod rules;

pub use agreement::{Agreement, agreement};
pub use rules::{RULES, Rule, threshold, untold};

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use rayon::prelude::*;

use crate::data::dataset::{Dataset, Sequence};
use crate::data::retry::{FrameFault, Origin};
use crate::failure::{Failure, Result};
use crate::vision::decode::DecoderKind;
use file::State;
use rules::Answer;

/// How to label.
#[derive(Clone, Copy, Debug, Default)]
pub struct LabelOptions {
    /// Leave frames in which nothing is found without a label, instead of calling them normal.
    pub only_found: bool,
    /// Replace label files that are there already, whoever wrote them.
    pub force: bool,
}

/// How many frames that cannot be read are kept by name.
pub const LISTED: usize = 20;

/// What [`label`] did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Labelled {
    /// Sequences whose label file was written.
    pub written: usize,
    /// Sequences whose label file was there already, from the same boxes by the same rules.
    pub kept: usize,
    /// Sequences in which no frame could be labelled; they have no file.
    pub without: usize,
    /// Frames that were labelled now.
    pub frames: usize,
    /// Frames that do not show the object.
    pub hidden: usize,
    /// Frames in which nothing was found, left without a label as that was asked for.
    pub not_found: usize,
    /// Frames that cannot be read.
    pub unreadable: usize,
    /// The first of them, with the reason.
    pub examples: Vec<String>,
    /// By rule: labelled frames in which it had nothing to measure.
    pub untold: [usize; RULES.len()],
}

impl Labelled {
    fn add(&mut self, other: Self) {
        self.written += other.written;
        self.without += other.without;
        self.frames += other.frames;
        self.hidden += other.hidden;
        self.not_found += other.not_found;
        self.unreadable += other.unreadable;
        self.examples.extend(other.examples);
        self.examples.truncate(LISTED);
        self.untold.iter_mut().zip(other.untold).for_each(|(mine, theirs)| *mine += theirs);
    }
}

/// Labels all sequences of `datasets` into `out`, in parallel on rayon's threads, one frame at a time on each.
/// `progress` hears of frames that are done. Each file is written whole or not at all, so that an interrupted call is
/// completed by the next.
///
/// # Errors
/// Labels that are there and are not those that would be written (all of them, before anything is done), unless they may
/// be replaced; a file that cannot be written; no frame that can be read.
pub fn label(
    datasets: &[Dataset],
    out: &Path,
    options: &LabelOptions,
    progress: impl Fn(usize) + Sync,
) -> Result<Labelled> {
    let all: Vec<&Sequence> = datasets.iter().flat_map(|dataset| &dataset.sequences).collect();
    check_names(&all)?;
    let states: Vec<State> = all.par_iter().map(|sequence| file::state(out, sequence, options)).collect();
    if !options.force {
        let others = states.iter().filter_map(|state| match state {
            State::Other(why) => Some(why.clone()),
            _ => None,
        });
        file::refuse(&others.collect::<Vec<String>>())?;
    }
    // Said at once, rather than by every frame.
    DecoderKind::best().decoder().map_err(|error| Failure::stage(error.to_string()))?;
    let sum = Mutex::new(Labelled::default());
    all.par_iter().zip(&states).try_for_each(|(sequence, state)| {
        let mut own = match state {
            State::Same if !options.force => {
                progress(sequence.len());
                Labelled { kept: 1, ..Labelled::default() }
            }
            _ => sequence_labels(sequence, out, options, &progress)?,
        };
        let mut sum = sum.lock().unwrap_or_else(PoisonError::into_inner);
        sum.kept += std::mem::take(&mut own.kept);
        sum.add(own);
        Ok::<(), Failure>(())
    })?;
    let sum = sum.into_inner().unwrap_or_else(PoisonError::into_inner);
    match (sum.frames + sum.not_found + sum.kept, sum.unreadable) {
        (0, unreadable) if unreadable > 0 => {
            let text = format!("none of {unreadable} frames can be read, so nothing is labelled:");
            Err(Failure::input(format!("{text}\n{}", sum.examples.join("\n"))))
        }
        _ => Ok(sum),
    }
}

/// A name is a folder below the one of the labels, and one sequence's alone.
fn check_names(all: &[&Sequence]) -> Result<()> {
    let mut names = BTreeSet::new();
    for sequence in all {
        let name = &*sequence.name;
        if !Path::new(name).components().all(|part| matches!(part, std::path::Component::Normal(_))) {
            return Err(Failure::input(format!("sequence `{name}`: no name for a folder of labels; rename it")));
        }
        if !names.insert(name) {
            let text = "two sequences have this name, and labels are found by it; label their sets into two folders";
            return Err(Failure::input(format!("sequence `{name}`: {text}")));
        }
    }
    Ok(())
}

/// What became of a frame.
enum Frame {
    Hidden,
    Unreadable(FrameFault),
    Answered([Option<Answer>; RULES.len()]),
}

fn sequence_labels(
    sequence: &Sequence,
    out: &Path,
    options: &LabelOptions,
    progress: &(impl Fn(usize) + Sync),
) -> Result<Labelled> {
    let visible = || (0..sequence.len()).filter(|frame| sequence.visible()[*frame]);
    let first = rules::first_area(visible().map(|frame| sequence.object(frame)));
    // A long sequence keeps all threads at work.
    let frames: Vec<Frame> = (0..sequence.len())
        .into_par_iter()
        .map_init(
            || DecoderKind::best().decoder(),
            |decoder, frame| {
                let looked = look(sequence, frame, first, decoder);
                progress(1);
                looked
            },
        )
        .collect();
    let mut sum = Labelled::default();
    let mut lines = Vec::new();
    for (index, frame) in frames.into_iter().enumerate() {
        match frame {
            Frame::Hidden => sum.hidden += 1,
            Frame::Unreadable(fault) => {
                sum.unreadable += 1;
                if sum.examples.len() < LISTED {
                    let FrameFault { file, reason, detail, .. } = fault;
                    sum.examples.push(format!("{}: {reason}: {detail}", file.display()));
                }
            }
            Frame::Answered(answers)
                if options.only_found && !answers.iter().flatten().any(|answer| answer.present) =>
            {
                sum.not_found += 1;
            }
            Frame::Answered(answers) => {
                sum.frames += 1;
                let untold = sum.untold.iter_mut().zip(&answers);
                untold.for_each(|(count, answer)| *count += usize::from(answer.is_none()));
                lines.push((index, answers));
            }
        }
    }
    if lines.is_empty() {
        sum.without = 1;
        return Ok(sum);
    }
    file::write(out, sequence, options, &lines)?;
    sum.written = 1;
    Ok(sum)
}

/// A thread's decoder, or why it has none.
type Reader = std::result::Result<Box<dyn crate::vision::decode::Decoder>, crate::vision::decode::DecodeError>;

fn look(sequence: &Sequence, frame: usize, first: Option<f64>, decoder: &mut Reader) -> Frame {
    if !sequence.visible()[frame] {
        return Frame::Hidden;
    }
    let (file, object) = (sequence.file(frame), sequence.object(frame));
    match decoder {
        Err(error) => {
            let (reason, detail) = (error.reason.name(), error.detail.clone());
            Frame::Unreadable(FrameFault { file: file.path, reason, detail, is_of_file: false, origin: Origin::File })
        }
        Ok(decoder) => match pixels::look(&file, &object, decoder.as_mut()) {
            Ok(measures) => Frame::Answered(rules::answers(&object, first, &measures)),
            Err(fault) => Frame::Unreadable(fault),
        },
    }
}

#[cfg(test)]
mod tests;
