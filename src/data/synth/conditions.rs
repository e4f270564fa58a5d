//! What makes a scene show its condition.

use std::f64::consts::TAU;

use image::imageops::FilterType;

use super::appearance::{Appearance, Change};
use super::colour::{Palette, luminance};
use super::light::Light;
use super::motion::{Axis, Bounds, Path, Wave};
use super::recording::{Haze, Reduction};
use super::scene::{Actor, Anchor, Scene};
use super::shape::Shape;
use super::sprite::Sprite;
use super::texture::Texture;
use super::truth::{contrast, threshold};
use crate::data::condition::Condition;
use crate::data::random::CounterRng;

impl Scene {
    /// Changes the scene so that it shows its condition in most of `frames` frames.
    pub(super) fn stage(&mut self, rng: &mut CounterRng, frames: usize) {
        match self.condition {
            Condition::Occlusion => self.occlude(rng, frames),
            Condition::IlluminationChange => self.change_light(rng),
            Condition::ScaleVariation => self.vary_scale(rng),
            Condition::MotionBlur => self.blur(rng),
            Condition::AppearanceVariation => self.change_appearance(rng),
            Condition::PartialVisibility => self.leave_view(rng),
            Condition::LowResolution => self.reduce(rng),
            Condition::BackgroundClutter => self.clutter(rng),
            Condition::LowContrast => self.fade(rng, frames),
            Condition::Normal => {}
        }
    }

    /// Shade, bands of shade, a spotlight or glare that moves over the target, in unsteady light.
    fn change_light(&mut self, rng: &mut CounterRng) {
        let side = rng.range(30.0, 70.0) * self.unit;
        let speed = rng.range(1.0, 3.0) * self.unit;
        self.resize(rng, side, 1.1, speed);
        let angle = rng.range(0.0, TAU);
        let towards = (angle.cos(), angle.sin());
        let depth = rng.range(0.12, 0.3);
        let shade = [0.85, 1.0, 1.25].map(|tint| (depth * tint) as f32);
        let swing = rng.range(0.7, 1.1) * side;
        let near = self.near_target(rng, swing, 0.35);
        self.light = match rng.below(4) {
            0 => Light::Shade { towards, edge: near, softness: side * rng.range(0.1, 0.3), shade },
            1 => {
                let drift = rng.range(1.0, 3.0) * self.unit;
                Light::Bands { towards, period: side * rng.range(1.4, 2.2), drift, shade }
            }
            2 => {
                let dark = shade.map(|light| 0.8 * light);
                let warm = rng.range(1.4, 2.0) as f32;
                let bright = [warm, 0.93 * warm, 0.8 * warm];
                Light::Spot { centre: near, radius: side * rng.range(0.9, 1.4), dark, bright }
            }
            _ => {
                let strength = Wave::wander(rng, 0.75, 0.3, 0.7);
                Light::Glare { centre: near, radius: side * rng.range(0.9, 1.5), strength }
            }
        };
        let unsteady = rng.range(0.1, 0.35);
        self.flicker = Wave::wander(rng, 0.95, unsteady, 0.9);
    }

    /// A way that swings about the target's: its place plus a wave of this amplitude.
    fn near_target(&self, rng: &mut CounterRng, swing: f64, rate: f64) -> Path {
        let offset = |rng: &mut CounterRng| Box::new(Axis::Wave(Wave::wander(rng, 0.0, swing, rate)));
        let (x, y) = (self.target.path.x.clone(), self.target.path.y.clone());
        Path { x: Axis::Sum(Box::new(x), offset(rng)), y: Axis::Sum(Box::new(y), offset(rng)) }
    }

    /// The camera zooms in and out, or it and the target draw near and apart, quickly enough to smear radially.
    fn vary_scale(&mut self, rng: &mut CounterRng) {
        let range: f64 = rng.range(0.45, 0.62);
        let side = rng.range(34.0, 52.0) * self.unit;
        let speed = rng.range(0.6, 1.8) * self.unit;
        self.resize(rng, side, 1.25, speed);
        let rate = TAU / rng.range(10.0, 15.0);
        let swing = Wave::triangle(0.0, range, rate, rng.range(0.0, TAU));
        if rng.chance(0.6) {
            self.camera.zoom = swing;
            // The lens keeps the target near the middle, where zooming does not carry it away.
            let (width, height) = (self.size.0 as f64, self.size.1 as f64);
            let bounds = Bounds::inside(width, height, 0.36 * width, 0.36 * height);
            self.target.path = Path::vary(rng, bounds, speed);
        } else {
            // Nearer to the camera the target grows more than what is behind it.
            self.camera.zoom = swing.clone().times(0.4);
            self.target.growth = swing.times(0.6);
            let reach = 1.3 * self.reach() * range.exp();
            let bounds = Bounds::inside(self.size.0 as f64, self.size.1 as f64, reach, reach);
            self.target.path = Path::vary(rng, bounds, speed);
        }
        self.recording.exposure = rng.range(0.6, 0.9);
    }

    /// The target rushes about, or the camera shakes, while the shutter is open.
    fn blur(&mut self, rng: &mut CounterRng) {
        let side = rng.range(26.0, 54.0) * self.unit;
        self.recording.exposure = rng.range(0.75, 1.0);
        let smear = side * rng.range(0.3, 0.6);
        let speed = smear / self.recording.exposure;
        if rng.chance(0.6) {
            self.resize(rng, side, 1.0, 1.0);
            let reach = self.reach() + 2.0 * self.unit;
            let bounds = Bounds::inside(self.size.0 as f64, self.size.1 as f64, reach, reach);
            self.target.path = Path::course(rng, bounds, speed);
        } else {
            let rate = rng.range(0.7, 1.1);
            let swing = 1.25 * speed / rate;
            let slow = rng.range(0.6, 2.0) * self.unit;
            self.resize(rng, side, 1.0 + swing / self.reach(), slow);
            let phase = rng.range(0.0, TAU);
            let flat = rng.range(0.5, 1.0);
            self.camera.shake = Path {
                x: Axis::Wave(Wave::sine(0.0, swing, rate, phase)),
                y: Axis::Wave(Wave::sine(0.0, flat * swing, rate, phase + rng.range(1.2, 1.9))),
            };
        }
    }

    /// The target goes through several looks: it turns, is repainted, or changes altogether.
    fn change_appearance(&mut self, rng: &mut CounterRng) {
        let side = rng.range(30.0, 72.0) * self.unit;
        let speed = rng.range(0.8, 3.0) * self.unit;
        self.resize(rng, side, 1.1, speed);
        let appearance = &mut self.target.appearance;
        for _ in 0..5 {
            let last = appearance.skins[appearance.skins.len() - 1].palette().mean();
            let palette = Palette::against(rng, last);
            appearance.skins.push(Texture::new(rng, palette, [1.2, 3.2]));
        }
        appearance.pace = 1.0 / rng.range(4.0, 7.0);
        appearance.change = match rng.below(3) {
            0 => {
                appearance.shapes.extend((0..5).map(|_| Shape::object(rng)));
                Change::Morph(rng.range(0.3, 0.9) as f32)
            }
            1 => {
                let angle = rng.range(0.0, TAU) as f32;
                Change::Sweep(angle.cos(), angle.sin())
            }
            _ => Change::Turn,
        };
    }

    /// The target moves along an edge of the picture, half of it outside.
    fn leave_view(&mut self, rng: &mut CounterRng) {
        let side = rng.range(34.0, 76.0) * self.unit;
        let speed = rng.range(0.8, 3.0) * self.unit;
        self.resize(rng, side, 1.0, speed);
        self.camera.shake = Path::still(0.0, 0.0);
        self.camera.zoom = Wave::still(0.0);
        self.camera.roll = Wave::still(0.0);
        let (width, height) = (self.size.0 as f64, self.size.1 as f64);
        let (half_w, half_h) = self.target.half;
        let look = self.look(0.0);
        let upright = rng.chance(0.4);
        // The line that halves the target stays near the edge.
        let mut across = |middle: f64, half: f64, length: f64| {
            let edge = if rng.chance(0.5) { length } else { 0.0 };
            let rate = rng.range(0.15, 0.4);
            Axis::Wave(Wave::wander(rng, edge - middle * half, 0.26 * half, rate))
        };
        if upright {
            self.target.path.y = across(look.level(0.5), half_h, height);
        } else {
            self.target.path.x = across(look.meridian(0.5), half_w, width);
        }
    }

    /// The scene is recorded with few pixels and enlarged.
    fn reduce(&mut self, rng: &mut CounterRng) {
        let side = rng.range(30.0, 64.0) * self.unit;
        let speed = rng.range(0.8, 3.0) * self.unit;
        self.resize(rng, side, 1.1, speed);
        let recorded = rng.range(7.0, 13.0);
        let ways = [FilterType::Nearest, FilterType::Triangle, FilterType::CatmullRom];
        let reduction = Reduction {
            factor: (side / recorded).clamp(3.0, 8.0),
            quality: 45 + rng.below(40) as u8,
            enlarge: ways[rng.below(ways.len())],
        };
        self.recording.reduction = Some(reduction);
    }

    /// Many things like the target move around it.
    fn clutter(&mut self, rng: &mut CounterRng) {
        let side = rng.range(26.0, 44.0) * self.unit;
        let speed = rng.range(0.8, 2.8) * self.unit;
        self.resize(rng, side, 1.1, speed);
        let (half_w, half_h) = self.target.half;
        let (shape, skin) = (self.target.appearance.shapes[0].clone(), self.target.appearance.skins[0].clone());
        let kinds: Vec<usize> = (0..4)
            .map(|_| {
                let sister = Appearance::one(shape.clone(), skin.sister(rng), half_w / half_h);
                let sprite: Sprite = sister.sprite(0.0, self.relief);
                self.add(sprite)
            })
            .collect();
        let mut sisters = Vec::new();
        let mut sister = |rng: &mut CounterRng, anchor: Anchor, path: Path| {
            let size = rng.range(0.8, 1.2);
            let turn = Wave::wander(rng, 0.0, 0.4, 0.15);
            let sprite = kinds[rng.below(kinds.len())];
            sisters.push(Actor { sprite, anchor, path, half: (size * half_w, size * half_h), turn });
        };
        // A flock that keeps the target company, each at its own angle, ...
        let flock = 6 + rng.below(4);
        for environment in 0..flock {
            let angle = TAU * (environment as f64 + rng.range(-0.3, 0.3)) / flock as f64;
            let away = side * rng.range(1.05, 1.9);
            let mut wander = |centre: f64| Axis::Wave(Wave::wander(rng, centre, 0.25 * side, 0.2));
            let path = Path { x: wander(away * angle.cos()), y: wander(away * angle.sin()) };
            sister(rng, Anchor::Target, path);
        }
        // ... and others all over the view.
        let bounds = Bounds::inside(self.size.0 as f64, self.size.1 as f64, 0.0, 0.0);
        for _ in 0..8 + rng.below(8) {
            let speed = rng.range(0.3, 2.5) * self.unit;
            let path = Path::vary(rng, bounds, speed);
            sister(rng, Anchor::View, path);
        }
        self.sisters = sisters.len();
        sisters.append(&mut self.behind);
        self.behind = sisters;
    }

    /// The target has the colours of what it stands before, in haze.
    fn fade(&mut self, rng: &mut CounterRng, frames: usize) {
        let side = rng.range(30.0, 72.0) * self.unit;
        let speed = rng.range(0.5, 1.6) * self.unit;
        self.resize(rng, side, 1.1, speed);
        let t = 0.5 * frames as f64;
        let environment = self.view(t).world(self.target.path.at(t));
        let local = self.world.mean_around(environment.0, environment.1, 1.5 * side);
        let skin = &self.target.appearance.skins[0];
        // Where it is dark already, nothing darker can be told from it.
        let darker = rng.chance(0.5) && luminance(local) > 0.1;
        let shade = if darker { rng.range(0.48, 0.7) } else { rng.range(1.4, 1.9) } as f32;
        let palette = Palette::like(rng, local.map(|c| c * shade));
        self.target.appearance.skins[0] = skin.recoloured(palette);
        self.shadows *= 0.4;
        self.relief.depth *= 0.5;
        let grey = rng.range(0.25, 0.55) as f32;
        let veil = [grey, grey * rng.range(0.97, 1.03) as f32, grey * rng.range(0.97, 1.1) as f32];
        let mut clear = rng.range(0.35, 0.62);
        self.reveal(frames);
        // Thick enough that the contrast is low on the whole way.
        for at in [0, frames / 2, frames.saturating_sub(1)] {
            self.recording.haze = Some(Haze { clear: clear as f32, veil });
            let frame = self.render(at, &mut rng.clone());
            clear *= (0.85 * threshold::CONTRAST / contrast(self, at, &frame)).min(1.0);
        }
        self.recording.haze = Some(Haze { clear: clear as f32, veil });
    }
}
