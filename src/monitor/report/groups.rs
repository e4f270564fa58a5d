//! Several runs of one experiment beside several of another: means, bands and a paired test.

use super::{history::History, svg::Curve};

/// Runs that differ in their seed alone.
#[derive(Clone, Debug)]
pub struct Group {
    /// What it is called.
    pub name: String,
    /// The runs.
    pub runs: Vec<History>,
}

impl Group {
    /// `of` of each run, joined: the mean, and lowest and highest where there are several runs. Places that a run lacks
    /// are left out.
    pub fn curve(&self, name: &str, of: impl Fn(&History) -> Vec<(f64, f64)>) -> Curve {
        let all: Vec<Vec<(f64, f64)>> = self.runs.iter().map(of).collect();
        let Some(first) = all.first() else { return Curve::default() };
        let at = |curve: &Vec<(f64, f64)>, place: f64| {
            curve.iter().rev().find(|(x, _)| *x == place).map(|(_, value)| *value)
        };
        let mut curve = Curve { name: name.into(), ..Curve::default() };
        for (place, _) in first {
            let values: Vec<f64> = all.iter().filter_map(|curve| at(curve, *place)).collect();
            if values.len() == all.len() && curve.points.last().is_none_or(|(last, _)| last < place) {
                curve.points.push((*place, values.iter().sum::<f64>() / values.len() as f64));
                let low = values.iter().copied().fold(f64::MAX, f64::min);
                curve.band.push((low, values.iter().copied().fold(f64::MIN, f64::max)));
            }
        }
        if all.len() < 2 {
            curve.band.clear();
        }
        curve
    }

    /// Whether its runs had the class task.
    pub fn has_classes(&self) -> bool {
        self.runs.iter().any(History::has_classes)
    }

    /// The last validation's `key` of each run that has it.
    pub fn last(&self, key: &str) -> Vec<f64> {
        self.runs.iter().filter_map(|run| run.last(key)).collect()
    }
}

/// Mean and standard deviation (of a sample) of `values`; the deviation is 0 for one of them.
pub fn mean_and_deviation(values: &[f64]) -> Option<(f64, f64)> {
    let count = values.len() as f64;
    let mean = values.iter().sum::<f64>() / count;
    let squares: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
    (count > 0.0).then(|| (mean, (squares / (count - 1.0).max(1.0)).sqrt()))
}

/// The two-sided p-value of the hypothesis that `a` and `b`, paired in order, differ by chance alone: the share of all
/// 2ⁿ choices of signs for which the mean difference is at least as large (Fisher's randomisation test). `None` for
/// fewer than two pairs or more than 20.
pub fn paired_test(a: &[f64], b: &[f64]) -> Option<f64> {
    if a.len() != b.len() || !(2..=20).contains(&a.len()) {
        return None;
    }
    let differences: Vec<f64> = a.iter().zip(b).map(|(a, b)| a - b).collect();
    let observed = differences.iter().sum::<f64>().abs();
    let choices = 1u32 << differences.len();
    let sum = |signs: u32| -> f64 {
        let signed = differences.iter().enumerate().map(|(i, d)| if signs >> i & 1 == 1 { -d } else { *d });
        signed.sum::<f64>().abs()
    };
    let as_large = (0..choices).filter(|signs| sum(*signs) >= observed * (1.0 - 1e-12)).count();
    Some(as_large as f64 / f64::from(choices))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::monitor::report::history::Pass;

    fn run(values: &[f64]) -> History {
        let pass = |(epoch, value): (usize, &f64)| Pass {
            epoch: epoch as u64 + 1,
            is_val: true,
            values: [("IoU".to_string(), *value)].into(),
            ..Pass::default()
        };
        History { passes: values.iter().enumerate().map(pass).collect(), ..History::default() }
    }

    #[test]
    fn means_and_bands_are_over_what_all_runs_have() {
        let group = Group { name: "a".into(), runs: vec![run(&[0.1, 0.5, 0.9]), run(&[0.3, 0.7])] };
        let curve = group.curve("IoU", |run| run.curve("IoU", true));
        assert_eq!(curve.points.iter().map(|(x, _)| *x).collect::<Vec<_>>(), [1.0, 2.0]);
        assert!((curve.points[1].1 - 0.6).abs() < 1e-12);
        assert_eq!(curve.band[0], (0.1, 0.3));
        let single = Group { runs: vec![run(&[0.1])], ..group };
        assert!(single.curve("IoU", |run| run.curve("IoU", true)).band.is_empty());
        assert_eq!(single.last("IoU"), [0.1]);
    }

    #[test]
    fn deviations_are_those_of_samples() {
        assert_eq!(mean_and_deviation(&[2.0, 4.0, 6.0]), Some((4.0, 2.0)));
        assert_eq!((mean_and_deviation(&[3.0]), mean_and_deviation(&[])), (Some((3.0, 0.0)), None));
    }

    #[test]
    fn the_paired_test_has_its_known_values() {
        // All five differences positive: 2 of 32 choices are as large.
        let (a, b) = ([5.0, 6.0, 7.0, 8.0, 9.0], [4.0, 4.5, 6.5, 6.0, 8.0]);
        assert_eq!(paired_test(&a, &b), Some(2.0 / 32.0));
        assert_eq!(paired_test(&a, &a), Some(1.0));
        assert_eq!(paired_test(&[1.0, -1.0], &[0.0, 0.0]), Some(1.0));
        assert_eq!((paired_test(&a[..1], &b[..1]), paired_test(&a, &b[..4])), (None, None));
    }
}
