//! Box head and condition head for one frame at a time.

use super::conv::{Conv, as_planes};
use super::weights::{Kernel, Linear, Weights};
use crate::failure::Result;
use crate::model::config::{BoxHeadKind, ClassHead, Config};
use crate::model::corner::between_corners;
use crate::model::heads::{BoxPrediction, ConditionsTold, boxes_at_peak};
use tch::{Kind, Tensor};

/// The towers of a box head; their first convolutions see the same features and are computed as one.
#[derive(Debug)]
pub(super) struct Head {
    first: Conv,
    towers: Vec<Vec<Conv>>,
    width: i64,
    kind: BoxHeadKind,
}

impl Head {
    pub fn new(weights: &Weights<'_>, config: &Config) -> Result<Self> {
        let kernel = |name: &str, layer: usize| weights.at(format_args!("conv{layer}_{name}")).folded("0", "1");
        let names: &[&str] = match config.box_head {
            BoxHeadKind::Centre => &["ctr", "offset", "size"],
            BoxHeadKind::Corner => &["tl", "br"],
        };
        let first = names.iter().map(|name| kernel(name, 1)).collect::<Result<Vec<_>>>()?;
        let tower = |name: &str| -> Result<Vec<Conv>> {
            let mut layers = (2..=4)
                .map(|layer| Ok(Conv::deep(&kernel(name, layer)?, config.search_grid())))
                .collect::<Result<Vec<_>>>()?;
            layers.push(Conv::direct(&weights.at(format_args!("conv5_{name}")).kernel()?, 1));
            Ok(layers)
        };
        Ok(Self {
            first: Conv::deep(&Kernel::stack(&first), config.search_grid()),
            towers: names.iter().map(|name| tower(name)).collect::<Result<_>>()?,
            width: config.head_channels,
            kind: config.box_head,
        })
    }

    /// What the head says of `features` `[G, G, C]`.
    pub fn forward(&self, features: &Tensor) -> BoxPrediction {
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
        match self.kind {
            BoxHeadKind::Centre => {
                let (score, offset, size) = (bounded(map(0)), map(1), bounded(map(2)));
                BoxPrediction { boxes: boxes_at_peak(&score, &size, &offset), score, offset, size, corners: None }
            }
            BoxHeadKind::Corner => between_corners(&Tensor::cat(&[map(0), map(1)], 1)),
        }
    }
}

/// The condition head on the pooled feature, and what it does to the features that the box head sees.
#[derive(Debug)]
pub(super) struct Conditions {
    projection: Linear,
    classifier: Linear,
    severity: Option<Linear>,
    film: Option<Linear>,
    head: ClassHead,
}

impl Conditions {
    /// The head of the model whose tensors are `weights`.
    pub fn new(weights: &Weights<'_>, head: &ClassHead) -> Result<Self> {
        let own = weights.at("cls_head");
        Ok(Self {
            projection: own.at("cls_projection").linear(1)?,
            classifier: own.at("classifier").linear(1)?,
            severity: if head.multi_label { Some(own.at("severity").linear(1)?) } else { None },
            film: if head.film { Some(weights.at("film.projection").linear(1)?) } else { None },
            head: head.clone(),
        })
    }

    /// The conditions of `features` `[G, G, C]`.
    pub fn forward(&self, features: &Tensor) -> ConditionsTold {
        let pooled = features.mean_dim([0i64, 1].as_slice(), false, None::<Kind>).unsqueeze(0);
        let hidden = self.projection.forward(&pooled).relu_();
        let severity = self.severity.as_ref().map(|layer| layer.forward(&hidden).squeeze_dim(1));
        ConditionsTold { logits: self.classifier.forward(&hidden), severity }
    }

    /// `features` `[G, G, C]` as the box head sees them where `logits` `[1, classes]` were told; none where it sees them
    /// as they are.
    pub fn modulate(&self, features: &Tensor, logits: &Tensor) -> Option<Tensor> {
        let by = self.film.as_ref()?.forward(&self.head.probabilities(logits)).view([2, -1]);
        Some(features + features * by.get(0) + by.get(1))
    }
}
