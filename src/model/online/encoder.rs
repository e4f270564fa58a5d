//! The prompt encoder for one frame at a time.

use super::conv::{Conv, as_pixels};
use super::weights::{Linear, Weights};
use crate::failure::Result;
use crate::model::config::{Config, Prompts};
use tch::{Kind, Tensor};

/// ResNet-18's block with its batch normalisations folded into the convolutions.
#[derive(Debug)]
struct BasicBlock {
    conv1: Conv,
    conv2: Conv,
    shortcut: Option<Conv>,
}

impl BasicBlock {
    fn new(weights: &Weights<'_>, stride: i64, shortcut: bool) -> Result<Self> {
        let shortcut = match shortcut {
            true => Some(Conv::direct(&weights.folded("downsample.0", "downsample.1")?, stride)),
            false => None,
        };
        Ok(Self {
            conv1: Conv::direct(&weights.folded("conv1", "bn1")?, stride),
            conv2: Conv::direct(&weights.folded("conv2", "bn2")?, 1),
            shortcut,
        })
    }

    fn forward(&self, x: &Tensor) -> Tensor {
        let residual = self.conv2.forward(&self.conv1.forward(x).relu_());
        match &self.shortcut {
            Some(shortcut) => (residual + shortcut.forward(x)).relu_(),
            None => (residual + x).relu_(),
        }
    }
}

/// What of a value depends on picture and mask only: the fusion's first convolution and short cut of the stem's
/// channels, `[G, G, V]` each.
#[derive(Debug)]
pub(super) struct Trunk {
    hidden: Tensor,
    short: Tensor,
}

#[derive(Debug)]
pub(super) struct Encoder {
    stem: Conv,
    blocks: Vec<BasicBlock>,
    /// The fusion's first convolution and short cut, each split by who sees it: the stem's channels, the features.
    hidden: [Conv; 2],
    short: [Conv; 2],
    conv2: Conv,
    squeeze: Linear,
    excite: Linear,
    spatial: Conv,
    last: [Conv; 2],
}

impl Encoder {
    pub fn new(weights: &Weights<'_>, config: &Config, prompts: &Prompts) -> Result<Self> {
        let grid = config.search_grid();
        let strides = [1, 2, if config.patch == 8 { 1 } else { 2 }];
        let mut from = prompts.encoder_stem;
        let mut blocks = Vec::new();
        for (stage, (&to, stride)) in prompts.encoder_stages.iter().zip(strides).enumerate() {
            let weights = weights.at(format_args!("layer{}", stage + 1));
            blocks.push(BasicBlock::new(&weights.at("0"), stride, from != to || stride != 1)?);
            blocks.push(BasicBlock::new(&weights.at("1"), 1, false)?);
            from = to;
        }
        let fuser = weights.at("fuser");
        let split = |name: &str| {
            let kernel = fuser.at(name).kernel()?;
            let mut trunk = kernel.inputs(0, from);
            trunk.bias = kernel.bias.shallow_clone();
            Ok::<_, crate::failure::Failure>([
                Conv::deep(&trunk, grid),
                Conv::deep(&kernel.inputs(from, config.dim), grid),
            ])
        };
        let deep = |name: &str| Ok::<_, crate::failure::Failure>(Conv::deep(&fuser.at(name).kernel()?, grid));
        let gate = fuser.at("attention.ChannelGate.mlp");
        Ok(Self {
            stem: Conv::direct(&weights.folded("conv1", "bn1")?, 2),
            blocks,
            hidden: split("block1.conv1")?,
            short: split("block1.downsample")?,
            conv2: deep("block1.conv2")?,
            squeeze: gate.at("1").linear(2)?,
            excite: gate.at("3").linear(2)?,
            spatial: Conv::direct(&fuser.at("attention.SpatialGate.spatial.conv").kernel()?, 1),
            last: [deep("block2.conv1")?, deep("block2.conv2")?],
        })
    }

    /// The part of `image` `[1, 3, S, S]` and `mask` `[1, 1, S, S]`.
    pub fn trunk(&self, image: &Tensor, mask: &Tensor) -> Trunk {
        let x = self.stem.forward(&as_pixels(&Tensor::cat(&[image, mask], 1))).relu_();
        let x = super::conv::as_planes(&x).max_pool2d([3, 3], [2, 2], [1, 1], [1, 1], false);
        let mut x = as_pixels(&x);
        for block in &self.blocks {
            x = block.forward(&x);
        }
        Trunk { hidden: self.hidden[0].forward(&x.relu()), short: self.short[0].forward(&x) }
    }

    /// The value `[G², V]` of a frame with `features` `[G, G, C]`.
    pub fn value(&self, trunk: &Trunk, features: &Tensor) -> Tensor {
        let hidden = self.hidden[1].forward(&features.relu()) + &trunk.hidden;
        let short = self.short[1].forward(features) + &trunk.short;
        let x = self.conv2.forward(&hidden.relu()) + short;
        let x = self.attend(&x) + x;
        let value = self.last[1].forward(&self.last[0].forward(&x.relu()).relu_()) + x;
        value.flatten(0, 1)
    }

    /// Channel and spatial attention of `[G, G, V]`.
    fn attend(&self, x: &Tensor) -> Tensor {
        let pooled = Tensor::stack(&[x.mean_dim([0i64, 1].as_slice(), false, None::<Kind>), x.amax([0, 1], false)], 0);
        let gates = self.excite.forward(&self.squeeze.forward(&pooled).relu_());
        let x = x * gates.sum_dim_intlist([0i64].as_slice(), false, None::<Kind>).sigmoid();
        let pooled = Tensor::cat(&[x.amax([2], true), x.mean_dim([2i64].as_slice(), true, None::<Kind>)], 2);
        x * self.spatial.forward(&pooled).sigmoid()
    }
}
