//! The model that an experiment describes, and the weights it starts from.

use super::{checkpoint, experiment::Experiment};
use crate::{
    failure::{Failure, Result},
    model::{BoxHeadKind, ClassHead, Config, Elimination, Hiptrack, TemplateRange},
};
use std::path::Path;
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
        encoder_stem: width(0),
        encoder_stages: [width(1), width(2), width(3)],
        key_dim: model.key_dim as i64,
        box_head: if model.head == "CORNER" { BoxHeadKind::Corner } else { BoxHeadKind::Centre },
        head_channels: model.head_channels as i64,
        class_head: Some(ClassHead {
            hidden: model.class_hidden as i64,
            classes: crate::data::condition::Condition::COUNT as i64,
            dropout: model.class_dropout,
        }),
    }
}

/// The model on `device`: drawn from `seed`, then overwritten by `MODEL.PRETRAIN_FILE` when there is one. The second
/// part says what was loaded.
///
/// # Errors
/// Sizes that do not fit together (78); a weights file that is missing, unreadable or of another architecture (66).
pub fn build(experiment: &Experiment, seed: u64, device: Device) -> Result<(Hiptrack, Option<String>)> {
    let model = Hiptrack::new(&config(experiment), seed, device)?;
    let loaded = experiment.model.pretrain_file.as_deref().map(|path| load(&model, path)).transpose()?;
    Ok((model, loaded))
}

/// Checks that the weights file is there, before anything slow happens.
///
/// # Errors
/// It is missing, or of a kind that cannot be read.
pub fn check_pretrained(experiment: &Experiment) -> Result<()> {
    let Some(path) = &experiment.model.pretrain_file else { return Ok(()) };
    let name = path.display();
    if !path.is_file() {
        let remedy = "give its path, or start from scratch with --set MODEL.PRETRAIN_FILE=none";
        return Err(Failure::input(format!("{name}: MODEL.PRETRAIN_FILE is not there; {remedy}")));
    }
    if path.extension().is_none_or(|ending| ending != "safetensors") {
        let remedy = "write its `net` as .safetensors, with safetensors.torch.save_file(torch.load(FILE)['net'], OUT)";
        return Err(Failure::input(format!("{name}: only .safetensors weights can be read; {remedy}")));
    }
    Ok(())
}

fn load(model: &Hiptrack, path: &Path) -> Result<String> {
    let tensors: Vec<_> = checkpoint::read_tensors(path)?
        .into_iter()
        .filter(|(name, _)| !name.starts_with(checkpoint::OPTIMIZER))
        .collect();
    let report = model.params().load(tensors.iter().map(|(name, tensor)| (name.as_str(), tensor)))?;
    // A tracker without the class head is what most people start from; its head then starts from scratch.
    report.require(&["cls_head."]).map_err(|failure| {
        Failure::input(format!("{}: weights of another architecture:\n{}", path.display(), failure.message))
    })?;
    let scratch = match report.missing.len() {
        0 => String::new(),
        missing => format!(", {missing} of the class head start from scratch"),
    };
    Ok(format!("{}: {} tensors loaded{scratch}", path.display(), report.matched.len()))
}
