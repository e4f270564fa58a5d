//! Whether what is drawn has the distributions that it should have, by tests of fit with fixed seeds: χ² for counts,
//! Kolmogorov and Smirnov for numbers. The bounds are those of one chance in a million.

use std::path::Path;

use super::*;
use crate::data::dataset::FrameFiles;

/// `n` sequences of one object that stands still and is always visible.
fn still(name: &str, n: usize, frames: usize) -> Dataset {
    let make = |s: usize| {
        let files = FrameFiles::listed(Path::new(name), (1..=frames).map(|i| format!("{i:08}.jpg")).collect());
        Sequence::new(&format!("s{s}"), files, vec![[700.0, 500.0, 90.0, 40.0]; frames], None)
    };
    Dataset::new(name, (0..n).map(make).collect())
}

/// χ² of `counts` against equal shares, as a standard normal (Wilson and Hilferty, 1931).
fn chi_square(counts: &[usize], shares: &[f64]) -> f64 {
    let total: usize = counts.iter().sum();
    let sum: f64 = counts
        .iter()
        .zip(shares)
        .map(|(&count, share)| {
            let expected = total as f64 * share;
            (count as f64 - expected).powi(2) / expected
        })
        .sum();
    let k = (counts.len() - 1) as f64;
    ((sum / k).cbrt() - (1.0 - 2.0 / (9.0 * k))) / (2.0 / (9.0 * k)).sqrt()
}

/// √n times the largest distance between the empirical distribution of `values` and `cumulative`.
fn kolmogorov(mut values: Vec<f64>, cumulative: impl Fn(f64) -> f64) -> f64 {
    values.sort_by(f64::total_cmp);
    let n = values.len() as f64;
    let distance = |(i, value): (usize, &f64)| {
        let p = cumulative(*value);
        (p - i as f64 / n).max((i + 1) as f64 / n - p)
    };
    values.iter().enumerate().map(distance).fold(0.0, f64::max) * n.sqrt()
}

/// One chance in a million, for χ² in standard deviations and for √n·D.
const RARE_SIGMA: f64 = 4.75;
const RARE_DISTANCE: f64 = 2.69;

/// The standard normal distribution (Abramowitz and Stegun 7.1.26, to 1.5e-7).
fn normal(x: f64) -> f64 {
    let z = x.abs() / std::f64::consts::SQRT_2;
    let t = 1.0 / (1.0 + 0.327_591_1 * z);
    let series = [1.061_405_429, -1.453_152_027, 1.421_413_741, -0.284_496_736, 0.254_829_592];
    let tail = series.iter().fold(0.0, |sum, c| (sum + c) * t) * (-z * z).exp();
    if x >= 0.0 { 1.0 - 0.5 * tail } else { 0.5 * tail }
}

#[test]
fn the_tests_of_fit_tell_right_from_wrong() {
    let mut rng = CounterRng::new(&[5]);
    let uniform: Vec<f64> = (0..20_000).map(|_| rng.uniform()).collect();
    assert!(kolmogorov(uniform.clone(), |x| x) < RARE_DISTANCE);
    assert!(kolmogorov(uniform.iter().map(|x| x * 0.97).collect(), |x| x) > RARE_DISTANCE);
    assert!((normal(0.0) - 0.5).abs() < 1e-6 && (normal(1.959_964) - 0.975).abs() < 1e-6);
    assert!(chi_square(&[1000, 1010, 990], &[1.0 / 3.0; 3]) < RARE_SIGMA);
    assert!(chi_square(&[1000, 1400, 1000], &[1.0 / 3.0; 3]) > RARE_SIGMA);
}

#[test]
fn gaps_are_uniform_up_to_the_largest_and_directions_are_even() {
    let planner = Planner::new(vec![still("A", 1, 3000)], &[1.0], PlanOptions::default()).unwrap();
    let (mut gaps, mut directions, mut starts) = (vec![0; 70], [0; 2], vec![0; 10]);
    for index in 0..6000 {
        let clip = planner.plan(3, index, 0).unwrap();
        let mut frames: Vec<usize> = clip.frames().map(|frame| frame.frame).collect();
        let forwards = frames[0] < frames[1];
        directions[usize::from(forwards)] += 1;
        if !forwards {
            frames.reverse();
        }
        // The chain starts uniformly where room for a largest gap is left.
        starts[frames[0] * 10 / 2930] += 1;
        // Near the end of the video, room is kept for the rest.
        if frames[0] < 3000 - 5 * 70 {
            frames.windows(2).for_each(|pair| gaps[pair[1] - pair[0] - 1] += 1);
        }
    }
    assert!(chi_square(&gaps, &[1.0 / 70.0; 70]) < RARE_SIGMA, "{gaps:?}");
    assert!(chi_square(&directions, &[0.5; 2]) < RARE_SIGMA, "{directions:?}");
    assert!(chi_square(&starts, &[0.1; 10]) < RARE_SIGMA, "{starts:?}");
}

#[test]
fn jitter_has_the_reference_s_distribution() {
    // Without a filter for the object's centre nothing is drawn again: the window is large enough.
    let mut options = PlanOptions::default();
    (options.search.factor, options.search.centre_jitter) = (50.0, 4.5);
    let planner = Planner::new(vec![still("A", 1, 500)], &[1.0], options).unwrap();
    let (mut scales, mut across, mut down) = (Vec::new(), Vec::new(), Vec::new());
    for index in 0..2000 {
        for frame in planner.plan(0, index, 0).unwrap().search {
            // The side is ⌈√(w·h)·50⌉: the rounding is 3e-4 of it.
            let side = f64::from(frame.window.side) / 50.0;
            let (cx, cy) = frame.object.centre();
            scales.push((side / frame.object.area().sqrt()).ln() / (0.5 / 2f64.sqrt()));
            across.push((frame.window.centre.0 - cx) / (side * 4.5) + 0.5);
            down.push((frame.window.centre.1 - cy) / (side * 4.5) + 0.5);
        }
    }
    // ln √(w·h) is the mean of two independent normals of deviation 0.5.
    assert!(kolmogorov(scales, normal) < RARE_DISTANCE);
    let uniform = |x: f64| x.clamp(0.0, 1.0);
    assert!(kolmogorov(across.clone(), uniform) < RARE_DISTANCE);
    assert!(kolmogorov(down.clone(), uniform) < RARE_DISTANCE);
    let n = across.len() as f64;
    let covariance: f64 = across.iter().zip(&down).map(|(a, d)| (a - 0.5) * (d - 0.5)).sum::<f64>() / n;
    // Independent: the mean of products has deviation 1/12/√n.
    assert!(covariance.abs() < RARE_SIGMA / 12.0 / n.sqrt(), "{covariance}");
}

#[test]
fn data_sets_come_in_their_ratios_and_sequences_evenly() {
    let sets = vec![still("A", 7, 60), still("B", 1, 60), still("C", 3, 60), still("D", 2, 60)];
    let planner = Planner::new(sets, &[1.0, 2.0, 0.5, 1.0], PlanOptions::default()).unwrap();
    let (mut by_set, mut by_sequence) = ([0; 4], [0; 7]);
    for index in 0..20_000 {
        let clip = planner.plan(1, index, 0).unwrap();
        by_set[usize::from(clip.dataset.as_bytes()[0] - b'A')] += 1;
        if &*clip.dataset == "A" {
            by_sequence[usize::from(clip.sequence.as_bytes()[1] - b'0')] += 1;
        }
    }
    let shares = [1.0 / 4.5, 2.0 / 4.5, 0.5 / 4.5, 1.0 / 4.5];
    assert!(chi_square(&by_set, &shares) < RARE_SIGMA, "{by_set:?}");
    assert!(chi_square(&by_sequence, &[1.0 / 7.0; 7]) < RARE_SIGMA, "{by_sequence:?}");
}

#[test]
fn a_picture_gives_clips_of_itself_with_crops_jittered_one_by_one() {
    let mut pictures = still("P", 4, 1);
    pictures.images = true;
    // One object without an area is left out and said so.
    let files = FrameFiles::listed(Path::new("P"), vec!["1.jpg".into()]);
    pictures.sequences.push(Sequence::new("none", files, vec![[5.0, 5.0, 0.0, 9.0]], None));
    let planner = Planner::new(vec![pictures], &[1.0], PlanOptions::default()).unwrap();
    assert_eq!(planner.notes(), ["P: 1 of 5 objects skipped: their boxes have no area"]);
    for index in 0..50 {
        let clip = planner.plan(0, index, 0).unwrap();
        assert!(clip.search.len() == 5 && clip.frames().all(|frame| frame.file.path == clip.template.file.path));
        let windows: Vec<_> = clip.search.iter().map(|frame| (frame.window.x, frame.window.side)).collect();
        assert!((1..5).all(|i| !windows[..i].contains(&windows[i])), "{windows:?}");
    }
}
