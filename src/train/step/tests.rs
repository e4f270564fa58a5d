//! A batch's losses and gradients, and a validation's losses, however their clips are cut into parts. Statistics are
//! frozen here: those of a batch are the one thing that a part has of its own.

use super::*;
use crate::{
    data::{condition::UNLABELLED, labels::Soft, random::CounterRng},
    train::{
        checkpoint::{Metadata, OPTIMIZER, TASKS},
        means::{AverageMeter, BatchMetrics},
        network,
        replicas::parts,
    },
};
use std::path::Path;

const CLIPS: i64 = 5;
const FRAMES: i64 = 2;

/// The tiny experiment without any draws and without clipping, so that the first moment is the gradient.
pub(super) fn experiment(sets: &[&str]) -> Experiment {
    let plain = [
        "MODEL.CLS_HEAD.DROPOUT=0",
        "TRAIN.DROP_PATH_RATE=0",
        "TRAIN.GRAD_CLIP_NORM=0",
        "TRAIN.PHASES.head.EPOCHS=1",
        "TRAIN.PHASES.head.TRAINS=[\"\"]",
        "TRAIN.CLS_WEIGHT=0.5",
        "TRAIN.THREADS=1",
    ];
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/support/tiny.yaml");
    let sets: Vec<String> = plain.iter().chain(sets).map(|set| (*set).to_string()).collect();
    Experiment::read(&path, &sets).unwrap()
}

fn trainer(sets: &[&str]) -> Trainer {
    let experiment = experiment(sets);
    let (model, _) = network::build(&experiment, 3, Device::Cpu).unwrap();
    Trainer::new(&experiment, model, 3, 4).unwrap()
}

fn noise(shape: &[i64], seed: u64) -> Tensor {
    let mut rng = CounterRng::new(&[seed]);
    let values: Vec<f32> = (0..shape.iter().product::<i64>()).map(|_| rng.normal() as f32).collect();
    Tensor::from_slice(&values).view(shape)
}

/// Five clips. Three frames have a label, unevenly; the last clip's object is outside its crop, where no map has a peak.
pub(super) fn batch(split: Split) -> Batch {
    let info = BatchInfo { position: 0, split, epoch: 0, batch: 0, of: 1, step: 0, before: false, closes_epoch: true };
    let none = UNLABELLED;
    let labels = Tensor::from_slice(&[none, 4, none, none, 2, none, 7, none, none, none]).view([FRAMES, CLIPS]);
    let mut boxes: Vec<f32> = Vec::new();
    for at in 0..FRAMES * CLIPS {
        let x = if at % CLIPS == 4 { 1.4 } else { 0.1 + 0.05 * at as f32 };
        boxes.extend([x, 0.3, 0.2, 0.25 + 0.02 * at as f32]);
    }
    let mut soft = noise(&[FRAMES, CLIPS, Soft::WIDTH as i64], 9).sigmoid();
    // The severity is known of every other clip.
    for clip in (0..CLIPS).step_by(2) {
        let _ = soft.narrow(1, clip, 1).narrow(2, Soft::WIDTH as i64 - 1, 1).fill_(-1.0);
    }
    soft = soft.contiguous();
    Batch {
        info,
        input: ClipInput {
            template: noise(&[CLIPS, 3, 32, 32], 1),
            search: noise(&[FRAMES, CLIPS, 3, 64, 64], 2),
            template_boxes: Tensor::from_slice(&[0.25f32, 0.25, 0.5, 0.5]).repeat([CLIPS, 1]),
        },
        target: Target { boxes: Tensor::from_slice(&boxes).view([FRAMES, CLIPS, 4]), labels, soft: Some(soft) },
        names: (0..CLIPS).map(|clip| clip.to_string()).collect(),
    }
}

pub(super) fn values(tensor: &Tensor) -> Vec<f64> {
    Vec::try_from(&tensor.to_kind(Kind::Double).flatten(0, -1)).unwrap()
}

/// What one step says and leaves behind: the gradients, the tasks' weights, and how the tasks' gradients compare.
struct Step {
    step_metrics: Vec<f64>,
    state: Vec<(String, Tensor)>,
    blocks: Vec<[f64; 4]>,
}

fn step(sets: &[&str]) -> Step {
    let mut trainer = trainer(sets);
    let batch = batch(Split::Train);
    trainer.prepare(&batch.info, 0).unwrap();
    let options = ForwardOptions { statistics: Statistics::Running, ..trainer.training_options(&batch.info) };
    let outcome = trainer.train_with(&batch, &options).unwrap();
    let blocks = outcome.analysis.unwrap().read().unwrap().blocks;
    let state = trainer.snapshot(Metadata::new("tiny".into(), 3, String::new())).unwrap().tensors;
    let wanted = |name: &str| name.starts_with(&format!("{OPTIMIZER}exp_avg.")) || name.starts_with(TASKS);
    Step {
        step_metrics: values(&outcome.step_metrics),
        state: state.into_iter().filter(|(name, _)| wanted(name)).collect(),
        blocks: blocks.iter().map(|block| [block.box_norm, block.class_norm, block.norm, block.dot]).collect(),
    }
}

impl Step {
    /// That of all parameters, times what AdamW's first moment takes of it.
    fn gradient(&self) -> Vec<f64> {
        let moments = self.state.iter().filter(|(name, _)| name.starts_with(OPTIMIZER));
        moments.flat_map(|(_, tensor)| values(tensor)).collect()
    }
}

fn norm(values: &[f64]) -> f64 {
    values.iter().map(|x| x * x).sum::<f64>().sqrt()
}

/// The distance between both, as a share of the first one's size.
fn apart(a: &[f64], b: &[f64]) -> f64 {
    assert_eq!(a.len(), b.len());
    let difference = norm(&a.iter().zip(b).map(|(a, b)| a - b).collect::<Vec<_>>());
    if difference == 0.0 { 0.0 } else { difference / norm(a) }
}

#[test]
fn a_batchs_losses_and_gradients_are_its_own_however_it_is_cut() {
    let ways = [
        "TRAIN.TASK_WEIGHTING=fixed",
        "TRAIN.TASK_WEIGHTING=uncertainty",
        "TRAIN.TASK_WEIGHTING=gradnorm",
        "TRAIN.TASK_WEIGHTING=pcgrad",
        "TRAIN.CLS_LOSS_TYPE=FOCAL",
        "TRAIN.CLS_LOSS_TYPE=LABEL_SMOOTH",
        "TRAIN.MTL_MODE=soft",
        "TRAIN.MTL_MODE=multilabel+film",
    ];
    for (number, way) in ways.into_iter().enumerate() {
        let run = |replicas: usize, accumulate: usize| {
            let cut = [format!("TRAIN.REPLICAS={replicas}"), format!("TRAIN.ACCUMULATE={accumulate}")];
            step(&[way, &cut[0], &cut[1], "TRAIN.GRAD_ANALYSIS_INTERVAL=1"])
        };
        let whole = run(1, 1);
        assert!(whole.step_metrics[4] > 0.0 && whole.step_metrics[5] > 0.0, "{way}: both kinds of counts matter");
        let labelled = whole.step_metrics[9];
        assert_eq!(labelled, 3.0, "{way}");
        let size = norm(&whole.gradient());
        // Each way is cut in two of the four ways to do it.
        let cuts = [[(2, 1), (1, 4)], [(1, 2), (2, 2)]];
        for (replicas, accumulate) in cuts[number % 2] {
            let parts = run(replicas, accumulate);
            let what = format!("{way}, REPLICAS {replicas}, ACCUMULATE {accumulate}");
            for (at, (a, b)) in whole.step_metrics.iter().zip(&parts.step_metrics).enumerate() {
                // The sums of single frames may be small differences of large numbers.
                let most = if at < StepMetrics::COUNT { 1e-6 } else { 2e-6 };
                assert!(apart(&[*a], &[*b]) < most, "{what}: number {at} is {a} and {b}");
            }
            assert!(apart(&whole.gradient(), &parts.gradient()) < 1e-6, "{what}: the gradients");
            for (a, b) in whole.blocks.iter().zip(&parts.blocks) {
                assert!(apart(a, b) < 1e-6, "{what}: the tasks' gradients are {a:?} and {b:?}");
            }
            for ((name, a), (_, b)) in whole.state.iter().zip(&parts.state) {
                let (a, b) = (values(a), values(b));
                let difference = norm(&a.iter().zip(&b).map(|(a, b)| a - b).collect::<Vec<_>>());
                // Where a gradient is 0 but for rounding, it has no size of its own.
                assert!(difference < 1e-5 * norm(&a) + 1e-7 * size, "{what}: {name} differs by {difference}");
            }
        }
    }
}

/// The means of a validation in batches of `size`.
fn validation(trainer: &mut Trainer, size: i64) -> StepMetrics {
    let whole = batch(Split::Val);
    let mut sums = AverageMeter::default();
    let mut from = 0;
    while from < CLIPS {
        let clips = size.min(CLIPS - from);
        let (input, target) = parts(&whole, |tensor, dim| tensor.narrow(dim, from, clips));
        let batch = Batch { info: whole.info, input, target, names: whole.names.clone() };
        let outcome = trainer.run(&batch).unwrap();
        let packed = values(&outcome.step_metrics);
        let (step_metrics, rest) = StepMetrics::unpack_from(&packed).unwrap();
        sums.add(&step_metrics, &BatchMetrics::new(clips as usize, &outcome.weights, rest));
        from += clips;
    }
    sums.means().unwrap()
}

#[test]
fn a_validations_losses_do_not_depend_on_the_size_of_its_batches() {
    for sets in [&["TRAIN.CLS_LOSS_TYPE=CE"][..], &["TRAIN.MTL_MODE=multilabel"], &["TRAIN.FOCAL_WEIGHT=0.5"]] {
        let mut trainer = trainer(sets);
        let whole = validation(&mut trainer, CLIPS);
        let packed = values(&trainer.run(&batch(Split::Val)).unwrap().step_metrics);
        let alone = StepMetrics::unpack_from(&packed).unwrap().0;
        for ((name, a), (_, b)) in whole.losses().into_iter().zip(alone.losses()) {
            assert!(apart(&[a], &[b]) < 1e-6, "{sets:?}: {name} of the pass is {a}, of its one batch {b}");
        }
        for size in 1..CLIPS {
            let means = validation(&mut trainer, size);
            for ((name, a), (_, b)) in whole.losses().into_iter().zip(means.losses()) {
                assert!(apart(&[a], &[b]) < 1e-6, "{sets:?}: {name} is {a} in one batch, {b} in batches of {size}");
            }
            assert_eq!(means.total, means.box_loss + means.class_weighted, "{sets:?}, batches of {size}");
            assert_eq!((means.labelled, means.accuracy()), (whole.labelled, whole.accuracy()));
        }
    }
}
