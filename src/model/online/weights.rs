//! Reads the model's tensors by name, and prepares those of convolutions for inference.

use crate::failure::{Failure, Result};
use crate::model::params::Params;
use crate::native::PackedLinear;
use tch::{Kind, Tensor};

/// The tensors below a name prefix.
pub(super) struct Weights<'a> {
    params: &'a Params,
    prefix: String,
}

impl<'a> Weights<'a> {
    pub fn root(params: &'a Params) -> Self {
        Self { params, prefix: String::new() }
    }

    /// The tensors of the part called `name`.
    pub fn at(&self, name: impl std::fmt::Display) -> Self {
        Self { params: self.params, prefix: format!("{}{name}.", self.prefix) }
    }

    /// The tensor of that name, without gradients; it is the model's own.
    pub fn get(&self, name: &str) -> Result<Tensor> {
        let name = format!("{}{name}", self.prefix);
        let tensor = self.params.get(&name);
        Ok(tensor.ok_or_else(|| Failure::stage(format!("the model has no tensor {name}")))?.detach())
    }

    /// A linear layer for inputs of about `rows` rows.
    pub fn linear(&self, rows: i64) -> Result<Linear> {
        Ok(Linear::new(self.get("weight")?, self.get("bias")?, rows))
    }

    pub fn norm(&self) -> Result<Norm> {
        Ok(Norm { weight: self.get("weight")?, bias: self.get("bias")? })
    }

    pub fn kernel(&self) -> Result<Kernel> {
        Ok(Kernel { weight: self.get("weight")?, bias: self.get("bias")? })
    }

    /// The convolution called `conv` with the batch normalisation `norm` behind it folded in: one linear map.
    pub fn folded(&self, conv: &str, norm: &str) -> Result<Kernel> {
        let Kernel { weight, bias } = self.at(conv).kernel()?;
        let norm = self.at(norm);
        let double = |name: &str| Ok::<_, Failure>(norm.get(name)?.to_kind(Kind::Double));
        let scale = double("weight")? / (double("running_var")? + 1e-5).sqrt();
        let bias = (bias.to_kind(Kind::Double) - double("running_mean")?) * &scale + double("bias")?;
        let weight = weight.to_kind(Kind::Double) * scale.view([-1, 1, 1, 1]);
        Ok(Kernel { weight: weight.to_kind(Kind::Float), bias: bias.to_kind(Kind::Float) })
    }
}

/// `y = x Wᵀ + b`, W `[out, in]`.
#[derive(Debug)]
pub(super) enum Linear {
    Plain { weight: Tensor, bias: Tensor },
    Packed(PackedLinear),
}

impl Linear {
    /// For inputs of about `rows` rows.
    pub fn new(weight: Tensor, bias: Tensor, rows: i64) -> Self {
        match PackedLinear::new(&weight, &bias, rows) {
            Some(packed) => Self::Packed(packed),
            None => Self::Plain { weight, bias },
        }
    }

    pub fn forward(&self, x: &Tensor) -> Tensor {
        match self {
            Self::Plain { weight, bias } => x.linear(weight, Some(bias)),
            Self::Packed(packed) => packed.forward(x),
        }
    }
}

/// Layer normalisation over the last dimension.
#[derive(Debug)]
pub(super) struct Norm {
    weight: Tensor,
    bias: Tensor,
}

impl Norm {
    pub fn forward(&self, x: &Tensor) -> Tensor {
        x.layer_norm(self.weight.size(), Some(&self.weight), Some(&self.bias), 1e-6, true)
    }
}

/// The numbers of a convolution: weight `[out, in, k, k]` and bias `[out]`.
#[derive(Debug)]
pub(super) struct Kernel {
    pub weight: Tensor,
    pub bias: Tensor,
}

impl Kernel {
    /// The part of it that sees the input channels from `from`, without the bias.
    pub fn inputs(&self, from: i64, count: i64) -> Self {
        Self { weight: self.weight.narrow(1, from, count), bias: self.bias.zeros_like() }
    }

    /// Several convolutions of one input as one.
    pub fn stack(kernels: &[Self]) -> Self {
        let join = |part: fn(&Self) -> &Tensor| Tensor::cat(&kernels.iter().map(part).collect::<Vec<_>>(), 0);
        Self { weight: join(|kernel| &kernel.weight), bias: join(|kernel| &kernel.bias) }
    }
}
