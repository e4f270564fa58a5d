//! Box head and condition head for one frame at a time.

use super::conv::{Conv, as_planes};
use super::weights::{Kernel, Linear, Weights};
use crate::failure::Result;
use crate::model::config::Config;
use crate::model::heads::BoxMaps;
use tch::{Kind, Tensor};

/// The towers of the centre head; their first convolutions see the same features and are computed as one.
#[derive(Debug)]
pub(super) struct Head {
    first: Conv,
    towers: [Vec<Conv>; 3],
    width: i64,
}

const TOWERS: [&str; 3] = ["ctr", "offset", "size"];

impl Head {
    pub fn new(weights: &Weights<'_>, config: &Config) -> Result<Self> {
        let kernel = |name: &str, layer: usize| weights.at(format_args!("conv{layer}_{name}")).folded("0", "1");
        let first = TOWERS.iter().map(|name| kernel(name, 1)).collect::<Result<Vec<_>>>()?;
        let tower = |name: &str| -> Result<Vec<Conv>> {
            let mut layers = (2..=4)
                .map(|layer| Ok(Conv::deep(&kernel(name, layer)?, config.search_grid())))
                .collect::<Result<Vec<_>>>()?;
            layers.push(Conv::direct(&weights.at(format_args!("conv5_{name}")).kernel()?, 1));
            Ok(layers)
        };
        let [score, offset, size] = TOWERS;
        Ok(Self {
            first: Conv::deep(&Kernel::stack(&first), config.search_grid()),
            towers: [tower(score)?, tower(offset)?, tower(size)?],
            width: config.head_channels,
        })
    }

    /// The maps of `features` `[G, G, C]`.
    pub fn forward(&self, features: &Tensor) -> BoxMaps {
        let first = self.first.forward(features).relu_();
        let map = |tower: usize| {
            let mut x = first.narrow(2, tower as i64 * self.width, self.width).contiguous();
            for (layer, conv) in self.towers[tower].iter().enumerate() {
                x = conv.forward(&x);
                if layer < 3 {
                    x = x.relu_();
                }
            }
            as_planes(&x).contiguous()
        };
        let bounded = |x: Tensor| x.sigmoid().clamp(1e-4, 1.0 - 1e-4);
        BoxMaps { score: bounded(map(0)), offset: map(1), size: bounded(map(2)) }
    }
}

/// The condition head on the pooled feature.
#[derive(Debug)]
pub(super) struct Conditions {
    projection: Linear,
    classifier: Linear,
}

impl Conditions {
    pub fn new(weights: &Weights<'_>) -> Result<Self> {
        Ok(Self { projection: weights.at("cls_projection").linear()?, classifier: weights.at("classifier").linear()? })
    }

    /// The logits `[1, classes]` of `features` `[G, G, C]`.
    pub fn forward(&self, features: &Tensor) -> Tensor {
        let pooled = features.mean_dim([0i64, 1].as_slice(), false, None::<Kind>).unsqueeze(0);
        self.classifier.forward(&self.projection.forward(&pooled).relu_())
    }
}
