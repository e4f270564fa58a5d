//! Silhouettes, as signed distances in a square of half side 1 (negative inside; near the outline true to scale within
//! a small factor, which is all that an anti-aliased edge needs).

use std::f32::consts::TAU;

use crate::data::random::CounterRng;

/// The silhouette of a thing.
#[derive(Clone, Debug)]
pub enum Shape {
    /// `|x|ⁿ + |y|ⁿ < 1`.
    Superellipse(f32),
    /// A rectangle with this corner radius.
    RoundedBox(f32),
    /// A regular polygon: corners, turn.
    Polygon(f32, f32),
    /// A star: rays, inner radius, turn.
    Star(f32, f32, f32),
    /// A circle with harmonics 2..=4 of the radius: amplitudes and phases.
    Blob([f32; 3], [f32; 3]),
    /// A car or van from the side: body, cabin (its width and place), two wheels.
    Vehicle(f32, f32),
    /// Head, trunk and two legs (their spread).
    Figure(f32),
    /// A body with a tail fin: fish, bird, aeroplane.
    Fish(f32),
    /// A board or post over the whole square, hardly rounded.
    Board,
    /// A bush or hedge: a rectangle whose upper edge is ragged, by harmonics.
    Hedge([f32; 3]),
    /// A branch: leaves as turned ellipses (centre, half length, cosine and sine of the turn).
    Foliage(Vec<[f32; 5]>),
}

impl Shape {
    /// The silhouette of an object that moves.
    pub fn object(rng: &mut CounterRng) -> Self {
        let f = |rng: &mut CounterRng, low: f64, high: f64| rng.range(low, high) as f32;
        match rng.below(9) {
            0 => Self::Superellipse(f(rng, 1.6, 4.5)),
            1 => Self::RoundedBox(f(rng, 0.15, 0.7)),
            2 => Self::Polygon(3.0 + rng.below(5) as f32, f(rng, 0.0, 6.3)),
            3 => Self::Star(4.0 + rng.below(4) as f32, f(rng, 0.45, 0.7), f(rng, 0.0, 6.3)),
            4 => Self::Vehicle(f(rng, 0.4, 0.62), f(rng, -0.25, 0.25)),
            5 => Self::Figure(f(rng, 0.25, 0.5)),
            6 => Self::Fish(f(rng, 0.35, 0.6)),
            _ => {
                let amplitude = |rng: &mut CounterRng| f(rng, 0.02, 0.17);
                let amplitudes = [amplitude(rng), amplitude(rng), 0.7 * amplitude(rng)];
                Self::Blob(amplitudes, [0; 3].map(|_| f(rng, 0.0, 6.3)))
            }
        }
    }

    /// A stone, bush, box or post that stands about in a scene.
    pub fn prop(rng: &mut CounterRng) -> Self {
        match rng.below(3) {
            0 => Self::RoundedBox(0.2),
            1 => Self::Superellipse(rng.range(1.8, 3.0) as f32),
            _ => Self::Blob([0.1, 0.09, 0.06], [0; 3].map(|_| rng.range(0.0, 6.3) as f32)),
        }
    }

    /// A branch that covers about half of its square.
    pub fn foliage(rng: &mut CounterRng) -> Self {
        let mut leaf = |_| {
            let (x, y) = (rng.range(-0.95, 0.95) as f32, rng.range(-0.95, 0.95) as f32);
            let (length, turn) = (rng.range(0.16, 0.26) as f32, rng.range(0.0, 6.3) as f32);
            [x, y, length, turn.cos(), turn.sin()]
        };
        Self::Foliage((0..34).map(&mut leaf).collect())
    }

    /// A hedge with a ragged upper edge.
    pub fn hedge(rng: &mut CounterRng) -> Self {
        Self::Hedge([0; 3].map(|_| rng.range(0.0, 6.3) as f32))
    }

    /// What the annotation calls the thing.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Superellipse(_) => "superellipse",
            Self::RoundedBox(_) => "rounded box",
            Self::Polygon(..) => "polygon",
            Self::Star(..) => "star",
            Self::Blob(..) => "blob",
            Self::Vehicle(..) => "vehicle",
            Self::Figure(_) => "figure",
            Self::Fish(_) => "fish",
            Self::Board => "board",
            Self::Hedge(_) => "hedge",
            Self::Foliage(_) => "foliage",
        }
    }

    /// The typical ratio of width to height.
    pub fn aspect(&self) -> f64 {
        match self {
            Self::Vehicle(..) => 1.9,
            Self::Figure(_) => 0.45,
            Self::Fish(_) => 1.8,
            _ => 1.0,
        }
    }

    /// Signed distance to the outline.
    pub fn distance(&self, x: f32, y: f32) -> f32 {
        match self {
            Self::Superellipse(n) => (x.abs().powf(*n) + y.abs().powf(*n)).powf(1.0 / n) - 1.0,
            Self::RoundedBox(r) => rounded(x, y, 1.0, 1.0, *r),
            Self::Polygon(corners, turn) => {
                let sector = TAU / corners;
                let angle = (y.atan2(x) + turn).rem_euclid(sector) - 0.5 * sector;
                x.hypot(y) * angle.cos() - (0.5 * sector).cos()
            }
            Self::Star(rays, inner, turn) => {
                let environment = ((y.atan2(x) + turn) / TAU * rays).rem_euclid(1.0);
                let edge = inner + (1.0 - inner) * (2.0 * environment - 1.0).abs();
                0.75 * (x.hypot(y) - edge)
            }
            Self::Blob(amplitudes, phases) => {
                let angle = y.atan2(x);
                let wave = |k: usize| amplitudes[k] * ((k + 2) as f32 * angle + phases[k]).sin();
                x.hypot(y) - (0.75 + wave(0) + wave(1) + wave(2))
            }
            Self::Vehicle(cabin, environment) => {
                let body = rounded(x, y - 0.15, 1.0, 0.38, 0.22);
                let top = rounded(x - environment, y + 0.4, *cabin, 0.42, 0.24);
                let wheel = |centre: f32| (x - centre).hypot(1.6 * (y - 0.52)) - 0.24;
                body.min(top).min(wheel(-0.56)).min(wheel(0.56))
            }
            Self::Figure(spread) => {
                let head = (1.9 * x).hypot(y + 0.76) - 0.24;
                let trunk = rounded(x, y + 0.12, 0.62, 0.42, 0.25);
                let leg = |side: f32| rounded(x - side * (spread + 0.25 * (y - 0.3)), y - 0.6, 0.2, 0.4, 0.1);
                head.min(trunk).min(leg(-1.0)).min(leg(1.0))
            }
            Self::Fish(height) => {
                let body = ((x - 0.2) / 0.8).hypot(y / height) - 1.0;
                let tail = (y.abs() - 0.85 * (-0.3 - x)).max(x + 0.35).max(-1.0 - x);
                (0.6 * body).min(tail)
            }
            Self::Board => rounded(x, y, 1.0, 1.0, 0.04),
            Self::Hedge(phases) => {
                let wave = |k: usize| ((5.0 + 6.0 * k as f32) * x + phases[k]).sin() / (2.0 + k as f32);
                let edge = -0.95 + 0.03 * (wave(0) + wave(1) + wave(2));
                (edge - y).max(x.abs() - 1.0).max(y - 1.0)
            }
            Self::Foliage(leaves) => leaves.iter().fold(f32::MAX, |nearest, &[cx, cy, length, cos, sin]| {
                let (dx, dy) = (x - cx, y - cy);
                let (along, across) = (dx * cos + dy * sin, dy * cos - dx * sin);
                nearest.min(along.hypot(1.9 * across) - length)
            }),
        }
    }
}

fn rounded(x: f32, y: f32, half_w: f32, half_h: f32, radius: f32) -> f32 {
    let radius = radius.min(half_w).min(half_h);
    let (dx, dy) = (x.abs() - half_w + radius, y.abs() - half_h + radius);
    dx.max(0.0).hypot(dy.max(0.0)) + dx.max(dy).min(0.0) - radius
}
