//! A scene: what there is, and where it is at any time.

use std::sync::Arc;

use super::appearance::Appearance;
use super::light::Light;
use super::motion::{Path, Wave};
use super::picture::Pose;
use super::recording::Recording;
use super::sprite::{Relief, Sprite};
use super::world::World;
use crate::data::condition::Condition;

/// The camera over the world. View coordinates are the pixels of a camera that neither shakes, zooms nor rolls.
#[derive(Clone, Debug)]
pub struct Camera {
    /// The place of the world in the middle of the view.
    pub pan: Path,
    /// Displacement of the picture in pixels.
    pub shake: Path,
    /// Natural logarithm of the magnification.
    pub zoom: Wave,
    /// Turn in radians.
    pub roll: Wave,
}

/// What a thing's path is relative to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Anchor {
    /// The world: the thing passes when the camera pans.
    World,
    /// The target: the thing keeps it company.
    Target,
    /// The view.
    View,
}

/// A thing that stands or moves in the scene.
#[derive(Clone, Debug)]
pub struct Actor {
    /// Index into [`Scene::sprites`].
    pub sprite: usize,
    /// What the path is relative to.
    pub anchor: Anchor,
    /// Its way.
    pub path: Path,
    /// Half width and half height in view pixels.
    pub half: (f64, f64),
    /// Turn in radians.
    pub turn: Wave,
}

/// The tracked object.
#[derive(Clone, Debug)]
pub struct Target {
    /// What it looks like.
    pub appearance: Appearance,
    /// Its only look, if it never changes.
    pub still: Option<Arc<Sprite>>,
    /// Its way, in view coordinates.
    pub path: Path,
    /// Half width and half height in view pixels when `growth` is 0.
    pub half: (f64, f64),
    /// Turn in radians.
    pub turn: Wave,
    /// Natural logarithm of its own change of size.
    pub growth: Wave,
}

/// All that is needed to render a sequence.
#[derive(Debug)]
pub struct Scene {
    /// What the sequence is to show.
    pub condition: Condition,
    /// Size of the pictures.
    pub size: (usize, usize),
    /// Scale of the picture (1 for 240 lines).
    pub unit: f64,
    /// The background.
    pub world: World,
    /// Direction and strength of the modelling light.
    pub relief: Relief,
    /// The camera.
    pub camera: Camera,
    /// The tracked object.
    pub target: Target,
    /// Baked things.
    pub sprites: Vec<Sprite>,
    /// Things behind the target.
    pub behind: Vec<Actor>,
    /// Things in front of it.
    pub before: Vec<Actor>,
    /// How many of `behind` (the first ones) look like the target.
    pub sisters: usize,
    /// How strong shadows on the ground are.
    pub shadows: f32,
    /// The light.
    pub light: Light,
    /// Brightness of all light over time, around 1.
    pub flicker: Wave,
    /// Lens, shutter, sensor and recording.
    pub recording: Recording,
}

/// The camera at one moment.
#[derive(Clone, Copy, Debug)]
pub struct View {
    centre: (f64, f64),
    pan: (f64, f64),
    shake: (f64, f64),
    zoom: f64,
    roll: f64,
}

impl View {
    /// The pixel of a place in view coordinates.
    pub fn screen(&self, (x, y): (f64, f64)) -> (f64, f64) {
        let (sin, cos) = self.roll.sin_cos();
        let (dx, dy) = ((x - self.centre.0) * self.zoom, (y - self.centre.1) * self.zoom);
        let (cx, cy) = (self.centre.0 + self.shake.0, self.centre.1 + self.shake.1);
        (cx + dx * cos - dy * sin, cy + dx * sin + dy * cos)
    }

    /// The place of the world under a pixel.
    pub fn world(&self, (x, y): (f64, f64)) -> (f64, f64) {
        let (sin, cos) = self.roll.sin_cos();
        let (dx, dy) = (x - self.centre.0 - self.shake.0, y - self.centre.1 - self.shake.1);
        let (dx, dy) = ((dx * cos + dy * sin) / self.zoom, (dy * cos - dx * sin) / self.zoom);
        (self.pan.0 + dx, self.pan.1 + dy)
    }

    fn pose(&self, environment: (f64, f64), half: (f64, f64), turn: f64) -> Pose {
        let (x, y) = self.screen(environment);
        Pose { x, y, half_w: half.0 * self.zoom, half_h: half.1 * self.zoom, turn: turn + self.roll }
    }
}

impl Scene {
    /// What the target looks like at time `t`.
    pub fn look(&self, t: f64) -> Arc<Sprite> {
        self.target.still.clone().unwrap_or_else(|| Arc::new(self.target.appearance.sprite(t, self.relief)))
    }

    /// The camera at time `t`.
    pub fn view(&self, t: f64) -> View {
        View {
            centre: (0.5 * self.size.0 as f64, 0.5 * self.size.1 as f64),
            pan: self.camera.pan.at(t),
            shake: self.camera.shake.at(t),
            zoom: self.camera.zoom.at(t).exp(),
            roll: self.camera.roll.at(t),
        }
    }

    /// The target in the picture at time `t`.
    pub fn target_pose(&self, t: f64) -> Pose {
        let grown = self.target.growth.at(t).exp();
        let half = (self.target.half.0 * grown, self.target.half.1 * grown);
        self.view(t).pose(self.target.path.at(t), half, self.target.turn.at(t))
    }

    /// Another thing in the picture at time `t`.
    pub fn pose(&self, actor: &Actor, t: f64) -> Pose {
        let view = self.view(t);
        let (x, y) = actor.path.at(t);
        let environment = match actor.anchor {
            Anchor::View => (x, y),
            Anchor::World => (x - view.pan.0 + view.centre.0, y - view.pan.1 + view.centre.1),
            Anchor::Target => {
                let target = self.target.path.at(t);
                (target.0 + x, target.1 + y)
            }
        };
        view.pose(environment, actor.half, actor.turn.at(t))
    }
}
