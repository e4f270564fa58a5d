//! The model averaged over the steps (exponential moving average): what is validated, and better than the last weights.

use crate::{
    failure::{Failure, Result},
    model::{Hiptrack, Role},
    train::checkpoint::EMA,
};
use tch::{Kind, Tensor, no_grad};

/// A second model whose weights follow those of the first: `e ← d·e + (1 − d)·w` after every step, with
/// `d = min(decay, (1 + n)/(10 + n))` at the n-th step, so that the first weights are soon forgotten. That holds for every
/// parameter, also for one that is frozen after it was trained: its average goes on converging to the value it has.
#[derive(Debug)]
pub struct Ema {
    decay: f64,
    model: Hiptrack,
    /// By parameter and buffer, in their order: whether the average may differ from the weight. Where it cannot, as the
    /// parameter never trained, following would change nothing and is left out.
    differs: Vec<bool>,
    /// Steps that were followed, a scalar f64.
    steps: Tensor,
}

const STEPS: &str = "steps";

impl Ema {
    /// An average that begins with the weights of `model` as they are.
    ///
    /// # Errors
    /// What libtorch refuses, such as memory for a second model.
    pub fn new(decay: f64, model: &Hiptrack) -> Result<Self> {
        let device = model.params().device();
        let follower = Hiptrack::new(model.config(), 0, device)?;
        follower.params().set_trainable(|_| false);
        follower.params().load(model.params().iter().map(|(name, tensor, _)| (name, tensor)))?;
        let differs = vec![false; follower.params().iter().count()];
        Ok(Self { decay, model: follower, differs, steps: Tensor::zeros([0i64; 0], (Kind::Double, device)) })
    }

    /// The averaged model.
    pub fn model(&self) -> &Hiptrack {
        &self.model
    }

    /// Follows `model` by one step; `applied` is a scalar on the device, 0 where the step changed nothing.
    ///
    /// # Errors
    /// What libtorch refuses.
    pub fn follow(&mut self, model: &Hiptrack, applied: &Tensor) -> Result<()> {
        no_grad(|| {
            let applied = applied.to_kind(Kind::Double);
            self.steps += &applied;
            let decay = ((&self.steps + 1.0) / (&self.steps + 10.0)).clamp_max(self.decay);
            let share: Tensor = (1 - decay) * applied;
            let share = share.to_kind(Kind::Float);
            let pairs = self.model.params().iter().zip(model.params().iter());
            for (((_, average, role), (_, tensor, _)), differs) in pairs.zip(&mut self.differs) {
                if role == Role::Parameter {
                    *differs |= tensor.requires_grad();
                    if *differs {
                        let _ = average.shallow_clone().f_lerp_tensor_(&tensor.detach(), &share)?;
                    }
                }
            }
            let buffers = self.model.params().buffers().into_iter().zip(model.params().buffers());
            for (average, buffer) in buffers {
                average.shallow_clone().f_copy_(buffer)?;
            }
            Ok(())
        })
    }

    /// The tensors that a resumed run needs, by name.
    pub fn tensors(&self) -> impl Iterator<Item = (String, &Tensor)> {
        let weights = self.model.params().iter().map(|(name, tensor, _)| (format!("{EMA}{name}"), tensor));
        weights.chain([(format!("{EMA}{STEPS}"), &self.steps)])
    }

    /// Puts back what [`Ema::tensors`] gave, as pairs without the prefix, to follow `model`, whose weights are already
    /// those of the same checkpoint.
    ///
    /// # Errors
    /// Anything is missing or does not fit.
    pub fn restore(&mut self, tensors: &[(&str, &Tensor)], model: &Hiptrack) -> Result<()> {
        let device = model.params().device();
        let steps = tensors.iter().find(|(name, _)| *name == STEPS);
        let missing = || Failure::input("the checkpoint's averaged weights are incomplete");
        self.steps = steps.ok_or_else(missing)?.1.to_device(device).copy();
        self.model.params().load(tensors.iter().filter(|(name, _)| *name != STEPS).copied())?.require(&[])?;
        let pairs = self.model.params().iter().zip(model.params().iter());
        self.differs = pairs.map(|((_, average, _), (_, tensor, _))| !average.equal(tensor)).collect();
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Config;
    use tch::Device;

    #[test]
    fn the_average_follows_and_a_skipped_step_moves_nothing() {
        let model = Hiptrack::new(&Config::small(), 1, Device::Cpu).unwrap();
        let mut ema = Ema::new(0.5, &model).unwrap();
        let value = |model: &Hiptrack| model.params().get("backbone.norm.bias").unwrap().double_value(&[0]);
        let add = || {
            let bias = model.params().get("backbone.norm.bias").unwrap().detach();
            let _ = bias.shallow_clone().g_add_scalar_(1.0);
        };
        let flag = |on: f64| Tensor::from(on);
        add();
        ema.follow(&model, &flag(0.0)).unwrap();
        assert_eq!(value(ema.model()), 0.0);
        // The first steps count more: 1 − 2/11 of the way, then 1 − 3/12.
        ema.follow(&model, &flag(1.0)).unwrap();
        assert!((value(ema.model()) - 9.0 / 11.0).abs() < 1e-6);
        ema.follow(&model, &flag(1.0)).unwrap();
        let second = 9.0 / 11.0 + 0.75 * 2.0 / 11.0;
        assert!((value(ema.model()) - second).abs() < 1e-6);
        for _ in 0..100 {
            ema.follow(&model, &flag(1.0)).unwrap();
        }
        add();
        let before = value(ema.model());
        ema.follow(&model, &flag(1.0)).unwrap();
        assert!((value(ema.model()) - 0.5 * (before + 2.0)).abs() < 1e-6, "the decay that was asked for");
        let mut again = Ema::new(0.5, &Hiptrack::new(&Config::small(), 2, Device::Cpu).unwrap()).unwrap();
        let kept: Vec<(String, Tensor)> = ema.tensors().map(|(name, tensor)| (name, tensor.copy())).collect();
        let named: Vec<(&str, &Tensor)> = kept.iter().map(|(name, tensor)| (&name[EMA.len()..], tensor)).collect();
        again.restore(&named, &model).unwrap();
        assert_eq!(value(again.model()), value(ema.model()));
    }

    #[test]
    fn the_average_of_what_is_frozen_later_goes_on_converging_and_through_a_resume() {
        let model = Hiptrack::new(&Config::small(), 1, Device::Cpu).unwrap();
        let mut ema = Ema::new(0.75, &model).unwrap();
        let (trained, never) = ("backbone.norm.bias", "backbone.norm.weight");
        let value = |model: &Hiptrack, name: &str| model.params().get(name).unwrap().double_value(&[0]);
        model.params().set_trainable(|name| name == trained);
        let _ = model.params().get(trained).unwrap().detach().g_add_scalar_(1.0);
        let one = Tensor::from(1.0);
        let mut expected = 0.0;
        let mut step = |ema: &mut Ema, n: u32| {
            ema.follow(&model, &one).unwrap();
            let decay = f64::min(0.75, (1.0 + f64::from(n)) / (10.0 + f64::from(n)));
            expected = decay * expected + (1.0 - decay);
            let have = value(ema.model(), trained);
            assert!((have - expected).abs() < 1e-6, "step {n}: {have} {expected}");
            assert_eq!(value(ema.model(), never), value(&model, never));
        };
        step(&mut ema, 1);
        // A later phase trains something else.
        model.params().set_trainable(|name| name == "key_comp.bias");
        (2..8).for_each(|n| step(&mut ema, n));
        let kept: Vec<(String, Tensor)> = ema.tensors().map(|(name, tensor)| (name, tensor.copy())).collect();
        let named: Vec<(&str, &Tensor)> = kept.iter().map(|(name, tensor)| (&name[EMA.len()..], tensor)).collect();
        let mut resumed = Ema::new(0.75, &model).unwrap();
        resumed.restore(&named, &model).unwrap();
        (8..40).for_each(|n| step(&mut resumed, n));
        assert!((value(resumed.model(), trained) - 1.0).abs() < 1e-4, "it converges to the frozen weight");
    }
}
