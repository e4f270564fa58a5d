//! Weights that a model starts from: whose they are, which of the model's tensors each source may leave out, and which
//! of its own it may bring along. Everything else that is missing, or has another shape, is an error.

mod report;
mod resnet;
mod source;
mod vit;

pub use report::Loaded;
pub use source::Source;

use super::checkpoint::{self, EMA, is_weight};
use crate::{
    failure::{Failure, Result},
    model::Hiptrack,
    weights::WeightsFile,
};
use std::path::{Path, PathBuf};
use tch::Tensor;

/// Tensors by name.
type Named = Vec<(String, Tensor)>;

/// Where the weights named `given` are: at that path, or, as in the reference, below `pretrained_models`.
///
/// # Errors
/// They are in neither place.
pub fn locate(key: &str, given: &Path) -> Result<PathBuf> {
    let usual = Path::new("pretrained_models").join(given);
    if given.is_file() {
        return Ok(given.to_path_buf());
    }
    if given.is_relative() && usual.is_file() {
        return Ok(usual);
    }
    let places = match given.is_relative() {
        true => format!("neither {} nor {} is there", given.display(), usual.display()),
        false => format!("{} is not there", given.display()),
    };
    Err(Failure::input(format!("{key}: {places}; give its path, or start from scratch with --set {key}=none")))
}

/// Reads the weights at `path` and copies them into `model`: of the whole tracker, of a tracker without prompts, or of
/// a plain ViT.
///
/// # Errors
/// The file cannot be read, is of no known source, lacks what its source must have, or has another shape.
pub fn load(model: &Hiptrack, path: &Path) -> Result<Loaded> {
    let loaded = compare(model, path)?;
    if loaded.source == Source::Resnet18 {
        return Err(Failure::input(format!(
            "{}: weights of a ResNet; give them as MODEL.HIP.PRETRAIN_FILE, as they belong to the prompt encoder",
            path.display()
        )));
    }
    loaded.require(path)?;
    loaded.require_same_tracker(path)?;
    if loaded.report.unexpected.iter().any(|name| name.starts_with("film.")) {
        return Err(Failure::input(format!(
            "{}: in this tracker the told conditions modulate what the box head sees; without that its boxes are others. \
             Set TRAIN.MTL_MODE=film (multilabel+film where it has cls_head.severity)",
            path.display()
        )));
    }
    Ok(loaded)
}

/// Reads the weights of a ResNet-18 at `path` and copies them into the prompt encoder of `model`.
///
/// # Errors
/// As for [`load`].
pub fn load_encoder(model: &Hiptrack, path: &Path) -> Result<Loaded> {
    let loaded = compare(model, path)?;
    if loaded.source != Source::Resnet18 {
        return Err(Failure::input(format!(
            "{}: weights of {}, not of a ResNet-18; give them as MODEL.PRETRAIN_FILE",
            path.display(),
            loaded.source
        )));
    }
    loaded.require(path)?;
    Ok(loaded)
}

/// Which tensors of `file` are weights to go on with: those averaged over the steps where there are any, as they are
/// what was validated.
pub fn best_weights(file: &WeightsFile) -> impl Fn(&str) -> bool + use<> {
    let averaged = file.entries().iter().any(|entry| entry.name.starts_with(EMA));
    move |name| match averaged {
        true => name.strip_prefix(EMA).is_some_and(|name| name != "steps"),
        false => is_weight(name),
    }
}

/// Copies whatever fits from the weights at `path` into `model`, and says what did not.
///
/// # Errors
/// The file cannot be read, or is of no known source.
pub fn compare(model: &Hiptrack, path: &Path) -> Result<Loaded> {
    let file = WeightsFile::open(path)?;
    let wanted = best_weights(&file);
    let plain = |name: &str| name.strip_prefix(EMA).map_or_else(|| name.to_string(), str::to_string);
    let names: Vec<String> =
        file.entries().iter().map(|entry| &entry.name).filter(|name| wanted(name)).map(|name| plain(name)).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let failed = |what: String| Failure::input(format!("{}: {what}", path.display()));
    let source = Source::of(&names).map_err(failed)?;
    // A checkpoint of ours is read whole, so that its checksum is verified.
    let mut tensors = match checkpoint::header(&file)? {
        Some(_) => checkpoint::read_some(path, &wanted)?.tensors,
        None => file.load_all()?,
    };
    tensors.iter_mut().for_each(|(name, _)| *name = plain(name));
    let mut ignored = Vec::new();
    tensors.retain(|(name, _)| {
        let known = source.leaves_out(name);
        ignored.extend(known.then(|| name.clone()));
        !known
    });
    let tensors = match source {
        Source::Vit => vit::renamed(tensors, model.config()).map_err(failed)?,
        Source::Resnet18 => resnet::renamed(tensors, model.params()).map_err(failed)?,
        Source::Tracker | Source::OneStream => tensors,
    };
    let report = model.params().load(tensors.iter().map(|(name, tensor)| (name.as_str(), tensor)))?;
    Ok(Loaded::new(source, report, ignored))
}

#[cfg(test)]
mod tests;
