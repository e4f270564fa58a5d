//! A plain ViT as the tracker's backbone.

use super::Named;
use crate::model::{Config, config::PRETRAINED_GRID, resize_positions};
use tch::{Kind, Tensor};

/// The weights of a plain ViT under the backbone's names. Its positions are resized bicubically to the grids of template
/// and search region, those of class and distillation tokens left out; a patch embedding of another patch size is resized
/// bicubically as well (both as the reference does).
pub(super) fn renamed(tensors: Named, config: &Config) -> Result<Named, String> {
    let mut renamed = Vec::new();
    for (name, tensor) in tensors {
        match name.as_str() {
            "pos_embed" => {
                let (class, patches) = split(&tensor)?;
                let grid = |grid| resize_positions(&patches, grid);
                renamed.push(("backbone.pos_embed_z".into(), grid(config.template_grid())));
                renamed.push(("backbone.pos_embed_x".into(), grid(config.search_grid())));
                let kept = grid(PRETRAINED_GRID);
                renamed.push(("backbone.pos_embed".into(), Tensor::cat(&[class.to_kind(Kind::Float), kept], 1)));
            }
            "patch_embed.proj.weight" => renamed.push((format!("backbone.{name}"), patch(tensor, config.patch))),
            _ => renamed.push((format!("backbone.{name}"), tensor)),
        }
    }
    Ok(renamed)
}

/// The class token's position `[1, 1, C]`, and those of the patches `[1, n², C]`: DeiT has one more token in between, and
/// some ViTs have none, for which the class token's becomes 0.
fn split(positions: &Tensor) -> Result<(Tensor, Tensor), String> {
    let shape = positions.size();
    let &[1, count, width] = shape.as_slice() else {
        return Err(format!("pos_embed: shape {shape:?} is not [1, tokens, width]"));
    };
    let square = |tokens: i64| (1..=1024).any(|side| side * side == tokens);
    let extra = [1, 2, 0].into_iter().find(|extra| square(count - extra));
    let extra = extra.ok_or_else(|| format!("pos_embed: {count} positions are no square grid"))?;
    let class = match extra {
        0 => positions.narrow(1, 0, 1).zeros_like(),
        _ => positions.narrow(1, 0, 1),
    };
    if width == 0 {
        return Err("pos_embed: has no width".into());
    }
    Ok((class, positions.narrow(1, extra, count - extra)))
}

fn patch(weight: Tensor, size: i64) -> Tensor {
    match weight.size().as_slice() {
        &[_, _, height, width] if height == width && height != size && height > 0 => {
            weight.to_kind(Kind::Float).upsample_bicubic2d([size, size], false, None, None)
        }
        _ => weight,
    }
}
