//! The tracker's memory: one block of keys and one of values, written in place.

use tch::{Device, Kind, Tensor};

/// Entries that are read together; small enough that the similarities stay in the processor's caches.
const ENTRIES_AT_ONCE: i64 = 2;

/// At most `capacity` entries, first in first out. The order of entries plays no part in reading, so a new entry
/// takes the place of the oldest.
#[derive(Debug)]
pub(super) struct Bank {
    /// `[capacity·P, K]`, times 2/√K.
    keys: Tensor,
    /// `[capacity·P]`: −|k|²/√K.
    norms: Tensor,
    /// `[capacity·P, V]`.
    values: Tensor,
    /// Places of an entry: P.
    places: i64,
    capacity: i64,
    len: i64,
    next: i64,
}

impl Bank {
    pub fn new(capacity: i64, places: i64, key_dim: i64, value_dim: i64, device: Device) -> Self {
        // Pages that are never written cost nothing, so all of it is asked for at once.
        let empty = |shape: &[i64]| Tensor::empty(shape, (Kind::Float, device));
        let rows = capacity * places;
        Self {
            keys: empty(&[rows, key_dim]),
            norms: empty(&[rows]),
            values: empty(&[rows, value_dim]),
            places,
            capacity,
            len: 0,
            next: 0,
        }
    }

    /// How many entries there are.
    pub fn len(&self) -> i64 {
        self.len
    }

    /// How many places they have together.
    pub fn places(&self) -> i64 {
        self.len * self.places
    }

    /// Adds an entry with `key` `[P, K]` and `value` `[P, V]`; the oldest goes when there is no room.
    pub fn push(&mut self, key: &Tensor, value: &Tensor) {
        let root = (key.size()[1] as f64).sqrt();
        let slot = |all: &Tensor| all.narrow(0, self.next * self.places, self.places);
        slot(&self.keys).copy_(&(key * (2.0 / root)));
        slot(&self.norms).copy_(&(key.square().sum_dim_intlist([1i64].as_slice(), false, None::<Kind>) / -root));
        slot(&self.values).copy_(value);
        self.next = (self.next + 1) % self.capacity;
        self.len = (self.len + 1).min(self.capacity);
    }

    /// Repeats the first entry in all that are free.
    pub fn fill(&mut self) {
        for all in [&self.keys, &self.norms, &self.values] {
            let first = all.narrow(0, 0, self.places);
            for entry in self.len..self.capacity {
                all.narrow(0, entry * self.places, self.places).copy_(&first);
            }
        }
        self.len = if self.len > 0 { self.capacity } else { 0 };
    }

    /// What the memory answers to `query` `[P, K]`: `[P, V]`.
    ///
    /// A softmax over all places as in [`memory::affinity`](crate::model::memory::affinity), a few entries at a time:
    /// the largest similarity so far scales what was summed before (Milakov and Gimelshein: "Online normalizer
    /// calculation for softmax", 2018). The similarities of 150 entries would be 200 MB.
    pub fn read(&self, query: &Tensor) -> Tensor {
        let rows = self.places();
        let at_once = ENTRIES_AT_ONCE * self.places;
        let mut sums: Option<(Tensor, Tensor, Tensor)> = None;
        for from in (0..rows).step_by(at_once as usize) {
            let part = |all: &Tensor| all.narrow(0, from, at_once.min(rows - from));
            let mut weights = part(&self.norms).addmm(query, &part(&self.keys).tr());
            let largest = weights.amax([1], true);
            let (shift, scale) = match &sums {
                None => (largest, None),
                Some((before, ..)) => {
                    let shift = before.maximum(&largest);
                    let scale = (before - &shift).exp();
                    (shift, Some(scale))
                }
            };
            weights -= &shift;
            let weights = weights.exp_();
            let total = weights.sum_dim_intlist([1i64].as_slice(), true, None::<Kind>);
            sums = Some(match (sums, scale) {
                (Some((_, sum, read)), Some(scale)) => {
                    (shift, sum * &scale + total, (read * scale).addmm(&weights, &part(&self.values)))
                }
                _ => (shift, total, weights.matmul(&part(&self.values))),
            });
        }
        match sums {
            Some((_, sum, read)) => read / sum,
            None => Tensor::zeros([self.places, self.values.size()[1]], (Kind::Float, query.device())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::memory;

    fn noise(shape: &[i64], seed: u64) -> Tensor {
        let mut rng = crate::data::random::CounterRng::new(&[seed]);
        let values: Vec<f32> = (0..shape.iter().product::<i64>()).map(|_| 2.0 * rng.normal() as f32).collect();
        Tensor::from_slice(&values).view(shape)
    }

    #[test]
    fn it_reads_the_newest_entries_as_the_plain_formula_does() {
        let (places, key_dim, value_dim, capacity) = (6, 4, 5, 7);
        let mut bank = Bank::new(capacity, places, key_dim, value_dim, Device::Cpu);
        let query = noise(&[places, key_dim], 1);
        let mut kept: Vec<(Tensor, Tensor)> = Vec::new();
        for entry in 0..17 {
            let (key, value) = (noise(&[places, key_dim], 10 + entry), noise(&[places, value_dim], 100 + entry));
            bank.push(&key, &value);
            kept.push((key, value));
            if kept.len() > capacity as usize {
                drop(kept.remove(0));
            }
            assert_eq!((bank.len(), bank.places()), (kept.len() as i64, kept.len() as i64 * places));
            let join = |part: fn(&(Tensor, Tensor)) -> &Tensor| {
                Tensor::cat(&kept.iter().map(part).collect::<Vec<_>>(), 0).tr().unsqueeze(0)
            };
            let affinity = memory::affinity(&join(|entry| &entry.0), &query.tr().unsqueeze(0));
            let expected = memory::readout(&affinity, &join(|entry| &entry.1)).squeeze_dim(0).tr();
            let difference = (bank.read(&query) - expected).abs().max().double_value(&[]);
            assert!(difference < 1e-5, "{entry}: {difference}");
        }
    }
}
