//! A batch cut into shards that are computed side by side, one thread each, and put together in a fixed order.
//!
//! A small model on a CPU keeps one core busy and gains nothing from a second one inside its many small operations; two
//! halves of a batch on two cores take half the time. As with several devices without synchronised normalisation, each
//! shard normalises by its own statistics, and the first one's move the running ones. What their losses are divided by is
//! counted over the whole batch, so that nothing but those statistics depends on how it is cut.

use super::step::{Batch, PartMoments};
use crate::{
    failure::{Failure, Result},
    flow::guard,
    loss::{Counts, Target},
    model::{ClipInput, Hiptrack},
};
use std::ops::Range;
use tch::Tensor;

/// Some clips of a batch.
#[derive(Debug)]
pub(super) struct Replica {
    /// Its number, from 0.
    pub index: usize,
    /// What the losses of the whole batch are divided by.
    pub counts: Counts,
    /// Crops and template boxes.
    pub input: ClipInput,
    /// Boxes and labels.
    pub target: Target,
}

/// What a shard gave.
#[derive(Debug, Default)]
pub(super) struct ReplicaOutput {
    /// The loss report, `[Report::LEN]` f64: what the shard adds to that of the batch.
    pub report: Tensor,
    /// `[N, 4]` f64: see [`LossComponents::sums`](crate::loss::LossComponents::sums).
    pub sums: Tensor,
    /// Gradients of its objective, one for each trained parameter; undefined where there is none.
    pub gradients: Vec<Tensor>,
    /// The gradients of its box task and of its class task, where they were taken.
    pub tasks: Option<[Vec<Tensor>; 2]>,
    /// Labelled frames by true and predicted condition, `[K, K]` f64, where they were counted.
    pub confusion: Option<Tensor>,
    /// A row for each search frame, clip-major, where they were taken.
    pub frames: Option<Tensor>,
    /// When its parts were over.
    pub moments: Option<PartMoments>,
}

/// The model, lent to the thread of a shard.
#[derive(Clone, Copy)]
pub(super) struct SharedModel<'a>(&'a Hiptrack);

// SAFETY: a shard only reads the parameters, whose reference counts are atomic in libtorch. Buffers are written by the
// first shard alone and read by none while statistics are taken from batches.
unsafe impl Send for SharedModel<'_> {}

impl<'a> SharedModel<'a> {
    pub fn new(model: &'a Hiptrack) -> Self {
        Self(model)
    }

    pub fn model(self) -> &'a Hiptrack {
        self.0
    }
}

/// `batch`, whose losses are divided by `counts`, in at most `count` shards of nearly equal size.
pub(super) fn split(batch: &Batch, counts: &Counts, count: usize) -> Vec<Replica> {
    let clips = batch.input.batch();
    let count = (count as i64).clamp(1, clips);
    let bound = |index: i64| clips * index / count;
    (0..count).map(|index| cut(batch, counts, index as usize, bound(index)..bound(index + 1))).collect()
}

/// Those clips of `batch` as the part of number `index`.
pub(super) fn cut(batch: &Batch, counts: &Counts, index: usize, clips: Range<i64>) -> Replica {
    let (from, length) = (clips.start, clips.end - clips.start);
    let (input, target) = parts(batch, |tensor, dim| tensor.narrow(dim, from, length));
    Replica { index, counts: counts.share(from, length), input, target }
}

/// Some clips of `batch`: `of` takes them from a tensor, whose clips lie along the dimension that it is given.
pub(super) fn parts(batch: &Batch, of: impl Fn(&Tensor, i64) -> Tensor) -> (ClipInput, Target) {
    let input = ClipInput {
        template: of(&batch.input.template, 0),
        search: of(&batch.input.search, 1),
        template_boxes: of(&batch.input.template_boxes, 0),
    };
    let target = Target {
        boxes: of(&batch.target.boxes, 1),
        labels: of(&batch.target.labels, 1),
        soft: batch.target.soft.as_ref().map(|soft| of(soft, 1)),
    };
    (input, target)
}

/// Runs `work` on every shard, the first on this thread. The parts come back in order.
///
/// # Errors
/// The first shard's that fails, or whose work panics.
pub(super) fn side_by_side(
    replicas: Vec<Replica>,
    work: impl Fn(&Replica) -> Result<ReplicaOutput> + Copy + Send,
) -> Result<Vec<ReplicaOutput>> {
    let mut replicas = replicas.into_iter();
    let first = replicas.next().ok_or_else(|| Failure::stage("a batch without clips"))?;
    std::thread::scope(|scope| {
        let others: Vec<_> = replicas.map(|replica| scope.spawn(move || guarded(|| work(&replica)))).collect();
        let mut parts = vec![guarded(|| work(&first))];
        for other in others {
            parts.push(other.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)));
        }
        parts.into_iter().collect()
    })
}

/// A panic of libtorch's is as much of a failure as its error.
fn guarded<T>(work: impl FnOnce() -> Result<T>) -> Result<T> {
    guard(work).unwrap_or_else(|message| Err(Failure::panicked(message)))
}

/// One part for the whole batch: the sum of its parts, in the order in which they come.
#[derive(Default)]
pub(super) struct Merged(Option<ReplicaOutput>);

impl Merged {
    /// Adds `part`.
    pub fn add(&mut self, part: ReplicaOutput) {
        let Some(sum) = &mut self.0 else {
            self.0 = Some(part);
            return;
        };
        sum.report += part.report;
        sum.sums += part.sums;
        sum.confusion = sum.confusion.take().zip(part.confusion).map(|(sum, counts)| sum + counts);
        sum.frames = sum.frames.take().zip(part.frames).map(|(sum, rows)| Tensor::cat(&[sum, rows], 0));
        add(&mut sum.gradients, part.gradients);
        if let (Some([a, b]), Some([c, d])) = (&mut sum.tasks, part.tasks) {
            add(a, c);
            add(b, d);
        }
    }

    /// The same with `part` added.
    pub fn with(mut self, part: ReplicaOutput) -> Self {
        self.add(part);
        self
    }

    /// What was added up.
    pub fn part(self) -> ReplicaOutput {
        self.0.unwrap_or_default()
    }
}

fn add(sums: &mut [Tensor], gradients: Vec<Tensor>) {
    for (sum, gradient) in sums.iter_mut().zip(gradients) {
        match (sum.defined(), gradient.defined()) {
            (true, true) => drop(sum.g_add_(&gradient)),
            (false, _) => *sum = gradient,
            (true, false) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        loss::{Weights, loss_of_part},
        model::{Config, ForwardOptions},
        train::run_schedule::{BatchInfo, Split},
    };
    use tch::{Device, Kind};

    fn counts(config: &Config, batch: &Batch) -> Counts {
        Counts::of(&batch.target, Some(config.search_grid()), config.class_head.as_ref().map(|head| head.classes))
    }

    fn batch(config: &Config, clips: i64) -> Batch {
        let pixels = |shape: &[i64], step: f64| {
            let count: i64 = shape.iter().product();
            (Tensor::arange(count, (Kind::Float, Device::Cpu)) * step).sin().view(shape)
        };
        let (t, s) = (config.template_size, config.search_size);
        let info = BatchInfo {
            position: 0,
            split: Split::Train,
            epoch: 0,
            batch: 0,
            of: 1,
            step: 0,
            before: false,
            closes_epoch: true,
        };
        Batch {
            info,
            input: ClipInput {
                template: pixels(&[clips, 3, t, t], 0.37),
                search: pixels(&[2, clips, 3, s, s], 0.11),
                template_boxes: Tensor::full([clips, 4], 0.3, (Kind::Float, Device::Cpu)),
            },
            target: Target {
                boxes: Tensor::full([2, clips, 4], 0.4, (Kind::Float, Device::Cpu)),
                // Unevenly labelled: the last clips not at all.
                labels: Tensor::from_slice(&[3i64, 1, 7, -100, -100, 2, 5, -100, -100, -100])
                    .view([2, 5])
                    .narrow(1, 0, clips),
                soft: None,
            },
            names: Default::default(),
        }
    }

    fn parts(model: &Hiptrack, batch: &Batch, count: usize) -> ReplicaOutput {
        let shared_model = SharedModel::new(model);
        let work = move |replica: &Replica| {
            let model = shared_model.model();
            let output = model.forward(&replica.input, &ForwardOptions::evaluation())?;
            let step_metrics = loss_of_part(&output, &replica.target, &Weights::reference(), &replica.counts)?;
            let inputs: Vec<&Tensor> = model.params().parameters().map(|(_, tensor)| tensor).collect();
            let gradients = Tensor::f_run_backward(&[&step_metrics.objective], &inputs, false, false)?;
            let report = step_metrics.report_tensor().shallow_clone();
            Ok(ReplicaOutput { report, sums: step_metrics.sums, gradients, ..ReplicaOutput::default() })
        };
        let mut merged = Merged::default();
        let replicas = split(batch, &counts(model.config(), batch), count);
        side_by_side(replicas, work).unwrap().into_iter().for_each(|part| merged.add(part));
        merged.part()
    }

    #[test]
    fn shards_together_give_the_losses_and_gradients_of_the_whole_batch() {
        let model = Hiptrack::new(&Config { dim: 32, depth: 2, ..small() }, 1, Device::Cpu).unwrap();
        let batch = batch(model.config(), 5);
        let (whole, cut) = (parts(&model, &batch, 1), parts(&model, &batch, 2));
        let apart = |a: &Tensor, b: &Tensor| ((a - b).abs() / a.abs().clamp_min(1e-3)).max().double_value(&[]);
        assert!(apart(&whole.report, &cut.report) < 1e-6, "{:?} {:?}", whole.report, cut.report);
        assert!(apart(&whole.sums, &cut.sums) < 1e-6);
        assert_eq!(whole.report.double_value(&[9]), 5.0, "labelled frames are counted, not averaged");
        let norm = |gradient: &Tensor| gradient.norm().double_value(&[]);
        let (mut size, mut difference) = (0.0, 0.0);
        for (a, b) in whole.gradients.iter().zip(&cut.gradients).filter(|(a, _)| a.defined()) {
            assert!(norm(&(a - b)) <= 1e-5 * norm(a) + 1e-6, "{} {}", norm(a), norm(&(a - b)));
            (size, difference) = (size + norm(a).powi(2), difference + norm(&(a - b)).powi(2));
        }
        assert!(difference <= 1e-12 * size, "{size} {difference}");
        let again = parts(&model, &batch, 2);
        let same = |(a, b): (&Tensor, &Tensor)| a.defined() == b.defined() && (!a.defined() || a == b);
        assert!(cut.gradients.iter().zip(&again.gradients).all(same), "the same bits every time");
    }

    fn small() -> Config {
        let elimination = crate::model::Elimination { layers: vec![], keep: vec![], ..Config::small().elimination };
        Config { elimination, ..Config::small() }
    }

    #[test]
    fn a_batch_is_never_cut_into_more_shards_than_clips() {
        let config = small();
        let cut = |clips, count| {
            let batch = batch(&config, clips);
            let replicas = split(&batch, &counts(&config, &batch), count);
            replicas.iter().map(|replica| (replica.input.batch(), replica.counts.clips)).collect::<Vec<_>>()
        };
        assert_eq!(cut(2, 8), [(1, 2), (1, 2)]);
        assert_eq!(cut(5, 2), [(2, 5), (3, 5)], "and each knows what the whole batch counts");
    }
}
