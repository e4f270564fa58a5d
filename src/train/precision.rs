//! In what precision a step computes. Losses, gradients of parameters and the optimizer are f32 in all of them.

use crate::{
    failure::Result,
    native::{Autocast, allow_tf32},
    settings::Config,
};
use tch::Device;

/// The precision of a step.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Config)]
pub struct Precision {
    /// Matrix products and convolutions of the forward and backward pass in bfloat16. It has the range of f32, so nothing
    /// needs to be scaled.
    #[config(key = "AMP", default = false)]
    pub autocast: bool,
    /// On a GPU, products of f32 may round their inputs to TensorFloat-32, 10 bits of fraction.
    #[config(key = "TF32", default = false)]
    pub tf32: bool,
}

impl Precision {
    /// Runs the forward pass `work` on `device` in this precision. The backward pass belongs outside.
    ///
    /// # Errors
    /// Those of `work`, and what libtorch refuses.
    pub fn forward<T>(self, device: Device, work: impl FnOnce() -> Result<T>) -> Result<T> {
        let _scope = self.autocast.then(|| Autocast::enter(device)).transpose()?;
        work()
    }

    /// Tells libtorch, for the whole process, whether TensorFloat-32 may be used. Without this call it is libtorch that
    /// decides, and it uses it for convolutions.
    ///
    /// # Errors
    /// What libtorch refuses.
    pub fn apply_tf32(self) -> Result<()> {
        Ok(allow_tf32(self.tf32)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::failure::Failure;
    use tch::{Kind, Tensor};

    const BF16: Precision = Precision { autocast: true, tf32: false };

    fn product() -> Kind {
        let x = Tensor::ones([4, 4], (Kind::Float, Device::Cpu));
        x.matmul(&x).kind()
    }

    #[test]
    fn products_are_bfloat16_inside_and_only_there() {
        assert_eq!(product(), Kind::Float);
        let inside = BF16.forward(Device::Cpu, || {
            let nested = Precision::default().forward(Device::Cpu, || Ok(product()))?;
            Ok([product(), nested, BF16.forward(Device::Cpu, || Ok(product()))?, product()])
        });
        assert_eq!(inside.unwrap(), [Kind::BFloat16; 4]);
        assert_eq!(product(), Kind::Float);
        let other = BF16.forward(Device::Cpu, || Ok(std::thread::spawn(product).join()));
        assert_eq!(other.unwrap().unwrap(), Kind::Float, "it is this thread's own");
    }

    #[test]
    fn it_ends_with_a_failure_too() {
        assert!(BF16.forward(Device::Cpu, || Err::<(), _>(Failure::stage("no"))).is_err());
        assert_eq!(product(), Kind::Float);
    }

    #[test]
    fn a_model_in_bfloat16_stays_near_and_its_gradients_are_f32() {
        use crate::loss::{Target, Weights, loss};
        use crate::model::{ClipInput, Config, ForwardOptions, Hiptrack};
        let config = Config { drop_path: 0.0, class_head: Config::small().class_head, ..Config::small() };
        let model = Hiptrack::new(&config, 1, Device::Cpu).unwrap();
        let waves = |shape: &[i64]| {
            let count: i64 = shape.iter().product();
            (Tensor::arange(count, (Kind::Float, Device::Cpu)) * 0.37).sin().view(shape)
        };
        let input = ClipInput {
            template: waves(&[1, 3, 64, 64]),
            search: waves(&[2, 1, 3, 128, 128]),
            template_boxes: Tensor::full([1, 4], 0.3, (Kind::Float, Device::Cpu)),
        };
        let target = Target {
            soft: None,
            boxes: Tensor::full([2, 1, 4], 0.4, (Kind::Float, Device::Cpu)),
            labels: Tensor::full([2, 1], 3, (Kind::Int64, Device::Cpu)),
        };
        let options = ForwardOptions { keep_rate: Some(1.0), ..ForwardOptions::evaluation() };
        let pass = |precision: Precision| {
            let output = precision.forward(Device::Cpu, || model.forward(&input, &options)).unwrap();
            let step_metrics = loss(&output, &target, &Weights::reference()).unwrap();
            let trained: Vec<&Tensor> = model.params().parameters().map(|(_, tensor)| tensor).collect();
            let gradients = Tensor::run_backward(&[&step_metrics.objective], &trained, false, false);
            (output.score_maps().get(0).detach(), step_metrics.report().unwrap().total, gradients)
        };
        let (exact, near) = (pass(Precision::default()), pass(BF16));
        let difference = (&exact.0 - &near.0).abs().max().double_value(&[]);
        assert!(difference < 2e-2 && difference > 0.0, "{difference}");
        assert!((exact.1 - near.1).abs() < 2e-2 * exact.1, "{} {}", exact.1, near.1);
        let defined = |gradients: &[Tensor]| gradients.iter().map(Tensor::defined).collect::<Vec<_>>();
        assert_eq!(defined(&exact.2), defined(&near.2));
        assert!(near.2.iter().filter(|x| x.defined()).all(|x| x.kind() == Kind::Float));
    }

    #[test]
    fn tensor_float_is_a_switch() {
        for tf32 in [true, false] {
            Precision { tf32, ..BF16 }.apply_tf32().unwrap();
        }
    }
}
