//! Weights to track with: nothing that tracks may be left to chance.

use super::{Loaded, Source, compare, no_film, place, report::parts};
use crate::{
    failure::{Failure, Result},
    model::{Config, Hiptrack},
    weights::{Choice, one_line},
};
use std::path::Path;

/// Names that are printed before a list is cut.
const MOST_LISTED: usize = 12;

/// What tells the conditions.
const HEAD: &str = "cls_head.";

/// What lets the conditions modulate the box head's features. It starts at zero: without it nothing is left to chance.
const FILM: &str = "film.";

/// What came of loading weights to track with.
#[derive(Clone, Debug)]
pub struct Tracking {
    /// What was loaded, for the user.
    pub lines: Vec<String>,
    /// Whether all of the condition head was in the file.
    pub conditions: bool,
}

/// Whether tracking computes anything with the model's tensor `name`.
fn is_used(name: &str, config: &Config) -> bool {
    // Positions and token of the plain ViT that it was made from, and counts of the batches that statistics saw.
    let idle = ["backbone.pos_embed", "backbone.cls_token"];
    let hears = config.class_head.as_ref().is_some_and(|head| head.film);
    !idle.contains(&name) && !name.ends_with(".num_batches_tracked") && (hears || !name.starts_with(HEAD))
}

/// Reads the weights at `path` that `choice` means into `model`, of which nothing that tracks may be left as it was
/// drawn.
///
/// # Errors
/// The file cannot be read, or lacks something that tracks, or has it in another shape.
pub fn load_for_tracking(model: &Hiptrack, path: &Path, choice: Choice<'_>) -> Result<Tracking> {
    let path =
        &place(path).map_err(|places| Failure::input(format!("weights to track with: {places}; give their path")))?;
    let loaded = compare(model, path, choice)?;
    let config = model.config();
    let used = |name: &&String| is_used(name, config);
    let absent = || loaded.missing.iter().chain(&loaded.scratch);
    let drawn = |name: &&String| used(name) && !name.starts_with(FILM);
    let missing: Vec<String> = absent().filter(drawn).cloned().collect();
    let reshaped: Vec<&(String, Vec<i64>, Vec<i64>)> =
        loaded.report.reshaped.iter().filter(|(name, ..)| is_used(name, config)).collect();
    if !missing.is_empty() || !reshaped.is_empty() {
        return Err(refusal(&loaded, path, &missing, &reshaped));
    }
    no_film(&loaded, path)?;
    loaded.require_same_tracker(path)?;
    let mut lines = loaded.lines(path);
    // What is not used is not "from scratch" either.
    let under = if loaded.under.is_empty() { String::new() } else { format!(" under {}", one_line(&loaded.under)) };
    let count = loaded.report.matched.len();
    lines[0] =
        format!("{}: {}, {count} tensors loaded{under}; nothing that tracks is missing", path.display(), loaded.source);
    let lacks_head =
        absent().chain(loaded.report.reshaped.iter().map(|(name, ..)| name)).any(|name| name.starts_with(HEAD));
    if lacks_head && config.class_head.is_some() {
        let why = "has no condition head of this experiment's sizes, which boxes do not need";
        lines.push(format!("{}: {why}: conditions are not predicted", path.display()));
    }
    if absent().any(|name| name.starts_with(FILM)) {
        lines.push(format!("{}: has no {FILM}projection: conditions modulate nothing", path.display()));
    }
    Ok(Tracking { lines, conditions: !lacks_head })
}

fn refusal(loaded: &Loaded, path: &Path, missing: &[String], reshaped: &[&(String, Vec<i64>, Vec<i64>)]) -> Failure {
    let name = path.display();
    let mut lines = vec![format!("{name}: cannot be tracked with: it has weights of {}", loaded.source)];
    if !missing.is_empty() {
        lines.push(format!(
            "  {} tensors that tracking uses are not in it and would be drawn at random: {}",
            missing.len(),
            parts(missing)
        ));
        if missing.len() <= MOST_LISTED {
            lines.push(format!("    {}", missing.join(", ")));
        }
    }
    for (name, have, given) in reshaped.iter().take(MOST_LISTED) {
        lines.push(format!("  {name}: shape {given:?}, the experiment's model has {have:?}"));
    }
    if reshaped.len() > MOST_LISTED {
        lines.push(format!("  and {} more of another shape", reshaped.len() - MOST_LISTED));
    }
    let train = format!(
        "train what it lacks (trackflow train … --set MODEL.PRETRAIN_FILE={name}) and track with that run's checkpoint"
    );
    lines.push(match loaded.source {
        Source::OneStream | Source::Tracker if missing.is_empty() => {
            "  give the experiment that it was trained with (--config, --set MODEL.…), whose sizes are its own"
                .to_string()
        }
        Source::OneStream => format!(
            "  it has no historical prompts: track as what it is (--script ostrack with its experiment), or {train}"
        ),
        Source::Vit => format!("  it is a backbone that training starts from, no tracker: {train}"),
        Source::Resnet18 => {
            "  it is what the prompt encoder's training starts from (MODEL.HIP.PRETRAIN_FILE), no tracker; \
                             give a checkpoint of a trained tracker"
                .to_string()
        }
        Source::Tracker => {
            format!("  give the complete checkpoint and the experiment that it was trained with, or {train}")
        }
    });
    Failure::input(lines.join("\n"))
}
