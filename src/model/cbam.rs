//! Channel and spatial attention (Woo et al.: "CBAM: Convolutional Block Attention Module", ECCV 2018).

use super::init::Init;
use super::layers::{Conv2d, ConvShape, Linear};
use super::params::Scope;
use tch::{Kind, Tensor};

/// How much narrower the channel gate's hidden layer is.
pub(super) const REDUCTION: i64 = 16;

#[derive(Debug)]
pub(super) struct Cbam {
    squeeze: Linear,
    excite: Linear,
    spatial: Conv2d,
}

impl Cbam {
    pub fn new(mut scope: Scope<'_>, channels: i64) -> Self {
        let hidden = channels / REDUCTION;
        let mut linear = |name: &str, from, to| {
            let init = Init::torch_default(from);
            Linear::new(scope.at(format_args!("ChannelGate.mlp.{name}")), from, to, init, init)
        };
        Self {
            squeeze: linear("1", channels, hidden),
            excite: linear("3", hidden, channels),
            spatial: Conv2d::default_init(scope.at("SpatialGate.spatial.conv"), ConvShape::new(2, 1, 7)),
        }
    }

    /// `[B, C, H, W]`, weighted by channel and then by place.
    pub fn forward(&self, x: &Tensor) -> Tensor {
        let gate = |pooled: Tensor| self.excite.forward(&self.squeeze.forward(&pooled).relu());
        let mean = x.mean_dim([2i64, 3].as_slice(), false, None::<Kind>);
        let largest = x.flatten(2, 3).max_dim(2, false).0;
        let gates = if x.device().is_cuda() {
            // Together, as a launch costs more there than what it computes; on a CPU the bits might differ.
            let both = gate(Tensor::cat(&[mean, largest], 0)).chunk(2, 0);
            &both[0] + &both[1]
        } else {
            gate(mean) + gate(largest)
        };
        let x = x * gates.sigmoid().unsqueeze(2).unsqueeze(3);
        let pooled = Tensor::cat(&[x.max_dim(1, true).0, x.mean_dim([1i64].as_slice(), true, None::<Kind>)], 1);
        let place = self.spatial.forward(&pooled).sigmoid();
        x * place
    }
}
