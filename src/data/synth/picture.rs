//! A picture in linear light that sprites are painted on.

use std::ops::Range;

use super::sprite::{Sampler, Sprite};

/// Pixels of four numbers: red, green, blue in linear light, and how much of the pixel shows the target.
#[derive(Clone, Debug)]
pub struct Picture {
    /// Columns.
    pub width: usize,
    /// Rows.
    pub height: usize,
    /// Row-major pixels.
    pub pixels: Vec<[f32; 4]>,
}

/// Where a sprite stands in a picture.
#[derive(Clone, Copy, Debug)]
pub struct Pose {
    /// Centre of the box, in pixels (pixel centres are at half-integers).
    pub x: f64,
    /// See `x`.
    pub y: f64,
    /// Half width before turning.
    pub half_w: f64,
    /// Half height before turning.
    pub half_h: f64,
    /// Clockwise turn in radians.
    pub turn: f64,
}

/// Whether what is painted counts as the target.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// The tracked object.
    Target,
    /// Anything else; it hides the target where it is painted over it.
    Other,
}

impl Pose {
    /// A point of the sprite's box (`[-1, 1]²`) in the picture.
    pub fn environment(&self, u: f64, v: f64) -> (f64, f64) {
        let (sin, cos) = self.turn.sin_cos();
        let (dx, dy) = (u * self.half_w, v * self.half_h);
        (self.x + dx * cos - dy * sin, self.y + dx * sin + dy * cos)
    }

    /// The size of the thing: the square root of its upright box's area.
    pub fn side(&self) -> f64 {
        2.0 * (self.half_w * self.half_h).sqrt()
    }
}

impl Picture {
    /// A black picture.
    pub fn new(width: usize, height: usize) -> Self {
        Self { width, height, pixels: vec![[0.0; 4]; width * height] }
    }

    /// Paints a sprite.
    pub fn paint(&mut self, sprite: &Sprite, pose: Pose, role: Role) {
        self.paint_within(sprite, pose, role, &self.whole());
    }

    /// Paints the part of a sprite within some columns and rows.
    pub fn paint_within(&mut self, sprite: &Sprite, pose: Pose, role: Role, within: &(Range<usize>, Range<usize>)) {
        let mark = if role == Role::Target { 1.0 } else { 0.0 };
        self.cover(sprite.sampler(2.0 * pose.half_w.max(pose.half_h)), pose, within, |pixel, texel| {
            let under = 1.0 - texel[3];
            let over = [texel[0], texel[1], texel[2], mark * texel[3]];
            for (p, o) in pixel.iter_mut().zip(over) {
                *p = *p * under + o;
            }
        });
    }

    /// Darkens the ground under a sprite: its blurred silhouette takes away `strength` of the light.
    pub fn shadow(&mut self, sprite: &Sprite, pose: Pose, strength: f32) {
        self.shadow_within(sprite, pose, strength, &self.whole());
    }

    /// Darkens the ground under a sprite within some columns and rows.
    pub fn shadow_within(&mut self, sprite: &Sprite, pose: Pose, strength: f32, within: &(Range<usize>, Range<usize>)) {
        self.cover(sprite.sampler(0.2 * pose.side()), pose, within, |pixel, texel| {
            let light = 1.0 - strength * texel[3];
            for p in pixel.iter_mut().take(3) {
                *p *= light;
            }
        });
    }

    /// How many pixels' worth of the target can be seen where a posed sprite is.
    pub fn coverage(&self, pose: Pose) -> f64 {
        let (columns, rows) = self.region(pose);
        let row_sum = |row: usize| -> f32 {
            let start = row * self.width;
            self.pixels[start + columns.start..start + columns.end].iter().map(|pixel| pixel[3]).sum()
        };
        rows.map(|row| f64::from(row_sum(row))).sum()
    }

    /// The columns and rows that a posed sprite can touch.
    fn region(&self, pose: Pose) -> (Range<usize>, Range<usize>) {
        let reach = f64::from(Sampler::REACH);
        let corners =
            [(-1.0, -1.0), (1.0, -1.0), (-1.0, 1.0), (1.0, 1.0)].map(|(u, v)| pose.environment(u * reach, v * reach));
        let range = |pick: fn(&(f64, f64)) -> f64, limit: usize| {
            let low = corners.iter().map(pick).fold(f64::MAX, f64::min).floor().clamp(0.0, limit as f64);
            let high = corners.iter().map(pick).fold(f64::MIN, f64::max).ceil().clamp(0.0, limit as f64);
            low as usize..high as usize
        };
        (range(|p| p.0, self.width), range(|p| p.1, self.height))
    }

    /// All columns and rows.
    fn whole(&self) -> (Range<usize>, Range<usize>) {
        (0..self.width, 0..self.height)
    }

    /// Calls `blend` for every pixel within some columns and rows that the posed sprite touches. What a pixel gets does
    /// not depend on these: every row is walked from where the sprite begins.
    fn cover(
        &mut self,
        sampler: Sampler<'_>,
        pose: Pose,
        within: &(Range<usize>, Range<usize>),
        blend: impl Fn(&mut [f32; 4], [f32; 4]),
    ) {
        let (columns, rows) = self.region(pose);
        let rows = rows.start.max(within.1.start)..rows.end.min(within.1.end);
        let end = columns.end.min(within.0.end);
        if within.0.start >= end || columns.start >= end {
            return;
        }
        let (sin, cos) = pose.turn.sin_cos();
        let (across, down) = ((cos / pose.half_w) as f32, (-sin / pose.half_h) as f32);
        for row in rows {
            let dy = row as f64 + 0.5 - pose.y;
            let dx = columns.start as f64 + 0.5 - pose.x;
            let mut u = ((dx * cos + dy * sin) / pose.half_w) as f32;
            let mut v = ((dy * cos - dx * sin) / pose.half_h) as f32;
            let start = row * self.width;
            for (column, pixel) in (columns.start..end).zip(&mut self.pixels[start + columns.start..start + end]) {
                if column >= within.0.start && u.abs() < Sampler::REACH && v.abs() < Sampler::REACH {
                    let texel = sampler.at(u, v);
                    if texel[3] > 0.0 {
                        blend(pixel, texel);
                    }
                }
                u += across;
                v += down;
            }
        }
    }

    /// Whether all that bilinear interpolation at a place needs is safely inside.
    pub fn contains(&self, (x, y): (f64, f64)) -> bool {
        (1.0..self.width as f64 - 1.0).contains(&x) && (1.0..self.height as f64 - 1.0).contains(&y)
    }

    /// The colour at a place (pixel centres at half-integers), bilinear; beyond the edge the picture is mirrored.
    #[inline]
    pub fn mirrored(&self, x: f32, y: f32) -> [f32; 4] {
        self.at(fold(x - 0.5, (self.width - 1) as f32) + 0.5, fold(y - 0.5, (self.height - 1) as f32) + 0.5)
    }

    /// The colour at a place that the picture [contains](Self::contains).
    #[inline]
    pub fn at(&self, x: f32, y: f32) -> [f32; 4] {
        let (x, y) = (x - 0.5, y - 0.5);
        // Conversions to 16 bits saturate at 0 and cost half of those to a word.
        let (ix, iy) = ((x as u16 as usize).min(self.width - 2), (y as u16 as usize).min(self.height - 2));
        let (fx, fy) = (x - ix as f32, y - iy as f32);
        let start = iy * self.width + ix;
        let (top, bottom) = (&self.pixels[start..start + 2], &self.pixels[start + self.width..start + self.width + 2]);
        std::array::from_fn(|k| {
            let upper = top[0][k] + (top[1][k] - top[0][k]) * fx;
            let lower = bottom[0][k] + (bottom[1][k] - bottom[0][k]) * fx;
            upper + (lower - upper) * fy
        })
    }
}

/// Reflects `x` into `[0, limit]`.
#[inline]
fn fold(x: f32, limit: f32) -> f32 {
    if (0.0..=limit).contains(&x) {
        return x;
    }
    let wave = x.rem_euclid(2.0 * limit);
    if wave > limit { 2.0 * limit - wave } else { wave }
}
