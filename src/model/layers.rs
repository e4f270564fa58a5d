//! The layers that the modules share, with PyTorch's tensor names.

use super::init::Init;
use super::params::Scope;
use crate::native;
use tch::{Kind, Tensor};

/// `y = x Wᵀ + b`, W `[out, in]`.
#[derive(Debug)]
pub(super) struct Linear {
    weight: Tensor,
    bias: Tensor,
}

impl Linear {
    pub fn parameters(&self) -> [&Tensor; 2] {
        [&self.weight, &self.bias]
    }

    pub fn new(mut scope: Scope<'_>, width_in: i64, width_out: i64, weight: Init, bias: Init) -> Self {
        let weight = scope.parameter("weight", &[width_out, width_in], weight);
        Self { weight, bias: scope.parameter("bias", &[width_out], bias) }
    }

    pub fn forward(&self, x: &Tensor) -> Tensor {
        if let Some([weight, bias]) = native::shared(&self.weight, &self.bias) {
            return x.linear(&weight, Some(&bias));
        }
        native::linear(x, &self.weight, &self.bias).unwrap_or_else(|| x.linear(&self.weight, Some(&self.bias)))
    }
}

/// Normalises the last dimension, with PyTorch's names; ε is ViT's 1e-6.
#[derive(Debug)]
pub(super) struct LayerNorm {
    weight: Tensor,
    bias: Tensor,
}

impl LayerNorm {
    pub fn parameters(&self) -> [&Tensor; 2] {
        [&self.weight, &self.bias]
    }

    pub fn new(mut scope: Scope<'_>, width: i64) -> Self {
        let weight = scope.parameter("weight", &[width], Init::Constant(1.0));
        Self { weight, bias: scope.parameter("bias", &[width], Init::Constant(0.0)) }
    }

    pub fn forward(&self, x: &Tensor) -> Tensor {
        let own = native::shared(&self.weight, &self.bias);
        let [weight, bias] = own.as_ref().map_or([&self.weight, &self.bias], |[weight, bias]| [weight, bias]);
        x.layer_norm(weight.size(), Some(weight), Some(bias), 1e-6, true)
    }
}

/// A square convolution with bias, padded so that stride 1 keeps the size (patch embedding: no padding).
#[derive(Debug)]
pub(super) struct Conv2d {
    weight: Tensor,
    bias: Tensor,
    stride: i64,
    padding: i64,
}

/// The shape of a [`Conv2d`].
#[derive(Clone, Copy, Debug)]
pub(super) struct ConvShape {
    pub channels_in: i64,
    pub channels_out: i64,
    pub kernel: i64,
    pub stride: i64,
}

impl ConvShape {
    pub fn new(channels_in: i64, channels_out: i64, kernel: i64) -> Self {
        Self { channels_in, channels_out, kernel, stride: 1 }
    }

    pub fn stride(self, stride: i64) -> Self {
        Self { stride, ..self }
    }

    pub fn fan_in(&self) -> i64 {
        self.channels_in * self.kernel * self.kernel
    }

    pub fn fan_out(&self) -> i64 {
        self.channels_out * self.kernel * self.kernel
    }

    pub fn torch_default(&self) -> Init {
        Init::torch_default(self.fan_in())
    }
}

impl Conv2d {
    pub fn parameters(&self) -> [&Tensor; 2] {
        [&self.weight, &self.bias]
    }

    pub fn new(mut scope: Scope<'_>, shape: ConvShape, weight: Init, bias: Init) -> Self {
        let ConvShape { channels_in, channels_out, kernel, stride } = shape;
        let weight = scope.parameter("weight", &[channels_out, channels_in, kernel, kernel], weight);
        let bias = scope.parameter("bias", &[channels_out], bias);
        Self { weight, bias, stride, padding: if stride == kernel { 0 } else { kernel / 2 } }
    }

    /// With PyTorch's default start.
    pub fn default_init(scope: Scope<'_>, shape: ConvShape) -> Self {
        Self::new(scope, shape, shape.torch_default(), shape.torch_default())
    }

    pub fn forward(&self, x: &Tensor) -> Tensor {
        if let Some([weight, bias]) = native::shared(&self.weight, &self.bias) {
            return x.conv2d(&weight, Some(&bias), [self.stride], [self.padding], [1], 1);
        }
        let wide = if self.stride == 1 { native::convolution(x, &self.weight, &self.bias) } else { None };
        wide.unwrap_or_else(|| x.conv2d(&self.weight, Some(&self.bias), [self.stride], [self.padding], [1], 1))
    }
}

/// By what batch normalisation normalises.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Statistics {
    /// The running statistics, as in evaluation.
    Running,
    /// The batch's own, and the running ones stay as they are.
    Batch,
    /// The batch's own, which also move the running ones.
    BatchAndUpdate,
}

/// Batch normalisation over the channels of `[B, C, H, W]`: momentum 0.1, ε 1e-5.
#[derive(Debug)]
pub(super) struct BatchNorm2d {
    weight: Tensor,
    bias: Tensor,
    mean: Tensor,
    variance: Tensor,
    batches: Tensor,
}

impl BatchNorm2d {
    pub fn new(mut scope: Scope<'_>, channels: i64) -> Self {
        Self {
            weight: scope.parameter("weight", &[channels], Init::Constant(1.0)),
            bias: scope.parameter("bias", &[channels], Init::Constant(0.0)),
            mean: scope.buffer("running_mean", &[channels], 0.0),
            variance: scope.buffer("running_var", &[channels], 1.0),
            batches: scope.counter("num_batches_tracked"),
        }
    }

    pub fn parameters(&self) -> [&Tensor; 2] {
        [&self.weight, &self.bias]
    }

    /// Running mean and variance.
    pub fn statistics(&self) -> [&Tensor; 2] {
        [&self.mean, &self.variance]
    }

    /// Counts a batch whose statistics moved the running ones.
    pub fn count(&self) {
        if !native::count_later(&self.batches) {
            let _ = tch::no_grad(|| self.batches.shallow_clone().g_add_scalar_(1));
        }
    }

    pub fn forward(&self, x: &Tensor, statistics: Statistics) -> Tensor {
        let by_batch = statistics != Statistics::Running;
        let running = match statistics {
            Statistics::Batch => (None, None),
            _ => (Some(&self.mean), Some(&self.variance)),
        };
        if statistics == Statistics::BatchAndUpdate {
            self.count();
        }
        let own = native::shared(&self.weight, &self.bias);
        let [weight, bias] = own.as_ref().map_or([&self.weight, &self.bias], |[weight, bias]| [weight, bias]);
        batch_norm(x, [weight, bias], running, by_batch)
    }
}

/// `x` `[B, C, H, W]` normalised by channels: by the statistics of the batch, which move the `running` ones (mean and
/// variance), or by those. Where several processes synchronise, the batch is that of all of them.
pub(super) fn batch_norm(
    x: &Tensor,
    [weight, bias]: [&Tensor; 2],
    running: (Option<&Tensor>, Option<&Tensor>),
    by_batch: bool,
) -> Tensor {
    if by_batch && native::is_synchronised() {
        return synchronised(x, [weight, bias], running);
    }
    x.batch_norm(Some(weight), Some(bias), running.0, running.1, by_batch, MOMENTUM, EPSILON, true)
}

const MOMENTUM: f64 = 0.1;
const EPSILON: f64 = 1e-5;

fn synchronised(x: &Tensor, [weight, bias]: [&Tensor; 2], running: (Option<&Tensor>, Option<&Tensor>)) -> Tensor {
    let wide = x.to_kind(Kind::Float);
    let channels = x.size()[1];
    let each = |values: &Tensor| values.view([1, channels, 1, 1]);
    let over = |values: &Tensor| values.sum_dim_intlist([0i64, 2, 3].as_slice(), false, None::<Kind>);
    let all = |values: &Tensor| native::sum_over_ranks(values).unwrap_or_else(|| values.shallow_clone());
    let own = (x.numel() as i64 / channels.max(1)) as f64;
    let sums = all(&Tensor::cat(&[over(&wide), Tensor::full([1], own, (Kind::Float, x.device()))], 0));
    let count = sums.narrow(0, channels, 1);
    let centred = &wide - each(&(sums.narrow(0, 0, channels) / &count));
    // The mean first: a difference of large squares would lose what matters.
    let variance = all(&over(&centred.square())) / &count;
    if let (Some(mean), Some(spread)) = running {
        tch::no_grad(|| {
            let batch_mean = sums.detach().narrow(0, 0, channels) / &count;
            let unbiased = variance.detach() * (&count / (&count - 1.0));
            for (moves, by) in [(mean, batch_mean), (spread, unbiased)] {
                let _ = moves.shallow_clone().lerp_(&by, MOMENTUM);
            }
        });
    }
    let scaled = centred * each(&(variance + EPSILON).rsqrt());
    (scaled * each(weight) + each(bias)).to_kind(x.kind())
}

/// Two 3×3 convolutions on a residual path, activated before; the short cut is a convolution where the width changes.
#[derive(Debug)]
pub(super) struct ResBlock {
    shortcut: Option<Conv2d>,
    conv1: Conv2d,
    conv2: Conv2d,
}

impl ResBlock {
    pub fn new(mut scope: Scope<'_>, channels_in: i64, channels_out: i64) -> Self {
        let widen = ConvShape::new(channels_in, channels_out, 3);
        Self {
            shortcut: (channels_in != channels_out).then(|| Conv2d::default_init(scope.at("downsample"), widen)),
            conv1: Conv2d::default_init(scope.at("conv1"), widen),
            conv2: Conv2d::default_init(scope.at("conv2"), ConvShape::new(channels_out, channels_out, 3)),
        }
    }

    pub fn forward(&self, x: &Tensor) -> Tensor {
        let residual = self.conv2.forward(&self.conv1.forward(&x.relu()).relu());
        match &self.shortcut {
            Some(shortcut) => shortcut.forward(x) + residual,
            None => x + residual,
        }
    }
}

/// Attention of `query` `[B, heads, M, D]` over `key` and `value` `[B, heads, N, D]`, the heads joined: `[B, M, heads·D]`.
pub(super) fn attention(query: &Tensor, key: &Tensor, value: &Tensor) -> Tensor {
    native::attention(query, key, value).unwrap_or_else(|| {
        let mixed = Tensor::scaled_dot_product_attention(query, key, value, None::<&Tensor>, 0.0, false, None, false);
        mixed.transpose(1, 2).flatten(2, 3)
    })
}
