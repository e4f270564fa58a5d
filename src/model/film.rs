//! Features modulated by the predicted conditions (Perez et al.: "FiLM: Visual reasoning with a general
//! conditioning layer", AAAI 2018): `(1 + γ)·x + β` by channel, γ and β linear in the conditions' probabilities.

use super::config::ClassHead;
use super::init::Init;
use super::layers::Linear;
use super::params::Scope;
use tch::Tensor;

/// Starts as the identity: its weights are zero, so that a trained tracker that is given one goes on as it was.
#[derive(Debug)]
pub(super) struct Film {
    projection: Linear,
    head: ClassHead,
    width: i64,
}

impl Film {
    pub fn new(mut scope: Scope<'_>, width: i64, head: &ClassHead) -> Self {
        let zero = Init::Constant(0.0);
        let projection = Linear::new(scope.at("projection"), head.classes, 2 * width, zero, zero);
        Self { projection, head: head.clone(), width }
    }

    /// `features` `[B, C, G, G]`, modulated by the `logits` `[B, classes]` of their conditions. Gradients flow into
    /// both.
    pub fn forward(&self, features: &Tensor, logits: &Tensor) -> Tensor {
        let by = self.projection.forward(&self.head.probabilities(logits)).to_kind(features.kind());
        let by = by.view([-1, 2, self.width, 1, 1]);
        features + features * by.select(1, 0) + by.select(1, 1)
    }
}
