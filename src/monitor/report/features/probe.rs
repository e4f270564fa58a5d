//! Linear probes (Alain & Bengio: "Understanding intermediate layers using linear classifier probes", 2016): what a
//! linear map finds in frozen features of clips that it was not fitted to.

use super::Table;
use crate::{
    data::condition::Condition,
    failure::{Failure, Result},
};
use tch::{Kind, Tensor};

/// Parts into which the clips' sequences are dealt; each is predicted by probes that were fitted to the others.
const FOLDS: usize = 5;
/// Fewer frames or sequences are not enough to fit and to judge.
const FEWEST_FRAMES: usize = 40;
/// Of these ridge penalties, each times the number of frames, the one is taken that does best on a part set aside.
const PENALTIES: [f64; 5] = [1e-3, 1e-2, 1e-1, 1.0, 10.0];

/// What was found of the condition.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ConditionProbe {
    /// Accuracy on held-out frames.
    pub accuracy: f64,
    /// What naming the most frequent condition would reach.
    pub chance: f64,
    /// Two standard errors of the accuracy, sequences (not frames) counted as independent.
    pub margin: f64,
    /// Frames and sequences.
    pub of: [usize; 2],
}

/// What was found of the box.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct BoxProbe {
    /// Share of the variance of `(x, y, w, h)` in held-out frames that is explained; 0 is the mean box, below it worse.
    pub r2: f64,
    /// Mean distance of a coordinate, as share of the crop.
    pub l1: f64,
    /// The same for the mean box.
    pub l1_mean: f64,
    /// Frames and sequences.
    pub of: [usize; 2],
}

/// Held-out predictions `[F, K]` of `targets` `[F, K]` by ridge regression on `x` `[F, D]`, both f64; `groups` that
/// belong together never stand on both sides.
fn held_out(x: &Tensor, targets: &Tensor, groups: &[usize]) -> Result<Tensor> {
    // Sums of squares are then of the size of what varies, and taking them apart costs no digits.
    let x = &(x - x.mean_dim([0i64].as_slice(), true, Kind::Double));
    let all = x.square().mean_dim([0i64].as_slice(), true, Kind::Double);
    let rows = |fold: usize| -> Tensor {
        let rows: Vec<i64> =
            (0..groups.len()).filter(|row| groups[*row] % FOLDS == fold).map(|row| row as i64).collect();
        Tensor::from_slice(&rows)
    };
    let folds: Vec<Tensor> = (0..FOLDS).map(rows).collect();
    let sums = folds
        .iter()
        .map(|rows| RegressionSums::of(&x.f_index_select(0, rows)?, &targets.f_index_select(0, rows)?))
        .collect::<Result<Vec<_>>>()?;
    let out = Tensor::zeros_like(targets);
    for fold in 0..FOLDS {
        let aside = (fold + 1) % FOLDS;
        let without = |left: &[usize]| {
            let parts = sums.iter().enumerate().filter(|(index, _)| !left.contains(index)).map(|(_, part)| part);
            Ridge::new(parts, &all)
        };
        let fit = without(&[fold, aside])?;
        let (asked, truth) = (x.f_index_select(0, &folds[aside])?, targets.f_index_select(0, &folds[aside])?);
        let mut best = (f64::INFINITY, PENALTIES[0]);
        for penalty in PENALTIES {
            let error = (fit.predict(&asked, penalty)? - &truth).square().mean(Kind::Double).double_value(&[]);
            if error < best.0 {
                best = (error, penalty);
            }
        }
        let predicted = without(&[fold])?.predict(&x.f_index_select(0, &folds[fold])?, best.1)?;
        let _ = out.shallow_clone().f_index_copy_(0, &folds[fold], &predicted)?;
    }
    Ok(out)
}

/// What a regression has to know of some rows: how many there are, and sums and products of features and targets.
struct RegressionSums {
    rows: f64,
    x: Tensor,
    y: Tensor,
    gram: Tensor,
    cross: Tensor,
}

impl RegressionSums {
    fn of(x: &Tensor, y: &Tensor) -> Result<Self> {
        let sum = |values: &Tensor| values.sum_dim_intlist([0i64].as_slice(), true, Kind::Double);
        let turned = x.transpose(0, 1);
        let (gram, cross) = (turned.f_matmul(x)?, turned.f_matmul(y)?);
        Ok(Self { rows: x.size()[0] as f64, x: sum(x), y: sum(y), gram, cross })
    }

    /// The same tensors.
    fn share(&self) -> Self {
        let [x, y, gram, cross] = [&self.x, &self.y, &self.gram, &self.cross].map(Tensor::shallow_clone);
        Self { rows: self.rows, x, y, gram, cross }
    }

    fn and(&self, other: &Self) -> Self {
        Self {
            rows: self.rows + other.rows,
            x: &self.x + &other.x,
            y: &self.y + &other.y,
            gram: &self.gram + &other.gram,
            cross: &self.cross + &other.cross,
        }
    }
}

/// Ridge regression on standardised features, but for its penalty.
struct Ridge {
    mean: Tensor,
    scale: Tensor,
    middle: Tensor,
    gram: Tensor,
    cross: Tensor,
    rows: f64,
}

impl Ridge {
    /// Fitted to the rows of all `parts`. A feature that does not vary in them, measured by its variance in `all` rows,
    /// is worth nothing.
    fn new<'a>(parts: impl Iterator<Item = &'a RegressionSums>, all: &Tensor) -> Result<Self> {
        let sums = parts.map(RegressionSums::share).reduce(|sum, part| sum.and(&part));
        let RegressionSums { rows, x, y, gram, cross } =
            sums.ok_or_else(|| Failure::stage("a probe without any frames"))?;
        let (gram, cross) = (gram - x.transpose(0, 1) * &x / rows, cross - x.transpose(0, 1) * &y / rows);
        let variance = gram.diagonal(0, 0, 1).unsqueeze(0) / rows;
        let varies = variance.gt_tensor(&(all * 1e-9));
        let scale = variance.clamp_min(0.0).sqrt().where_self(&varies, &variance.full_like(f64::INFINITY));
        let (gram, cross) = (gram / &scale / scale.transpose(0, 1), cross / scale.transpose(0, 1));
        Ok(Self { mean: x / rows, scale, middle: y / rows, gram, cross, rows })
    }

    /// What it tells of `x` with a penalty of so much times the number of rows.
    fn predict(&self, x: &Tensor, penalty: f64) -> Result<Tensor> {
        let eye = Tensor::eye(self.gram.size()[0], (Kind::Double, self.gram.device()));
        let gram = &self.gram + eye * (penalty * self.rows);
        let weights = Tensor::f_linalg_solve(&gram, &self.cross, true)?;
        Ok(((x - &self.mean) / &self.scale).f_matmul(&weights)? + &self.middle)
    }
}

/// How many sequences there are.
pub fn sequences(groups: &[usize]) -> usize {
    groups.iter().collect::<std::collections::BTreeSet<_>>().len()
}

/// Probes the condition; none with fewer than 40 labelled frames, 10 sequences or 2 conditions.
///
/// # Errors
/// libtorch refuses.
pub fn condition(table: &Table) -> Result<Option<ConditionProbe>> {
    let table = table.only(|row| table.condition(row).is_some())?;
    let labels: Vec<usize> = (0..table.len()).filter_map(|row| table.condition(row)).map(Condition::index).collect();
    let mut counts = [0usize; Condition::COUNT];
    labels.iter().for_each(|label| counts[*label] += 1);
    let groups = sequences(&table.groups);
    if labels.len() < FEWEST_FRAMES || groups < 2 * FOLDS || counts.iter().filter(|count| **count > 0).count() < 2 {
        return Ok(None);
    }
    let indices: Vec<i64> = labels.iter().map(|label| *label as i64).collect();
    let truth = Tensor::from_slice(&indices);
    let predicted = held_out(&table.x, &truth.one_hot(Condition::COUNT as i64).to_kind(Kind::Double), &table.groups)?;
    let right =
        predicted.argmax(-1, false).eq_tensor(&truth).to_kind(Kind::Double).mean(Kind::Double).double_value(&[]);
    let most = counts.iter().max().copied().unwrap_or_default();
    Ok(Some(ConditionProbe {
        accuracy: right,
        chance: most as f64 / labels.len() as f64,
        margin: 2.0 * (0.25 / groups as f64).sqrt(),
        of: [labels.len(), groups],
    }))
}

/// Probes the box; none with fewer than 40 frames or 10 sequences.
///
/// # Errors
/// libtorch refuses.
pub fn boxes(table: &Table) -> Result<Option<BoxProbe>> {
    let groups = sequences(&table.groups);
    if table.len() < FEWEST_FRAMES || groups < 2 * FOLDS {
        return Ok(None);
    }
    let truth = &table.boxes;
    let predicted = held_out(&table.x, truth, &table.groups)?;
    let middle = truth.mean_dim([0i64].as_slice(), true, Kind::Double);
    let mean = |values: Tensor| values.mean(Kind::Double).double_value(&[]);
    let (rest, variance) = (mean((&predicted - truth).square()), mean((truth - &middle).square()));
    Ok(Some(BoxProbe {
        r2: if variance > 1e-12 { 1.0 - rest / variance } else { 0.0 },
        l1: mean((&predicted - truth).abs()),
        l1_mean: mean((truth - &middle).abs()),
        of: [table.len(), groups],
    }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::monitor::report::features::tests::{noise, table};

    #[test]
    fn what_is_in_the_features_is_found_and_what_is_not_is_not() {
        // 400 frames of 40 sequences; the feature holds the condition and the box, plus noise.
        let label = |row: usize| (noise(row as u64 * 7 + 1) * 4.0) as i64;
        let place = |row: usize| [noise(row as u64 * 11 + 2), noise(row as u64 * 13 + 3), 0.2, 0.3];
        let predicted = |row: usize| {
            let mut feature: Vec<f32> = (0..4).map(|k| f32::from(u8::from(label(row) == k))).collect();
            feature.extend(place(row).iter().map(|value| 3.0 * *value as f32 + 1.0));
            feature
        };
        let known = table(400, 10, label, place, predicted);
        let found = condition(&known).unwrap().unwrap();
        assert!(found.accuracy > 0.98 && found.chance < 0.4 && found.of == [400, 40], "{found:?}");
        let found = boxes(&known).unwrap().unwrap();
        assert!(found.r2 > 0.98 && found.l1 < 0.1 * found.l1_mean, "{found:?}");

        let random = |row: usize| (0..8).map(|k| noise((row * 8 + k) as u64 * 17 + 5) as f32).collect();
        let unknown = table(400, 10, label, place, random);
        let found = condition(&unknown).unwrap().unwrap();
        assert!((found.accuracy - found.chance).abs() < found.margin, "{found:?}");
        let found = boxes(&unknown).unwrap().unwrap();
        assert!(found.r2 < 0.1, "{found:?}");
    }

    #[test]
    fn a_clip_known_by_heart_does_not_help_as_it_is_never_on_both_sides() {
        // Each sequence has its own random condition and its own place in the features: by heart it would be told.
        let label = |row: usize| (noise((row / 10) as u64 * 7 + 1) * 4.0) as i64;
        let own = |row: usize| (0..40).map(|k| f32::from(u8::from(k == row / 10))).collect();
        let found = condition(&table(400, 10, label, |_| [0.1; 4], own)).unwrap().unwrap();
        assert!(found.accuracy < found.chance + found.margin, "{found:?}");
    }

    #[test]
    fn sums_of_folds_give_the_regression_of_their_rows() {
        // The direct way: rows standardised by their own mean and deviation, normal equations with a penalty.
        let value = |row: usize, column: usize| noise((row * 5 + column) as u64 * 19 + 3) + column as f64 * 100.0;
        let features: Vec<f64> = (0..60).flat_map(|row| (0..5).map(move |column| value(row, column))).collect();
        let x = Tensor::from_slice(&features).view([60, 5]);
        // The last column never varies.
        let x = Tensor::cat(&[x, Tensor::full([60, 1], 7.5, (Kind::Double, tch::Device::Cpu))], 1);
        let y = x.narrow(1, 0, 1) * 2.0 - x.narrow(1, 3, 1) + 4.0;
        let (fit, targets, ask) = (x.narrow(0, 0, 40), y.narrow(0, 0, 40), x.narrow(0, 40, 20));
        let mean = fit.mean_dim([0i64].as_slice(), true, Kind::Double);
        let scale = (&fit - &mean).square().mean_dim([0i64].as_slice(), true, Kind::Double).sqrt().clamp_min(1e-9);
        let (fit, asked) = ((fit - &mean) / &scale, (&ask - &mean) / &scale);
        let middle = targets.mean_dim([0i64].as_slice(), true, Kind::Double);
        let gram = fit.transpose(0, 1).matmul(&fit) + Tensor::eye(6, (Kind::Double, tch::Device::Cpu)) * (0.1 * 40.0);
        let weights = Tensor::linalg_solve(&gram, &fit.transpose(0, 1).matmul(&(&targets - &middle)), true);
        let known = asked.matmul(&weights) + middle;

        let centre = x.mean_dim([0i64].as_slice(), true, Kind::Double);
        let centred = &x - &centre;
        let parts = [(0, 25), (25, 15)].map(|(from, count)| {
            RegressionSums::of(&centred.narrow(0, from, count), &y.narrow(0, from, count)).unwrap()
        });
        let all = centred.square().mean_dim([0i64].as_slice(), true, Kind::Double);
        let predicted = Ridge::new(parts.iter(), &all).unwrap().predict(&(ask - centre), 0.1).unwrap();
        let error = (predicted - &known).abs().max().double_value(&[]);
        assert!(error < 1e-9 && known.std(false).double_value(&[]) > 0.1, "{error}");
    }

    #[test]
    fn too_little_is_no_answer() {
        let few = table(30, 1, |row| row as i64 % 2, |_| [0.1; 4], |_| vec![1.0, 2.0]);
        assert_eq!((condition(&few).unwrap(), boxes(&few).unwrap()), (None, None));
        let one = table(400, 10, |_| 1, |_| [0.1; 4], |_| vec![1.0, 2.0]);
        assert_eq!(condition(&one).unwrap(), None);
    }
}
