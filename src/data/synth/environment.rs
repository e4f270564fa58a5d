//! The places that scenes are set in: what the ground looks like and what stands on it, drawn but not yet painted.

use super::colour::{Palette, Rgb, hsv, mix, scaled};
use super::noise::{fractal, step, value};
use super::picture::Pose;
use super::shape::Shape;
use super::sprite::{Relief, SIDE, Sprite};
use super::texture::Texture;
use crate::data::random::CounterRng;

/// The kinds of place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// Loose ground seen from above, in patches.
    Ground,
    /// A wall with panels.
    Wall,
    /// Sky, hills and a plain up to the horizon.
    Landscape,
    /// Leaves close by.
    Thicket,
    /// A plain backdrop with soft lights.
    Studio,
    /// Asphalt with kerb and pavement.
    Street,
}

const KINDS: [Kind; 6] = [Kind::Ground, Kind::Wall, Kind::Landscape, Kind::Thicket, Kind::Studio, Kind::Street];
/// Kinds without a horizon: what is near a place looks like what is a little further off.
const EVEN: [Kind; 4] = [Kind::Ground, Kind::Wall, Kind::Thicket, Kind::Ground];

/// The colour of the bare ground at a pixel.
pub type Colour = Box<dyn Fn(f32, f32) -> Rgb>;

/// A place.
pub struct Environment {
    /// The bare ground.
    pub colour: Colour,
    /// Whether things cast shadows on it.
    pub shadowed: bool,
    /// What stands on it.
    pub things: Vec<Sprite>,
    /// Where, in the order in which they are painted.
    pub decals: Vec<Decal>,
}

/// Something that stands on the ground for ever.
#[derive(Clone, Copy, Debug)]
pub struct Decal {
    /// Index into [`Environment::things`].
    pub thing: usize,
    /// Where it stands.
    pub pose: Pose,
    /// Its shadow, with this strength, instead of the thing itself.
    pub shadow: Option<f32>,
}

/// Draws a place of `size` (columns, rows). `unit` is the scale of the picture (1 for 240 lines); `even` asks for one kind
/// of surface throughout.
pub fn environment(rng: &mut CounterRng, size: (usize, usize), unit: f64, relief: Relief, even: bool) -> Environment {
    let kind = if even { EVEN[rng.below(EVEN.len())] } else { KINDS[rng.below(KINDS.len())] };
    let (mut things, mut decals) = (Vec::new(), Vec::new());
    let colour: Colour = match kind {
        Kind::Ground => Box::new(ground(rng, unit)),
        Kind::Wall => {
            let colour = wall(rng, unit);
            (things, decals) = panels(rng, size, unit, relief);
            Box::new(colour)
        }
        Kind::Landscape => Box::new(landscape(rng, size, unit)),
        Kind::Thicket => Box::new(thicket(rng, unit)),
        Kind::Studio => Box::new(studio(rng, size, unit)),
        Kind::Street => Box::new(street(rng, size, unit)),
    };
    if matches!(kind, Kind::Ground | Kind::Landscape | Kind::Street) {
        let from = if kind == Kind::Landscape { 0.55 } else { 0.0 };
        (things, decals) = props(rng, size, unit, relief, from);
    }
    // In the open, things before the sky have nothing near behind them that their shadow could fall on.
    Environment { colour, shadowed: kind != Kind::Landscape, things, decals }
}

/// Slow changes of brightness over a surface: 1 ± `depth`.
fn unevenness(rng: &mut CounterRng, unit: f64, depth: f64) -> impl Fn(f32, f32) -> f32 + use<> {
    let (scale, seed) = ((1.0 / (90.0 * unit)) as f32, rng.bits() as u32);
    let depth = (2.0 * depth * rng.range(0.6, 1.0)) as f32;
    move |x, y| 1.0 + depth * (value(x * scale, y * scale, seed) - 0.5)
}

fn ground(rng: &mut CounterRng, unit: f64) -> impl Fn(f32, f32) -> Rgb + use<> {
    let palette = Palette::surface(rng);
    let base = Texture::ground(rng, palette, [1.0 / 26.0 / unit, 1.0 / 9.0 / unit]);
    let other_palette = Palette::surface(rng);
    let patch = Texture::ground(rng, other_palette, [1.0 / 20.0 / unit, 1.0 / 7.0 / unit]);
    let (scale, seed) = ((rng.range(0.006, 0.014) / unit) as f32, rng.bits() as u32);
    let threshold = rng.range(0.45, 0.62) as f32;
    let light = unevenness(rng, unit, 0.3);
    move |x, y| {
        let share = step(threshold - 0.03, threshold + 0.03, fractal(x * scale, y * scale, seed, 3));
        let colour = match share {
            0.0 => base.at(x, y),
            1.0 => patch.at(x, y),
            _ => mix(base.at(x, y), patch.at(x, y), share),
        };
        scaled(colour, light(x, y))
    }
}

fn wall(rng: &mut CounterRng, unit: f64) -> impl Fn(f32, f32) -> Rgb + use<> {
    let palette = Palette::surface(rng);
    let base = Texture::masonry(rng, palette, [1.0 / 24.0 / unit, 1.0 / 10.0 / unit]);
    let light = unevenness(rng, unit, 0.3);
    move |x, y| scaled(base.at(x, y), light(x, y))
}

/// Posters, windows and doors.
fn panels(rng: &mut CounterRng, size: (usize, usize), unit: f64, relief: Relief) -> (Vec<Sprite>, Vec<Decal>) {
    let panels: Vec<Sprite> = (0..3)
        .map(|_| {
            let palette = Palette::paint(rng);
            let skin = Texture::new(rng, palette, [1.5, 4.0]);
            Sprite::bake(SIDE / 2, |x, y| Shape::RoundedBox(0.03).distance(x, y), |u, v| skin.at(u, v), relief)
        })
        .collect();
    let mut decals = Vec::new();
    for _ in 0..3 + rng.below(5) {
        let pose = Pose {
            x: rng.range(0.0, size.0 as f64),
            y: rng.range(0.0, size.1 as f64),
            half_w: rng.range(18.0, 50.0) * unit,
            half_h: rng.range(22.0, 60.0) * unit,
            turn: rng.range(-0.03, 0.03),
        };
        decals.push(Decal { thing: rng.below(panels.len()), pose, shadow: None });
    }
    (panels, decals)
}

fn landscape(rng: &mut CounterRng, size: (usize, usize), unit: f64) -> impl Fn(f32, f32) -> Rgb + use<> {
    let (width, height) = (size.0 as f32, size.1 as f32);
    let horizon = height * rng.range(0.42, 0.55) as f32;
    let (zenith, haze) = {
        let hue = rng.range(0.52, 0.66);
        let value = rng.range(0.6, 0.95);
        (hsv(hue, rng.range(0.2, 0.6), value), hsv(hue - rng.range(0.0, 0.5), rng.range(0.04, 0.2), value))
    };
    let cloud = (rng.bits() as u32, (rng.range(0.006, 0.012) / unit) as f32, rng.range(0.42, 0.58) as f32);
    let hill_colours = [Palette::surface(rng).mean(), Palette::surface(rng).mean()];
    let hills: [(u32, f32, f32); 2] = [0.10, 0.05].map(|tall: f64| {
        let scale = (rng.range(0.007, 0.02) / unit) as f32;
        (rng.bits() as u32, scale, height * (tall * rng.range(0.7, 1.5)) as f32)
    });
    let palette = Palette::surface(rng);
    let plain = Texture::ground(rng, palette, [0.06 / unit, 0.12 / unit]);
    let average = palette.mean();
    let light = unevenness(rng, unit, 0.2);
    move |x, y| {
        if y >= horizon {
            // A plane seen from the side: distance grows as the inverse of the height under the horizon.
            let near = (y - horizon) / (height - horizon);
            let far = 1.0 / (near + 0.16);
            let ground = plain.at((x - 0.5 * width) * far * 0.45, far * 260.0 * unit as f32);
            let ground = mix(average, ground, step(0.0, 0.3, near));
            return scaled(mix(haze, ground, 0.4 + 0.6 * step(0.0, 0.35, near)), light(x, y));
        }
        for (index, &(seed, scale, tall)) in hills.iter().enumerate().rev() {
            let ridge = horizon - tall * (0.3 + 1.4 * fractal(x * scale, 0.5, seed, 4));
            if y > ridge {
                let tone = 0.8 + 0.4 * value(x * 0.15, y * 0.25, seed);
                return mix(scaled(hill_colours[index], tone), haze, if index == 0 { 0.55 } else { 0.3 });
            }
        }
        let sky = mix(zenith, haze, (y / horizon).powi(2));
        let cover = fractal(x * cloud.1, y * cloud.1 * 2.2, cloud.0, 4);
        mix(sky, [0.9, 0.9, 0.92], 0.85 * step(cloud.2, cloud.2 + 0.22, cover))
    }
}

fn thicket(rng: &mut CounterRng, unit: f64) -> impl Fn(f32, f32) -> Rgb + use<> {
    let palette = Palette::surface(rng);
    let near = Texture::leaves(rng, palette, [1.0 / 22.0 / unit, 1.0 / 10.0 / unit]);
    let far = Texture::leaves(rng, palette, [1.0 / 9.0 / unit, 1.0 / 6.0 / unit]);
    let (scale, seed) = ((0.02 / unit) as f32, rng.bits() as u32);
    let light = unevenness(rng, unit, 0.35);
    move |x, y| {
        let depth = step(0.4, 0.6, fractal(x * scale, y * scale, seed, 2));
        let colour = if depth < 0.5 { scaled(far.at(x, y), 0.45 + 0.3 * depth) } else { near.at(x, y) };
        scaled(colour, light(x, y))
    }
}

fn studio(rng: &mut CounterRng, size: (usize, usize), unit: f64) -> impl Fn(f32, f32) -> Rgb + use<> {
    let palette = Palette::surface(rng);
    let angle = rng.range(0.0, std::f64::consts::TAU);
    let (cos, sin) = (angle.cos() as f32, angle.sin() as f32);
    let (width, height) = (size.0 as f32, size.1 as f32);
    let seed = rng.bits() as u32;
    let fibre = (rng.range(0.02, 0.06) / unit) as f32;
    let disks: Vec<(f32, f32, f32, Rgb)> = (0..14 + rng.below(20))
        .map(|_| {
            let (x, y) = (rng.range(0.0, 1.0) as f32 * width, rng.range(0.0, 1.0) as f32 * height);
            let glow = scaled(Palette::paint(rng).mean(), rng.range(0.1, 0.5) as f32);
            (x, y, (rng.range(14.0, 60.0) * unit) as f32, glow)
        })
        .collect();
    move |x, y| {
        let along = 0.5 + 0.45 * ((x / width - 0.5) * cos + (y / height - 0.5) * sin) * 2.0;
        let cloth = 0.75 + 0.5 * fractal(x * fibre, y * fibre * 0.3, seed, 3);
        let mut colour = scaled(palette.ramp(along), cloth);
        for &(cx, cy, radius, glow) in &disks {
            let distance = ((x - cx) * (x - cx) + (y - cy) * (y - cy)) / (radius * radius);
            if distance < 1.0 {
                let share = 1.0 - step(0.65, 1.0, distance);
                for c in 0..3 {
                    colour[c] += share * glow[c];
                }
            }
        }
        colour
    }
}

fn street(rng: &mut CounterRng, size: (usize, usize), unit: f64) -> impl Fn(f32, f32) -> Rgb + use<> {
    let asphalt = scaled([0.16, 0.16, 0.17], rng.range(0.6, 1.8) as f32);
    let pavement_palette = Palette::surface(rng);
    let pavement = Texture::masonry(rng, pavement_palette, [1.0 / 22.0 / unit, 1.0 / 12.0 / unit]);
    let angle = rng.range(-0.25, 0.25) as f32;
    let (sin, cos) = angle.sin_cos();
    let (width, height) = (size.0 as f32, size.1 as f32);
    let unit32 = unit as f32;
    let road = height * rng.range(0.22, 0.34) as f32;
    let seed = rng.bits() as u32;
    let light = unevenness(rng, unit, 0.25);
    move |x, y| {
        let along = (x - 0.5 * width) * cos + (y - 0.5 * height) * sin;
        let across = (y - 0.5 * height) * cos - (x - 0.5 * width) * sin;
        let off = across.abs() - road;
        let grain = fractal(x * 0.35 / unit32, y * 0.35 / unit32, seed, 2);
        let colour = if off < 0.0 {
            let stain = fractal(along * 0.02 / unit32, across * 0.05 / unit32, seed ^ 3, 3);
            let road_colour = scaled(asphalt, 0.55 + 0.5 * grain + 0.5 * stain);
            let dash = step(0.0, 0.02, (along / (70.0 * unit32)).rem_euclid(1.0) - 0.5);
            let line = (1.0 - step(2.5, 4.0, across.abs() / unit32)) * dash;
            let border = 1.0 - step(2.0, 3.0, (off + 9.0 * unit32).abs() / unit32);
            mix(road_colour, [0.75, 0.74, 0.7], line.max(border) * (0.6 + 0.4 * grain))
        } else if off < 7.0 * unit32 {
            scaled([0.45, 0.44, 0.42], 0.7 + 0.5 * grain)
        } else {
            pavement.at(along, across)
        };
        scaled(colour, light(x, y))
    }
}

/// Stones, bushes and boxes with their shadows, below the share `from` of the height.
fn props(
    rng: &mut CounterRng,
    size: (usize, usize),
    unit: f64,
    relief: Relief,
    from: f64,
) -> (Vec<Sprite>, Vec<Decal>) {
    let things: Vec<Sprite> = (0..3)
        .map(|_| {
            let (shape, palette) = (Shape::prop(rng), Palette::surface(rng));
            let skin = Texture::new(rng, palette, [1.5, 4.0]);
            Sprite::bake(SIDE / 2, |x, y| shape.distance(x, y), |u, v| skin.at(u, v), relief)
        })
        .collect();
    let mut places: Vec<f64> = (0..8 + rng.below(18)).map(|_| rng.range(from, 1.0)).collect();
    places.sort_by(f64::total_cmp);
    let mut decals = Vec::new();
    for environment in places {
        let side = rng.range(6.0, 22.0) * unit * if from > 0.0 { 0.4 + 1.4 * (environment - from) } else { 1.0 };
        let pose = Pose {
            x: rng.range(0.0, size.0 as f64),
            y: environment * size.1 as f64,
            half_w: side,
            half_h: side * rng.range(0.6, 1.3),
            turn: rng.range(-0.4, 0.4),
        };
        let thing = rng.below(things.len());
        let away = (f64::from(relief.towards.0), f64::from(relief.towards.1));
        let ground = Pose { x: pose.x - 0.4 * side * away.0, y: pose.y - 0.4 * side * away.1, ..pose };
        decals.push(Decal { thing, pose: ground, shadow: Some(0.5) });
        decals.push(Decal { thing, pose, shadow: None });
    }
    (things, decals)
}
