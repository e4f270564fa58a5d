//! The towers of a centre head side by side, as one: what a GPU is asked for is a third, and what it computes the same.

use super::heads::Tower;
use super::layers::{Statistics, batch_norm};
use crate::failure::Result;
use crate::native::{self, Use};
use tch::{Kind, Tensor};

/// Layers of several towers, for one pass: their channels follow each other.
#[derive(Debug)]
pub(super) struct SideBySide<'a> {
    towers: [&'a Tower; 3],
    layers: Vec<Layer>,
}

/// One layer: convolution, normalisation, and its running statistics.
#[derive(Debug)]
struct Layer {
    weight: Tensor,
    bias: Tensor,
    norm_weight: Tensor,
    norm_bias: Tensor,
    mean: Tensor,
    variance: Tensor,
}

impl<'a> SideBySide<'a> {
    /// Copies of the towers' parameters, with gradients, and of their running statistics.
    pub fn new(towers: [&'a Tower; 3]) -> Self {
        let layers = (0..towers[0].layers().len()).map(|at| {
            let join = |part: &dyn Fn(&Tower) -> Tensor| Tensor::cat(&towers.map(part), 0);
            let convolution =
                |index: usize| join(&|tower: &Tower| tower.layers()[at].0.parameters()[index].shallow_clone());
            let norm = |index: usize| join(&|tower: &Tower| tower.layers()[at].1.parameters()[index].shallow_clone());
            let statistics =
                |index: usize| join(&|tower: &Tower| tower.layers()[at].1.statistics()[index].shallow_clone());
            Layer {
                weight: convolution(0),
                bias: convolution(1),
                norm_weight: norm(0),
                norm_bias: norm(1),
                mean: statistics(0),
                variance: statistics(1),
            }
        });
        Self { layers: layers.collect(), towers }
    }

    /// How a pass over `times` frames uses them.
    pub fn uses(&self, times: usize) -> impl Iterator<Item = Use<'_>> {
        self.layers.iter().flat_map(move |layer| {
            let product = |tensor| Use { tensor, times, product: true };
            let norm = |tensor| Use { tensor, times, product: false };
            [product(&layer.weight), product(&layer.bias), norm(&layer.norm_weight), norm(&layer.norm_bias)]
        })
    }

    /// Whether the parameter called `name` is among them; the towers' last convolutions are not.
    pub fn holds(&self, name: &str) -> bool {
        name.starts_with("box_head.conv") && !name.starts_with("box_head.conv5_")
    }

    /// The maps of `x` `[B, C, G, G]` of all towers, in their order and in f32: `[B, outputs, G, G]`.
    pub fn forward(&self, x: &Tensor, statistics: Statistics) -> Tensor {
        let mut x = x.shallow_clone();
        for (at, layer) in self.layers.iter().enumerate() {
            let Layer { weight, bias, norm_weight, norm_bias, mean, variance } = layer;
            let own = native::shared(weight, bias);
            let [weight, bias] = own.as_ref().map_or([weight, bias], |[weight, bias]| [weight, bias]);
            // The first layer of all towers reads the same map, each later one its own tower's.
            let groups = if at == 0 { 1 } else { self.towers.len() as i64 };
            x = x.conv2d(weight, Some(bias), [1], [1], [1], groups);
            let own = native::shared(norm_weight, norm_bias);
            let [weight, bias] = own.as_ref().map_or([norm_weight, norm_bias], |[weight, bias]| [weight, bias]);
            let by_batch = statistics != Statistics::Running;
            let running = (statistics != Statistics::Batch).then_some((mean, variance));
            let (mean, variance) = running.unzip();
            if statistics == Statistics::BatchAndUpdate {
                self.towers.iter().for_each(|tower| tower.layers()[at].1.count());
            }
            x = batch_norm(&x, [weight, bias], (mean, variance), by_batch).relu();
        }
        let parts = x.chunk(self.towers.len() as i64, 1);
        let maps: Vec<Tensor> =
            self.towers.iter().zip(&parts).map(|(tower, part)| tower.last().forward(part)).collect();
        Tensor::cat(&maps, 1).to_kind(Kind::Float)
    }

    /// Gives the towers the running statistics that the pass moved.
    ///
    /// # Errors
    /// What libtorch refuses.
    pub fn finish(self, statistics: Statistics) -> Result<()> {
        if statistics != Statistics::BatchAndUpdate {
            return Ok(());
        }
        let (mut to, mut from) = (Vec::new(), Vec::new());
        for (at, layer) in self.layers.iter().enumerate() {
            for (index, whole) in [&layer.mean, &layer.variance].into_iter().enumerate() {
                for (tower, part) in self.towers.iter().zip(whole.chunk(self.towers.len() as i64, 0)) {
                    to.push(tower.layers()[at].1.statistics()[index].shallow_clone());
                    from.push(part);
                }
            }
        }
        Ok(native::copy_all(&to, &from)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Config, Hiptrack, tests::noise};
    use tch::Device;

    #[test]
    fn towers_side_by_side_say_what_they_say_alone() {
        let [model, other] = [1, 1].map(|seed| Hiptrack::new(&Config::small(), seed, Device::Cpu).unwrap());
        let config = model.config();
        // Not of libtorch's generator, which passes with dropout have for themselves.
        let x = noise(&[2, config.dim, 8, 8], 5);
        let (alone, together) = (model.centre_towers().unwrap(), other.centre_towers().unwrap());
        let side_by_side = SideBySide::new(together);
        let statistics = Statistics::BatchAndUpdate;
        let maps = side_by_side.forward(&x, statistics);
        let expected = Tensor::cat(&alone.map(|tower| tower.forward(&x, statistics)), 1);
        let off = |a: &Tensor, b: &Tensor| (a - b).abs().max().double_value(&[]);
        assert!(off(&maps, &expected) < 1e-5);
        let gradients = |maps: &Tensor, model: &Hiptrack| {
            let sum = maps.square().sum(Kind::Float);
            let of_towers = model.params().parameters().filter(|(name, _)| name.starts_with("box_head."));
            let inputs: Vec<&Tensor> = of_towers.map(|(_, tensor)| tensor).collect();
            Tensor::run_backward(&[&sum], &inputs, false, false)
        };
        let (ours, theirs) = (gradients(&maps, &other), gradients(&expected, &model));
        assert!(ours.iter().zip(&theirs).all(|(a, b)| off(a, b) < 1e-4 * b.abs().max().double_value(&[]).max(1.0)));
        side_by_side.finish(statistics).unwrap();
        for ((name, a, _), (_, b, _)) in model.params().iter().zip(other.params().iter()) {
            assert!(
                !name.starts_with("box_head.") || off(&a.to_kind(Kind::Float), &b.to_kind(Kind::Float)) < 1e-5,
                "{name}"
            );
        }
    }
}
