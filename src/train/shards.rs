//! A batch cut into shards that are computed side by side, one thread each, and put together in a fixed order.
//!
//! A small model on a CPU keeps one core busy and gains nothing from a second one inside its many small operations; two
//! halves of a batch on two cores take half the time. As with several devices without synchronised normalisation, each
//! shard normalises by its own statistics, and the first one's move the running ones.

use super::step::{Batch, Spent};
use crate::{
    failure::{Failure, Result},
    loss::{Report, Target},
    model::{ClipInput, Hiptrack},
};
use tch::{Kind, Tensor};

/// Some clips of a batch.
#[derive(Debug)]
pub(super) struct Shard {
    /// Its number, from 0.
    pub index: usize,
    /// Its share of the batch's clips.
    pub share: f64,
    /// Crops and template boxes.
    pub input: ClipInput,
    /// Boxes and labels.
    pub target: Target,
}

/// What a shard gave.
#[derive(Debug, Default)]
pub(super) struct Part {
    /// The loss report, `[Report::LEN]` f64.
    pub report: Tensor,
    /// Gradients of `share · objective`, one for each trained parameter; undefined where there is none.
    pub gradients: Vec<Tensor>,
    /// The gradients of `share · box_task` and `share · class_task`, where they were taken.
    pub tasks: Option<[Vec<Tensor>; 2]>,
    /// Labelled frames by true and told condition, `[K, K]` f64, where they were counted.
    pub confusion: Option<Tensor>,
    /// A row for each search frame, clip-major, where they were taken.
    pub frames: Option<Tensor>,
    /// Where its time went.
    pub spent: Spent,
}

/// The model, lent to the thread of a shard.
#[derive(Clone, Copy)]
pub(super) struct Lent<'a>(&'a Hiptrack);

// SAFETY: a shard only reads the parameters, whose reference counts are atomic in libtorch. Buffers are written by the
// first shard alone and read by none while statistics are taken from batches.
unsafe impl Send for Lent<'_> {}

impl<'a> Lent<'a> {
    pub fn new(model: &'a Hiptrack) -> Self {
        Self(model)
    }

    pub fn model(self) -> &'a Hiptrack {
        self.0
    }
}

/// `batch` in at most `count` shards of nearly equal size.
pub(super) fn split(batch: &Batch, count: usize) -> Vec<Shard> {
    let clips = batch.input.batch();
    let count = (count as i64).clamp(1, clips);
    let bound = |index: i64| clips * index / count;
    (0..count)
        .map(|index| {
            let (from, length) = (bound(index), bound(index + 1) - bound(index));
            let part = |tensor: &Tensor, dim| tensor.narrow(dim, from, length);
            Shard {
                index: index as usize,
                share: length as f64 / clips as f64,
                input: ClipInput {
                    template: part(&batch.input.template, 0),
                    search: part(&batch.input.search, 1),
                    template_boxes: part(&batch.input.template_boxes, 0),
                },
                target: Target {
                    boxes: part(&batch.target.boxes, 1),
                    labels: part(&batch.target.labels, 1),
                    soft: batch.target.soft.as_ref().map(|soft| part(soft, 1)),
                },
            }
        })
        .collect()
}

/// Runs `work` on every shard, the first on this thread. The parts come back in order.
///
/// # Errors
/// The first shard's that fails.
///
/// # Panics
/// When `work` panics, with its message.
pub(super) fn side_by_side(
    shards: Vec<Shard>,
    work: impl Fn(&Shard) -> Result<Part> + Copy + Send,
) -> Result<Vec<(f64, Part)>> {
    let mut shards = shards.into_iter();
    let first = shards.next().ok_or_else(|| Failure::stage("a batch without clips"))?;
    std::thread::scope(|scope| {
        let others: Vec<_> =
            shards.map(|shard| scope.spawn(move || work(&shard).map(|part| (shard.share, part)))).collect();
        let mut parts = vec![work(&first).map(|part| (first.share, part))];
        for other in others {
            parts.push(other.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)));
        }
        parts.into_iter().collect()
    })
}

/// One part for the whole batch, added up part by part: gradients are summed, means weighted, counts summed, all in the
/// order in which they come.
#[derive(Default)]
pub(super) struct Merged(Option<Part>);

impl Merged {
    /// Adds `part`, which is of this share of the clips.
    pub fn add(&mut self, share: f64, part: Part) {
        let weighted = |report: Tensor| match share == 1.0 {
            true => report,
            false => {
                let weights = Tensor::full([Report::LEN as i64], share, (Kind::Double, report.device()));
                for count in Report::COUNTS {
                    let _ = weights.narrow(0, count as i64, 1).fill_(1.0);
                }
                report * weights
            }
        };
        let Some(sum) = &mut self.0 else {
            self.0 = Some(Part { report: weighted(part.report), ..part });
            return;
        };
        sum.report += weighted(part.report);
        sum.confusion = sum.confusion.take().zip(part.confusion).map(|(sum, counts)| sum + counts);
        sum.frames = sum.frames.take().zip(part.frames).map(|(sum, rows)| Tensor::cat(&[sum, rows], 0));
        add(&mut sum.gradients, part.gradients);
        if let (Some([a, b]), Some([c, d])) = (&mut sum.tasks, part.tasks) {
            add(a, c);
            add(b, d);
        }
    }

    /// What was added up.
    pub fn part(self) -> Part {
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
        loss::{Weights, loss},
        model::{Config, ForwardOptions},
        train::itinerary::{Split, Visit},
    };
    use tch::Device;

    fn batch(config: &Config, clips: i64) -> Batch {
        let pixels = |shape: &[i64], step: f64| {
            let count: i64 = shape.iter().product();
            (Tensor::arange(count, (Kind::Float, Device::Cpu)) * step).sin().view(shape)
        };
        let (t, s) = (config.template_size, config.search_size);
        let visit = Visit {
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
            visit,
            input: ClipInput {
                template: pixels(&[clips, 3, t, t], 0.37),
                search: pixels(&[2, clips, 3, s, s], 0.11),
                template_boxes: Tensor::full([clips, 4], 0.3, (Kind::Float, Device::Cpu)),
            },
            target: Target {
                boxes: Tensor::full([2, clips, 4], 0.4, (Kind::Float, Device::Cpu)),
                labels: Tensor::arange(2 * clips, (Kind::Int64, Device::Cpu)).view([2, clips]).remainder(10),
                soft: None,
            },
            names: Default::default(),
        }
    }

    fn parts(model: &Hiptrack, batch: &Batch, count: usize) -> Part {
        let lent = Lent::new(model);
        let work = move |shard: &Shard| {
            let model = lent.model();
            let terms = loss(
                &model.forward(&shard.input, &ForwardOptions::evaluation())?,
                &shard.target,
                &Weights::reference(),
            )?;
            let inputs: Vec<&Tensor> = model.params().parameters().map(|(_, tensor)| tensor).collect();
            let gradients = Tensor::f_run_backward(&[&terms.objective * shard.share], &inputs, false, false)?;
            Ok(Part { report: terms.report_tensor().shallow_clone(), gradients, ..Part::default() })
        };
        let mut merged = Merged::default();
        for (share, part) in side_by_side(split(batch, count), work).unwrap() {
            merged.add(share, part);
        }
        merged.part()
    }

    #[test]
    fn shards_together_give_the_losses_and_gradients_of_the_whole_batch() {
        let model = Hiptrack::new(&Config { dim: 32, depth: 2, ..small() }, 1, Device::Cpu).unwrap();
        let batch = batch(model.config(), 5);
        let (whole, cut) = (parts(&model, &batch, 1), parts(&model, &batch, 2));
        assert!((&whole.report - &cut.report).abs().max().double_value(&[]) < 1e-4);
        assert_eq!(whole.report.double_value(&[9]), 10.0, "labelled frames are counted, not averaged");
        let norm = |gradient: &Tensor| gradient.norm().double_value(&[]);
        for (a, b) in whole.gradients.iter().zip(&cut.gradients).filter(|(a, _)| a.defined()) {
            assert!(norm(&(a - b)) <= 1e-3 * norm(a) + 1e-5, "{} {}", norm(a), norm(&(a - b)));
        }
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
        assert_eq!(split(&batch(&config, 2), 8).len(), 2);
        let shares: Vec<f64> = split(&batch(&config, 5), 2).iter().map(|shard| shard.share).collect();
        assert_eq!(shares, [0.4, 0.6]);
    }
}
