//! Backgrounds: a picture larger than the view that the camera moves over. It is painted once per sequence, and only
//! where the camera looks: most of it is never seen in a short one.

use std::fmt;
use std::ops::Range;

use super::colour::Rgb;
use super::environment::{Colour, Environment};
use super::picture::{Picture, Role};

/// The side of a tile, the unit in which a background is painted, in pixels.
const TILE: usize = 32;

/// A background.
pub struct World {
    picture: Picture,
    environment: Environment,
    /// Which tiles are painted, row by row.
    painted: Vec<bool>,
}

impl fmt::Debug for World {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "World({} x {}, {} decals)", self.picture.width, self.picture.height, self.environment.decals.len())
    }
}

impl World {
    /// A place of this size in which nothing is painted yet.
    pub fn new(environment: Environment, width: usize, height: usize) -> Self {
        let painted = vec![false; width.div_ceil(TILE) * height.div_ceil(TILE)];
        Self { picture: Picture::new(width, height), environment, painted }
    }

    /// What it looks like, where it has been [revealed](Self::reveal).
    pub fn picture(&self) -> &Picture {
        &self.picture
    }

    /// Paints what is not yet painted of the part between two corners; beyond the edge the picture is mirrored.
    pub fn reveal(&mut self, low: (f64, f64), high: (f64, f64)) {
        let tiles = |low: f64, high: f64, side: usize| {
            let limit = side as f64;
            // Interpolation reaches for the neighbouring pixels.
            let (low, high) = (low - 2.0, high + 2.0);
            let mirrored = (low.min(2.0 * limit - high), high.max(-low));
            let environment = |x: f64| x.clamp(0.0, limit - 1.0) as usize / TILE;
            environment(mirrored.0)..environment(mirrored.1) + 1
        };
        let across = self.picture.width.div_ceil(TILE);
        for row in tiles(low.1, high.1, self.picture.height) {
            for column in tiles(low.0, high.0, self.picture.width) {
                if !std::mem::replace(&mut self.painted[row * across + column], true) {
                    self.paint(column * TILE, row * TILE);
                }
            }
        }
    }

    /// Paints the tile with this corner.
    fn paint(&mut self, x: usize, y: usize) {
        let picture = &mut self.picture;
        let end = |start: usize, side: usize| start..(start + TILE).min(side);
        let within = (end(x, picture.width), end(y, picture.height));
        fill(picture, &within, &self.environment.colour);
        for decal in &self.environment.decals {
            let thing = &self.environment.things[decal.thing];
            match decal.shadow {
                Some(strength) => picture.shadow_within(thing, decal.pose, strength, &within),
                None => picture.paint_within(thing, decal.pose, Role::Other, &within),
            }
        }
    }

    /// The mean colour around a place, in steps of a few pixels.
    pub fn mean_around(&mut self, x: f64, y: f64, reach: f64) -> Rgb {
        self.reveal((x - reach, y - reach), (x + reach, y + reach));
        let mut sum = [0.0; 3];
        let steps = 12;
        for row in 0..steps {
            for column in 0..steps {
                let environment = |index: i32| reach * (f64::from(index) / f64::from(steps - 1) * 2.0 - 1.0);
                let pixel = self.picture.mirrored((x + environment(column)) as f32, (y + environment(row)) as f32);
                for c in 0..3 {
                    sum[c] += pixel[c];
                }
            }
        }
        sum.map(|s| s / (steps * steps) as f32)
    }
}

fn fill(picture: &mut Picture, (columns, rows): &(Range<usize>, Range<usize>), colour: &Colour) {
    for row in rows.clone() {
        for column in columns.clone() {
            let [r, g, b] = colour(column as f32, row as f32);
            picture.pixels[row * picture.width + column] = [r, g, b, 0.0];
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::random::CounterRng;
    use crate::data::synth::environment::environment;
    use crate::data::synth::sprite::Relief;

    #[test]
    fn a_background_is_the_same_whether_it_is_painted_at_once_or_bit_by_bit() {
        for word in 0..12 {
            let relief = Relief { towards: (0.6, -0.8), depth: 0.7 };
            let draw = || {
                let environment = environment(&mut CounterRng::new(&[word]), (150, 110), 0.5, relief, false);
                World::new(environment, 150, 110)
            };
            let (mut once, mut bits) = (draw(), draw());
            once.reveal((0.0, 0.0), (150.0, 110.0));
            // The second part lies beyond the right edge, where the picture is mirrored.
            for (low, high) in [((70.0, 40.0), (80.0, 90.0)), ((149.0, 3.0), (230.0, 20.0))] {
                bits.reveal(low, high);
                for y in low.1 as usize..high.1 as usize {
                    for x in low.0 as usize..high.0 as usize {
                        let at = |world: &World| world.picture.mirrored(x as f32 + 0.3, y as f32 + 0.8);
                        assert_eq!(at(&once), at(&bits), "background {word} at {x}, {y}");
                    }
                }
            }
            let painted = bits.painted.iter().filter(|painted| **painted).count();
            assert!(painted < bits.painted.len(), "what nobody looks at stays unpainted");
        }
    }
}
