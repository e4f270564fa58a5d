//! Drawing a scene: what every sequence has, before its condition changes it.

use super::appearance::{Appearance, Change};
use super::colour::{Palette, distance};
use super::environment::environment;
use super::light::Light;
use super::motion::{Axis, Bounds, Path, Wave};
use super::options::{SynthOptions, SynthSplit};
use super::recording::Recording;
use super::scene::{Actor, Anchor, Camera, Scene, Target};
use super::shape::Shape;
use super::sprite::{Relief, Sprite};
use super::texture::Texture;
use super::world::World;
use crate::data::condition::Condition;
use crate::data::random::CounterRng;

/// The background is this many times as wide and high as the view.
const WORLD: f64 = 1.7;

/// What draws are for; a purpose has its own stream, so that a change in one part of a scene leaves the others alone.
#[derive(Clone, Copy, Debug)]
#[repr(u64)]
pub enum Purpose {
    /// The background.
    World = 1,
    /// The target's look.
    Look,
    /// Movement of the target and the camera.
    Motion,
    /// Other things.
    Company,
    /// Lens, sensor and recording.
    Recording,
    /// What the condition does.
    Condition,
    /// Sensor noise of a frame.
    Noise,
}

/// The sequence that a scene is drawn for: the key of all its draws.
#[derive(Clone, Copy, Debug)]
pub struct Key {
    seed: u64,
    split: u64,
    index: u64,
}

impl Key {
    /// The key of a sequence.
    pub fn new(options: &SynthOptions, split: SynthSplit, index: usize) -> Self {
        Self { seed: options.seed, split: split.key(), index: index as u64 }
    }

    /// The stream for a purpose.
    pub fn rng(&self, purpose: Purpose) -> CounterRng {
        self.stream(purpose, 0)
    }

    /// The stream for a purpose in a frame.
    pub fn stream(&self, purpose: Purpose, frame: usize) -> CounterRng {
        CounterRng::new(&[self.seed, 0x5E17, self.split, self.index, purpose as u64, frame as u64])
    }
}

impl Scene {
    /// Draws the scene of a sequence.
    pub fn draw(options: &SynthOptions, key: Key, condition: Condition) -> Self {
        let unit = options.width.min(options.height) as f64 / 240.0;
        let (width, height) = (options.width as f64, options.height as f64);
        let mut rng = key.rng(Purpose::World);
        let angle = rng.range(0.0, std::f64::consts::TAU);
        let relief =
            Relief { towards: (angle.cos() as f32, -(angle.sin().abs()) as f32), depth: rng.range(0.4, 1.0) as f32 };
        let (world_width, world_height) = ((WORLD * width) as usize, (WORLD * height) as usize);
        let even = matches!(condition, Condition::LowContrast | Condition::BackgroundClutter);
        let environment = environment(&mut rng, (world_width, world_height), unit, relief, even);
        let shadowed = environment.shadowed;
        let mut world = World::new(environment, world_width, world_height);

        let mut rng = key.rng(Purpose::Motion);
        let camera = camera(&mut rng, (world_width as f64, world_height as f64), unit);
        let mut rng = key.rng(Purpose::Look);
        let shape = Shape::object(&mut rng);
        let aspect = shape.aspect() * rng.range(0.8, 1.25);
        let side = 24.0 * unit * (80.0f64 / 24.0).powf(rng.uniform());
        let half = (0.5 * side * aspect.sqrt(), 0.5 * side / aspect.sqrt());
        let middle = camera.pan.at(0.5 * options.frames as f64);
        let background = world.mean_around(middle.0, middle.1, 0.4 * height);
        let palette = Palette::against(&mut rng, background);
        let skin = Texture::new(&mut rng, palette, [1.2, 3.2]);
        let appearance = Appearance::one(shape, skin, aspect);

        let mut rng = key.rng(Purpose::Motion);
        let reach = half.0.hypot(half.1) + 2.0 * unit;
        let bounds = Bounds::inside(width, height, reach, reach);
        let speed = rng.range(0.8, 3.6) * unit;
        let target = Target {
            appearance,
            still: None,
            path: Path::vary(&mut rng, bounds, speed),
            half,
            turn: Wave::sine(rng.range(-0.2, 0.2), rng.range(0.0, 0.25), rng.range(0.05, 0.25), rng.range(0.0, 6.0)),
            growth: Wave::sine(0.0, rng.range(0.0, 0.06), rng.range(0.05, 0.2), rng.range(0.0, 6.0)),
        };
        let mut rng = key.rng(Purpose::Recording);
        let (low, high) = options.quality;
        let quality = low + rng.below(usize::from(high - low) + 1) as u8;
        let mut scene = Self {
            condition,
            size: (options.width, options.height),
            unit,
            world,
            relief,
            camera,
            target,
            sprites: Vec::new(),
            behind: Vec::new(),
            before: Vec::new(),
            sisters: 0,
            shadows: if shadowed && rng.chance(0.7) { rng.range(0.2, 0.5) as f32 } else { 0.0 },
            light: Light::Even,
            flicker: Wave::still(1.0),
            recording: Recording::new(&mut rng, quality),
        };
        scene.company(&mut key.rng(Purpose::Company));
        scene.stage(&mut key.rng(Purpose::Condition), options.frames);
        if scene.target.appearance.change == Change::None {
            scene.target.still = Some(scene.look(0.0));
        }
        scene.reveal(options.frames);
        scene
    }

    /// The half diagonal of the target.
    pub fn reach(&self) -> f64 {
        self.target.half.0.hypot(self.target.half.1)
    }

    /// The side of the target.
    pub fn side(&self) -> f64 {
        2.0 * (self.target.half.0 * self.target.half.1).sqrt()
    }

    /// Makes the target `side` pixels large and gives it a new way at `speed` pixels a frame that keeps it inside the
    /// view, up to `factor` times as large.
    pub fn resize(&mut self, rng: &mut CounterRng, side: f64, factor: f64, speed: f64) {
        let scale = side / self.side();
        self.target.half = (self.target.half.0 * scale, self.target.half.1 * scale);
        let reach = factor * self.reach() + 2.0 * self.unit;
        let (width, height) = (self.size.0 as f64, self.size.1 as f64);
        let bounds = Bounds::inside(width, height, reach, reach);
        self.target.path = Path::vary(rng, bounds, speed);
    }

    /// Adds a sprite and says where it is.
    pub fn add(&mut self, sprite: Sprite) -> usize {
        self.sprites.push(sprite);
        self.sprites.len() - 1
    }

    /// Up to three other things that move about, unlike the target.
    fn company(&mut self, rng: &mut CounterRng) {
        let own = self.target.appearance.skins[0].palette().mean();
        for _ in 0..rng.below(4) {
            let shape = Shape::object(rng);
            let aspect = shape.aspect() * rng.range(0.8, 1.25);
            let mut palette = Palette::paint(rng);
            for _ in 0..4 {
                if distance(palette.mean(), own) > 0.25 {
                    break;
                }
                palette = Palette::paint(rng);
            }
            let skin = Texture::new(rng, palette, [1.2, 3.2]);
            let sprite = Appearance::one(shape, skin, aspect).sprite(0.0, self.relief);
            let side = self.side() * rng.range(0.6, 1.3);
            let (width, height) = (self.size.0 as f64, self.size.1 as f64);
            let bounds = Bounds::inside(width, height, 0.2 * side, 0.2 * side);
            let speed = rng.range(0.3, 3.0) * self.unit;
            let actor = Actor {
                sprite: self.add(sprite),
                anchor: Anchor::View,
                path: Path::vary(rng, bounds, speed),
                half: (0.5 * side * aspect.sqrt(), 0.5 * side / aspect.sqrt()),
                turn: Wave::sine(0.0, rng.range(0.0, 0.3), rng.range(0.05, 0.2), rng.range(0.0, 6.0)),
            };
            self.behind.push(actor);
        }
    }
}

/// A camera that follows with a slow pan and a hand's unrest.
fn camera(rng: &mut CounterRng, world: (f64, f64), unit: f64) -> Camera {
    let mut axis = |side: f64| {
        let reach = side * rng.range(0.02, 0.15);
        let rate = rng.range(0.5, 2.2) * unit / reach;
        Axis::Wave(Wave::wander(rng, 0.5 * side, reach, rate.min(0.3)))
    };
    let pan = Path { x: axis(world.0), y: axis(world.1) };
    let unrest = rng.range(0.0, 1.2) * unit;
    let mut shake = || Axis::Wave(Wave::wander(rng, 0.0, unrest, 0.9));
    let shake = Path { x: shake(), y: shake() };
    Camera { pan, shake, zoom: Wave::wander(rng, 0.0, 0.03, 0.15), roll: Wave::wander(rng, 0.0, 0.025, 0.2) }
}
