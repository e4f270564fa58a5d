//! The prompt encoder: a frame, where the object was in it, and its backbone features become a memory value.

use super::cbam::Cbam;
use super::config::{Config, Prompts};
use super::init::Init;
use super::layers::{BatchNorm2d, Conv2d, ConvShape, ResBlock, Statistics};
use super::params::Scope;
use tch::Tensor;

/// A convolution of a residual network, normal with variance 2 / fan_out (He et al., 2015), bias 0.
fn resnet_conv(scope: Scope<'_>, shape: ConvShape) -> Conv2d {
    let deviation = (2.0 / shape.fan_out() as f64).sqrt();
    Conv2d::new(scope, shape, Init::Normal(deviation), Init::Constant(0.0))
}

/// Two 3×3 convolutions with a short cut (ResNet-18's block; the convolutions have biases here).
#[derive(Debug)]
struct BasicBlock {
    conv1: Conv2d,
    bn1: BatchNorm2d,
    conv2: Conv2d,
    bn2: BatchNorm2d,
    shortcut: Option<(Conv2d, BatchNorm2d)>,
}

impl BasicBlock {
    fn new(mut scope: Scope<'_>, from: i64, to: i64, stride: i64) -> Self {
        Self {
            conv1: resnet_conv(scope.at("conv1"), ConvShape::new(from, to, 3).stride(stride)),
            bn1: BatchNorm2d::new(scope.at("bn1"), to),
            conv2: resnet_conv(scope.at("conv2"), ConvShape::new(to, to, 3)),
            bn2: BatchNorm2d::new(scope.at("bn2"), to),
            shortcut: (from != to || stride != 1).then(|| {
                let conv = resnet_conv(scope.at("downsample.0"), ConvShape::new(from, to, 1).stride(stride));
                (conv, BatchNorm2d::new(scope.at("downsample.1"), to))
            }),
        }
    }

    fn forward(&self, x: &Tensor, statistics: Statistics) -> Tensor {
        let hidden = self.bn1.forward(&self.conv1.forward(x), statistics).relu();
        let residual = self.bn2.forward(&self.conv2.forward(&hidden), statistics);
        match &self.shortcut {
            Some((conv, bn)) => (residual + bn.forward(&conv.forward(x), statistics)).relu(),
            None => (residual + x).relu(),
        }
    }
}

/// ResNet-18's stem and first three stages on image and mask, fused with the backbone features.
#[derive(Debug)]
pub(super) struct PromptEncoder {
    conv1: Conv2d,
    bn1: BatchNorm2d,
    stages: Vec<[BasicBlock; 2]>,
    block1: ResBlock,
    attention: Cbam,
    block2: ResBlock,
}

impl PromptEncoder {
    pub fn new(mut scope: Scope<'_>, config: &Config, prompts: &Prompts) -> Self {
        let stem = prompts.encoder_stem;
        let conv1 = resnet_conv(scope.at("conv1"), ConvShape::new(4, stem, 7).stride(2));
        let bn1 = BatchNorm2d::new(scope.at("bn1"), stem);
        // The stem ends at a quarter of the image; the last stage ends at the size of a token.
        let strides = [1, 2, if config.patch == 8 { 1 } else { 2 }];
        let mut from = stem;
        let mut stages = Vec::new();
        for (stage, (&to, stride)) in prompts.encoder_stages.iter().zip(strides).enumerate() {
            let mut scope = scope.at(format_args!("layer{}", stage + 1));
            let first = BasicBlock::new(scope.at("0"), from, to, stride);
            stages.push([first, BasicBlock::new(scope.at("1"), to, to, 1)]);
            from = to;
        }
        let value = config.value_dim();
        let mut fuser = scope.at("fuser");
        Self {
            conv1,
            bn1,
            stages,
            block1: ResBlock::new(fuser.at("block1"), from + config.dim, value),
            attention: Cbam::new(fuser.at("attention"), value),
            block2: ResBlock::new(fuser.at("block2"), value, value),
        }
    }

    /// The value `[B, C/2, G, G]` of `image` `[B, 3, S, S]`, `mask` `[B, 1, S, S]` and `features` `[B, C, G, G]`.
    ///
    pub fn forward(&self, image: &Tensor, mask: &Tensor, features: &Tensor, statistics: Statistics) -> Tensor {
        let x = self.conv1.forward(&Tensor::cat(&[image, mask], 1));
        let mut x = self.bn1.forward(&x, statistics).relu().max_pool2d([3, 3], [2, 2], [1, 1], [1, 1], false);
        for block in self.stages.iter().flatten() {
            x = block.forward(&x, statistics);
        }
        let x = self.block1.forward(&Tensor::cat(&[&x, features], 1));
        let attended = self.attention.forward(&x);
        self.block2.forward(&(x + attended))
    }
}
