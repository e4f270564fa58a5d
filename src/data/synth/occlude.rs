//! Things that stand in front of the target.

use std::f64::consts::TAU;

use super::appearance::Appearance;
use super::colour::Palette;
use super::motion::{Axis, Bounds, Path, Wave};
use super::scene::{Actor, Anchor, Scene};
use super::shape::Shape;
use super::sprite::SIDE;
use super::texture::Texture;
use super::truth::threshold;
use crate::data::random::CounterRng;

impl Scene {
    /// A fence, a hedge, branches or a companion in front of the target.
    pub(super) fn occlude(&mut self, rng: &mut CounterRng, frames: usize) {
        let side = rng.range(34.0, 72.0) * self.unit;
        self.resize(rng, side, 1.1, 0.0);
        let (width, height) = (self.size.0 as f64, self.size.1 as f64);
        let (half_w, half_h) = self.target.half;
        let margin = 1.1 * self.reach();
        // The target goes along what hides it: mostly sideways, hardly up and down.
        let level = rng.range(0.4, 0.6) * height;
        let mut bounds = Bounds::inside(width, height, margin, margin);
        (bounds.y0, bounds.y1) = (level - 0.06 * side, level + 0.06 * side);
        let speed = rng.range(0.8, 3.0) * self.unit;
        self.target.path = Path::vary(rng, bounds, speed);
        self.target.turn = Wave::sine(0.0, rng.range(0.0, 0.12), 0.2, 0.0);
        self.camera.pan.y = Axis::still(self.camera.pan.y.at(0.0));
        let palette = Palette::surface_against(rng, self.target.appearance.skins[0].palette().mean());
        match rng.below(4) {
            0 => self.fence(rng, palette, half_w, level),
            1 => self.hedge(rng, palette, half_h, level),
            2 => self.branches(rng, palette, level),
            _ => self.companion(rng, palette),
        }
        // What stands in front is made larger while it hides too little in more than a few frames.
        for _ in 0..8 {
            let times: Vec<usize> = (0..frames).step_by((frames / 24).max(1)).collect();
            let little = times.iter().filter(|&&at| self.hidden(at as f64) < 1.15 * threshold::OCCLUDED).count();
            if 20 * little <= times.len() {
                break;
            }
            for actor in &mut self.before {
                actor.half = (1.07 * actor.half.0, 1.07 * actor.half.1);
            }
        }
    }

    fn fence(&mut self, rng: &mut CounterRng, palette: Palette, half_w: f64, level: f64) {
        let post_half = half_w * rng.range(0.5, 0.65);
        let pitch = 2.0 * half_w * rng.range(0.95, 1.15);
        let tall = rng.range(0.5, 1.2) * self.size.1 as f64;
        let skin = Texture::new(rng, palette, [0.8, 2.0]);
        let aspect = post_half / tall;
        let post = self.add(Appearance::one(Shape::Board, skin, aspect.max(0.1)).sprite(0.0, self.relief));
        let middle = self.camera.pan.x.at(0.0);
        let lean = rng.range(-0.12, 0.12);
        let places = (1.4 * self.size.0 as f64 / pitch).ceil() as i32;
        for environment in -places..=places {
            let x = middle + f64::from(environment) * pitch + rng.range(-0.04, 0.04) * pitch;
            let y = self.camera.pan.y.at(0.0) + level - 0.5 * self.size.1 as f64;
            let path = Path::still(x, y);
            let turn = Wave::still(lean + rng.range(-0.02, 0.02));
            self.before.push(Actor { sprite: post, anchor: Anchor::World, path, half: (post_half, tall), turn });
        }
    }

    fn hedge(&mut self, rng: &mut CounterRng, palette: Palette, half_h: f64, level: f64) {
        let half_width = 1.3 * self.size.0 as f64;
        let tall = 0.5 * self.size.1 as f64;
        // The upper edge stands where it hides about half of the target.
        let edge = level + half_h * self.look(0.0).level(rng.range(0.42, 0.62));
        let skin = if rng.chance(0.7) {
            Texture::leaves(rng, palette, [4.0, 7.0])
        } else {
            Texture::masonry(rng, palette, [3.0, 5.0])
        };
        let mut appearance = Appearance::one(Shape::hedge(rng), skin, half_width / tall);
        appearance.stretch = (half_width as f32 / tall as f32, 1.0);
        appearance.detail = 4 * SIDE;
        let hedge = self.add(appearance.sprite(0.0, self.relief));
        let centre = edge + 0.97 * tall + self.camera.pan.y.at(0.0) - 0.5 * self.size.1 as f64;
        let path = Path::still(self.camera.pan.x.at(0.0), centre);
        let turn = Wave::still(0.0);
        self.before.push(Actor { sprite: hedge, anchor: Anchor::World, path, half: (half_width, tall), turn });
    }

    fn branches(&mut self, rng: &mut CounterRng, palette: Palette, level: f64) {
        let half = self.side() * rng.range(0.9, 1.3);
        let kinds: Vec<usize> = (0..2)
            .map(|_| {
                let skin = Texture::leaves(rng, palette, [3.0, 5.0]);
                let sprite = Appearance::one(Shape::foliage(rng), skin, 1.0).sprite(0.0, self.relief);
                self.add(sprite)
            })
            .collect();
        let pitch = 1.5 * half;
        let places = (1.4 * self.size.0 as f64 / pitch).ceil() as i32;
        for environment in -places..=places {
            let x = self.camera.pan.x.at(0.0) + (f64::from(environment) + rng.range(-0.15, 0.15)) * pitch;
            let y = self.camera.pan.y.at(0.0) + level - 0.5 * self.size.1 as f64 + rng.range(-0.15, 0.15) * half;
            let sway = Wave::sine(rng.range(0.0, TAU), 0.06, 0.25, rng.range(0.0, TAU));
            let sprite = kinds[rng.below(kinds.len())];
            let path = Path::still(x, y);
            self.before.push(Actor { sprite, anchor: Anchor::World, path, half: (half, half), turn: sway });
        }
    }

    fn companion(&mut self, rng: &mut CounterRng, palette: Palette) {
        let shape = [Shape::Superellipse(3.0), Shape::RoundedBox(0.3), Shape::object(rng)][rng.below(3)].clone();
        let skin = Texture::new(rng, palette, [1.2, 3.0]);
        let sprite = self.add(Appearance::one(shape, skin, 1.0).sprite(0.0, self.relief));
        let (half_w, half_h) = self.target.half;
        let sign = if rng.chance(0.5) { 1.0 } else { -1.0 };
        // It stays at one side of the target, now a little nearer, now a little further.
        let x = Wave::wander(rng, sign * 0.75 * half_w, 0.35 * half_w, 0.3);
        let y = Wave::wander(rng, 0.0, 0.3 * half_h, 0.3);
        let path = Path { x: Axis::Wave(x), y: Axis::Wave(y) };
        let half = (half_w * rng.range(0.9, 1.2), half_h * rng.range(1.0, 1.4));
        let turn = Wave::wander(rng, 0.0, 0.2, 0.2);
        self.before.push(Actor { sprite, anchor: Anchor::Target, path, half, turn });
    }
}
