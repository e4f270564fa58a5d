//! Crops, boxes in crops, augmentation and the tracker's box arithmetic.

use crate::golden::{Comparison, Golden, absolute, floats};
use crate::recipe;
use image::RgbImage;
use tch::{Device, Tensor};
use trackflow::track::{clip_box, hann, hann_window};
use trackflow::train::normalise::Normaliser;
use trackflow::vision::area::DecodedRegion;
use trackflow::vision::rect::Rect;
use trackflow::vision::resample::{ExactBilinear, Resampler};
use trackflow::vision::{augment, window::Window};

fn rects(golden: &Golden, key: &str) -> Vec<Rect> {
    golden.floats(key).chunks_exact(4).map(|v| Rect::new(v[0], v[1], v[2], v[3])).collect()
}

fn numbers(rects: &[Rect]) -> Vec<f64> {
    rects.iter().flat_map(|r| [r.x, r.y, r.w, r.h]).collect()
}

pub fn crops(golden: &Golden) {
    let frame = DecodedRegion::whole(recipe::picture("input.image", 1, 1280, 720));
    assert_eq!(frame.pixels.as_raw()[..32], golden.bytes("crop.image.head32"));
    let mut resampler = ExactBilinear::default();
    let boxes = rects(golden, "crop.boxes");
    let mut compare = Comparison::default();
    for (row, meta) in golden.floats("crop.meta").chunks_exact(8).enumerate() {
        let (which, size) = (meta[0] as usize, meta[1] as u32);
        let factor = if size == 192 { 2.0 } else { 5.0 };
        let window = Window::around(&boxes[which], factor).unwrap();
        let cut = resampler.crop(&frame, &window, size).unwrap();
        let sum: u64 = cut.as_raw().iter().map(|&byte| u64::from(byte)).sum();
        let have = [window.scale(size), f64::from(window.side), window.x as f64, window.y as f64, meta[6], sum as f64];
        compare.values(&format!("row {row}"), &have, &meta[2..], absolute(0.0));
        let expected = golden.bytes(&format!("crop.b{which}.{size}"));
        let wrong = cut.as_raw().iter().zip(&expected).filter(|(a, b)| a != b).count();
        assert_eq!(wrong, 0, "row {row}: {wrong} of {} bytes differ", expected.len());
    }
    compare.finish("crops");
}

pub fn boxes_in_crops(golden: &Golden) {
    let (objects, targets) = (rects(golden, "t2c.box_in"), rects(golden, "t2c.box_extract"));
    let windows: Vec<_> = targets.iter().map(|target| Window::around(target, 5.0).unwrap()).collect();
    let mapped = |map: fn(&Window, &Rect, u32) -> Rect| {
        numbers(&windows.iter().zip(&objects).map(|(window, object)| map(window, object, 384)).collect::<Vec<_>>())
    };
    let mut compare = Comparison::default();
    let scales: Vec<f64> = windows.iter().map(|window| window.scale(384)).collect();
    compare.values("scale", &scales, &golden.floats("t2c.resize_factor"), absolute(0.0));
    compare.values("pixels", &mapped(Window::to_crop), &golden.floats("t2c.out_px"), absolute(1e-4));
    compare.values("shares", &mapped(Window::to_crop_normalised), &golden.floats("t2c.out_norm"), absolute(1e-6));
    compare.finish("boxes in crops");
}

pub fn augmentation(golden: &Golden) {
    let patch = || RgbImage::from_raw(8, 8, golden.bytes("tojitter.in")).unwrap();
    let mut grey = patch();
    augment::grey(&mut grey);
    assert_eq!(grey.into_raw(), golden.bytes("gray.out"));

    // The reference keeps fractions of a byte after the change of brightness; ours are rounded to bytes.
    let mut bright = patch();
    augment::brightness(&mut bright, 1.15);
    let mut compare = Comparison::default();
    let half = 0.5 / 255.0 + 1e-6;
    let raw = Normaliser::new(&[0.0; 3], &[1.0; 3], Device::Cpu).planes_of(bright.as_raw(), &[8, 8, 3]).unwrap();
    compare.tensor("brightness", &raw, golden.get("tojitter.f1.15"), absolute(half));
    let (mean, std) = ([0.485, 0.456, 0.406], [0.229, 0.224, 0.225]);
    let normaliser = Normaliser::new(&mean, &std, Device::Cpu);
    let normal = normaliser.planes_of(bright.as_raw(), &[8, 8, 3]).unwrap();
    compare.tensor("normalised", &normal, golden.get("tojitter.norm"), absolute(half / 0.224));
    // Normalisation alone, on what the reference normalised, without the rounding to bytes.
    let exact = Tensor::from_slice(&mean).view([3, 1, 1]);
    let exact = (golden.get("tojitter.f1.15") - exact) / Tensor::from_slice(&std).view([3, 1, 1]);
    compare.tensor("normalisation", &exact, golden.get("tojitter.norm"), absolute(1e-6));
    let bytes: Vec<u8> = (0..=255).flat_map(|value| [value; 3]).collect();
    let have = normaliser.planes_of(&bytes, &[1, 256, 3]).unwrap();
    let expected: Vec<f64> =
        (0..3).flat_map(|c| (0..256).map(move |v| (f64::from(v) / 255.0 - mean[c]) / std[c])).collect();
    compare.values("every byte", &floats(&have), &expected, absolute(1e-6));
    compare.finish("augmentation");
}

/// The reference mirrors frames about (W − 1)/2 and crops about W/2; we have the first convention in both.
pub fn flips(golden: &Golden) {
    let mut compare = Comparison::default();
    let flipped: Vec<Rect> = rects(golden, "flip_px.in")
        .iter()
        .map(|object| {
            let share = augment::flip_box(&Rect::new(object.x / 1280.0, object.y, object.w / 1280.0, object.h), 1280);
            Rect::new(share.x * 1280.0, share.y, share.w * 1280.0, share.h)
        })
        .collect();
    compare.values("frames", &numbers(&flipped), &golden.floats("flip_px.out_W1280"), absolute(1e-3));
    let flipped: Vec<Rect> = rects(golden, "flip_norm.in")
        .iter()
        .map(|object| {
            let ours = augment::flip_box(object, 384);
            Rect::new(ours.x + 1.0 / 384.0, ours.y, ours.w, ours.h)
        })
        .collect();
    compare.values("crops, a pixel on", &numbers(&flipped), &golden.floats("flip_norm.out"), absolute(1e-6));
    compare.finish("flips");
}

pub fn tracker_arithmetic(golden: &Golden) {
    let mut compare = Comparison::default();
    let clipped: Vec<Rect> =
        rects(golden, "clip_box.in").iter().map(|object| clip_box(object, 1280.0, 720.0, 10.0)).collect();
    compare.values("clip_box", &numbers(&clipped), &golden.floats("clip_box.out_720_1280_m10"), absolute(1e-9));
    // The reference takes the cosine in single precision.
    let line: Vec<f64> = hann(24).into_iter().map(f64::from).collect();
    compare.values("hann", &line, &golden.floats("hann1d.24"), absolute(1e-6));
    compare.tensor("hann window", &hann_window(24), golden.get("hann.24"), absolute(1e-6));
    compare.finish("tracker arithmetic");
}
