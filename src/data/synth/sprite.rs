//! A thing baked once: colour and coverage on a small grid with mip levels, and its outline.

use super::colour::{Rgb, encode};

/// Texels on a side of the finest level, for a thing of usual size.
pub const SIDE: usize = 128;
/// Texels on a side of the coarsest level.
const COARSEST: usize = 8;
/// The grid reaches a little beyond the box, so that edges fade out inside it.
const REACH: f32 = 1.0 + 6.0 / SIDE as f32;
/// Scan lines in each direction that look for the outline.
const SCAN: usize = 96;

/// The direction that light comes from in the picture plane, and how much shape it shows.
#[derive(Clone, Copy, Debug)]
pub struct Relief {
    /// Unit vector towards the light (x right, y down).
    pub towards: (f32, f32),
    /// 0 is flat, 1 strongly modelled.
    pub depth: f32,
}

/// One level of a sprite.
#[derive(Clone, Debug)]
struct Level {
    side: usize,
    texels: Vec<[f32; 4]>,
}

/// Colour (premultiplied, linear light) and coverage of a thing in the square `[-1, 1]²` that its box is mapped to.
#[derive(Clone, Debug)]
pub struct Sprite {
    levels: Vec<Level>,
    outline: Vec<(f32, f32)>,
    fill: f32,
}

/// A small copy of a look, to compare it with others.
#[derive(Clone, Debug)]
pub struct Thumbnail {
    texels: Vec<[f32; 4]>,
}

/// A sprite level ready to be sampled.
#[derive(Clone, Copy, Debug)]
pub struct Sampler<'a> {
    level: &'a Level,
}

impl Sprite {
    /// Bakes a silhouette (`distance`, see [`super::shape::Shape`]) with a surface. `colour` is asked in box
    /// coordinates: -1 and 1 are the box's edges. The finest level has `side` texels on a side, a power of two.
    pub fn bake(
        side: usize,
        distance: impl Fn(f32, f32) -> f32,
        colour: impl Fn(f32, f32) -> Rgb,
        relief: Relief,
    ) -> Self {
        let raw = outline(&distance);
        let (x, y) = (extent(raw.iter().map(|p| p.0)), extent(raw.iter().map(|p| p.1)));
        let outline = raw.iter().map(|p| ((p.0 - x.0) / x.1, (p.1 - y.0) / y.1)).collect();
        let texel = 2.0 * REACH / side as f32;
        let softness = texel * 0.5 * (x.1 + y.1);
        let environment = |index: usize| ((index as f32 + 0.5) * 2.0 / side as f32 - 1.0) * REACH;
        let mut texels = Vec::with_capacity(side * side);
        for row in 0..side {
            let v = environment(row);
            for column in 0..side {
                let u = environment(column);
                let depth = -distance(x.0 + u * x.1, y.0 + v * y.1);
                let cover = (0.5 + depth / softness).clamp(0.0, 1.0);
                texels.push(if cover > 0.0 {
                    premultiplied(colour(u, v), cover, shade(u, v, depth, relief))
                } else {
                    [0.0; 4]
                });
            }
        }
        let fill = texels.iter().map(|t| t[3]).sum::<f32>() * texel * texel / 4.0;
        let mut levels = vec![Level { side, texels }];
        while let Some(last) = levels.last().filter(|last| last.side > COARSEST) {
            let next = last.halved();
            levels.push(next);
        }
        Self { levels, outline, fill }
    }

    /// The part of the box that the thing covers.
    pub fn fill(&self) -> f64 {
        f64::from(self.fill)
    }

    /// The height, in box coordinates, below which the part `share` of the thing lies.
    pub fn level(&self, share: f64) -> f64 {
        self.quantile(share, |row, step, side| row * side + step)
    }

    /// The place between left and right to the right of which the part `share` of the thing lies.
    pub fn meridian(&self, share: f64) -> f64 {
        self.quantile(share, |column, step, side| step * side + column)
    }

    fn quantile(&self, share: f64, texel: impl Fn(usize, usize, usize) -> usize) -> f64 {
        let Level { side, texels } = &self.levels[0];
        let line = |index: usize| (0..*side).map(|step| texels[texel(index, step, *side)][3]).sum::<f32>();
        let lines: Vec<f32> = (0..*side).map(line).collect();
        let wanted = share as f32 * lines.iter().sum::<f32>();
        let mut beyond = 0.0;
        let edge = (0..*side).rev().find(|&index| {
            beyond += lines[index];
            beyond >= wanted
        });
        f64::from((edge.unwrap_or(0) as f32 * 2.0 / *side as f32 - 1.0) * REACH)
    }

    /// Points of the outline in box coordinates.
    pub fn outline(&self) -> &[(f32, f32)] {
        &self.outline
    }

    /// The coarsest level that still has a texel for each of `pixels` pixels across the box.
    pub fn sampler(&self, pixels: f64) -> Sampler<'_> {
        let enough = |level: &&Level| level.side as f64 >= pixels;
        Sampler { level: self.levels.iter().rev().find(enough).unwrap_or(&self.levels[0]) }
    }

    /// A small copy.
    pub fn thumbnail(&self) -> Thumbnail {
        let enough = self.levels.iter().rev().find(|level| level.side >= 2 * COARSEST);
        Thumbnail { texels: enough.map(|level| level.texels.clone()).unwrap_or_default() }
    }
}

impl Thumbnail {
    /// The mean difference of two looks in display values (0..1), over the points that both cover.
    pub fn difference(&self, other: &Self) -> f64 {
        let (mut sum, mut count) = (0.0, 0);
        for (a, b) in self.texels.iter().zip(&other.texels) {
            if a[3] > 0.7 && b[3] > 0.7 {
                sum += (0..3).map(|c| (encode(a[c] / a[3]) - encode(b[c] / b[3])).abs()).sum::<f32>() / 3.0;
                count += 1;
            }
        }
        f64::from(sum) / f64::from(count.max(1))
    }
}

impl Sampler<'_> {
    /// The box coordinate beyond which there is nothing.
    pub const REACH: f32 = REACH;

    /// Premultiplied colour and coverage at a place in box coordinates.
    #[inline]
    pub fn at(&self, u: f32, v: f32) -> [f32; 4] {
        let side = self.level.side;
        let scale = 0.5 * side as f32 / REACH;
        let (x, y) = ((u + REACH) * scale - 0.5, (v + REACH) * scale - 0.5);
        let limit = (side - 1) as f32;
        if !(x > -1.0 && y > -1.0 && x < limit + 1.0 && y < limit + 1.0) {
            return [0.0; 4];
        }
        let (x, y) = (x.clamp(0.0, limit), y.clamp(0.0, limit));
        let (ix, iy) = ((x as u16 as usize).min(side - 2), (y as u16 as usize).min(side - 2));
        let (fx, fy) = (x - ix as f32, y - iy as f32);
        let start = iy * side + ix;
        let texels = &self.level.texels;
        let (a, b) = (&texels[start], &texels[start + 1]);
        let (c, d) = (&texels[start + side], &texels[start + side + 1]);
        std::array::from_fn(|k| {
            let top = a[k] + (b[k] - a[k]) * fx;
            let bottom = c[k] + (d[k] - c[k]) * fx;
            top + (bottom - top) * fy
        })
    }
}

impl Level {
    fn halved(&self) -> Self {
        let side = self.side / 2;
        let mut texels = Vec::with_capacity(side * side);
        for row in 0..side {
            for column in 0..side {
                let at = |dy: usize, dx: usize| &self.texels[(2 * row + dy) * self.side + 2 * column + dx];
                let (a, b, c, d) = (at(0, 0), at(0, 1), at(1, 0), at(1, 1));
                texels.push(std::array::from_fn(|k| 0.25 * (a[k] + b[k] + c[k] + d[k])));
            }
        }
        Self { side, texels }
    }
}

fn premultiplied(colour: Rgb, cover: f32, shade: f32) -> [f32; 4] {
    let f = cover * shade;
    [colour[0] * f, colour[1] * f, colour[2] * f, cover]
}

/// The light on a pillow-like surface: darker at the rim, brighter on the side towards the light.
fn shade(u: f32, v: f32, depth: f32, relief: Relief) -> f32 {
    let flat = (depth / 0.45).clamp(0.0, 1.0);
    let facing = u * relief.towards.0 + v * relief.towards.1;
    let rim = 0.22 * (1.0 - flat) * (1.0 - flat);
    (1.0 + relief.depth * (0.45 * facing * (1.0 - 0.6 * flat) - rim)).max(0.15)
}

/// Where scan lines cross the outline, by linear interpolation of the distance.
fn outline(distance: &impl Fn(f32, f32) -> f32) -> Vec<(f32, f32)> {
    let environment = |index: usize| (index as f32 / (SCAN - 1) as f32 * 2.0 - 1.0) * 1.1;
    let grid: Vec<f32> =
        (0..SCAN * SCAN).map(|index| distance(environment(index % SCAN), environment(index / SCAN))).collect();
    let mut points = Vec::new();
    for line in 0..SCAN {
        for along in 1..SCAN {
            let crossing = |a: f32, b: f32| ((a < 0.0) != (b < 0.0)).then(|| a / (a - b));
            let between = |t: f32| environment(along - 1) + t * (environment(along) - environment(along - 1));
            if let Some(t) = crossing(grid[line * SCAN + along - 1], grid[line * SCAN + along]) {
                points.push((between(t), environment(line)));
            }
            if let Some(t) = crossing(grid[(along - 1) * SCAN + line], grid[along * SCAN + line]) {
                points.push((environment(line), between(t)));
            }
        }
    }
    points
}

/// Centre and half length of the range of `values`; of the whole square when there are none.
fn extent(values: impl Iterator<Item = f32>) -> (f32, f32) {
    let (low, high) = values.fold((f32::MAX, f32::MIN), |(low, high), v| (low.min(v), high.max(v)));
    if low < high { (0.5 * (low + high), 0.5 * (high - low)) } else { (0.0, 1.0) }
}
