//! The model that an experiment describes, and the weights it starts from.

use super::{
    experiment::{ClassTargets, Experiment},
    pretrained::{self, Source, Tracking},
};
use crate::{
    failure::{Failure, Result},
    model::{BoxHeadKind, ClassHead, ClassInput, Config, Elimination, Hiptrack, Pooling, Prompts, TemplateRange},
    weights::{Choice, WeightsFile},
};
use std::path::{Path, PathBuf};
use tch::Device;

/// The sizes of the model.
pub fn config(experiment: &Experiment) -> Config {
    let model = &experiment.model;
    let range = match model.template_range {
        "CTR_POINT" => TemplateRange::CentrePoint,
        "CTR_REC" => TemplateRange::CentreRect,
        _ => TemplateRange::All,
    };
    let width = |index: usize| model.encoder_widths.get(index).map_or(0, |width| *width as i64);
    Config {
        template_size: experiment.data.template.size as i64,
        search_size: experiment.data.search.size as i64,
        patch: model.stride as i64,
        dim: model.embed_dim as i64,
        depth: model.depth,
        heads: model.heads as i64,
        mlp_ratio: 4.0,
        drop_path: experiment.training.drop_path,
        elimination: Elimination { layers: model.elimination_blocks.clone(), keep: model.keep_ratios.clone(), range },
        prompts: model.new_hip.then(|| Prompts {
            encoder_stem: width(0),
            encoder_stages: [width(1), width(2), width(3)],
            key_dim: model.key_dim as i64,
        }),
        box_head: if model.head == "CORNER" { BoxHeadKind::Corner } else { BoxHeadKind::Centre },
        head_channels: model.head_channels as i64,
        class_head: (model.classes > 0).then_some(ClassHead {
            hidden: model.class_hidden as i64,
            classes: model.classes as i64,
            dropout: model.class_dropout,
            multi_label: experiment.training.mtl.targets == ClassTargets::MultiLabel,
            film: experiment.training.mtl.film,
            input: if model.class_input == "tokens" { ClassInput::Tokens } else { ClassInput::Fused },
            stem: model.class_stem.iter().map(|&width| width as i64).collect(),
            blocks: model.class_blocks,
            pooling: if model.class_pooling == "attention" { Pooling::Attention } else { Pooling::Mean },
            gradient_scale: experiment.training.class_gradient_scale,
        }),
    }
}

/// The model on `device`: drawn from `seed`, then overwritten by `MODEL.PRETRAIN_FILE` and `MODEL.HIP.PRETRAIN_FILE`
/// where there are such. The second part says what was loaded.
///
/// # Errors
/// Sizes that do not fit together (78); a weights file that is missing, unreadable or of another architecture (66).
pub fn build(experiment: &Experiment, seed: u64, device: Device) -> Result<(Hiptrack, Vec<String>)> {
    let model = Hiptrack::new(&config(experiment), seed, device)?;
    let mut lines = Vec::new();
    let (whole, encoder) = pretrained_files(experiment)?;
    if let Some(path) = &whole {
        let loaded = pretrained::load(&model, path, whole_choice(experiment))?;
        lines.extend(loaded.lines(path));
        if loaded.source == Source::Tracker && encoder.is_some() {
            let path = path.display();
            let message = format!("{path} has a trained prompt encoder; set MODEL.HIP.PRETRAIN_FILE=none to keep it");
            return Err(Failure::config(message));
        }
    }
    if let Some(path) = encoder.as_ref().filter(|_| model.prompts().is_none()) {
        let (path, remedy) = (path.display(), "leave the key out, or set MODEL.NEW_HIP: True for HIPTrack");
        let message = format!("MODEL.HIP.PRETRAIN_FILE: {path}: OSTrack has no prompt encoder; {remedy}");
        return Err(Failure::config(message));
    }
    if let Some(path) = &encoder {
        lines.extend(pretrained::load_encoder(&model, path, encoder_choice(experiment))?.lines(path));
    }
    Ok((model, lines))
}

/// The model to track with, on `device`, with the weights in the file `weights` that `choice` means. The second part
/// says what was loaded.
///
/// # Errors
/// Sizes that do not fit together (78); weights that cannot be read, or that leave anything of what tracks to chance
/// (66).
pub fn build_for_tracking(
    experiment: &Experiment,
    weights: &Path,
    choice: Choice<'_>,
    device: Device,
) -> Result<(Hiptrack, Tracking)> {
    let model = Hiptrack::new(&config(experiment), 0, device)?;
    let loaded = pretrained::load_for_tracking(&model, weights, choice)?;
    Ok((model, loaded))
}

/// Checks that the weights files are there, before anything slow happens.
///
/// # Errors
/// One is missing, or is no file of weights.
pub fn check_pretrained(experiment: &Experiment) -> Result<()> {
    let (whole, encoder) = pretrained_files(experiment)?;
    let whole = whole.map(|path| (path, whole_choice(experiment)));
    let encoder = encoder.map(|path| (path, encoder_choice(experiment)));
    [whole, encoder].into_iter().flatten().try_for_each(|(path, choice)| WeightsFile::choose(&path, choice).map(|_| ()))
}

/// Which of the weights in `MODEL.PRETRAIN_FILE` are meant.
fn whole_choice(experiment: &Experiment) -> Choice<'_> {
    Choice { key: experiment.model.pretrain_key.as_deref(), option: "--set MODEL.PRETRAIN_KEY=" }
}

/// Which of the weights in `MODEL.HIP.PRETRAIN_FILE` are meant.
fn encoder_choice(experiment: &Experiment) -> Choice<'_> {
    Choice { key: experiment.model.encoder_pretrain_key.as_deref(), option: "--set MODEL.HIP.PRETRAIN_KEY=" }
}

/// The weights files that `experiment` names.
///
/// # Errors
/// One is not there.
pub fn find_pretrained(experiment: &Experiment) -> Result<Vec<PathBuf>> {
    let (whole, encoder) = pretrained_files(experiment)?;
    Ok([whole, encoder].into_iter().flatten().collect())
}

/// The files of `MODEL.PRETRAIN_FILE` and `MODEL.HIP.PRETRAIN_FILE`.
fn pretrained_files(experiment: &Experiment) -> Result<(Option<PathBuf>, Option<PathBuf>)> {
    let model = &experiment.model;
    let find = |key, given: &Option<PathBuf>| given.as_deref().map(|given| pretrained::locate(key, given)).transpose();
    let whole = find("MODEL.PRETRAIN_FILE", &model.pretrain_file)?;
    Ok((whole, find("MODEL.HIP.PRETRAIN_FILE", &model.encoder_pretrain_file)?))
}
