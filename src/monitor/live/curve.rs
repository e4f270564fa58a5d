//! A curve of a long run in bounded memory: the longer it gets, the more neighbours a point stands for.

/// Points of `N` values each over a growing `x`; a point is the mean of its neighbours, NaN left out.
#[derive(Clone, Debug)]
pub(super) struct Curve<const N: usize> {
    most: usize,
    /// How many values a point stands for.
    stride: usize,
    points: Vec<Point<N>>,
    open: Option<Point<N>>,
}

/// Sums of some neighbours.
#[derive(Clone, Copy, Debug)]
struct Point<const N: usize> {
    x: f64,
    count: usize,
    sums: [f64; N],
    counts: [usize; N],
}

impl<const N: usize> Point<N> {
    fn add(&mut self, other: &Self) {
        self.x = other.x;
        self.count += other.count;
        for column in 0..N {
            self.sums[column] += other.sums[column];
            self.counts[column] += other.counts[column];
        }
    }

    fn mean(&self, column: usize) -> f64 {
        self.sums[column] / self.counts[column] as f64
    }
}

impl<const N: usize> Curve<N> {
    /// A curve of at most `most` points (an even number).
    pub fn new(most: usize) -> Self {
        Self { most: most.max(2) & !1, stride: 1, points: Vec::new(), open: None }
    }

    /// Adds `values` at `x`.
    pub fn push(&mut self, x: f64, values: [f64; N]) {
        let new = Point {
            x,
            count: 1,
            sums: values.map(|value| if value.is_finite() { value } else { 0.0 }),
            counts: values.map(|value| usize::from(value.is_finite())),
        };
        let open = match self.open.take() {
            None => new,
            Some(mut open) => {
                open.add(&new);
                open
            }
        };
        if open.count < self.stride {
            self.open = Some(open);
            return;
        }
        self.points.push(open);
        if self.points.len() >= self.most {
            self.points = self.points.chunks(2).map(|pair| pair.iter().skip(1).fold(pair[0], merged)).collect();
            self.stride *= 2;
        }
    }

    /// Where the points are; a point that is not full is the last one.
    pub fn xs(&self) -> Vec<f64> {
        self.all().map(|point| point.x).collect()
    }

    /// The values of a column there, NaN where there are none.
    pub fn column(&self, column: usize) -> Vec<f64> {
        self.all().map(|point| point.mean(column)).collect()
    }

    fn all(&self) -> impl Iterator<Item = &Point<N>> {
        self.points.iter().chain(&self.open)
    }
}

fn merged<const N: usize>(mut sum: Point<N>, next: &Point<N>) -> Point<N> {
    sum.add(next);
    sum
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_curve_stays_short_and_keeps_its_mean_and_its_end() {
        let mut curve = Curve::<2>::new(8);
        for x in 1..=1000 {
            let x = f64::from(x);
            curve.push(x, [x, if x > 500.0 { f64::NAN } else { 1.0 }]);
            assert!(curve.xs().len() <= 8);
        }
        let (xs, values, gaps) = (curve.xs(), curve.column(0), curve.column(1));
        assert!(xs.is_sorted() && *xs.last().unwrap() == 1000.0 && xs.len() >= 4, "{xs:?}");
        // Points of 128 steps each: 1 to 128 have the mean 64.5.
        assert_eq!((xs[0], values[0], gaps[0]), (128.0, 64.5, 1.0));
        assert!(gaps.last().unwrap().is_nan());
    }

    #[test]
    fn what_is_not_full_is_shown_too() {
        let mut curve = Curve::<1>::new(4);
        (1..=5).for_each(|x| curve.push(f64::from(x), [f64::from(x)]));
        assert_eq!((curve.xs(), curve.column(0)), (vec![2.0, 4.0, 5.0], vec![1.5, 3.5, 5.0]));
    }
}
