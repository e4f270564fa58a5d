//! The backbone for one template and one search crop at a time.

use super::weights::{Linear, Norm, Weights};
use crate::failure::Result;
use crate::model::config::Config;
use crate::model::elimination::{cut, kept_count, restore_tokens, take_tokens, template_rows};
use crate::model::layers::attention;
use tch::Tensor;

/// What of the template does not depend on the search crop.
#[derive(Debug)]
pub(super) struct TemplateTokens {
    /// `[Nz, C]`: embedded, with positions.
    tokens: Tensor,
    /// `[Nz, 3C]`: queries, keys and values in the first block.
    qkv: Tensor,
}

/// The backbone's features of one pass.
#[derive(Debug)]
pub(super) struct Features {
    /// `[Gz, Gz, C]`, where it was asked for.
    pub template: Option<Tensor>,
    /// `[G, G, C]`; eliminated tokens are zero.
    pub search: Tensor,
    /// Per eliminating block `[1, n]` i64.
    pub removed: Vec<Tensor>,
}

#[derive(Debug)]
struct Block {
    norm1: Norm,
    qkv: Linear,
    proj: Linear,
    norm2: Norm,
    fc1: Linear,
    fc2: Linear,
    /// The share of search tokens that stay.
    keep: f64,
}

#[derive(Debug)]
pub(super) struct Vit {
    patches: Linear,
    patch: i64,
    /// `[Nz, C]` and `[Nx, C]`: positions, and where there is one the temporal embedding with them.
    positions: [Tensor; 2],
    blocks: Vec<Block>,
    norm: Norm,
    heads: i64,
    rows: Option<Vec<i64>>,
    grids: [i64; 2],
}

impl Vit {
    pub fn new(weights: &Weights<'_>, config: &Config) -> Result<Self> {
        let elimination = &config.elimination;
        let [template, search] = [config.template_grid().pow(2), config.search_grid().pow(2)];
        let rows = template + search;
        let block = |layer: usize| {
            let weights = weights.at(format_args!("blocks.{layer}"));
            Ok(Block {
                norm1: weights.at("norm1").norm()?,
                qkv: weights.at("attn.qkv").linear(rows)?,
                proj: weights.at("attn.proj").linear(rows)?,
                norm2: weights.at("norm2").norm()?,
                fc1: weights.at("mlp.fc1").linear(rows)?,
                fc2: weights.at("mlp.fc2").linear(rows)?,
                keep: elimination.layers.iter().position(|&l| l == layer).map_or(1.0, |at| elimination.keep[at]),
            })
        };
        let positions = |part: &str| {
            let positions = weights.get(&format!("pos_embed_{part}"))?;
            let positions = match config.prompts.is_some() {
                true => positions + weights.get(&format!("temporal_pos_embed_{part}"))?,
                false => positions,
            };
            Ok::<_, crate::failure::Failure>(positions.squeeze_dim(0))
        };
        let patches = weights.at("patch_embed.proj").kernel()?;
        Ok(Self {
            patches: Linear::new(patches.weight.flatten(1, 3), patches.bias, search),
            patch: config.patch,
            positions: [positions("z")?, positions("x")?],
            blocks: (0..config.depth).map(block).collect::<Result<_>>()?,
            norm: weights.at("norm").norm()?,
            heads: config.heads,
            rows: template_rows(elimination.range, config.template_grid()),
            grids: [config.template_grid(), config.search_grid()],
        })
    }

    /// The tokens `[N, C]` of a crop `[1, 3, S, S]`.
    fn embed(&self, image: &Tensor, part: usize) -> Tensor {
        let (grid, patch) = (self.grids[part], self.patch);
        let patches = image.view([3, grid, patch, grid, patch]).permute([1, 3, 0, 2, 4]);
        self.patches.forward(&patches.reshape([grid * grid, 3 * patch * patch])) + &self.positions[part]
    }

    pub fn template(&self, image: &Tensor) -> TemplateTokens {
        let tokens = self.embed(image, 0);
        let qkv =
            self.blocks.first().map_or_else(Tensor::new, |block| block.qkv.forward(&block.norm1.forward(&tokens)));
        TemplateTokens { tokens, qkv }
    }

    /// The features of `search` `[1, 3, S, S]`. `with_template` says whether the template's are needed too.
    pub fn forward(&self, template: &TemplateTokens, search: &Tensor, with_template: bool) -> Features {
        let fresh = self.embed(search, 1);
        let mut tokens = Tensor::cat(&[&template.tokens, &fresh], 0);
        let mut template_count = template.tokens.size()[0];
        let (mut places, mut removed): (Option<Tensor>, _) = (None, Vec::new());
        for (layer, block) in self.blocks.iter().enumerate() {
            let qkv = match layer {
                0 => Tensor::cat(&[&template.qkv, &block.qkv.forward(&block.norm1.forward(&fresh))], 0),
                _ => block.qkv.forward(&block.norm1.forward(&tokens)),
            };
            let search_count = tokens.size()[0] - template_count;
            let keep = if block.keep < 1.0 { kept_count(search_count, block.keep) } else { search_count };
            let [query, key, value] = self.split(&qkv);
            // After the last attention nobody looks at the template tokens any more.
            let last = layer + 1 == self.blocks.len();
            let skip = if last && !with_template && keep == search_count { template_count } else { 0 };
            let asking = if skip > 0 { query.narrow(2, skip, search_count) } else { query.shallow_clone() };
            tokens = tokens.narrow(0, skip, tokens.size()[0] - skip)
                + block.proj.forward(&attention(&asking, &key, &value).squeeze_dim(0));
            template_count -= skip;
            if keep < search_count {
                let query = match &self.rows {
                    Some(rows) => Tensor::cat(&rows.iter().map(|&at| query.narrow(2, at, 1)).collect::<Vec<_>>(), 2),
                    None => query.narrow(2, 0, template_count),
                };
                let cut = cut(&query, &key, template_count, keep);
                let search = tokens.narrow(0, template_count, search_count).unsqueeze(0);
                let left = take_tokens(&search, &cut.kept).squeeze_dim(0);
                tokens = Tensor::cat(&[tokens.narrow(0, 0, template_count), left], 0);
                let place = |index: Tensor| match &places {
                    Some(places) => places.gather(1, &index, false),
                    None => index,
                };
                removed.push(place(cut.removed));
                places = Some(place(cut.kept));
            }
            let hidden = block.fc1.forward(&block.norm2.forward(&tokens)).gelu("none");
            tokens += block.fc2.forward(&hidden);
        }
        let tokens = self.norm.forward(&tokens);
        let search = tokens.narrow(0, template_count, tokens.size()[0] - template_count);
        let [template_grid, grid] = self.grids;
        let search = match &places {
            Some(places) => restore_tokens(&search.unsqueeze(0), places, grid * grid),
            None => search.shallow_clone(),
        };
        let template =
            with_template.then(|| tokens.narrow(0, 0, template_count).view([template_grid, template_grid, -1]));
        Features { template, search: search.reshape([grid, grid, -1]), removed }
    }

    /// Queries, keys and values `[1, heads, N, head_dim]` of `[N, 3C]`.
    fn split(&self, qkv: &Tensor) -> [Tensor; 3] {
        let count = qkv.size()[0];
        let qkv = qkv.view([count, 3, self.heads, -1]).permute([1, 2, 0, 3]);
        [0, 1, 2].map(|part| qkv.narrow(0, part, 1))
    }
}
