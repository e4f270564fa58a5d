//! The window that makes the tracker prefer what is near to where the object was.

use tch::Tensor;

/// The inner values of a Hann window, `size` of them: `(1 − cos(2π·i/(size + 1)))/2` for i from 1.
pub fn hann(size: usize) -> Vec<f32> {
    let step = 2.0 * std::f64::consts::PI / (size + 1) as f64;
    (1..=size).map(|i| (0.5 * (1.0 - (step * i as f64).cos())) as f32).collect()
}

/// The product of two Hann windows, `[1, 1, size, size]` f32.
pub fn hann_window(size: usize) -> Tensor {
    let line = Tensor::from_slice(&hann(size));
    (line.view([-1, 1]) * line.view([1, -1])).unsqueeze(0).unsqueeze(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_symmetric_and_highest_in_the_middle() {
        let window = hann(7);
        assert!((window[3] - 1.0).abs() < 1e-7);
        for i in 0..3 {
            assert!((window[i] - window[6 - i]).abs() < 1e-7 && window[i] < window[i + 1] && window[i] > 0.0);
        }
        assert_eq!(hann_window(5).size(), [1, 1, 5, 5]);
    }
}
