//! Weights that a model starts from: whose they are, which of the model's tensors each source may leave out, and which
//! of its own it may bring along. Everything else that is missing, or has another shape, is an error.

mod prefix;
mod report;
mod resnet;
mod source;
mod tracking;
mod vit;

pub use report::Loaded;
pub use source::Source;
pub use tracking::{Tracking, load_for_tracking};

use super::checkpoint::{self, EMA, is_weight};
use crate::{
    failure::{Failure, Result},
    model::Hiptrack,
    weights::{Choice, WeightsFile},
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
    place(given).map_err(|places| {
        Failure::input(format!("{key}: {places}; give its path, or start from scratch with --set {key}=none"))
    })
}

/// Where the weights named `given` are, or in words where they are not.
fn place(given: &Path) -> std::result::Result<PathBuf, String> {
    let usual = Path::new("pretrained_models").join(given);
    if given.exists() {
        return Ok(given.to_path_buf());
    }
    if given.is_relative() && usual.is_file() {
        return Ok(usual);
    }
    Err(match given.is_relative() {
        true => format!("neither {} nor {} is there", given.display(), usual.display()),
        false => format!("{} is not there", given.display()),
    })
}

/// Reads the weights at `path` that `choice` means and copies them into `model`: of the whole tracker, of a tracker without prompts, or of
/// a plain ViT.
///
/// # Errors
/// The file cannot be read, is of no known source, lacks what its source must have, or has another shape.
pub fn load(model: &Hiptrack, path: &Path, choice: Choice<'_>) -> Result<Loaded> {
    let loaded = compare(model, path, choice)?;
    if loaded.source == Source::Resnet18 {
        return Err(Failure::input(format!(
            "{}: weights of a ResNet; give them as MODEL.HIP.PRETRAIN_FILE, as they belong to the prompt encoder",
            path.display()
        )));
    }
    loaded.require(path)?;
    loaded.require_same_tracker(path)?;
    no_film(&loaded, path)?;
    Ok(loaded)
}

/// Refuses a tracker whose box head hears the conditions for one whose box head does not.
fn no_film(loaded: &Loaded, path: &Path) -> Result<()> {
    match loaded.report.unexpected.iter().any(|name| name.starts_with("film.")) {
        false => Ok(()),
        true => Err(Failure::input(format!(
            "{}: in this tracker the predicted conditions modulate the input of the box head; without that its boxes are others. \
             Set TRAIN.MTL_MODE=film (multilabel+film where it has cls_head.severity)",
            path.display()
        ))),
    }
}

/// Reads the weights of a ResNet-18 at `path` and copies them into the prompt encoder of `model`.
///
/// # Errors
/// As for [`load`].
pub fn load_encoder(model: &Hiptrack, path: &Path, choice: Choice<'_>) -> Result<Loaded> {
    let loaded = compare(model, path, choice)?;
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

/// Whose weights these names are of, and what stands before the names of the model.
///
/// # Errors
/// They are nobody's that is known here, or those of several models.
pub fn recognise(names: &[&str], choice: Choice<'_>) -> std::result::Result<(Source, String), String> {
    let prefix = prefix::of(names, choice)?;
    let inner: Vec<&str> = names.iter().filter_map(|name| name.strip_prefix(prefix.as_str())).collect();
    Ok((Source::of(&inner)?, prefix))
}

/// Copies whatever fits from the weights at `path` that `choice` means into `model`, and says what did not.
///
/// # Errors
/// The file cannot be read, or is of no known source.
pub fn compare(model: &Hiptrack, path: &Path, choice: Choice<'_>) -> Result<Loaded> {
    let file = WeightsFile::choose(path, choice)?;
    let wanted = best_weights(&file);
    let plain = |name: &str| name.strip_prefix(EMA).map_or_else(|| name.to_string(), str::to_string);
    let names: Vec<String> =
        file.entries().iter().map(|entry| &entry.name).filter(|name| wanted(name)).map(|name| plain(name)).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let failed = |what: String| Failure::input(format!("{}: {what}", path.display()));
    let (source, prefix) = recognise(&names, choice).map_err(failed)?;
    // A checkpoint of ours is read whole, so that its checksum is verified.
    let mut tensors = match checkpoint::header(&file)? {
        Some(_) => checkpoint::read_some(path, &wanted)?.tensors,
        None => {
            // Also where a part of it was chosen; what else is in a file of others need not be readable.
            if choice.key.is_some()
                && let Ok(whole) = WeightsFile::open(path)
                && checkpoint::header(&whole)?.is_some()
            {
                checkpoint::read_some(path, |_| false)?;
            }
            file.load_all()?
        }
    };
    let mut ignored = Vec::new();
    tensors.retain_mut(|(name, _)| {
        *name = plain(name);
        let inner = name.strip_prefix(prefix.as_str()).filter(|name| !source.leaves_out(name)).map(str::to_string);
        ignored.extend(inner.is_none().then(|| name.clone()));
        inner.map(|inner| *name = inner).is_some()
    });
    let tensors = match source {
        Source::Vit => vit::renamed(tensors, model.config()).map_err(failed)?,
        Source::Resnet18 => resnet::renamed(tensors, model.params()).map_err(failed)?,
        Source::Tracker | Source::OneStream => tensors,
    };
    let loaded = model.params().load(tensors.iter().map(|(name, tensor)| (name.as_str(), tensor)));
    let report = loaded.map_err(|failure| failure.within(path.display()))?;
    let mut loaded = Loaded::new(source, report, ignored);
    loaded.under = [file.wrapper().join("."), prefix.trim_end_matches('.').to_string()]
        .into_iter()
        .filter(|part| !part.is_empty())
        .collect::<Vec<_>>()
        .join(".");
    loaded.others = file.others().iter().map(|other| (other.clone(), choice.remedy(&other.key))).collect();
    Ok(loaded)
}

#[cfg(test)]
mod tests;
