//! Lattice noise: pure functions of a point and a seed, the raw material of every texture.

/// A well-mixed 32-bit hash of a lattice point.
fn hash(x: i32, y: i32, seed: u32) -> u32 {
    let mut h = (x as u32).wrapping_mul(0x8DA6_B343) ^ (y as u32).wrapping_mul(0xD816_3841) ^ seed;
    h = (h ^ (h >> 15)).wrapping_mul(0x2C1B_3C6D);
    h = (h ^ (h >> 12)).wrapping_mul(0x297A_2D39);
    h ^ (h >> 15)
}

/// The random number in `[0, 1)` that belongs to a lattice point.
pub fn lattice(x: i32, y: i32, seed: u32) -> f32 {
    (hash(x, y, seed) >> 8) as f32 / 16_777_216.0
}

/// The largest integer not above `x` (a library call for every pixel is too slow on the baseline instruction set).
fn floor(x: f32) -> i32 {
    let cut = x as i32;
    cut - i32::from(x < cut as f32)
}

/// Value noise in `[0, 1)` with one feature per unit (smoothstep interpolation between lattice points).
pub fn value(x: f32, y: f32, seed: u32) -> f32 {
    let (ix, iy) = (floor(x), floor(y));
    let (fx, fy) = (smooth(x - ix as f32), smooth(y - iy as f32));
    let top = lerp(lattice(ix, iy, seed), lattice(ix + 1, iy, seed), fx);
    let bottom = lerp(lattice(ix, iy + 1, seed), lattice(ix + 1, iy + 1, seed), fx);
    lerp(top, bottom, fy)
}

/// Octaves of value noise, each twice as fine and half as strong as the one before; in `[0, 1)`, mean ½.
pub fn fractal(x: f32, y: f32, seed: u32, octaves: u32) -> f32 {
    let (mut sum, mut weight, mut total, mut scale) = (0.0, 1.0, 0.0, 1.0);
    for octave in 0..octaves {
        // The offsets keep the lattices of the octaves from coinciding at the origin.
        let shift = 17.3 * octave as f32;
        sum += weight * value(x * scale + shift, y * scale - shift, seed ^ octave.wrapping_mul(0x9E37_79B9));
        total += weight;
        weight *= 0.5;
        scale *= 2.0;
    }
    sum / total
}

/// The nearest feature point of cellular noise (Worley, 1996), one point per unit square.
#[derive(Clone, Copy, Debug)]
pub struct Cell {
    /// Distance to the nearest feature point.
    pub near: f32,
    /// Distance to the second nearest.
    pub second: f32,
    /// The random number of the nearest cell, in `[0, 1)`.
    pub id: f32,
}

/// Cellular noise at a point.
pub fn cell(x: f32, y: f32, seed: u32) -> Cell {
    let (ix, iy) = (floor(x), floor(y));
    let mut found = Cell { near: f32::MAX, second: f32::MAX, id: 0.0 };
    for cy in iy - 1..=iy + 1 {
        for cx in ix - 1..=ix + 1 {
            let h = hash(cx, cy, seed);
            let (px, py) = ((h & 0xFFFF) as f32 / 65_536.0, (h >> 16) as f32 / 65_536.0);
            let (dx, dy) = (cx as f32 + px - x, cy as f32 + py - y);
            let distance = dx * dx + dy * dy;
            if distance < found.near {
                found.second = found.near;
                found.near = distance;
                found.id = (h.wrapping_mul(0x9E37_79B1) >> 8) as f32 / 16_777_216.0;
            } else if distance < found.second {
                found.second = distance;
            }
        }
    }
    found.near = found.near.sqrt();
    found.second = found.second.sqrt();
    found
}

/// `a` at 0, `b` at 1.
pub fn lerp(a: f32, b: f32, t: f32) -> f32 {
    a + (b - a) * t
}

/// The Hermite step `3t² − 2t³`, clamped.
pub fn smooth(t: f32) -> f32 {
    let t = t.clamp(0.0, 1.0);
    t * t * (3.0 - 2.0 * t)
}

/// 0 below `low`, 1 above `high`, smooth between.
pub fn step(low: f32, high: f32, x: f32) -> f32 {
    smooth((x - low) / (high - low))
}
