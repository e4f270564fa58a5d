//! Weights and inputs by formula: SplitMix64 in counter mode, keyed by the FNV-1a hash of a tensor's name.

use rayon::prelude::*;
use tch::{Kind, Tensor};

fn hash(name: &str) -> u64 {
    name.bytes().fold(0xCBF2_9CE4_8422_2325, |hash: u64, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01B3))
}

fn unit(key: u64, index: u64) -> f64 {
    let mut z = key.wrapping_add((index + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15));
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    ((z ^ (z >> 31)) >> 11) as f64 * 2f64.powi(-53)
}

fn fill(name: &str, seed: u64, shape: &[i64], value: impl Fn(f64) -> f64 + Sync) -> Tensor {
    let key = hash(name) ^ seed;
    let count = shape.iter().product::<i64>() as usize;
    let mut values = vec![0f32; count];
    values.par_chunks_mut(1 << 14).enumerate().for_each(|(chunk, values)| {
        for (at, slot) in values.iter_mut().enumerate() {
            *slot = value(unit(key, (chunk << 14 | at) as u64)) as f32;
        }
    });
    Tensor::from_slice(&values).view(shape)
}

/// The state tensor of that name.
pub fn weight(name: &str, seed: u64, shape: &[i64]) -> Tensor {
    let has_weight = name.ends_with(".weight");
    let convolution = ["HIP.", "searchRegionFusion.", "box_head."].iter().any(|part| name.starts_with(part));
    if name.ends_with(".num_batches_tracked") {
        Tensor::zeros(shape, (Kind::Int64, tch::Device::Cpu))
    } else if name.ends_with(".running_var") {
        fill(name, seed, shape, |u| 1.0 + u * 0.1)
    } else if name.ends_with(".running_mean") || name.ends_with(".bias") {
        fill(name, seed, shape, |u| (u - 0.5) * 0.02)
    } else if has_weight && shape.len() == 1 {
        fill(name, seed, shape, |u| 1.0 + (u - 0.5) * 0.1)
    } else if has_weight && shape.len() == 4 && convolution {
        let scale = (3.0 / shape[1..].iter().product::<i64>() as f64).sqrt();
        fill(name, seed, shape, |u| (u - 0.5) * 2.0 * scale)
    } else {
        fill(name, seed, shape, |u| (u - 0.5) * 2.0 * 0.02)
    }
}

/// The gradients and parameters of small optimizer tests: `(u − 0.5)·scale`.
pub fn centred(name: &str, seed: u64, shape: &[i64], scale: f64) -> Tensor {
    fill(name, seed, shape, |u| (u - 0.5) * scale)
}

/// The picture of that name: bytes `⌊u·256⌋`, rows of RGB pixels.
pub fn picture(name: &str, seed: u64, width: u32, height: u32) -> image::RgbImage {
    let hash = hash(name) ^ seed;
    let mut pixels = vec![0u8; width as usize * height as usize * 3];
    pixels.par_chunks_mut(1 << 14).enumerate().for_each(|(chunk, pixels)| {
        for (at, slot) in pixels.iter_mut().enumerate() {
            *slot = (unit(hash, (chunk << 14 | at) as u64) * 256.0) as u8;
        }
    });
    image::RgbImage::from_raw(width, height, pixels).unwrap()
}

/// The input of that name.
pub fn input(name: &str, seed: u64, shape: &[i64]) -> Tensor {
    fill(name, seed, shape, |u| (u - 0.5) * 4.0)
}

/// That what is computed here is what the goldens were computed from.
pub fn has_its_check_values() {
    let cases: [(&str, &[i64], [f64; 3], f64); 5] = [
        (
            "backbone.blocks.0.attn.qkv.weight",
            &[2304, 768],
            [0.018633781, 0.0131501593, -0.00106589601],
            -2.23595291405,
        ),
        ("backbone.norm.weight", &[768], [0.974963427, 0.966060519, 1.03434658], 767.759540855),
        ("HIP.encoder.conv1.weight", &[64, 4, 7, 7], [0.0800836906, -0.111240178, 0.10066665], -3.69662817415),
        ("box_head.conv1_ctr.1.running_var", &[256], [1.0755043, 1.03129625, 1.02850175], 269.057779550),
        ("cls_head.classifier.bias", &[10], [-0.00492129475, -0.000706931518, -0.00657952204], -0.00994313060),
    ];
    for (name, shape, first, sum) in cases {
        let tensor = weight(name, 1, shape);
        let have = Vec::<f64>::try_from(tensor.view([-1]).narrow(0, 0, 3).to_kind(Kind::Double)).unwrap();
        assert!(
            have.iter().zip(first).all(|(have, first)| (have - first).abs() < 1e-8 * first.abs()),
            "{name} {have:?}"
        );
        assert!((tensor.sum(Kind::Double).double_value(&[]) - sum).abs() < 1e-8, "{name}");
    }
    let template = input("input.template", 1, &[2, 3, 192, 192]);
    assert!((template.sum(Kind::Double).double_value(&[]) + 376.8018569004198).abs() < 1e-8);
}
