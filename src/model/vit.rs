//! The one-stream backbone: template and search tokens go through one ViT together.

use super::block::{Block, Pass, Stream};
use super::clip::ForwardOptions;
use super::config::{Config, PRETRAINED_GRID};
use super::elimination::{restore_tokens, template_rows};
use super::init::Init;
use super::layers::{Conv2d, ConvShape, LayerNorm};
use super::params::Scope;
use std::sync::Arc;
use tch::{Kind, Tensor};

/// timm's 0.02 for embeddings.
const EMBEDDING: Init = Init::Normal(0.02);

/// The backbone's features.
#[derive(Debug)]
pub struct BackboneOutput {
    /// `[B, template + search, C]` after the final norm; eliminated search tokens are zero vectors.
    pub tokens: Tensor,
    /// Per eliminating block, `[B, n]` i64: the removed search tokens by their place in the full grid.
    pub removed: Vec<Tensor>,
}

/// ViT over template and search crops, with a learned position for every token.
#[derive(Debug)]
pub(super) struct Backbone {
    /// Added to every token of template and search region; OSTrack has none.
    temporal: Option<[Tensor; 2]>,
    positions_z: Tensor,
    positions_x: Tensor,
    patches: Conv2d,
    blocks: Vec<Arc<Block>>,
    norm: LayerNorm,
    /// The template tokens whose attention ranks the search tokens; none for all.
    rows: Option<Vec<i64>>,
}

impl Backbone {
    pub fn new(mut scope: Scope<'_>, config: &Config) -> Self {
        let dim = config.dim;
        // The reference keeps these two of the pretrained ViT in its state, and uses neither.
        let _ = scope.parameter("cls_token", &[1, 1, dim], EMBEDDING);
        let pretrained = scope.parameter("pos_embed", &[1, PRETRAINED_GRID * PRETRAINED_GRID + 1, dim], EMBEDDING);
        // The reference draws these two from N(0, 1) and then loads trained ones. From scratch, a vector that large in
        // every token drowns what the tokens show.
        let temporal = config.prompts.is_some().then(|| {
            let [x, z] =
                ["x", "z"].map(|part| scope.parameter(&format!("temporal_pos_embed_{part}"), &[1, 1, dim], EMBEDDING));
            [z, x]
        });
        let patches = pretrained.narrow(1, 1, PRETRAINED_GRID * PRETRAINED_GRID);
        let mut positions = |name: &str, grid| scope.parameter_from(name, resize_positions(&patches, grid));
        let positions_z = positions("pos_embed_z", config.template_grid());
        let positions_x = positions("pos_embed_x", config.search_grid());
        let patches = ConvShape::new(3, dim, config.patch).stride(config.patch);
        Self {
            temporal,
            positions_z,
            positions_x,
            patches: Conv2d::default_init(scope.at("patch_embed.proj"), patches),
            blocks: (0..config.depth)
                .map(|i| Arc::new(Block::new(scope.at(format_args!("blocks.{i}")), config, i)))
                .collect(),
            norm: LayerNorm::new(scope.at("norm"), dim),
            rows: template_rows(config.elimination.range, config.template_grid()),
        }
    }

    /// Features of `template` `[B, 3, T, T]` and `search` `[N·B, 3, S, S]` (frame-major): each search crop is seen
    /// together with the template of its clip. The templates are embedded once.
    ///
    /// The options' keep rate overrules the blocks' own. With `stochastic`, drop-path is on. `observe` is shown the tokens
    /// that each block leaves.
    pub fn forward(
        &self,
        template: &Tensor,
        search: &Tensor,
        options: &ForwardOptions,
        stochastic: bool,
        mut observe: impl FnMut(&Tensor),
    ) -> BackboneOutput {
        let frames = search.size()[0] / template.size()[0];
        let embed = |image: &Tensor| self.patches.forward(image).flatten(2, 3).transpose(1, 2);
        let mut tokens = [embed(template) + &self.positions_z, embed(search) + &self.positions_x];
        if let Some(temporal) = &self.temporal {
            tokens.iter_mut().zip(temporal).for_each(|(tokens, temporal)| *tokens = &*tokens + temporal);
        }
        let [template, search] = tokens;
        let template = template.repeat([frames, 1, 1]);
        let (template_count, search_count) = (template.size()[1], search.size()[1]);
        let mut stream = Stream {
            tokens: Tensor::cat(&[template, search], 1),
            template: template_count,
            places: None,
            removed: Vec::new(),
        };
        let pass = Pass {
            keep_rate: options.keep_rate,
            stochastic,
            recompute: options.recompute && !options.frozen_backbone,
            rows: self.rows.as_deref(),
        };
        for block in &self.blocks {
            block.forward(&mut stream, &pass);
            observe(&stream.tokens);
        }
        let mut tokens = self.norm.forward(&stream.tokens);
        if let Some(places) = &stream.places {
            let search = tokens.narrow(1, template_count, stream.search());
            let search = restore_tokens(&search, places, search_count);
            tokens = Tensor::cat(&[tokens.narrow(1, 0, template_count), search], 1);
        }
        BackboneOutput { tokens, removed: stream.removed }
    }
}

/// Positions `[1, n², C]` of a square grid of patches, resized bicubically to `grid` × `grid`.
pub fn resize_positions(patches: &Tensor, grid: i64) -> Tensor {
    tch::no_grad(|| {
        let (count, width) = (patches.size()[1], patches.size()[2]);
        let side = (count as f64).sqrt().round() as i64;
        if side == grid {
            return patches.to_kind(Kind::Float).copy();
        }
        patches
            .to_kind(Kind::Float)
            .transpose(1, 2)
            .reshape([1, width, side, side])
            .upsample_bicubic2d([grid, grid], false, None, None)
            .flatten(2, 3)
            .transpose(1, 2)
            .contiguous()
    })
}
