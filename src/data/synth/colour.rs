//! Colours in linear light, and palettes that belong together.

use super::noise::lerp;
use crate::data::random::CounterRng;

/// Red, green, blue in linear light; 1 is a white sheet in full light.
pub type Rgb = [f32; 3];

/// The sRGB transfer function: display value to linear light (IEC 61966-2-1).
pub fn decode(value: f32) -> f32 {
    if value <= 0.040_45 { value / 12.92 } else { ((value + 0.055) / 1.055).powf(2.4) }
}

/// The inverse of [`decode`].
pub fn encode(light: f32) -> f32 {
    let light = light.clamp(0.0, 1.0);
    if light <= 0.003_130_8 { light * 12.92 } else { 1.055 * light.powf(1.0 / 2.4) - 0.055 }
}

/// Relative luminance (Rec. 709 weights).
pub fn luminance(colour: Rgb) -> f32 {
    0.2126 * colour[0] + 0.7152 * colour[1] + 0.0722 * colour[2]
}

/// Component-wise interpolation.
pub fn mix(a: Rgb, b: Rgb, t: f32) -> Rgb {
    [lerp(a[0], b[0], t), lerp(a[1], b[1], t), lerp(a[2], b[2], t)]
}

/// Component-wise product with a number.
pub fn scaled(colour: Rgb, factor: f32) -> Rgb {
    colour.map(|c| c * factor)
}

/// How different two colours look: Euclidean distance of the display values.
pub fn distance(a: Rgb, b: Rgb) -> f32 {
    (0..3).map(|c| (encode(a[c]) - encode(b[c])).powi(2)).sum::<f32>().sqrt()
}

/// Hue (in turns), saturation and value of the display colour, as linear light.
pub fn hsv(hue: f64, saturation: f64, value: f64) -> Rgb {
    let channel = |shift: f64| {
        let ramp = ((hue.rem_euclid(1.0) + shift).fract() * 6.0 - 3.0).abs() - 1.0;
        decode((value * (1.0 + saturation * (ramp.clamp(0.0, 1.0) - 1.0))) as f32)
    };
    [channel(0.0), channel(2.0 / 3.0), channel(1.0 / 3.0)]
}

/// Four colours, usually from dark to bright.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Palette(pub [Rgb; 4]);

/// Hue, saturation and brightness of natural and built surfaces: earth, grass, sand, concrete, water, leaves, brick,
/// asphalt, dry grass.
const SURFACES: [[f64; 3]; 9] = [
    [0.08, 0.40, 0.45],
    [0.27, 0.45, 0.48],
    [0.11, 0.30, 0.75],
    [0.10, 0.06, 0.62],
    [0.56, 0.35, 0.52],
    [0.32, 0.50, 0.36],
    [0.03, 0.50, 0.52],
    [0.62, 0.07, 0.38],
    [0.15, 0.38, 0.62],
];

impl Palette {
    /// The colours of some surface.
    pub fn surface(rng: &mut CounterRng) -> Self {
        let [hue, saturation, value] = SURFACES[rng.below(SURFACES.len())];
        let hue = hue + rng.range(-0.03, 0.03);
        let saturation = saturation * rng.range(0.6, 1.2);
        let value = value * rng.range(0.8, 1.2);
        let spread = rng.range(0.18, 0.42);
        Self::around(rng, hue, saturation, value, spread)
    }

    /// The colours of a painted thing: any hue, from muted to vivid, mostly bright enough to have a colour at all.
    pub fn paint(rng: &mut CounterRng) -> Self {
        let (hue, value) = (rng.uniform(), rng.range(0.25, 0.95));
        let saturation = rng.range(0.1, 0.7);
        let spread = rng.range(0.25, 0.55);
        let mut palette = Self::around(rng, hue, saturation, value, spread);
        // A second paint on two of the colours: things are rarely of one hue.
        if rng.chance(0.6) {
            let other = hsv(hue + rng.range(0.2, 0.8), rng.range(0.1, 0.7), rng.range(0.2, 0.95));
            palette.0[2] = other;
            palette.0[3] = scaled(other, rng.range(0.6, 1.3) as f32).map(|c| c.min(1.0));
        }
        palette
    }

    /// A paint whose mean is visibly different from `background`.
    pub fn against(rng: &mut CounterRng, background: Rgb) -> Self {
        Self::apart(rng, background, Self::paint)
    }

    /// A surface whose mean is visibly different from `other`.
    pub fn surface_against(rng: &mut CounterRng, other: Rgb) -> Self {
        Self::apart(rng, other, Self::surface)
    }

    fn apart(rng: &mut CounterRng, background: Rgb, draw: fn(&mut CounterRng) -> Self) -> Self {
        let mut best = draw(rng);
        for _ in 0..12 {
            if distance(best.mean(), background) > 0.3 {
                break;
            }
            let other = draw(rng);
            if distance(other.mean(), background) > distance(best.mean(), background) {
                best = other;
            }
        }
        best
    }

    /// Shades of one colour, as something that hides before `background` has.
    pub fn like(rng: &mut CounterRng, background: Rgb) -> Self {
        let tone = |rng: &mut CounterRng, low, high| {
            let factor = rng.range(low, high) as f32;
            background.map(|c| (c * factor * rng.range(0.94, 1.06) as f32).min(1.0))
        };
        Self([tone(rng, 0.62, 0.78), tone(rng, 0.8, 0.95), tone(rng, 1.0, 1.2), tone(rng, 1.2, 1.4)])
    }

    fn around(rng: &mut CounterRng, hue: f64, saturation: f64, value: f64, spread: f64) -> Self {
        let mut colours = [[0.0; 3]; 4];
        for (environment, colour) in colours.iter_mut().enumerate() {
            let offset = (environment as f64 / 3.0 - 0.5) * spread;
            let hue = hue + rng.range(-0.035, 0.035);
            let saturation = (saturation * rng.range(0.8, 1.2)).clamp(0.0, 1.0);
            *colour = hsv(hue, saturation, (value + offset).clamp(0.05, 1.0));
        }
        Self(colours)
    }

    /// The colour at `t` in `[0, 1]` along the palette.
    pub fn ramp(&self, t: f32) -> Rgb {
        let environment = t.clamp(0.0, 1.0) * 3.0;
        let low = (environment as usize).min(2);
        mix(self.0[low], self.0[low + 1], environment - low as f32)
    }

    /// The mean of the four colours.
    pub fn mean(&self) -> Rgb {
        let mut mean = [0.0; 3];
        for colour in self.0 {
            for c in 0..3 {
                mean[c] += 0.25 * colour[c];
            }
        }
        mean
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_transfer_function_and_its_inverse_meet() {
        for step in 0..=255 {
            let value = step as f32 / 255.0;
            assert!((encode(decode(value)) - value).abs() < 1e-5, "{value}");
        }
    }

    #[test]
    fn hsv_hits_the_corners_of_the_cube() {
        assert_eq!(hsv(0.0, 1.0, 1.0), [1.0, 0.0, 0.0]);
        let green = hsv(1.0 / 3.0, 1.0, 1.0);
        assert!(green[1] > 0.999 && green[0] < 1e-3 && green[2] < 1e-3, "{green:?}");
        let blue = hsv(2.0 / 3.0, 1.0, 1.0);
        assert!(blue[2] > 0.999 && blue[0] < 1e-3 && blue[1] < 1e-3, "{blue:?}");
    }

    #[test]
    fn a_paint_against_a_background_differs_and_one_like_it_does_not() {
        for seed in 0..40 {
            let mut rng = CounterRng::new(&[seed]);
            let background = Palette::surface(&mut rng).mean();
            assert!(distance(Palette::against(&mut rng, background).mean(), background) > 0.2, "{seed}");
            assert!(distance(Palette::like(&mut rng, background).mean(), background) < 0.1, "{seed}");
        }
    }
}
