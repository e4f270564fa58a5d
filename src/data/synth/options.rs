//! What to generate.

use serde::{Deserialize, Serialize};

use crate::data::condition::Condition;
use crate::failure::{Failure, Result};

/// The two parts of the data set; a sequence of one has nothing in common with a sequence of the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SynthSplit {
    /// To train on.
    Train,
    /// Held out.
    Val,
}

impl SynthSplit {
    /// The folder in `got10k/`.
    pub fn folder(self) -> &'static str {
        match self {
            Self::Train => "train",
            Self::Val => "val",
        }
    }

    /// The name of the sequence with this index (from 0).
    pub fn sequence(self, index: usize) -> String {
        let part = match self {
            Self::Train => "Train",
            Self::Val => "Val",
        };
        format!("SYN_{part}_{:06}", index + 1)
    }

    /// The word of the split in the keys of draws.
    pub(super) fn key(self) -> u64 {
        match self {
            Self::Train => 1,
            Self::Val => 2,
        }
    }
}

/// What to generate; two runs with the same options write the same bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SynthOptions {
    /// Sequences to train on.
    pub train: usize,
    /// Held-out sequences.
    pub val: usize,
    /// Frames of a sequence.
    pub frames: usize,
    /// The seed of everything.
    pub seed: u64,
    /// Columns of a picture.
    pub width: usize,
    /// Rows of a picture.
    pub height: usize,
    /// Lowest and highest JPEG quality; every sequence draws its own.
    pub quality: (u8, u8),
    /// The condition of every sequence; without one, sequence `i` shows condition `i mod 10`.
    pub condition: Option<Condition>,
}

impl Default for SynthOptions {
    fn default() -> Self {
        Self { train: 80, val: 30, frames: 30, seed: 0, width: 320, height: 240, quality: (75, 95), condition: None }
    }
}

impl SynthOptions {
    /// The condition that a sequence shows.
    pub fn condition_of(&self, index: usize) -> Condition {
        self.condition.unwrap_or(Condition::ALL[index % Condition::COUNT])
    }

    /// Checks the ranges.
    ///
    /// # Errors
    /// A usage failure with one line for each option that is out of range.
    pub fn check(&self) -> Result<()> {
        let mut wrong = Vec::new();
        if self.train + self.val == 0 {
            wrong.push("no sequences: ask for at least one to train on or to hold out".to_owned());
        }
        if self.train.max(self.val) > 999_999 {
            wrong.push("more than 999999 sequences in a split".to_owned());
        }
        if !(1..=99_999_999).contains(&self.frames) {
            wrong.push(format!("{} frames a sequence: at least 1", self.frames));
        }
        for (name, side) in [("width", self.width), ("height", self.height)] {
            if !(96..=2048).contains(&side) {
                wrong.push(format!("{name} {side}: between 96 and 2048 pixels"));
            }
        }
        let (low, high) = self.quality;
        if !(1..=100).contains(&low) || !(low..=100).contains(&high) {
            wrong.push(format!("JPEG quality {low} to {high}: between 1 and 100, the lower one first"));
        }
        if wrong.is_empty() { Ok(()) } else { Err(Failure::usage(format!("synthetic data: {}", wrong.join("\n")))) }
    }

    /// The options as the manifest records them.
    pub(super) fn manifest(&self, complete: bool) -> Manifest {
        Manifest {
            format: FORMAT.to_owned(),
            version: VERSION,
            complete,
            train: self.train,
            val: self.val,
            frames: self.frames,
            seed: self.seed,
            width: self.width,
            height: self.height,
            quality: self.quality,
            condition: self.condition.map(|condition| condition.name().to_owned()),
        }
    }
}

const FORMAT: &str = "trackflow-synth";
/// Raised whenever the same options give other pictures or labels than before.
const VERSION: u32 = 1;

/// The contents of `synth.json`: what made the folder, and whether all of it is there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Manifest {
    format: String,
    version: u32,
    /// Set once everything is written.
    pub complete: bool,
    train: usize,
    val: usize,
    frames: usize,
    seed: u64,
    width: usize,
    height: usize,
    quality: (u8, u8),
    condition: Option<String>,
}

impl Manifest {
    /// Whether both stand for the same data set.
    pub fn same(&self, other: &Self) -> bool {
        Self { complete: other.complete, ..self.clone() } == *other
    }
}
