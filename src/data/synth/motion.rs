//! Movement in continuous time (one unit is one frame interval), so that a shutter can stay open for part of a frame.

use crate::data::random::CounterRng;

/// A number that swings: a base and a sum of sines.
#[derive(Clone, Debug)]
pub struct Wave {
    base: f64,
    harmonics: Vec<[f64; 3]>,
}

impl Wave {
    /// A number that stays.
    pub fn still(base: f64) -> Self {
        Self { base, harmonics: Vec::new() }
    }

    /// `base + amplitude·sin(rate·t + phase)`.
    pub fn sine(base: f64, amplitude: f64, rate: f64, phase: f64) -> Self {
        Self { base, harmonics: vec![[amplitude, rate, phase]] }
    }

    /// Almost a triangle between `base ± amplitude`: steady change nearly all the time.
    pub fn triangle(base: f64, amplitude: f64, rate: f64, phase: f64) -> Self {
        let harmonics = vec![[0.9 * amplitude, rate, phase], [-0.1 * amplitude, 3.0 * rate, 3.0 * phase]];
        Self { base, harmonics }
    }

    /// Two sines with random phases that together stay within `base ± amplitude`; the faster one has `rate`.
    pub fn wander(rng: &mut CounterRng, base: f64, amplitude: f64, rate: f64) -> Self {
        let share = rng.range(0.55, 0.85);
        let slow = rate * rng.range(0.35, 0.6);
        let harmonics = vec![
            [share * amplitude, slow, rng.range(0.0, std::f64::consts::TAU)],
            [(1.0 - share) * amplitude, rate, rng.range(0.0, std::f64::consts::TAU)],
        ];
        Self { base, harmonics }
    }

    /// The same swing, `factor` times as large, base included.
    pub fn times(mut self, factor: f64) -> Self {
        self.base *= factor;
        self.harmonics.iter_mut().for_each(|term| term[0] *= factor);
        self
    }

    /// The number at time `t`.
    pub fn at(&self, t: f64) -> f64 {
        self.base + self.harmonics.iter().map(|[a, rate, phase]| a * (rate * t + phase).sin()).sum::<f64>()
    }
}

/// A coordinate that moves.
#[derive(Clone, Debug)]
pub enum Axis {
    /// Swings.
    Wave(Wave),
    /// Is the sum of two others.
    Sum(Box<Axis>, Box<Axis>),
    /// Moves steadily with some acceleration and is thrown back at both ends.
    Bounce {
        /// Place at time 0.
        start: f64,
        /// Units per frame.
        velocity: f64,
        /// Units per frame².
        acceleration: f64,
        /// Lower end.
        low: f64,
        /// Upper end.
        high: f64,
    },
}

impl Axis {
    /// A coordinate that stays.
    pub fn still(base: f64) -> Self {
        Self::Wave(Wave::still(base))
    }

    /// The coordinate at time `t`.
    pub fn at(&self, t: f64) -> f64 {
        match self {
            Self::Wave(wave) => wave.at(t),
            Self::Sum(a, b) => a.at(t) + b.at(t),
            Self::Bounce { start, velocity, acceleration, low, high } => {
                let span = (high - low).max(1e-6);
                let way = (start + velocity * t + 0.5 * acceleration * t * t - low).rem_euclid(2.0 * span);
                low + if way > span { 2.0 * span - way } else { way }
            }
        }
    }
}

/// A point that moves.
#[derive(Clone, Debug)]
pub struct Path {
    /// Horizontal coordinate.
    pub x: Axis,
    /// Vertical coordinate.
    pub y: Axis,
}

/// A range on each axis that a path keeps to.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// Lowest x.
    pub x0: f64,
    /// Highest x.
    pub x1: f64,
    /// Lowest y.
    pub y0: f64,
    /// Highest y.
    pub y1: f64,
}

impl Bounds {
    /// The part of a `width` × `height` view whose points are `margin` away from its edges; the centre line where
    /// nothing is left.
    pub fn inside(width: f64, height: f64, margin_x: f64, margin_y: f64) -> Self {
        let (mx, my) = (margin_x.min(0.5 * width), margin_y.min(0.5 * height));
        Self { x0: mx, x1: width - mx, y0: my, y1: height - my }
    }
}

impl Path {
    /// A point that stays.
    pub fn still(x: f64, y: f64) -> Self {
        Self { x: Axis::still(x), y: Axis::still(y) }
    }

    /// A round or oval course at about `speed` units per frame.
    pub fn course(rng: &mut CounterRng, bounds: Bounds, speed: f64) -> Self {
        let axis = |rng: &mut CounterRng, low: f64, high: f64| {
            let amplitude = 0.5 * (high - low) * rng.range(0.75, 1.0);
            let base = rng.range(low + amplitude, high - amplitude);
            (base, amplitude)
        };
        let (x, y) = (axis(rng, bounds.x0, bounds.x1), axis(rng, bounds.y0, bounds.y1));
        let phase = rng.range(0.0, std::f64::consts::TAU);
        let rate = speed / (0.5 * (x.1 * x.1 + y.1 * y.1)).sqrt().max(1.0) * if rng.chance(0.5) { 1.0 } else { -1.0 };
        let lag = rng.range(1.2, 1.9);
        Self {
            x: Axis::Wave(Wave::sine(x.0, x.1, rate, phase)),
            y: Axis::Wave(Wave::sine(y.0, y.1, rate, phase + lag)),
        }
    }

    /// A varied way through `bounds` at about `speed` units per frame: swinging, bouncing, or going round.
    pub fn vary(rng: &mut CounterRng, bounds: Bounds, speed: f64) -> Self {
        match rng.below(3) {
            0 => Self::course(rng, bounds, speed),
            1 => {
                let mut axis = |low: f64, high: f64, speed: f64| Axis::Bounce {
                    start: rng.range(low, high.max(low + 1e-6)),
                    velocity: speed * if rng.chance(0.5) { 1.0 } else { -1.0 },
                    acceleration: 0.02 * speed * rng.range(-1.0, 1.0),
                    low,
                    high,
                };
                let share: f64 = 0.8;
                Self { x: axis(bounds.x0, bounds.x1, share * speed), y: axis(bounds.y0, bounds.y1, 0.6 * speed) }
            }
            _ => {
                let mut axis = |low: f64, high: f64| {
                    let reach = 0.5 * (high - low);
                    let rate = 1.6 * speed / reach.max(1.0);
                    Axis::Wave(Wave::wander(rng, 0.5 * (low + high), reach, rate.min(0.5)))
                };
                Self { x: axis(bounds.x0, bounds.x1), y: axis(bounds.y0, bounds.y1) }
            }
        }
    }

    /// The place at time `t`.
    pub fn at(&self, t: f64) -> (f64, f64) {
        (self.x.at(t), self.y.at(t))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn every_path_keeps_to_its_bounds(seed in 0u64..1000, speed in 0.2f64..30.0, margin in 5.0f64..150.0) {
            let bounds = Bounds::inside(320.0, 240.0, margin, margin);
            let path = Path::vary(&mut CounterRng::new(&[seed]), bounds, speed);
            for step in 0..200 {
                let (x, y) = path.at(0.37 * f64::from(step));
                prop_assert!((bounds.x0 - 1e-3..=bounds.x1 + 1e-3).contains(&x), "{x} {bounds:?}");
                prop_assert!((bounds.y0 - 1e-3..=bounds.y1 + 1e-3).contains(&y), "{y} {bounds:?}");
            }
        }
    }

    #[test]
    fn a_course_keeps_its_speed_and_a_bounce_turns_back() {
        let bounds = Bounds::inside(320.0, 240.0, 40.0, 40.0);
        let path = Path::course(&mut CounterRng::new(&[5]), bounds, 6.0);
        let way: f64 = (0..300)
            .map(|i| {
                let (a, b) = (path.at(0.1 * f64::from(i)), path.at(0.1 * f64::from(i + 1)));
                (a.0 - b.0).hypot(a.1 - b.1)
            })
            .sum();
        assert!((4.0..8.0).contains(&(way / 30.0)), "{}", way / 30.0);
        let axis = Axis::Bounce { start: 8.0, velocity: 3.0, acceleration: 0.0, low: 0.0, high: 10.0 };
        assert_eq!([0.0, 1.0, 2.0].map(|t| axis.at(t)), [8.0, 9.0, 6.0]);
    }
}
