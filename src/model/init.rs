//! Weights from a seed. Every value is a pure function of (seed, tensor name, index), so a model does not depend on
//! the order in which its modules are built, nor on libtorch's generator.

use crate::data::random::CounterRng;
use rayon::prelude::*;
use tch::Tensor;

/// How a tensor starts.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Init {
    /// All the same.
    Constant(f32),
    /// Normal around 0 with this deviation. timm's truncated normal for ViT weights is this: its cut at ±2 is a
    /// hundred deviations out.
    Normal(f64),
    /// Uniform in `±bound`.
    Uniform(f64),
    /// Rows (all but the first dimension flattened) orthonormal, from normal draws (Saxe et al., 2013).
    Orthogonal,
}

impl Init {
    /// PyTorch's default for linear layers and convolutions, weights and biases alike: uniform in `±1/√fan_in`
    /// (Kaiming uniform with a = √5).
    pub fn torch_default(fan_in: i64) -> Self {
        Self::Uniform(1.0 / (fan_in as f64).sqrt())
    }

    /// Xavier uniform (Glorot and Bengio, 2010).
    pub fn xavier(fan_in: i64, fan_out: i64) -> Self {
        Self::Uniform((6.0 / (fan_in + fan_out) as f64).sqrt())
    }

    /// The tensor of this `shape` that belongs to `name`, on the CPU.
    pub fn tensor(self, seed: u64, name: &str, shape: &[i64]) -> Tensor {
        let count = shape.iter().product::<i64>() as usize;
        let values = match self {
            Self::Constant(value) => vec![value; count],
            Self::Normal(deviation) => draw(seed, name, count, |rng| (deviation * rng.normal()) as f32),
            Self::Uniform(bound) => draw(seed, name, count, |rng| rng.range(-bound, bound) as f32),
            Self::Orthogonal => orthogonal(seed, name, shape[0] as usize, count),
        };
        Tensor::from_slice(&values).view(shape)
    }
}

/// FNV-1a of a tensor's name: the word that sets its stream apart from the others.
fn name_word(name: &str) -> u64 {
    name.bytes().fold(0xCBF2_9CE4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01B3))
}

/// Values per stream: a large tensor is drawn by several cores, each chunk from its own key.
const CHUNK: usize = 1 << 16;

fn draw<T: Send + Default + Clone>(
    seed: u64,
    name: &str,
    count: usize,
    value: impl Fn(&mut CounterRng) -> T + Sync,
) -> Vec<T> {
    let mut values = vec![T::default(); count];
    values.par_chunks_mut(CHUNK).enumerate().for_each(|(chunk, values)| {
        let mut rng = CounterRng::new(&[seed, name_word(name), chunk as u64]);
        values.iter_mut().for_each(|slot| *slot = value(&mut rng));
    });
    values
}

/// Gram and Schmidt on normal rows, each row twice, in f64. `rows` must not exceed the row length.
fn orthogonal(seed: u64, name: &str, rows: usize, count: usize) -> Vec<f32> {
    let mut matrix = draw(seed, name, count, CounterRng::normal);
    let width = count / rows.max(1);
    for row in 0..rows {
        let (done, rest) = matrix.split_at_mut(row * width);
        let current = &mut rest[..width];
        for _ in 0..2 {
            for earlier in done.chunks_exact(width) {
                let overlap = dot(earlier, current);
                current.iter_mut().zip(earlier).for_each(|(value, e)| *value -= overlap * e);
            }
        }
        let norm = dot(current, current).sqrt();
        current.iter_mut().for_each(|value| *value /= norm);
    }
    matrix.into_iter().map(|value| value as f32).collect()
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(x, y)| x * y).sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use tch::Kind;

    #[test]
    fn a_seed_and_a_name_decide_the_values() {
        let take = |seed, name: &str| Init::Normal(0.02).tensor(seed, name, &[300, 400]);
        assert_eq!(take(1, "a"), take(1, "a"));
        assert_ne!(take(1, "a"), take(2, "a"));
        assert_ne!(take(1, "a"), take(1, "b"));
        let deviation = take(1, "a").std(false).double_value(&[]);
        assert!((deviation - 0.02).abs() < 2e-4, "{deviation}");
    }

    #[test]
    fn bounds_follow_the_fans() {
        let weight = Init::xavier(20, 30).tensor(1, "w", &[30, 20, 100]);
        let bound = (6.0f64 / 50.0).sqrt();
        let largest = weight.abs().max().double_value(&[]);
        assert!(largest <= bound && largest > 0.99 * bound, "{largest} {bound}");
        assert_eq!(Init::torch_default(4), Init::Uniform(0.5));
    }

    #[test]
    fn orthogonal_rows_are_orthonormal() {
        let rows = Init::Orthogonal.tensor(5, "key", &[8, 3, 3, 3]).view([8, 27]).to_kind(Kind::Double);
        let error = (rows.matmul(&rows.tr()) - Tensor::eye(8, (Kind::Double, tch::Device::Cpu))).abs().max();
        assert!(error.double_value(&[]) < 1e-6);
    }
}
