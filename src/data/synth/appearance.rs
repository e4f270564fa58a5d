//! What a thing looks like: one look, or several that it goes through.

use super::colour::{Rgb, mix};
use super::noise::{smooth, step};
use super::shape::Shape;
use super::sprite::{Relief, SIDE, Sprite};
use super::texture::Texture;

/// How a thing goes from one look to the next.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Change {
    /// It keeps its first look.
    None,
    /// Surface and silhouette change together; the number is the part of each period in which they do.
    Morph(f32),
    /// The new surface spreads over the thing from one side (cosine and sine of the direction).
    Sweep(f32, f32),
    /// The thing turns about its upright axis and shows its next side.
    Turn,
}

/// The looks of a thing.
#[derive(Clone, Debug)]
pub struct Appearance {
    /// Silhouettes, gone through in turn.
    pub shapes: Vec<Shape>,
    /// Surfaces, gone through in turn.
    pub skins: Vec<Texture>,
    /// The way from one to the next.
    pub change: Change,
    /// Looks per frame.
    pub pace: f64,
    /// Texels on a side of the baked sprite.
    pub detail: usize,
    /// How wide and high the thing is in units of texture: both 1 for a square one.
    pub stretch: (f32, f32),
}

impl Appearance {
    /// The look of a thing that never changes.
    pub fn one(shape: Shape, skin: Texture, aspect: f64) -> Self {
        let wide = aspect.sqrt() as f32;
        Self {
            shapes: vec![shape],
            skins: vec![skin],
            change: Change::None,
            pace: 0.0,
            detail: SIDE,
            stretch: (wide, 1.0 / wide),
        }
    }

    /// The baked look at time `t` (in frames).
    pub fn sprite(&self, t: f64, relief: Relief) -> Sprite {
        let phase = t * self.pace;
        let (turn, part) = (phase.floor() as usize, phase.fract() as f32);
        let skin = |turn: usize| &self.skins[turn % self.skins.len()];
        let shape = |turn: usize| &self.shapes[turn % self.shapes.len()];
        let (sx, sy) = self.stretch;
        let plain = |x: f32, y: f32| shape(0).distance(x, y);
        match self.change {
            Change::None => Sprite::bake(self.detail, plain, |u, v| skin(0).at(u * sx, v * sy), relief),
            Change::Morph(share) => {
                let blend = smooth((part - 0.5) / share + 0.5);
                let distance = |x: f32, y: f32| {
                    let (a, b) = (shape(turn).distance(x, y), shape(turn + 1).distance(x, y));
                    a + (b - a) * blend
                };
                let colour = |u: f32, v: f32| -> Rgb {
                    mix(skin(turn).at(u * sx, v * sy), skin(turn + 1).at(u * sx, v * sy), blend)
                };
                Sprite::bake(self.detail, distance, colour, relief)
            }
            Change::Sweep(cos, sin) => {
                let border = 2.6 * part - 1.3;
                let colour = |u: f32, v: f32| -> Rgb {
                    let new = 1.0 - step(-0.06, 0.06, u * cos + v * sin - border);
                    mix(skin(turn).at(u * sx, v * sy), skin(turn + 1).at(u * sx, v * sy), new)
                };
                Sprite::bake(self.detail, plain, colour, relief)
            }
            Change::Turn => {
                let colour = |u: f32, v: f32| -> Rgb {
                    // A cylinder with one panel per look; half of it is in view, and a panel covers a third of that.
                    let angle = u.clamp(-1.0, 1.0).asin() / std::f32::consts::FRAC_PI_2;
                    let environment = phase as f32 + 0.75 * angle + 1.0;
                    let across = 2.0 * environment.fract() - 1.0;
                    skin(environment.floor() as usize).at(across * sx, v * sy)
                };
                Sprite::bake(self.detail, plain, colour, relief)
            }
        }
    }
}
