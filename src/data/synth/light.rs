//! Light that is not even: it differs over the picture and changes with time.

use super::motion::{Path, Wave};
use super::noise::step;

/// A light over the scene. Places are in view coordinates (pixels of the picture).
#[derive(Clone, Debug)]
pub enum Light {
    /// The same everywhere and always.
    Even,
    /// Shade with a soft edge: beyond `edge` along a direction, the light is `shade`.
    Shade {
        /// Cosine and sine of the direction into the shade.
        towards: (f64, f64),
        /// A point on the edge.
        edge: Path,
        /// Width of the soft edge.
        softness: f64,
        /// Light in the shade, per colour.
        shade: [f32; 3],
    },
    /// Bands of shade that drift, as under trees or behind a blind.
    Bands {
        /// Cosine and sine of the direction across the bands.
        towards: (f64, f64),
        /// Distance from band to band.
        period: f64,
        /// Pixels that the bands move per frame.
        drift: f64,
        /// Light in the shade, per colour.
        shade: [f32; 3],
    },
    /// A lamp's cone in the dark.
    Spot {
        /// Its middle.
        centre: Path,
        /// Its radius.
        radius: f64,
        /// Light outside.
        dark: [f32; 3],
        /// Light inside.
        bright: [f32; 3],
    },
    /// Light that falls into the lens and veils a part of the picture.
    Glare {
        /// Its middle.
        centre: Path,
        /// Where it has fallen to a third.
        radius: f64,
        /// Strength at the middle, added to every pixel.
        strength: Wave,
    },
}

/// A light at one moment.
#[derive(Clone, Copy, Debug)]
pub struct LightNow<'a> {
    light: &'a Light,
    at: (f64, f64),
    shift: f64,
    flicker: f32,
}

impl Light {
    /// The light at time `t`, `flicker` times as strong as usual.
    pub fn at(&self, t: f64, flicker: f64) -> LightNow<'_> {
        let (at, shift) = match self {
            Self::Even => ((0.0, 0.0), 0.0),
            Self::Shade { edge, .. } => (edge.at(t), 0.0),
            Self::Bands { drift, .. } => ((0.0, 0.0), drift * t),
            Self::Spot { centre, .. } => (centre.at(t), 0.0),
            Self::Glare { centre, strength, .. } => (centre.at(t), strength.at(t)),
        };
        LightNow { light: self, at, shift, flicker: flicker as f32 }
    }
}

impl LightNow<'_> {
    /// Whether it changes nothing.
    pub fn is_plain(&self) -> bool {
        matches!(self.light, Light::Even) && self.flicker == 1.0
    }

    /// What the light at a place is multiplied by, and what is then added to it.
    #[inline]
    pub fn gain(&self, x: f64, y: f64) -> ([f32; 3], f32) {
        let between = |dark: [f32; 3], bright: [f32; 3], t: f32| {
            std::array::from_fn(|c| self.flicker * (dark[c] + (bright[c] - dark[c]) * t))
        };
        let (dx, dy) = (x - self.at.0, y - self.at.1);
        match self.light {
            Light::Even => ([self.flicker; 3], 0.0),
            Light::Shade { towards, softness, shade, .. } => {
                let depth = (dx * towards.0 + dy * towards.1) / softness;
                (between([1.1; 3], *shade, step(-0.5, 0.5, depth as f32)), 0.0)
            }
            Light::Bands { towards, period, shade, .. } => {
                let wave = ((x * towards.0 + y * towards.1 + self.shift) / period).rem_euclid(1.0) as f32;
                (between([1.1; 3], *shade, step(0.18, 0.26, (wave - 0.5).abs())), 0.0)
            }
            Light::Spot { radius, dark, bright, .. } => {
                let environment = dx.hypot(dy) / radius;
                (between(*bright, *dark, step(0.75, 1.15, environment as f32)), 0.0)
            }
            Light::Glare { radius, .. } => {
                let environment = (dx * dx + dy * dy) / (radius * radius);
                (
                    [self.flicker; 3],
                    (self.shift * (0.8 / (1.0 + 1.6 * environment * environment) + 0.2 / (1.0 + environment))) as f32,
                )
            }
        }
    }
}
