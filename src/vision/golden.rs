//! Checks against the reference's own numbers, in the folder named by TRACKFLOW_GOLDEN (default `../shared/golden`).

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use image::RgbImage;
use tch::{Kind, Tensor};

use super::area::Part;
use super::augment;
use super::crop::crop;
use super::rect::Rect;
use super::resample::{ExactBilinear, Resampler};
use super::window::Window;

/// The goldens' own noise: byte `i` of a name is `⌊u·256⌋` of SplitMix64 at position `i`.
pub(crate) struct Noise {
    state: u64,
}

impl Noise {
    pub(crate) fn new(state: u64) -> Self {
        Self { state }
    }

    fn named(name: &str, seed: u64) -> Self {
        let hash =
            name.bytes().fold(0xCBF2_9CE4_8422_2325_u64, |h, b| (h ^ u64::from(b)).wrapping_mul(0x100_0000_01B3));
        Self::new(hash ^ seed)
    }

    pub(crate) fn byte(&mut self) -> u8 {
        self.state = self.state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.state;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        ((z ^ (z >> 31)) >> 56) as u8
    }
}

fn goldens() -> Option<HashMap<String, Tensor>> {
    let default = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/golden");
    let folder = std::env::var_os("TRACKFLOW_GOLDEN").map_or_else(default, PathBuf::from);
    let file = folder.join("func.npz");
    if !file.exists() {
        eprintln!("SKIPPED: no goldens at {}", file.display());
        return None;
    }
    Some(Tensor::read_npz(&file).unwrap().into_iter().collect())
}

fn floats(tensor: &Tensor) -> Vec<f64> {
    Vec::try_from(tensor.to_kind(Kind::Double).flatten(0, -1)).unwrap()
}

fn bytes(tensor: &Tensor) -> Vec<u8> {
    Vec::try_from(tensor.flatten(0, -1)).unwrap()
}

fn rects(tensor: &Tensor) -> Vec<Rect> {
    floats(tensor).chunks_exact(4).map(|v| Rect::new(v[0], v[1], v[2], v[3])).collect()
}

#[test]
fn crops_equal_the_reference_s_in_every_byte() {
    let Some(golden) = goldens() else { return };
    let mut noise = Noise::named("input.image", 1);
    let frame = RgbImage::from_fn(1280, 720, |_, _| image::Rgb([noise.byte(), noise.byte(), noise.byte()]));
    let frame = Part::whole(frame);
    assert_eq!(frame.pixels.as_raw()[..32], bytes(&golden["crop.image.head32"]));
    let mut resampler = ExactBilinear::default();
    let boxes = rects(&golden["crop.boxes"]);
    for (row, meta) in floats(&golden["crop.meta"]).chunks_exact(8).enumerate() {
        let (which, size) = (meta[0] as usize, meta[1] as u32);
        let factor = if size == 192 { 2.0 } else { 5.0 };
        let window = Window::around(&boxes[which], factor).unwrap();
        assert_eq!(
            (f64::from(window.side), window.x as f64, window.y as f64),
            (meta[3], meta[4], meta[5]),
            "row {row}"
        );
        assert_eq!(window.scale(size), meta[2], "row {row}");
        let resampled = resampler.resample(&crop(&frame, &window).unwrap(), size, size);
        let expected = bytes(&golden[&format!("crop.b{which}.{size}")]);
        let wrong = resampled.as_raw().iter().zip(&expected).filter(|(a, b)| a != b).count();
        assert_eq!(wrong, 0, "row {row}: {wrong} of {} bytes differ", expected.len());
    }
}

#[test]
fn boxes_in_crops_equal_the_reference_s() {
    let Some(golden) = goldens() else { return };
    let (objects, targets) = (rects(&golden["t2c.box_in"]), rects(&golden["t2c.box_extract"]));
    let factors = floats(&golden["t2c.resize_factor"]);
    let (normalised, pixels) = (rects(&golden["t2c.out_norm"]), rects(&golden["t2c.out_px"]));
    for i in 0..objects.len() {
        let window = Window::around(&targets[i], 5.0).unwrap();
        assert_eq!(window.scale(384), factors[i]);
        let close = |a: Rect, b: Rect, tolerance: f64| {
            let pairs = [(a.x, b.x), (a.y, b.y), (a.w, b.w), (a.h, b.h)];
            assert!(pairs.iter().all(|(a, b)| (a - b).abs() < tolerance), "{i}: {a:?} {b:?}");
        };
        close(window.to_crop(&objects[i], 384), pixels[i], 1e-4);
        close(window.to_crop_normalised(&objects[i], 384), normalised[i], 1e-6);
    }
}

#[test]
fn augmentation_equals_the_reference_s() {
    let Some(golden) = goldens() else { return };
    let patch = || RgbImage::from_raw(8, 8, bytes(&golden["tojitter.in"])).unwrap();

    let mut grey = patch();
    augment::grey(&mut grey);
    assert_eq!(grey.into_raw(), bytes(&golden["gray.out"]));

    let mut bright = patch();
    augment::brightness(&mut bright, 1.15);
    // Planes of values in [0, 1]; ours are rounded to bytes.
    let expected = floats(&golden["tojitter.f1.15"]);
    for (i, &value) in bright.as_raw().iter().enumerate() {
        let (pixel, channel) = (i / 3, i % 3);
        assert!((f64::from(value) / 255.0 - expected[channel * 64 + pixel]).abs() <= 0.5 / 255.0 + 1e-6);
    }

    // A flipped frame of W columns sends pixel i to W − 1 − i.
    for (object, flipped) in rects(&golden["flip_px.in"]).iter().zip(rects(&golden["flip_px.out_W1280"])) {
        let unit = Rect::new(object.x / 1280.0, object.y, object.w / 1280.0, object.h);
        let ours = augment::flip_box(&unit, 1280);
        assert!((ours.x * 1280.0 - flipped.x).abs() < 1e-6 && (ours.w * 1280.0 - flipped.w).abs() < 1e-6);
    }
}
