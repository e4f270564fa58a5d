//! What is read off the fused search feature: the object's box, and the scene's condition.

use super::class_tokens::ClassTokens;
use super::clip::Corners;
use super::config::{BoxHeadKind, ClassHead, Config};
use super::corner::CornerHead;
use super::init::Init;
use super::layers::{BatchNorm2d, Conv2d, ConvShape, Linear, Statistics};
use super::params::Scope;
use super::towers::SideBySide;
use tch::{Kind, Tensor};

/// The score that the map starts from, so that the many cells without an object do not drown the one with it (Lin et
/// al.: "Focal loss", 2017; the value is that of "Objects as Points"). The reference starts from 0.5 and loads trained
/// weights.
const SCORE_PRIOR: f64 = 0.1;

/// One output of the box head: four convolutions with normalisation, and a linear map.
#[derive(Debug)]
pub(super) struct Tower {
    layers: Vec<(Conv2d, BatchNorm2d)>,
    last: Conv2d,
}

impl Tower {
    pub fn new(scope: &mut Scope<'_>, config: &Config, name: &str, outputs: i64, bias: Option<f32>) -> Self {
        let conv = |scope: Scope<'_>, shape: ConvShape| {
            Conv2d::new(scope, shape, Init::xavier(shape.fan_in(), shape.fan_out()), shape.torch_default())
        };
        let mut width = config.dim;
        let mut layers = Vec::new();
        for layer in 0..4 {
            let next = config.head_channels >> layer;
            let mut scope = scope.at(format_args!("conv{}_{name}", layer + 1));
            let convolution = conv(scope.at("0"), ConvShape::new(width, next, 3));
            layers.push((convolution, BatchNorm2d::new(scope.at("1"), next)));
            width = next;
        }
        let shape = ConvShape::new(width, outputs, 1);
        let bias = bias.map_or(shape.torch_default(), Init::Constant);
        let weight = Init::xavier(shape.fan_in(), shape.fan_out());
        let last = Conv2d::new(scope.at(format_args!("conv5_{name}")), shape, weight, bias);
        Self { layers, last }
    }

    /// The convolutions with their normalisations, without the last.
    pub fn layers(&self) -> &[(Conv2d, BatchNorm2d)] {
        &self.layers
    }

    /// The last convolution.
    pub fn last(&self) -> &Conv2d {
        &self.last
    }

    /// The map in f32, whatever the precision of the convolutions.
    pub fn forward(&self, x: &Tensor, statistics: Statistics) -> Tensor {
        let mut x = x.shallow_clone();
        for (conv, bn) in &self.layers {
            x = bn.forward(&conv.forward(&x), statistics).relu();
        }
        self.last.forward(&x).to_kind(Kind::Float)
    }
}

/// What a box head says.
#[derive(Debug)]
pub(super) struct BoxPrediction {
    /// `[B, 4]` in normalised `(cx, cy, w, h)`.
    pub boxes: Tensor,
    /// `[B, 1, G, G]` in `[1e-4, 1 − 1e-4]`.
    pub score: Tensor,
    /// `[B, 2, G, G]`: width and height as shares of the crop, in `[1e-4, 1 − 1e-4]`.
    pub size: Tensor,
    /// `[B, 2, G, G]`: of the centre from the token's corner, in tokens.
    pub offset: Tensor,
    /// What a corner head found.
    pub corners: Option<Corners>,
}

/// The box `[B, 4]` in normalised `(cx, cy, w, h)` at the peak of `score` `[B, 1, G, G]`; gradients flow into size and
/// offset there.
pub(super) fn boxes_at_peak(score: &Tensor, size: &Tensor, offset: &Tensor) -> Tensor {
    let grid = score.size()[3];
    let (_, peak) = score.detach().flatten(1, 3).max_dim(1, true);
    let x = peak.remainder(grid).to_kind(Kind::Float);
    let y = peak.floor_divide_scalar(grid).to_kind(Kind::Float);
    let index = peak.unsqueeze(1).expand([-1, 2, 1], false);
    let at_peak = |map: &Tensor| map.flatten(2, 3).gather(2, &index, false).squeeze_dim(2);
    let centre = (Tensor::cat(&[x, y], 1) + at_peak(offset)) / grid as f64;
    Tensor::cat(&[centre, at_peak(size)], 1)
}

/// Either of the heads that read a box off the fused feature.
#[derive(Debug)]
pub(super) enum BoxHead {
    Centre(CentreHead),
    Corner(CornerHead),
}

impl BoxHead {
    pub fn new(scope: Scope<'_>, config: &Config) -> Self {
        match config.box_head {
            BoxHeadKind::Centre => Self::Centre(CentreHead::new(scope, config)),
            BoxHeadKind::Corner => Self::Corner(CornerHead::new(scope, config)),
        }
    }

    /// The towers of a centre head: score, size, offset.
    pub fn centre_towers(&self) -> Option<[&Tower; 3]> {
        match self {
            Self::Centre(CentreHead { score, offset, size }) => Some([score, size, offset]),
            Self::Corner(_) => None,
        }
    }

    /// The box of `features` `[B, C, G, G]`; by the head's towers `side_by_side` where they were put so.
    pub fn forward(
        &self,
        features: &Tensor,
        side_by_side: Option<&SideBySide<'_>>,
        statistics: Statistics,
    ) -> BoxPrediction {
        match (self, side_by_side) {
            (_, Some(towers)) => CentreHead::of_joined(&towers.forward(features, statistics)),
            (Self::Centre(head), None) => head.forward(features, statistics),
            (Self::Corner(head), None) => head.forward(features, statistics),
        }
    }
}

/// The centre head (Zhou et al.: "Objects as Points", 2019): score, offset and size of a box at every token.
#[derive(Debug)]
pub(super) struct CentreHead {
    score: Tower,
    offset: Tower,
    size: Tower,
}

impl CentreHead {
    fn new(mut scope: Scope<'_>, config: &Config) -> Self {
        let prior = (SCORE_PRIOR / (1.0 - SCORE_PRIOR)).ln() as f32;
        Self {
            score: Tower::new(&mut scope, config, "ctr", 1, Some(prior)),
            offset: Tower::new(&mut scope, config, "offset", 2, None),
            size: Tower::new(&mut scope, config, "size", 2, None),
        }
    }

    /// The maps of `features` `[B, C, G, G]`, and the box at the place of the highest score.
    fn forward(&self, features: &Tensor, statistics: Statistics) -> BoxPrediction {
        let bounded = |x: Tensor| x.sigmoid().clamp(1e-4, 1.0 - 1e-4);
        let score = bounded(self.score.forward(features, statistics));
        let offset = self.offset.forward(features, statistics);
        let size = bounded(self.size.forward(features, statistics));
        Self::prediction(score, size, offset)
    }

    /// What the towers' outputs `[B, 5, G, G]` say: score, size and offset, the first two before they are bounded.
    fn of_joined(maps: &Tensor) -> BoxPrediction {
        // Split, not cut out: the gradient of each cut would be as large as the whole.
        let two = |x: &Tensor, sizes: [i64; 2]| {
            <[Tensor; 2]>::try_from(x.split_with_sizes(sizes, 1)).unwrap_or_else(|_| unreachable!("two parts"))
        };
        let [bounded, offset] = two(maps, [3, 2]);
        let [score, size] = two(&bounded.sigmoid().clamp(1e-4, 1.0 - 1e-4), [1, 2]);
        Self::prediction(score, size, offset)
    }

    fn prediction(score: Tensor, size: Tensor, offset: Tensor) -> BoxPrediction {
        let boxes = boxes_at_peak(&score, &size, &offset);
        BoxPrediction { boxes, score, size, offset, corners: None }
    }
}

/// Two linear layers on a pooled feature; a third for the severity where the head is multi-label.
#[derive(Debug)]
pub(super) struct ConditionHead {
    /// Which feature that is.
    pub tokens: ClassTokens,
    projection: Linear,
    classifier: Linear,
    severity: Option<Linear>,
    dropout: f64,
}

/// What a condition head says.
#[derive(Debug)]
pub(super) struct ConditionPrediction {
    /// `[B, classes]` f32.
    pub logits: Tensor,
    /// `[B]` f32.
    pub severity: Option<Tensor>,
}

impl ConditionPrediction {
    /// What was said of `[N·B]` frames in one go, frame-major, as N outputs of `batch` clips.
    pub fn split(self, batch: i64) -> Vec<Self> {
        let mut severity = self.severity.map(|all| all.split(batch, 0)).into_iter().flatten();
        self.logits.split(batch, 0).into_iter().map(|logits| Self { logits, severity: severity.next() }).collect()
    }
}

impl ConditionHead {
    pub fn new(mut scope: Scope<'_>, config: &Config, head: &ClassHead) -> Self {
        let tokens = ClassTokens::new(&mut scope, config, head);
        let mut linear =
            |name: &str, from, to| Linear::new(scope.at(name), from, to, Init::xavier(from, to), Init::Constant(0.0));
        let dim = config.dim;
        Self {
            tokens,
            projection: linear("cls_projection", dim, head.hidden),
            classifier: linear("classifier", head.hidden, head.classes),
            severity: head.multi_label.then(|| linear("severity", head.hidden, 1)),
            dropout: head.dropout,
        }
    }

    /// The conditions of `pooled` `[B, C]`; with `stochastic`, dropout is on.
    pub fn forward(&self, pooled: &Tensor, stochastic: bool) -> ConditionPrediction {
        let hidden = self.projection.forward(pooled).relu().dropout(self.dropout, stochastic);
        let of_hidden = |layer: &Linear| layer.forward(&hidden).to_kind(Kind::Float);
        let severity = self.severity.as_ref().map(|layer| of_hidden(layer).squeeze_dim(1));
        ConditionPrediction { logits: of_hidden(&self.classifier), severity }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tch::Device;

    #[test]
    fn the_box_is_read_at_the_peak() {
        let options = (Kind::Float, Device::Cpu);
        let mut score = Tensor::full([1i64, 1, 4, 4], 0.1, options);
        let (mut size, mut offset) = (Tensor::zeros([1, 2, 4, 4], options), Tensor::zeros([1, 2, 4, 4], options));
        let _ = score.get(0).get(0).get(2).get(3).fill_(0.9);
        for (map, values) in [(&mut size, [0.25, 0.5]), (&mut offset, [0.5, 0.25])] {
            for (channel, value) in values.into_iter().enumerate() {
                let _ = map.get(0).get(channel as i64).get(2).get(3).fill_(value);
            }
        }
        score = score.set_requires_grad(false);
        let boxes = boxes_at_peak(&score, &size, &offset);
        assert_eq!(Vec::<f32>::try_from(boxes.view([-1])).unwrap(), [3.5 / 4.0, 2.25 / 4.0, 0.25, 0.5]);
    }
}
