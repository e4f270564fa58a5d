//! Rendering a frame: the shutter opens, light falls in from several moments, the film is developed.

use std::sync::Arc;

use image::RgbImage;

use super::picture::{Picture, Pose, Role};
use super::scene::{Scene, View};
use super::sprite::Sprite;
use crate::data::random::CounterRng;

/// More moments than these make no visible difference.
const MOST_MOMENTS: f64 = 9.0;
/// Two moments in which nothing moves further than this many pixels are one.
const PIXELS_PER_MOMENT: f64 = 2.5;

/// A rendered frame and what was measured while rendering.
#[derive(Clone, Debug)]
pub struct Frame {
    /// The picture as recorded.
    pub picture: RgbImage,
    /// For each pixel, how much of it shows the target (0..1).
    pub target: Vec<f32>,
    /// The part of the target inside the picture that something stands before.
    pub occluded: f64,
    /// The part of the target outside the picture.
    pub outside: f64,
    /// The look of the target.
    pub look: Arc<Sprite>,
}

impl Scene {
    /// Renders frame `index`, which is taken at time `index`. `rng` belongs to the frame.
    pub fn render(&self, index: usize, rng: &mut CounterRng) -> Frame {
        let t = index as f64;
        let look = self.look(t);
        let moments = self.moments(t);
        let (mut in_view, mut visible, mut whole) = (0.0, 0.0, 0.0);
        let mut light: Option<Picture> = None;
        for moment in 0..moments {
            let when = self.moment(t, moment, moments);
            let mut now = self.backdrop(self.view(when));
            self.paint_behind(&mut now, when);
            let pose = self.target_pose(when);
            self.paint_shadow(&mut now, &look, pose);
            now.paint(&look, pose, Role::Target);
            in_view += now.coverage(pose);
            whole += 4.0 * pose.half_w * pose.half_h * look.fill();
            for actor in &self.before {
                now.paint(&self.sprites[actor.sprite], self.pose(actor, when), Role::Other);
            }
            visible += now.coverage(pose);
            self.shine(&mut now, when);
            match &mut light {
                None => light = Some(now),
                Some(sum) => add(sum, &now),
            }
        }
        let mut light = light.unwrap_or_else(|| Picture::new(self.size.0, self.size.1));
        let share = 1.0 / moments as f32;
        if moments > 1 {
            light.pixels.iter_mut().flatten().for_each(|value| *value *= share);
        }
        Frame {
            picture: self.recording.develop(&light, rng),
            target: light.pixels.iter().map(|pixel| pixel[3]).collect(),
            occluded: if in_view > 0.0 { (1.0 - visible / in_view).clamp(0.0, 1.0) } else { 0.0 },
            outside: if whole > 0.0 { (1.0 - in_view / whole).clamp(0.0, 1.0) } else { 0.0 },
            look,
        }
    }

    /// The part of the target inside the picture that something stands before at time `t`.
    pub fn hidden(&self, t: f64) -> f64 {
        let (look, pose) = (self.look(t), self.target_pose(t));
        let mut picture = Picture::new(self.size.0, self.size.1);
        picture.paint(&look, pose, Role::Target);
        let in_view = picture.coverage(pose);
        for actor in &self.before {
            picture.paint(&self.sprites[actor.sprite], self.pose(actor, t), Role::Other);
        }
        if in_view > 0.0 { 1.0 - picture.coverage(pose) / in_view } else { 0.0 }
    }

    /// The length of the smear that the open shutter leaves at the target and in the corners of the background.
    pub fn smear(&self, t: f64) -> (f64, f64) {
        let half = 0.5 * self.recording.exposure;
        let (before, after) = (self.target_pose(t - half), self.target_pose(t + half));
        let target = (after.x - before.x).hypot(after.y - before.y);
        let (open, shut) = (self.view(t - half), self.view(t + half));
        let (width, height) = (self.size.0 as f64, self.size.1 as f64);
        let zoom = self.camera.zoom.at(t).exp();
        let background = [(0.0, 0.0), (width, 0.0), (0.0, height), (width, height), (0.5 * width, 0.5 * height)]
            .map(|corner| {
                let (a, b) = (open.world(corner), shut.world(corner));
                (a.0 - b.0).hypot(a.1 - b.1) * zoom
            })
            .into_iter()
            .fold(0.0, f64::max);
        (target, background)
    }

    /// Paints all of the background that can be seen in `frames` frames.
    pub(super) fn reveal(&mut self, frames: usize) {
        let (width, height) = (self.size.0 as f64, self.size.1 as f64);
        for index in 0..frames {
            let t = index as f64;
            let moments = self.moments(t);
            for moment in 0..moments {
                let view = self.view(self.moment(t, moment, moments));
                let corners = [(0.0, 0.0), (width, 0.0), (0.0, height), (width, height)].map(|at| view.world(at));
                let extreme = |pick: fn(f64, f64) -> f64| {
                    let (x, y) = corners[0];
                    corners.iter().fold((x, y), |(x, y), corner| (pick(x, corner.0), pick(y, corner.1)))
                };
                self.world.reveal(extreme(f64::min), extreme(f64::max));
            }
        }
    }

    /// The time of one of the moments in which the shutter of the frame at `t` is open.
    fn moment(&self, t: f64, moment: usize, moments: usize) -> f64 {
        t + self.recording.exposure * ((moment as f64 + 0.5) / moments as f64 - 0.5)
    }

    fn moments(&self, t: f64) -> usize {
        let (target, background) = self.smear(t);
        (target.max(background) / PIXELS_PER_MOMENT).clamp(1.0, MOST_MOMENTS).round() as usize
    }

    fn backdrop(&self, view: View) -> Picture {
        let (width, height) = self.size;
        let (x0, y0) = view.world((0.5, 0.5));
        let (x1, y1) = view.world((1.5, 0.5));
        let (x2, y2) = view.world((0.5, 1.5));
        let (across, down) = (((x1 - x0) as f32, (y1 - y0) as f32), (x2 - x0, y2 - y0));
        let ends = |row: f64| {
            let start = (x0 + row * down.0, y0 + row * down.1);
            (start, (start.0 + (x1 - x0) * width as f64, start.1 + (y1 - y0) * width as f64))
        };
        let world = self.world.picture();
        let mut pixels = Vec::with_capacity(width * height);
        for row in 0..height {
            let (start, end) = ends(row as f64);
            let (mut x, mut y) = (start.0 as f32, start.1 as f32);
            let inside = world.contains(start) && world.contains(end);
            for _ in 0..width {
                pixels.push(if inside { world.at(x, y) } else { world.mirrored(x, y) });
                x += across.0;
                y += across.1;
            }
        }
        Picture { width, height, pixels }
    }

    fn paint_behind(&self, now: &mut Picture, when: f64) {
        for actor in &self.behind {
            let (sprite, pose) = (&self.sprites[actor.sprite], self.pose(actor, when));
            self.paint_shadow(now, sprite, pose);
            now.paint(sprite, pose, Role::Other);
        }
    }

    fn paint_shadow(&self, now: &mut Picture, sprite: &Sprite, pose: Pose) {
        if self.shadows > 0.0 {
            let (x, y) = (f64::from(self.relief.towards.0), f64::from(self.relief.towards.1));
            let reach = 0.2 * pose.side();
            now.shadow(sprite, Pose { x: pose.x - reach * x, y: pose.y - reach * y, ..pose }, self.shadows);
        }
    }

    fn shine(&self, now: &mut Picture, when: f64) {
        let light = self.light.at(when, self.flicker.at(when));
        if light.is_plain() {
            return;
        }
        let width = now.width;
        for (index, pixel) in now.pixels.iter_mut().enumerate() {
            let (gain, veil) = light.gain((index % width) as f64 + 0.5, (index / width) as f64 + 0.5);
            for c in 0..3 {
                pixel[c] = pixel[c] * gain[c] + veil;
            }
        }
    }
}

fn add(sum: &mut Picture, now: &Picture) {
    for (s, n) in sum.pixels.iter_mut().zip(&now.pixels) {
        for c in 0..4 {
            s[c] += n[c];
        }
    }
}
