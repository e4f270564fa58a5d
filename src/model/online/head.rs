//! Box head and condition head for one frame at a time.

use super::conv::{Conv, as_planes};
use super::vit::Features;
use super::weights::{Kernel, Linear, Weights};
use crate::failure::Result;
use crate::model::config::{BoxHeadKind, ClassHead, ClassInput, Config};
use crate::model::corner::between_corners;
use crate::model::heads::{BoxPrediction, ConditionHead, ConditionPrediction, boxes_at_peak};
use crate::model::hiptrack::Hiptrack;
use crate::model::layers::Statistics;
use crate::model::params::{Params, Scope};
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

/// The condition head, and what it does to the features that the box head sees.
#[derive(Debug)]
pub(super) struct Conditions {
    own: ConditionHead,
    film: Option<Linear>,
    head: ClassHead,
}

impl Conditions {
    /// The `head` of `model`, with its weights as they are now.
    pub fn new(model: &Hiptrack, head: &ClassHead) -> Result<Self> {
        let mut params = Params::new(model.params().device());
        let own = ConditionHead::new(Scope::root(&mut params, 0).at("cls_head"), model.config(), head);
        let tensors = model.params().iter().filter(|(name, ..)| name.starts_with("cls_head."));
        params.load(tensors.map(|(name, tensor, _)| (name, tensor)))?.require(&[])?;
        params.set_trainable(|_| false);
        let film = Weights::root(model.params()).at("film.projection");
        Ok(Self { own, film: if head.film { Some(film.linear(1)?) } else { None }, head: head.clone() })
    }

    /// Whether it reads the template's tokens too, and not the fused feature.
    pub fn reads_tokens(&self) -> bool {
        self.head.input == ClassInput::Tokens
    }

    /// The head's own tokens `[1, N, C]` of a crop `[1, 3, S, S]`, where it has such.
    pub fn own(&self, crop: &Tensor) -> Option<Tensor> {
        self.own.tokens.own([crop], Statistics::Running).map(|[tokens]| tokens)
    }

    /// The conditions of `fused` `[G, G, C]`, or of the `features` of the crop `search` and the head's `own` tokens of the
    /// template.
    pub fn forward(
        &self,
        fused: &Tensor,
        features: &Features,
        own: Option<&Tensor>,
        search: &Tensor,
    ) -> ConditionPrediction {
        let pooled = match (self.head.input, &features.template) {
            (ClassInput::Tokens, Some(template)) => {
                let flat = |x: &Tensor| x.flatten(0, 1).unsqueeze(0);
                let tokens = Tensor::cat(&[flat(template), flat(&features.search)], 1);
                let own = own.zip(self.own(search)).map(|(template, search)| Tensor::cat(&[template, &search], 1));
                self.own.tokens.of_tokens(&tokens, own.as_ref(), template.size()[0].pow(2))
            }
            _ => {
                let map = as_planes(fused);
                let mean = fused.mean_dim([0i64, 1].as_slice(), false, None::<Kind>).unsqueeze(0);
                self.own.tokens.of_map(&map, &mean)
            }
        };
        self.own.forward(&pooled, false)
    }

    /// `features` `[G, G, C]` as the box head sees them where `logits` `[1, classes]` were predicted; none where it sees them
    /// as they are.
    pub fn modulate(&self, features: &Tensor, logits: &Tensor) -> Option<Tensor> {
        let by = self.film.as_ref()?.forward(&self.head.probabilities(logits)).view([2, -1]);
        Some(features + features * by.get(0) + by.get(1))
    }
}
