//! Features in the plane: principal components, and t-SNE.

use crate::failure::Result;
use tch::{Kind, Tensor};

/// The frames that t-SNE shows at most; its cost grows with their square.
pub const MOST_NEIGHBOURS: usize = 800;
const ITERATIONS: usize = 400;

/// The first two principal components `[F, 2]` of `x` `[F, D]` f64, and their shares of the variance. Each is signed so
/// that its largest loading is positive.
///
/// # Errors
/// libtorch refuses.
pub fn pca(x: &Tensor) -> Result<(Tensor, [f64; 2])> {
    let centred = x - x.mean_dim([0i64].as_slice(), true, Kind::Double);
    let covariance = centred.transpose(0, 1).f_matmul(&centred)?;
    let (values, vectors) = covariance.f_linalg_eigh("L")?;
    let (last, total) = (values.size()[0] - 1, values.sum(Kind::Double).double_value(&[]).max(1e-30));
    let mut axes = Vec::new();
    for index in [last, (last - 1).max(0)] {
        let axis = vectors.select(1, index);
        let largest = axis.abs().argmax(0, false);
        axes.push(&axis * axis.f_index_select(0, &largest.view([1]))?.sign());
    }
    let share = |index: i64| values.double_value(&[index.max(0)]).max(0.0) / total;
    Ok((centred.f_matmul(&Tensor::stack(&axes, 1))?, [share(last), share(last - 1)]))
}

/// Exact t-SNE `[F, 2]` of `x` `[F, D]` f64 (van der Maaten & Hinton: "Visualizing Data using t-SNE", JMLR 2008), begun
/// from the principal components, so that the same features give the same picture.
///
/// # Errors
/// libtorch refuses.
pub fn tsne(x: &Tensor) -> Result<Tensor> {
    let frames = x.size()[0];
    let distances = squares(x)?;
    let perplexity = 30f64.min((frames - 1) as f64 / 3.0).max(1.0);
    let p = affinities(&distances, perplexity);
    let p = ((&p + p.transpose(0, 1)) / (2.0 * frames as f64)).clamp_min(1e-12);
    let (start, _) = pca(x)?;
    let mut y = &start / (start.select(1, 0).std(false).clamp_min(1e-12) * 1e4);
    let (mut speed, mut gains) = (y.zeros_like(), y.ones_like());
    let rate = (frames as f64 / 48.0).max(50.0);
    let off_diagonal = 1.0 - Tensor::eye(frames, (Kind::Double, x.device()));
    for iteration in 0..ITERATIONS {
        let (exaggeration, momentum) = if iteration < 100 { (12.0, 0.5) } else { (1.0, 0.8) };
        let kernel = (squares(&y)? + 1.0).reciprocal() * &off_diagonal;
        let q = &kernel / kernel.sum(Kind::Double);
        let pull = (&p * exaggeration - q) * kernel;
        let rows = pull.sum_dim_intlist([1i64].as_slice(), true, Kind::Double);
        let gradient: Tensor = (rows * &y - pull.f_matmul(&y)?) * 4.0;
        // As in the authors' code: a coordinate that keeps its direction goes faster.
        let turned = gradient.sign().eq_tensor(&speed.sign());
        gains = (&gains * 0.8).where_self(&turned, &(&gains + 0.2)).clamp_min(0.01);
        speed = speed * momentum - &gains * gradient * rate;
        y += &speed;
        y = &y - y.mean_dim([0i64].as_slice(), true, Kind::Double);
    }
    Ok(y)
}

/// Squared distances between all rows.
fn squares(x: &Tensor) -> Result<Tensor> {
    let norms = x.square().sum_dim_intlist([1i64].as_slice(), true, Kind::Double);
    Ok((&norms + norms.transpose(0, 1) - x.f_matmul(&x.transpose(0, 1))? * 2.0).clamp_min(0.0))
}

/// Each row's neighbours as probabilities of the given perplexity, by bisection of its precision.
fn affinities(distances: &Tensor, perplexity: f64) -> Tensor {
    let frames = distances.size()[0];
    let eye = Tensor::eye(frames, (Kind::Double, distances.device()));
    let far = distances + &eye * 1e300;
    let (nearest, _) = far.min_dim(1, true);
    let shifted = far - nearest;
    let scale = (distances.mean(Kind::Double)).clamp_min(1e-30).reciprocal();
    let mut low = Tensor::full([frames, 1], -40.0, (Kind::Double, distances.device()));
    let mut high = Tensor::full([frames, 1], 40.0, (Kind::Double, distances.device()));
    let at = |log: &Tensor| {
        let weights = (-&shifted * (log.exp() * &scale)).exp();
        &weights / weights.sum_dim_intlist([1i64].as_slice(), true, Kind::Double)
    };
    for _ in 0..40 {
        let middle = (&low + &high) * 0.5;
        let p = at(&middle);
        let entropy = -(&p * p.clamp_min(1e-300).log()).sum_dim_intlist([1i64].as_slice(), true, Kind::Double);
        let wide = entropy.gt(perplexity.ln());
        low = middle.where_self(&wide, &low);
        high = high.where_self(&wide, &middle);
    }
    at(&((low + high) * 0.5))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::monitor::report::features::tests::noise;

    #[test]
    fn principal_components_of_a_known_matrix() {
        // Variances 9 : 1 along (1, 1)/√2 and (1, −1)/√2, and none in the third direction.
        let rows: Vec<f64> =
            [[3.0, 3.0], [-3.0, -3.0], [1.0, -1.0], [-1.0, 1.0]].iter().flat_map(|[x, y]| [*x, *y, 5.0]).collect();
        let (projection, shares) = pca(&Tensor::from_slice(&rows).view([4, 3])).unwrap();
        assert!((shares[0] - 0.9).abs() < 1e-12 && (shares[1] - 0.1).abs() < 1e-12, "{shares:?}");
        let first = Vec::<f64>::try_from(projection.select(1, 0)).unwrap();
        assert!((first[0].abs() - 18f64.sqrt()).abs() < 1e-9 && (first[0] + first[1]).abs() < 1e-9, "{first:?}");
        assert!(first[2].abs() < 1e-9);
    }

    #[test]
    fn well_separated_clusters_stay_apart_and_the_picture_is_the_same_every_time() {
        let (each, dim) = (30usize, 10usize);
        let value =
            |row: usize, k: usize| noise((row * dim + k) as u64 * 3 + 1) + if k == row / each { 10.0 } else { 0.0 };
        let values: Vec<f64> = (0..3 * each).flat_map(|row| (0..dim).map(move |k| value(row, k))).collect();
        let x = Tensor::from_slice(&values).view([3 * each as i64, dim as i64]);
        let projection = tsne(&x).unwrap();
        assert_eq!(projection, tsne(&x).unwrap());
        let far = squares(&projection).unwrap() + Tensor::eye(3 * each as i64, (Kind::Double, x.device())) * 1e9;
        let nearest = Vec::<i64>::try_from(far.argmin(1, false)).unwrap();
        assert!(nearest.iter().enumerate().all(|(row, other)| *other as usize / each == row / each), "{nearest:?}");
        let p = affinities(&squares(&x).unwrap(), 10.0);
        let entropy = -(&p * p.clamp_min(1e-300).log()).sum_dim_intlist([1i64].as_slice(), false, Kind::Double);
        assert!((entropy.exp() - 10.0).abs().max().double_value(&[]) < 1e-3);
    }
}
