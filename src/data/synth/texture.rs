//! Procedural surfaces: the colour of a point, by family and palette.

use std::f32::consts::TAU;

use super::colour::{Palette, Rgb, mix, scaled};
use super::noise::{cell, fractal, lattice, smooth, step, value};
use crate::data::random::CounterRng;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Family {
    Terrain,
    Bricks,
    Tiles,
    Stripes,
    Marble,
    Leaves,
    Spots,
    Weave,
}

const FAMILIES: [Family; 8] = [
    Family::Terrain,
    Family::Bricks,
    Family::Tiles,
    Family::Stripes,
    Family::Marble,
    Family::Leaves,
    Family::Spots,
    Family::Weave,
];

/// The range of how many features (bricks, leaves, spots) there are per unit of length.
pub type Features = [f64; 2];

/// A surface without an end: colour as a function of the place.
#[derive(Clone, Debug)]
pub struct Texture {
    family: Family,
    palette: Palette,
    frequency: f32,
    turn: (f32, f32),
    grain: f32,
    seed: u32,
}

impl Texture {
    /// Some family in these colours.
    pub fn new(rng: &mut CounterRng, palette: Palette, features: Features) -> Self {
        let family = FAMILIES[rng.below(FAMILIES.len())];
        Self::of(rng, family, palette, features)
    }

    /// Loose ground: earth, grass, asphalt, water.
    pub fn ground(rng: &mut CounterRng, palette: Palette, features: Features) -> Self {
        let families = [Family::Terrain, Family::Marble, Family::Leaves, Family::Spots];
        let family = families[rng.below(families.len())];
        Self::of(rng, family, palette, features)
    }

    /// Walls and pavements.
    pub fn masonry(rng: &mut CounterRng, palette: Palette, features: Features) -> Self {
        let families = [Family::Bricks, Family::Tiles, Family::Bricks, Family::Weave];
        let family = families[rng.below(families.len())];
        let mut texture = Self::of(rng, family, palette, features);
        let tilt = rng.range(-0.06, 0.06) as f32;
        texture.turn = (tilt.cos(), tilt.sin());
        texture
    }

    /// Foliage.
    pub fn leaves(rng: &mut CounterRng, palette: Palette, features: Features) -> Self {
        Self::of(rng, Family::Leaves, palette, features)
    }

    /// Another surface of the same family and colours: what a sister of the thing wears.
    pub fn sister(&self, rng: &mut CounterRng) -> Self {
        let angle = rng.range(0.0, f64::from(TAU)) as f32;
        Self {
            frequency: self.frequency * rng.range(0.85, 1.15) as f32,
            turn: (angle.cos(), angle.sin()),
            seed: rng.bits() as u32,
            ..self.clone()
        }
    }

    /// The same pattern in other colours.
    pub fn recoloured(&self, palette: Palette) -> Self {
        Self { palette, ..self.clone() }
    }

    fn of(rng: &mut CounterRng, family: Family, palette: Palette, features: Features) -> Self {
        let angle = rng.range(0.0, f64::from(TAU)) as f32;
        Self {
            family,
            palette,
            frequency: rng.range(features[0], features[1]) as f32,
            turn: (angle.cos(), angle.sin()),
            grain: rng.range(0.06, 0.2) as f32,
            seed: rng.bits() as u32,
        }
    }

    /// The colours.
    pub fn palette(&self) -> &Palette {
        &self.palette
    }

    /// The colour at a place.
    pub fn at(&self, x: f32, y: f32) -> Rgb {
        let (x, y) = (x * self.frequency, y * self.frequency);
        let (u, v) = (x * self.turn.0 - y * self.turn.1, x * self.turn.1 + y * self.turn.0);
        let colour = self.pattern(u, v);
        let grain = value(u * 5.3, v * 5.3, self.seed ^ 0x51) - 0.5;
        scaled(colour, 1.0 + 2.0 * self.grain * grain)
    }

    fn pattern(&self, u: f32, v: f32) -> Rgb {
        let palette = &self.palette;
        match self.family {
            Family::Terrain => palette.ramp(1.6 * (fractal(u * 0.7, v * 0.7, self.seed, 3) - 0.5) + 0.5),
            Family::Bricks => {
                let row = v.floor();
                let along = 0.5 * u + 0.5 * (row as i32 & 1) as f32;
                let tone = lattice(along.floor() as i32, row as i32, self.seed);
                let (a, b) = (along - along.floor(), v - row);
                let mortar = step(0.02, 0.06, a.min(1.0 - a)) * step(0.04, 0.12, b.min(1.0 - b));
                mix(palette.0[3], palette.ramp(0.66 * tone), mortar)
            }
            Family::Tiles => {
                let (x, y) = (u.floor(), v.floor());
                let odd = ((x as i32 + y as i32) & 1) as f32;
                let tone = 0.25 * lattice(x as i32, y as i32, self.seed);
                let (a, b) = (u - x, v - y);
                let joint = step(0.02, 0.07, a.min(1.0 - a).min(b).min(1.0 - b));
                scaled(palette.ramp(0.7 * odd + tone), 0.6 + 0.4 * joint)
            }
            Family::Stripes => {
                let bend = 0.5 * value(u * 0.3, v * 0.3, self.seed);
                let wave = 0.5 + 0.5 * (TAU * 0.5 * (u + bend)).sin();
                palette.ramp(0.1 + 0.8 * step(0.3, 0.7, wave))
            }
            Family::Marble => {
                let bend = 4.0 * fractal(u * 0.35, v * 0.35, self.seed, 3);
                palette.ramp(0.5 + 0.5 * (u * 0.8 + TAU * 0.5 * bend).sin())
            }
            Family::Leaves => {
                let leaf = cell(u, v, self.seed);
                let light = 1.1 - 0.55 * leaf.near;
                let gap = 0.45 + 0.55 * step(0.0, 0.22, leaf.second - leaf.near);
                scaled(palette.ramp(leaf.id), light * gap)
            }
            Family::Spots => {
                let spot = cell(0.8 * u, 0.8 * v, self.seed);
                let radius = 0.22 + 0.2 * spot.id;
                let inside = 1.0 - step(radius - 0.06, radius + 0.06, spot.near);
                let ground = palette.ramp(0.4 * value(u * 0.6, v * 0.6, self.seed ^ 7));
                mix(ground, palette.ramp(0.7 + 0.3 * spot.id), inside)
            }
            Family::Weave => {
                let wave = (TAU * 0.5 * u).sin() * (TAU * 0.5 * v).sin();
                palette.ramp(0.15 + 0.7 * smooth(0.5 + 0.5 * wave) + 0.3 * (value(u * 0.4, v * 0.4, self.seed) - 0.5))
            }
        }
    }
}
