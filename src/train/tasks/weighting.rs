//! How much each of the two tasks counts.

use crate::{
    failure::{Failure, Result},
    train::{
        checkpoint::TASKS,
        optimizer::{AdamW, AdamWOptions},
    },
};
use tch::{Device, Kind, Tensor, no_grad};

/// How the tasks are weighted (`TRAIN.TASK_WEIGHTING`).
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum TaskWeighting {
    /// 1 and λ (`fixed`).
    Fixed,
    /// By learnt uncertainties (`uncertainty`; Kendall, Gal and Cipolla, "Multi-task learning using uncertainty to weigh
    /// losses for scene geometry and semantics", CVPR 2018): with `s = log σ²`, what is minimised is
    /// `½e^(−s₁)·L_box + ½s₁ + e^(−s₂)·λL_cls + ½s₂`.
    Uncertainty,
    /// By balanced gradient norms (`gradnorm`; Chen et al., "GradNorm: gradient normalization for adaptive loss balancing
    /// in deep multitask networks", ICML 2018): weights whose sum is 2 follow `Σ|Gᵢ − Ḡ·rᵢ^α|`, where `Gᵢ` is the norm
    /// of task i's weighted gradient at the last shared layer and `rᵢ` how slowly its loss falls compared with the mean.
    GradNorm {
        /// α (`GRADNORM_ALPHA`): how strongly a task that lags is pulled along.
        alpha: f64,
        /// Learning rate of the weights (`GRADNORM_LR`).
        lr: f64,
    },
    /// 1 and λ, with gradients that do not cancel each other (`pcgrad`).
    PcGrad,
}

/// The weights of the two tasks, box and class, where they are learnt.
#[derive(Debug)]
pub struct Balancer {
    weighting: TaskWeighting,
    /// One slot `[2]`: log variances, or GradNorm's weights.
    learner: AdamW,
    /// ½ and 1, f32: the paper's factors of a regression and of a classification.
    scale: Tensor,
    /// GradNorm's losses of the first step, `[2]` f64; 0 until there are any.
    first: Tensor,
}

impl Balancer {
    /// Fresh weights on `device`; `None` where nothing is learnt.
    pub fn new(weighting: TaskWeighting, device: Device) -> Option<Self> {
        let start = match weighting {
            TaskWeighting::Uncertainty => 0.0,
            TaskWeighting::GradNorm { .. } => 1.0,
            TaskWeighting::Fixed | TaskWeighting::PcGrad => return None,
        };
        let values = Tensor::full([2], start, (Kind::Float, device));
        let options = AdamWOptions { beta1: 0.9, beta2: 0.999, eps: 1e-8, weight_decay: 0.0, clip_norm: 0.0 };
        let learner = AdamW::new(options, vec![("weights".into(), values)], device);
        // Made there: a copy from the host would wait for the device.
        let scale = Tensor::cat(&[0.5, 1.0].map(|factor| Tensor::full([1], factor, (Kind::Float, device))), 0);
        Some(Self { weighting, learner, scale, first: Tensor::zeros([2], (Kind::Double, device)) })
    }

    fn values(&self) -> Tensor {
        self.learner.slots[0].parameter.detach()
    }

    /// The factors of `L_box` and `λL_cls`: `[2]` f32 on the device.
    pub fn factors(&self) -> Tensor {
        match self.weighting {
            TaskWeighting::Uncertainty => (-self.values()).exp() * &self.scale,
            _ => self.values().copy(),
        }
    }

    /// Whether [`Balancer::learn`] wants the norms of the tasks' gradients at the last shared layer.
    pub fn wants_norms(&self) -> bool {
        matches!(self.weighting, TaskWeighting::GradNorm { .. })
    }

    /// Moves the weights after a step. `losses` `[2]`: `L_box` and `λL_cls` as means; `present` `[2]`: 1 where the task
    /// had anything to learn from; `norms` `[2]`: of the unweighted gradients at the last shared layer; `lr`: of the
    /// heads. A step that is not finite moves nothing.
    ///
    /// # Errors
    /// What libtorch refuses.
    pub fn learn(&mut self, losses: &Tensor, present: &Tensor, norms: Option<&Tensor>, lr: f64) -> Result<()> {
        no_grad(|| match (self.weighting, norms) {
            (TaskWeighting::Uncertainty, _) => {
                // ∂/∂s of the formula above.
                let gradient: Tensor = 0.5 - self.factors().to_kind(Kind::Double) * losses;
                let gradient = gradient.where_self(&present.gt(0.0), &present.zeros_like());
                self.learner.update(&[gradient.to_kind(Kind::Float)], None, lr, lr).map(drop)
            }
            (TaskWeighting::GradNorm { alpha, lr }, Some(norms)) => self.balance(losses, present, norms, alpha, lr),
            _ => Ok(()),
        })
    }

    fn balance(&mut self, losses: &Tensor, present: &Tensor, norms: &Tensor, alpha: f64, lr: f64) -> Result<()> {
        let started = self.first.gt(0.0);
        let usable = losses.isfinite().logical_and(&present.gt(0.0));
        let fresh = losses.where_self(&usable, &self.first);
        self.first.copy_(&self.first.where_self(&started, &fresh));
        let ratio = losses / self.first.clamp_min(f64::MIN_POSITIVE);
        let mean = |x: &Tensor| x.mean(Kind::Double);
        let rate = &ratio / mean(&ratio);
        let norms = norms.to_kind(Kind::Double);
        let weighted = self.values().to_kind(Kind::Double) * &norms;
        let target = mean(&weighted) * rate.pow_tensor_scalar(alpha);
        // With one task alone there is nothing to balance.
        let both = present.gt(0.0).all().to_kind(Kind::Double);
        let gradient = (weighted - target).sign() * norms * both;
        self.learner.update(&[gradient.to_kind(Kind::Float)], None, lr, lr)?;
        let mut values = self.values();
        let positive = values.clamp_min(1e-3);
        let renormalised = &positive * (2.0 / positive.sum(Kind::Float));
        values.copy_(&renormalised);
        Ok(())
    }

    /// The tensors that a resumed run needs, by name.
    pub fn tensors(&self) -> Vec<(String, &Tensor)> {
        let slot = &self.learner.slots[0];
        [
            ("weights", &slot.parameter),
            ("exp_avg", &slot.exp_avg),
            ("exp_avg_sq", &slot.exp_avg_sq),
            ("updates", &self.learner.updates),
            ("first", &self.first),
        ]
        .map(|(name, tensor)| (format!("{TASKS}{name}"), tensor))
        .into()
    }

    /// Puts back what [`Balancer::tensors`] gave, asked for by name.
    ///
    /// # Errors
    /// One is missing or has another shape.
    pub fn restore<'a>(&mut self, find: impl Fn(&str) -> Option<&'a Tensor>) -> Result<()> {
        no_grad(|| {
            for (name, tensor) in self.tensors() {
                let given = find(&name).ok_or_else(|| Failure::input(format!("the checkpoint lacks {name}")))?;
                tensor.shallow_clone().f_copy_(given)?;
            }
            Ok(())
        })
    }
}
