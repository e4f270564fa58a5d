//! Stochastic depth (Huang et al.: "Deep networks with stochastic depth", ECCV 2016): in training, whole samples leave
//! out a residual path.

use crate::native::memory;
use tch::{Device, Kind, Tensor};

/// Which samples keep a residual path. The draw is made on the host, so that what is left out is not computed.
#[derive(Debug)]
pub(super) struct DropPath {
    /// The samples that keep it; none when all do, unscaled.
    kept: Option<Kept>,
}

#[derive(Debug)]
struct Kept {
    /// Their numbers, ascending.
    samples: Vec<i64>,
    /// How many samples there are.
    of: i64,
    /// What makes up for those that are left out.
    scale: f64,
}

impl DropPath {
    /// Leaves out each of `samples` with probability `rate`, drawn from libtorch's generator.
    pub fn draw(samples: i64, rate: f64) -> Self {
        if rate == 0.0 {
            return Self { kept: None };
        }
        let keep = 1.0 - rate;
        let rng = Tensor::empty([samples], (Kind::Float, Device::Cpu)).bernoulli_float_(keep);
        let samples_kept = (0..samples).filter(|&sample| rng.double_value(&[sample]) > 0.0).collect();
        Self { kept: Some(Kept { samples: samples_kept, of: samples, scale: 1.0 / keep }) }
    }

    /// `x + path(x)` for `x` `[B, ..]`, where `path` sees only the samples that keep it.
    pub fn add(&self, x: &Tensor, path: impl FnOnce(&Tensor) -> Tensor) -> Tensor {
        match &self.kept {
            None => x + path(x),
            Some(Kept { samples, .. }) if samples.is_empty() => x.shallow_clone(),
            Some(Kept { samples, of, scale }) if samples.len() as i64 == *of => x + path(x) * *scale,
            Some(Kept { samples, scale, .. }) => {
                let index = beside(x, &Tensor::from_slice(samples));
                // Under autocast the path ends in another type than the tokens have.
                let residual = (path(&x.index_select(0, &index)) * *scale).to_kind(x.kind());
                x.index_add(0, &index, &residual)
            }
        }
    }

    /// The same where the path of all samples, `residual`, was computed already.
    pub fn add_scaled(&self, x: &Tensor, residual: Tensor) -> Tensor {
        let Some(Kept { samples, of, scale }) = &self.kept else { return x + residual };
        let mut factors = vec![0f32; *of as usize];
        for &sample in samples {
            factors[sample as usize] = *scale as f32;
        }
        let mut shape = vec![1; x.dim()];
        shape[0] = *of;
        x + residual * beside(x, &Tensor::from_slice(&factors).view(shape.as_slice()))
    }
}

/// `tensor` on the device of `x`, without waiting for it there.
fn beside(x: &Tensor, tensor: &Tensor) -> Tensor {
    memory::send(tensor, x.device()).unwrap_or_else(|error| panic!("{error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_left_out_is_not_computed_and_changes_nothing() {
        let x = Tensor::arange(12, (Kind::Float, Device::Cpu)).view([4, 3]).set_requires_grad(true);
        let drop = DropPath { kept: Some(Kept { samples: vec![0, 3], of: 4, scale: 2.0 }) };
        let y = drop.add(&x, |x| {
            assert_eq!(x.size(), [2, 3]);
            x.square()
        });
        let masked = drop.add_scaled(&x, x.square());
        assert_eq!(y, masked);
        let gradient = |y: &Tensor| Tensor::run_backward(&[&y.square().sum(Kind::Float)], &[&x], true, false).remove(0);
        assert_eq!(gradient(&y), gradient(&masked));
        assert_eq!(y.get(1), x.get(1));
    }

    #[test]
    fn draws_repeat_and_keep_the_share_they_should() {
        let kept = |seed: i64| {
            tch::manual_seed(seed);
            DropPath::draw(2000, 0.25).kept.map(|kept| kept.samples).unwrap_or_default()
        };
        assert_eq!(kept(5), kept(5));
        assert!((1400..1600).contains(&kept(6).len()));
    }
}
