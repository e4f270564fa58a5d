//! Counter-based randomness: every draw is a pure function of its key, so no draw depends on what was drawn before.
//!
//! The generator is SplitMix64 (Steele, Lea, Flood: "Fast splittable pseudorandom number generators", 2014) used as a
//! counter-mode hash: the key words are absorbed one by one through its finaliser.

/// A stream of draws that belongs to one key.
#[derive(Clone, Debug)]
pub struct CounterRng {
    key: u64,
    counter: u64,
}

/// The finaliser of SplitMix64: a bijection of 64 bits with good avalanche.
pub fn mix(mut z: u64) -> u64 {
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

const GOLDEN: u64 = 0x9E37_79B9_7F4A_7C15;

impl CounterRng {
    /// The stream of the key `words`, for example `[seed, epoch, clip, attempt, purpose]`.
    pub fn new(words: &[u64]) -> Self {
        let key =
            words.iter().fold(GOLDEN, |key, &word| mix(key.wrapping_add(GOLDEN) ^ mix(word.wrapping_add(GOLDEN))));
        Self { key, counter: 0 }
    }

    /// The next 64 bits.
    pub fn bits(&mut self) -> u64 {
        self.counter += 1;
        mix(self.key.wrapping_add(self.counter.wrapping_mul(GOLDEN)))
    }

    /// Uniform in `[0, 1)` with 53 bits.
    pub fn uniform(&mut self) -> f64 {
        (self.bits() >> 11) as f64 * 2f64.powi(-53)
    }

    /// Uniform in `[low, high)`.
    pub fn range(&mut self, low: f64, high: f64) -> f64 {
        low + (high - low) * self.uniform()
    }

    /// Uniform in `0..n`; `0` for an empty range.
    pub fn below(&mut self, n: usize) -> usize {
        ((self.bits() as u128 * n as u128) >> 64) as usize
    }

    /// True with probability `p`.
    pub fn chance(&mut self, p: f64) -> bool {
        self.uniform() < p
    }

    /// Standard normal (Box and Muller, 1958).
    pub fn normal(&mut self) -> f64 {
        let radius = (-2.0 * (1.0 - self.uniform()).ln()).sqrt();
        radius * (std::f64::consts::TAU * self.uniform()).cos()
    }

    /// Shuffles `items` in place (Fisher and Yates).
    pub fn shuffle<T>(&mut self, items: &mut [T]) {
        for last in (1..items.len()).rev() {
            items.swap(last, self.below(last + 1));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_gives_the_same_stream_and_another_key_another() {
        let take = |key: &[u64]| (0..4).scan(CounterRng::new(key), |d, _| Some(d.bits())).collect::<Vec<_>>();
        assert_eq!(take(&[1, 2, 3]), take(&[1, 2, 3]));
        assert_ne!(take(&[1, 2, 3]), take(&[1, 3, 2]));
        assert_ne!(take(&[0]), take(&[0, 0]));
    }

    #[test]
    fn uniform_and_normal_have_their_moments() {
        let mut rng = CounterRng::new(&[7]);
        let n = 100_000;
        let (mut sum, mut normal, mut square) = (0.0, 0.0, 0.0);
        for _ in 0..n {
            sum += rng.uniform();
            let x = rng.normal();
            normal += x;
            square += x * x;
        }
        let n = f64::from(n);
        assert!((sum / n - 0.5).abs() < 0.005, "{}", sum / n);
        assert!((normal / n).abs() < 0.02, "{}", normal / n);
        assert!((square / n - 1.0).abs() < 0.02, "{}", square / n);
    }

    #[test]
    fn below_stays_below_and_reaches_all() {
        let mut rng = CounterRng::new(&[3]);
        let mut seen = [0; 7];
        for _ in 0..7000 {
            seen[rng.below(7)] += 1;
        }
        assert!(seen.iter().all(|&count| (850..1150).contains(&count)), "{seen:?}");
        assert_eq!(rng.below(0), 0);
    }
}
