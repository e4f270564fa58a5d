//! AdamW (Loshchilov and Hutter, "Decoupled weight decay regularization", 2019) with clipping by the global norm and a
//! guard against non-finite gradients, all on the device: no step waits for the host. The update itself is libtorch's
//! fused one: every parameter is read and written once.

use crate::{
    failure::Result,
    native::{self, Hyper},
};
use std::collections::HashSet;
use tch::{Device, Kind, Tensor, no_grad};

/// What is the same for all parameters.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct AdamWOptions {
    /// Decay of the first moment.
    pub beta1: f64,
    /// Decay of the second moment.
    pub beta2: f64,
    /// Added to the root of the second moment.
    pub eps: f64,
    /// Decoupled weight decay.
    pub weight_decay: f64,
    /// Largest norm of all gradients together; 0 switches clipping off.
    pub clip_norm: f64,
}

/// A parameter that trains, with its moments.
#[derive(Debug)]
pub struct Slot {
    /// The PyTorch state name.
    pub name: String,
    /// The parameter.
    pub parameter: Tensor,
    /// First moment, as the parameter in shape.
    pub exp_avg: Tensor,
    /// Second moment, as the parameter in shape.
    pub exp_avg_sq: Tensor,
    /// Whether it belongs to the backbone's group.
    pub backbone: bool,
}

/// The optimizer of one phase.
#[derive(Debug)]
pub struct AdamW {
    options: AdamWOptions,
    /// The parameters that train in this phase, in a fixed order.
    pub slots: Vec<Slot>,
    /// Updates that were applied: a scalar, f64.
    pub updates: Tensor,
}

/// What an update found, as scalars on the device.
#[derive(Debug)]
pub struct Update {
    /// Norm of all gradients before clipping.
    pub norm: Tensor,
    /// 1 where the gradients were finite and the update was applied, else 0.
    pub applied: Tensor,
}

impl AdamW {
    /// A fresh optimizer for `(name, parameter)` pairs.
    pub fn new(options: AdamWOptions, parameters: Vec<(String, Tensor)>, device: Device) -> Self {
        let slots = parameters
            .into_iter()
            .map(|(name, parameter)| Slot {
                backbone: name.starts_with("backbone."),
                exp_avg: parameter.zeros_like().set_requires_grad(false),
                exp_avg_sq: parameter.zeros_like().set_requires_grad(false),
                parameter,
                name,
            })
            .collect();
        Self { options, slots, updates: Tensor::zeros([], (Kind::Double, device)) }
    }

    /// One update with `gradients`, one for each slot and undefined where there is none; they are clipped in place.
    /// With a non-finite gradient, or where `finite` is 0, nothing changes, moments and count included.
    ///
    /// # Errors
    /// A gradient whose shape or device is not its parameter's.
    pub fn update(
        &mut self,
        gradients: &[Tensor],
        finite: Option<&Tensor>,
        lr: f64,
        backbone_lr: f64,
    ) -> Result<Update> {
        no_grad(|| self.apply(gradients, finite, lr, backbone_lr))
    }

    fn apply(&mut self, gradients: &[Tensor], also: Option<&Tensor>, lr: f64, backbone_lr: f64) -> Result<Update> {
        let AdamWOptions { beta1, beta2, eps, weight_decay, clip_norm } = self.options;
        let present: Vec<(&Slot, &Tensor)> =
            self.slots.iter().zip(gradients).filter(|(_, gradient)| gradient.defined()).collect();
        if present.is_empty() {
            let scalar = |value: f64| Tensor::full([0i64; 0], value, (Kind::Float, self.updates.device()));
            return Ok(Update { norm: scalar(0.0), applied: also.map_or_else(|| scalar(1.0), Tensor::shallow_clone) });
        }
        let mut preview = HashSet::new();
        // Autograd may hand the same tensor to two parameters; clipping in place would then clip it twice.
        let copies: Vec<Option<Tensor>> = present
            .iter()
            .map(|(_, gradient)| (!preview.insert(gradient.data_ptr())).then(|| gradient.copy()))
            .collect();
        let present: Vec<(&Slot, &Tensor)> = present
            .into_iter()
            .zip(&copies)
            .map(|((slot, gradient), copy)| (slot, copy.as_ref().unwrap_or(gradient)))
            .collect();
        let norm = native::norm(present.iter().map(|(_, gradient)| *gradient))?;
        let finite = norm.isfinite().to_kind(Kind::Float);
        let finite = also.map_or_else(|| finite.shallow_clone(), |also| &finite * also);
        let skip: Tensor = 1 - &finite;
        let divisor = (clip_norm > 0.0).then(|| ((&norm + 1e-6) / clip_norm).clamp_min(1.0));
        let count = &self.updates + &finite.to_kind(Kind::Double);
        let step = count.to_kind(Kind::Float);
        for (backbone, lr) in [(false, lr), (true, backbone_lr)] {
            let slots: Vec<[&Tensor; 4]> = present
                .iter()
                .filter(|(slot, _)| slot.backbone == backbone)
                .map(|(slot, gradient)| [&slot.parameter, *gradient, &slot.exp_avg, &slot.exp_avg_sq])
                .collect();
            let hyper = Hyper { lr, beta1, beta2, weight_decay, eps };
            native::adamw(&slots, &step, divisor.as_ref(), &skip, &hyper)?;
        }
        self.updates.copy_(&count);
        Ok(Update { norm, applied: finite })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(clip_norm: f64) -> AdamWOptions {
        AdamWOptions { beta1: 0.9, beta2: 0.999, eps: 1e-8, weight_decay: 0.01, clip_norm }
    }

    fn one(values: &[f32], clip_norm: f64) -> AdamW {
        let parameter = Tensor::from_slice(values).set_requires_grad(true);
        AdamW::new(options(clip_norm), vec![("w".into(), parameter)], Device::Cpu)
    }

    fn values(optimizer: &AdamW) -> Vec<f32> {
        Vec::try_from(&optimizer.slots[0].parameter.detach()).unwrap()
    }

    /// The formula of the paper, one number at a time.
    fn by_hand(mut w: f64, gradients: &[f64], lr: f64) -> f64 {
        let (mut m, mut v) = (0.0, 0.0);
        for (t, g) in (1..).zip(gradients) {
            m = 0.9 * m + 0.1 * g;
            v = 0.999 * v + 0.001 * g * g;
            let (m, v) = (m / (1.0 - 0.9f64.powi(t)), v / (1.0 - 0.999f64.powi(t)));
            w -= lr * 0.01 * w;
            w -= lr * m / (v.sqrt() + 1e-8);
        }
        w
    }

    #[test]
    fn updates_follow_the_paper() {
        let mut optimizer = one(&[1.5], 0.0);
        for gradient in [0.3f32, -2.0, 0.01] {
            optimizer.update(&[Tensor::from_slice(&[gradient])], None, 0.1, 0.0).unwrap();
        }
        assert!((f64::from(values(&optimizer)[0]) - by_hand(1.5, &[0.3, -2.0, 0.01], 0.1)).abs() < 1e-6);
    }

    #[test]
    fn gradients_are_clipped_by_their_common_norm() {
        let mut optimizer = one(&[0.0, 0.0], 1.0);
        let update = optimizer.update(&[Tensor::from_slice(&[3f32, 4.0])], None, 0.1, 0.1).unwrap();
        assert_eq!(update.norm.double_value(&[]), 5.0);
        let first: Vec<f32> = Vec::try_from(&optimizer.slots[0].exp_avg).unwrap();
        assert!((first[0] - 0.06).abs() < 1e-6 && (first[1] - 0.08).abs() < 1e-6, "{first:?}");
    }

    #[test]
    fn a_gradient_in_another_layout_or_shared_by_two_parameters_is_used_rightly() {
        let parameter = || Tensor::zeros([2, 3], (Kind::Float, Device::Cpu));
        let parameters = vec![("a".to_string(), parameter()), ("backbone.b".to_string(), parameter())];
        let mut optimizer = AdamW::new(options(1.0), parameters, Device::Cpu);
        let gradient = Tensor::arange(6, (Kind::Float, Device::Cpu)).view([3, 2]).transpose(0, 1);
        let expected = &gradient * (0.1 / (2.0f64 * 55.0).sqrt());
        optimizer.update(&[gradient.shallow_clone(), gradient], None, 0.1, 0.1).unwrap();
        for slot in &optimizer.slots {
            assert!((&slot.exp_avg - &expected).abs().max().double_value(&[]) < 1e-6);
        }
    }

    #[test]
    fn a_non_finite_gradient_changes_nothing() {
        let mut optimizer = one(&[1.0, 2.0], 0.1);
        for bad in [f32::NAN, f32::INFINITY] {
            let update = optimizer.update(&[Tensor::from_slice(&[1.0, bad])], None, 0.1, 0.1).unwrap();
            assert_eq!(update.applied.double_value(&[]), 0.0);
        }
        let lost = Tensor::from(0f32);
        let update = optimizer.update(&[Tensor::from_slice(&[1f32, 1.0])], Some(&lost), 0.1, 0.1).unwrap();
        assert_eq!(update.applied.double_value(&[]), 0.0, "the loss was not finite");
        assert_eq!(values(&optimizer), [1.0, 2.0]);
        assert_eq!(optimizer.updates.double_value(&[]), 0.0);
        assert_eq!(optimizer.slots[0].exp_avg.abs().max().double_value(&[]), 0.0);
    }
}
