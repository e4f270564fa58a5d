//! The historical prompt network of HIPTrack: what was remembered of earlier frames joins the features of the next one.

use super::clip::ForwardOptions;
use super::config::{Config, Prompts};
use super::encoder::PromptEncoder;
use super::init::Init;
use super::layers::{Conv2d, ConvShape, ResBlock};
use super::mask::{centre_mask, corner_mask, without_removed};
use super::memory::{self, MemoryEntry};
use super::params::Scope;
use tch::Tensor;

/// Encoder, key, query value and fusion.
#[derive(Debug)]
pub struct PromptNetwork {
    encoder: PromptEncoder,
    key: Conv2d,
    query_value: Conv2d,
    fusion: ResBlock,
}

impl PromptNetwork {
    pub(super) fn new(root: &mut Scope<'_>, config: &Config, prompts: &Prompts) -> Self {
        let dim = config.dim;
        let key = ConvShape::new(dim, prompts.key_dim, 3);
        let query_value = ConvShape::new(dim, dim - config.value_dim(), 3);
        Self {
            encoder: PromptEncoder::new(root.at("HIP.encoder"), config, prompts),
            key: Conv2d::new(root.at("key_proj.key_proj"), key, Init::Orthogonal, Init::Constant(0.0)),
            query_value: Conv2d::default_init(root.at("key_comp"), query_value),
            fusion: ResBlock::new(root.at("searchRegionFusion"), dim, dim),
        }
    }

    /// The memory of the template, at twice its size: its crop `[B, 3, T, T]`, boxes `(x, y, w, h)` and features
    /// `[B, C, G, G]`.
    pub fn remember_template(
        &self,
        image: &Tensor,
        boxes: &Tensor,
        features: &Tensor,
        options: &ForwardOptions,
    ) -> MemoryEntry {
        let double = |x: &Tensor| {
            let side = 2 * x.size()[3];
            x.upsample_bilinear2d([side, side], true, None, None)
        };
        let (image, features) = (double(image), double(features));
        let mask = corner_mask(boxes, image.size()[3], options.masks);
        let value = self.encoder.forward(&image, &mask, &features, options.statistics);
        MemoryEntry { key: self.key.forward(&features), value, mask }
    }

    /// The memory of a search frame: its crop `[B, 3, S, S]`, features `[B, C, G, G]`, key, predicted boxes in
    /// `(cx, cy, w, h)` and eliminated tokens.
    pub fn remember(
        &self,
        image: &Tensor,
        features: &Tensor,
        key: Tensor,
        boxes: &Tensor,
        removed: &[Tensor],
        options: &ForwardOptions,
    ) -> MemoryEntry {
        let mask = centre_mask(boxes, image.size()[3], options.masks);
        let mask = without_removed(mask, removed, features.size()[3]);
        let value = self.encoder.forward(image, &mask, features, options.statistics);
        MemoryEntry { key, value, mask }
    }

    /// Key `[B, K, G, G]` and value `[B, C/2, G, G]` with which `features` `[B, C, G, G]` ask the memory.
    pub fn query(&self, features: &Tensor) -> (Tensor, Tensor) {
        (self.key.forward(features), self.query_value.forward(features))
    }

    /// The fused features `[B, C, G, G]` of `features` that ask `memory` with `key` and `value`
    /// ([`query`](Self::query)), and the prompt that was added to them.
    pub fn fuse(&self, features: &Tensor, key: &Tensor, value: &Tensor, memory: &[&MemoryEntry]) -> (Tensor, Tensor) {
        let prompt = Tensor::cat(&[&memory::read(memory, key), value], 1);
        (self.fusion.forward(&(features + &prompt)), prompt)
    }
}
