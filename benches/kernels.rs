//! Kernels of our own beside libtorch's for the same numbers, at the sizes of the full-size model: ViT-B with 720 tokens
//! and with what candidate elimination at 0.7 leaves of them. Both take turns; the fastest of each is printed, in 10⁹
//! operations a second.
//!
//! `cargo bench --bench kernels`

use std::{hint::black_box, time::Instant};
use tch::{Device, Kind, Tensor};
use trackflow::native::{PackedConvolution, PackedLinear, attention, memory};

const ROUNDS: usize = 15;
const TOKENS: [i64; 4] = [720, 548, 427, 343];
const DIM: i64 = 768;
const HEADS: i64 = 12;

fn draw(shape: &[i64]) -> Tensor {
    Tensor::randn(shape, (Kind::Float, Device::Cpu))
}

/// Runs both in turn, and prints a row; `operations` is what one call takes.
fn compare(name: &str, operations: i64, theirs: impl Fn() -> Tensor, ours: impl Fn() -> Tensor) {
    let seconds = |work: &dyn Fn() -> Tensor| {
        let start = Instant::now();
        drop(black_box(work()));
        start.elapsed().as_secs_f64()
    };
    let mut best = [f64::INFINITY; 2];
    for _ in 0..ROUNDS {
        best = [best[0].min(seconds(&theirs)), best[1].min(seconds(&ours))];
    }
    let [theirs, ours] = best.map(|seconds| operations as f64 / seconds / 1e9);
    println!("{name:<36} {theirs:>8.0} {ours:>8.0} {:>7.2}", ours / theirs);
}

fn main() {
    let _without = tch::no_grad_guard();
    // As the program does.
    memory::keep_freed();
    let threads = format!("{} threads", tch::get_num_threads());
    println!("{threads:<36} {:>8} {:>8} {:>7}", "libtorch", "ours", "ratio");
    for tokens in TOKENS {
        for samples in [1, 5] {
            let qkv = draw(&[samples, tokens, 3, HEADS, DIM / HEADS]).permute([2, 0, 3, 1, 4]);
            let [query, key, value] = [0, 1, 2].map(|part| qkv.get(part));
            let theirs = || {
                let mixed = Tensor::scaled_dot_product_attention(
                    &query,
                    &key,
                    &value,
                    None::<&Tensor>,
                    0.0,
                    false,
                    None,
                    false,
                );
                mixed.transpose(1, 2).reshape([samples, tokens, DIM])
            };
            if attention(&query, &key, &value).is_none() {
                println!("attention: not on this processor");
                continue;
            }
            let ours = || attention(&query, &key, &value).unwrap_or_else(|| unreachable!("it was there before"));
            compare(
                &format!("attention, {samples} of {tokens} tokens"),
                4 * samples * DIM * tokens * tokens,
                theirs,
                ours,
            );
        }
    }
    for tokens in TOKENS {
        for (from, to) in [(DIM, 3 * DIM), (DIM, DIM), (DIM, 4 * DIM), (4 * DIM, DIM)] {
            let (x, weight, bias) = (draw(&[tokens, from]), draw(&[to, from]), draw(&[to]));
            let Some(packed) = PackedLinear::new(&weight, &bias, tokens) else { continue };
            let name = format!("linear, {tokens} x {from} x {to}");
            compare(&name, 2 * tokens * from * to, || x.linear(&weight, Some(&bias)), || packed.forward(&x));
        }
    }
    for (from, to) in [(DIM, DIM), (256, 128)] {
        let (map, bias) = (draw(&[24, 24, from]), draw(&[to]));
        let weight = draw(&[to, from, 3, 3]);
        let Some(packed) = PackedConvolution::new(&weight, &bias, 24 * 24) else { continue };
        let planes = map.permute([2, 0, 1]).unsqueeze(0);
        let name = format!("3x3 convolution, 24 x 24, {from} to {to}");
        let theirs = || planes.conv2d(&weight, Some(&bias), [1], [1], [1], 1);
        compare(&name, 2 * 9 * 24 * 24 * from * to, theirs, || packed.forward(&map));
    }
}
