//! What the condition head makes of the features that it reads, before its linear layers: tokens of its own, and one
//! feature from many.

use super::block::{Block, Pass, Stream};
use super::config::{ClassInput, Config, Elimination, Pooling};
use super::init::Init;
use super::layers::{BatchNorm2d, Conv2d, ConvShape, LayerNorm, Linear, Statistics, attention};
use super::params::Scope;
use std::sync::Arc;
use tch::{Kind, Tensor};

/// `x` as it is, whose gradients are multiplied by `scale`.
pub(super) fn scale_gradient(x: &Tensor, scale: f64) -> Tensor {
    match scale {
        1.0 => x.shallow_clone(),
        0.0 => x.detach(),
        // The difference is exactly 0.
        _ => x.detach() + (x - x.detach()) * scale,
    }
}

/// Convolutions of stride 2 from a crop to the grid of tokens (Xiao et al.: "Early convolutions help transformers see
/// better", NeurIPS 2021): sharpness, contrast and light are in the pixels, and what a tracker needs of them is little.
#[derive(Debug)]
struct Stem {
    layers: Vec<(Conv2d, BatchNorm2d)>,
    projection: Conv2d,
    norm: LayerNorm,
}

impl Stem {
    fn new(mut scope: Scope<'_>, dim: i64, widths: &[i64]) -> Self {
        let mut from = 3;
        let mut layers = Vec::new();
        for (layer, &to) in widths.iter().enumerate() {
            let shape = ConvShape::new(from, to, 3).stride(2);
            // He et al. (2015): as large a signal behind a rectifier as before it.
            let weight = Init::Normal((2.0 / shape.fan_in() as f64).sqrt());
            let mut scope = scope.at(format_args!("conv{}", layer + 1));
            let conv = Conv2d::new(scope.at("0"), shape, weight, Init::Constant(0.0));
            layers.push((conv, BatchNorm2d::new(scope.at("1"), to)));
            from = to;
        }
        let projection = Conv2d::default_init(scope.at("projection"), ConvShape::new(from, dim, 1));
        Self { layers, projection, norm: LayerNorm::new(scope.at("norm"), dim) }
    }

    /// The tokens `[B, G², C]` of each of the `images` `[B, 3, S, S]`, whose sizes may differ. They are normalised
    /// together: the running statistics are those of template and search crops alike.
    fn forward<const K: usize>(&self, images: [&Tensor; K], statistics: Statistics) -> [Tensor; K] {
        let mut maps = images.map(Tensor::shallow_clone);
        for (conv, norm) in &self.layers {
            maps = maps.map(|map| conv.forward(&map));
            maps = match (maps.as_slice(), statistics) {
                ([_], _) | (_, Statistics::Running) => maps.map(|map| norm.forward(&map, statistics)),
                _ => together(norm, maps, statistics),
            };
            maps = maps.map(|map| map.relu());
        }
        maps.map(|map| self.norm.forward(&self.projection.forward(&map).flatten(2, 3).transpose(1, 2)))
    }
}

/// Several `maps` `[B, C, H, W]`, normalised by the statistics of all their pixels.
fn together<const K: usize>(norm: &BatchNorm2d, maps: [Tensor; K], statistics: Statistics) -> [Tensor; K] {
    // `[1, C, pixels of all images, 1]`.
    let flat = maps.each_ref().map(|map| map.transpose(0, 1).flatten(1, 3));
    let all = Tensor::cat(&flat, 1).unsqueeze(0).unsqueeze(-1);
    let all = norm.forward(&all, statistics).squeeze_dim(-1).squeeze_dim(0);
    let mut from = 0;
    maps.map(|map| {
        let size = map.size();
        let count = size[0] * size[2] * size[3];
        let part = all.narrow(1, from, count).view([size[1], size[0], size[2], size[3]]).transpose(0, 1);
        from += count;
        part
    })
}

/// A learned query that attends to features (Lee et al.: "Set Transformer", ICML 2019).
#[derive(Debug)]
struct AttentionPooling {
    query: Tensor,
    key_value: Linear,
    heads: i64,
}

impl AttentionPooling {
    fn new(mut scope: Scope<'_>, dim: i64, heads: i64) -> Self {
        // Near 0, so that it starts as the mean of the values.
        let query = scope.parameter("query", &[1, 1, dim], Init::Normal(0.02));
        let key_value = Linear::new(scope.at("kv"), dim, 2 * dim, Init::xavier(dim, dim), Init::Constant(0.0));
        Self { query, key_value, heads }
    }

    /// `[B, C]` of `[B, N, C]`.
    fn forward(&self, features: &Tensor) -> Tensor {
        let (batch, width) = (features.size()[0], features.size()[2]);
        let split = |x: &Tensor| x.view([batch, -1, self.heads, width / self.heads]).transpose(1, 2);
        let parts = self.key_value.forward(features).chunk(2, 2);
        let query = self.query.to_kind(parts[0].kind()).expand([batch, 1, width], false);
        attention(&split(&query.contiguous()), &split(&parts[0].contiguous()), &split(&parts[1].contiguous()))
            .squeeze_dim(1)
    }
}

/// The part of a condition head before its linear layers.
#[derive(Debug)]
pub(super) struct ClassTokens {
    input: ClassInput,
    gradient_scale: f64,
    stem: Option<Stem>,
    blocks: Vec<Arc<Block>>,
    norm: Option<LayerNorm>,
    pooling: Option<AttentionPooling>,
}

impl ClassTokens {
    /// None of what it adds to the model's tensors is there in a head that reads the mean of the fused feature.
    pub fn new(scope: &mut Scope<'_>, config: &Config, head: &super::config::ClassHead) -> Self {
        let dim = config.dim;
        let own = Config {
            drop_path: 0.0,
            elimination: Elimination { layers: Vec::new(), keep: Vec::new(), range: config.elimination.range },
            ..config.clone()
        };
        let stem = (!head.stem.is_empty()).then(|| Stem::new(scope.at("stem"), dim, &head.stem));
        let blocks = (0..head.blocks)
            .map(|layer| Arc::new(Block::new(scope.at(format_args!("blocks.{layer}")), &own, layer)))
            .collect();
        let norm = (head.blocks > 0).then(|| LayerNorm::new(scope.at("norm"), dim));
        let pooling =
            (head.pooling == Pooling::Attention).then(|| AttentionPooling::new(scope.at("pooling"), dim, config.heads));
        Self { input: head.input, gradient_scale: head.gradient_scale, stem, blocks, norm, pooling }
    }

    /// What is read.
    pub fn input(&self) -> ClassInput {
        self.input
    }

    /// The head's own tokens `[B, G², C]` of each of the `images` `[B, 3, S, S]`, where it has a stem.
    pub fn own<const K: usize>(&self, images: [&Tensor; K], statistics: Statistics) -> Option<[Tensor; K]> {
        self.stem.as_ref().map(|stem| stem.forward(images, statistics))
    }

    /// One feature `[B, C]` of the backbone's `tokens` `[B, N, C]`, the first `template` of them the template's, and of
    /// the head's own tokens of the same shape.
    pub fn of_tokens(&self, tokens: &Tensor, own: Option<&Tensor>, template: i64) -> Tensor {
        let tokens = scale_gradient(tokens, self.gradient_scale);
        let tokens = own.map_or_else(|| tokens.shallow_clone(), |own| &tokens + own);
        let mut stream = Stream { tokens, template, places: None, removed: Vec::new() };
        let pass = Pass { keep_rate: None, stochastic: false, recompute: false, rows: None };
        self.blocks.iter().for_each(|block| block.forward(&mut stream, &pass));
        let tokens =
            self.norm.as_ref().map_or_else(|| stream.tokens.shallow_clone(), |norm| norm.forward(&stream.tokens));
        self.pool(&tokens)
    }

    /// One feature `[B, C]` of a map `[B, C, G, G]`, whose mean is `mean`.
    pub fn of_map(&self, map: &Tensor, mean: &Tensor) -> Tensor {
        match &self.pooling {
            None => scale_gradient(mean, self.gradient_scale),
            Some(_) => self.pool(&scale_gradient(map, self.gradient_scale).flatten(2, 3).transpose(1, 2)),
        }
    }

    fn pool(&self, features: &Tensor) -> Tensor {
        match &self.pooling {
            Some(pooling) => pooling.forward(features),
            None => features.mean_dim([1i64].as_slice(), false, Kind::Float),
        }
    }
}
