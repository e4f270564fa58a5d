//! The share of search tokens that candidate elimination keeps, by epoch.

/// The keep rate of `epoch`: 1 before `start`, then down a half cosine to `base` over `warm` epochs.
pub fn keep_rate(epoch: u32, start: u32, warm: u32, base: f64) -> f64 {
    if epoch < start {
        return 1.0;
    }
    let passed = epoch - start;
    if passed >= warm {
        return base;
    }
    let phase = f64::from(passed) / f64::from(warm) * std::f64::consts::PI;
    base + (1.0 - base) * (phase.cos() + 1.0) * 0.5
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_falls_from_one_to_the_base_along_a_cosine() {
        assert_eq!(keep_rate(0, 20, 80, 0.7), 1.0);
        assert_eq!(keep_rate(20, 20, 80, 0.7), 1.0);
        assert!((keep_rate(60, 20, 80, 0.7) - 0.85).abs() < 1e-12);
        assert_eq!(keep_rate(100, 20, 80, 0.7), 0.7);
        assert!((20..100).all(|epoch| keep_rate(epoch, 20, 80, 0.7) > keep_rate(epoch + 1, 20, 80, 0.7)));
        assert_eq!(keep_rate(5, 5, 0, 0.7), 0.7, "no warm-up is a step");
    }
}
