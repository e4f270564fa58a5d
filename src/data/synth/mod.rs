//! Synthetic sequences for the ten scene conditions, in GOT-10k's layout.
//!
//! A sequence is a scene (a textured background under a moving camera, a textured target on its way, other things about)
//! whose condition is rendered as it arises: a shutter that stays open blurs, a shadow's edge moves over the target, a
//! small sensor records few pixels. What was done is measured in every frame, and the label is what was measured
//! ([`truth`]). The annotated box is the part of the target's box inside the picture; behind an occluder it is the whole
//! target's.
//!
//! Everything is a pure function of the seed, the split and the index of the sequence.

mod appearance;
mod colour;
mod conditions;
mod environment;
mod layout;
mod light;
mod motion;
mod noise;
mod occlude;
mod options;
mod picture;
mod plan;
mod recording;
mod render;
mod scene;
mod shape;
mod sprite;
#[cfg(test)]
mod tests;
mod texture;
mod truth;
mod world;

use std::path::{Path, PathBuf};

use rayon::prelude::*;

pub use options::{SynthOptions, SynthSplit};

use crate::failure::{Failure, Result};
use crate::telemetry::preparation::Preparation;
use layout::{Layout, Sequence};
use plan::{Key, Purpose};
use scene::Scene;
use truth::Glance;

/// What [`generate`] made or found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SynthSummary {
    /// The root of the sequences to train on, `<out>/got10k/train`.
    pub train: PathBuf,
    /// The root of the held-out sequences, `<out>/got10k/val`.
    pub val: PathBuf,
    /// The folder of the condition labels, `<out>/conditions`.
    pub conditions: PathBuf,
    /// Sequences that were rendered now.
    pub rendered: usize,
    /// Sequences that were there already.
    pub reused: usize,
}

/// Writes a data set into `out`, or completes the one that an earlier run with the same options began there.
///
/// Sequences are rendered in parallel on the current rayon pool; the bytes do not depend on it. Not for two processes at
/// a time in one folder.
///
/// # Errors
/// A usage failure for options out of range; an output failure, naming the path, for a folder that holds something else
/// and for whatever cannot be written. A sequence that is there is complete even then.
pub fn generate(out: &Path, options: &SynthOptions) -> Result<SynthSummary> {
    options.check()?;
    let layout = Layout::open(out, options)?;
    let all: Vec<(SynthSplit, usize)> = [(SynthSplit::Train, options.train), (SynthSplit::Val, options.val)]
        .into_iter()
        .flat_map(|(split, count)| (0..count).map(move |index| (split, index)))
        .collect();
    let missing: Vec<_> = all.iter().filter(|(split, index)| !layout.has(*split, &split.sequence(*index))).collect();
    let progress = Preparation::begin("rendering synthetic scenes", "sequences", missing.len());
    missing.par_iter().try_for_each(|&&(split, index)| {
        let sequence = render(options, split, index)?;
        progress.add(1);
        layout.write(split, &sequence)
    })?;
    drop(progress);
    layout.finish(options)?;
    Ok(SynthSummary {
        train: layout.got10k().join(SynthSplit::Train.folder()),
        val: layout.got10k().join(SynthSplit::Val.folder()),
        conditions: layout.conditions(),
        rendered: missing.len(),
        reused: all.len() - missing.len(),
    })
}

/// Draws a scene, renders its frames one by one and measures them; only the compressed pictures are kept.
fn render(options: &SynthOptions, split: SynthSplit, index: usize) -> Result<Sequence> {
    let condition = options.condition_of(index);
    let name = split.sequence(index);
    let key = Key::new(options, split, index);
    let scene = Scene::draw(options, key, condition);
    let mut glances = Vec::with_capacity(options.frames);
    let mut pictures = Vec::with_capacity(options.frames);
    for at in 0..options.frames {
        let frame = scene.render(at, &mut key.stream(Purpose::Noise, at));
        glances.push(Glance::at(&scene, at, &frame));
        let bytes = recording::compress(&frame.picture, scene.recording.quality);
        pictures.push(bytes.map_err(|error| Failure::output(format!("{name}: frame {}: {error}", at + 1)))?);
    }
    let object = scene.target.appearance.shapes[0].name();
    Ok(Sequence { name, object, size: scene.size, pictures, truths: Glance::resolve(&glances), condition })
}
