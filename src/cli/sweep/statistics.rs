//! What several pairs of runs say about a difference.

use crate::monitor::report::{mean_and_deviation, paired_test};

/// Quantiles 0.975 of Student's t for 1 to 30 degrees of freedom.
const T_975: [f64; 30] = [
    12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228, 2.201, 2.179, 2.160, 2.145, 2.131, 2.120,
    2.110, 2.101, 2.093, 2.086, 2.080, 2.074, 2.069, 2.064, 2.060, 2.056, 2.052, 2.048, 2.045, 2.042,
];

/// The difference between two groups of runs, paired by seed.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Difference {
    /// Pairs.
    pub pairs: usize,
    /// Mean difference.
    pub mean: f64,
    /// Half the width of its 95 % interval (Student's t); infinite for a single pair.
    pub half_width: f64,
    /// Two-sided p-value of a paired randomisation test, not corrected; `None` for a single pair, or more than 20.
    pub p: Option<f64>,
    /// The smallest difference that so many pairs would show four times in five, at a level of 5 %:
    /// (1.96 + 0.84) s / √n with the deviation s of the differences.
    pub visible: f64,
}

/// The difference `a` - `b` of runs paired in order; `None` without a pair.
pub(super) fn difference(a: &[f64], b: &[f64]) -> Option<Difference> {
    let differences: Vec<f64> = a.iter().zip(b).map(|(a, b)| a - b).collect();
    let (mean, deviation) = mean_and_deviation(&differences)?;
    let pairs = differences.len();
    let error = if pairs > 1 { deviation / (pairs as f64).sqrt() } else { f64::INFINITY };
    let half_width = t_975(pairs.saturating_sub(1)) * error;
    let p = if a.len() == b.len() { paired_test(a, b) } else { None };
    Some(Difference { pairs, mean, half_width, p, visible: (1.96 + 0.84) * error })
}

/// The quantile 0.975 of Student's t; beyond 30 degrees of freedom by the expansion of Fisher and Cornish in 1/ν.
fn t_975(freedom: usize) -> f64 {
    const Z: f64 = 1.959_964;
    match freedom {
        0 => f64::INFINITY,
        1..=30 => T_975[freedom - 1],
        _ => {
            let n = freedom as f64;
            Z + (Z.powi(3) + Z) / (4.0 * n) + (5.0 * Z.powi(5) + 16.0 * Z.powi(3) + 3.0 * Z) / (96.0 * n * n)
        }
    }
}

/// Holm's correction of p-values for their number, in their order: the chance that any true hypothesis among them is
/// rejected stays at the level.
pub(super) fn holm(values: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..values.len()).collect();
    order.sort_by(|a, b| values[*a].total_cmp(&values[*b]));
    let mut corrected = vec![0.0; values.len()];
    let mut floor: f64 = 0.0;
    for (rank, &index) in order.iter().enumerate() {
        floor = floor.max(((values.len() - rank) as f64 * values[index]).min(1.0));
        corrected[index] = floor;
    }
    corrected
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_difference_has_its_interval() {
        let found = difference(&[3.0, 5.0, 7.0], &[2.0, 3.0, 4.0]).unwrap();
        // Differences 1, 2, 3: mean 2, deviation 1; t with 2 degrees of freedom is 4.303.
        assert_eq!((found.pairs, found.mean, found.p), (3, 2.0, Some(0.25)));
        assert!((found.half_width - 4.303 / 3f64.sqrt()).abs() < 1e-9);
        assert!(difference(&[1.0], &[2.0]).unwrap().half_width.is_infinite());
        assert_eq!(difference(&[], &[]), None);
    }

    #[test]
    fn quantiles_go_on_where_the_table_ends() {
        for (freedom, expected) in [(1, 12.706), (30, 2.042), (31, 2.0395), (60, 2.000), (1000, 1.962)] {
            assert!((t_975(freedom) - expected).abs() < 5e-4, "{freedom}: {}", t_975(freedom));
        }
    }

    #[test]
    fn holm_corrects_the_smallest_most_and_keeps_the_order() {
        // The textbook's 0.01, 0.04, 0.03, 0.005.
        let corrected = holm(&[0.01, 0.04, 0.03, 0.005]);
        for (ours, expected) in corrected.iter().zip([0.03, 0.06, 0.06, 0.02]) {
            assert!((ours - expected).abs() < 1e-12, "{corrected:?}");
        }
        assert_eq!(holm(&[0.9, 0.8]), [1.0, 1.0]);
    }
}
