//! Steps of several ranks against those of one process with as many replicas: the same bits.

use super::tests::{batch, experiment, values};
use super::*;
use crate::train::{
    checkpoint::Metadata,
    network,
    ranks::{Shares, tests::worlds},
    replicas::parts,
};
use std::collections::BTreeMap;

const STEPS: u64 = 2;

/// Clips of `batch` at these places.
fn part(batch: &Batch, places: &[usize]) -> Batch {
    let index = Tensor::from_slice(&places.iter().map(|place| *place as i64).collect::<Vec<_>>());
    let (input, target) = parts(batch, |tensor, dim| tensor.index_select(dim, &index));
    let names = places.iter().map(|place| batch.names[*place].clone()).collect();
    Batch { info: batch.info, input, target, names }
}

/// What a few steps and an evaluation leave: all numbers, and all tensors.
#[derive(Debug, PartialEq)]
struct Left {
    numbers: Vec<Vec<f64>>,
    tensors: BTreeMap<String, Vec<f64>>,
}

fn run(sets: &[String], world: Option<&Arc<World>>, one_sided: bool) -> Left {
    let sets: Vec<&str> = sets.iter().map(String::as_str).collect();
    let experiment = experiment(&sets);
    let (replicas, rounds) = (experiment.training.replicas, experiment.training.accumulate);
    let (model, _) = network::build(&experiment, 3, Device::Cpu).unwrap();
    let mut trainer = Trainer::new(&experiment, model, 3, 4).unwrap();
    world.iter().for_each(|world| trainer.join(Arc::clone(world)));
    let mut numbers = Vec::new();
    for (split, step) in (0..STEPS).map(|step| (Split::Train, step)).chain([(Split::Val, STEPS)]) {
        let mut whole = batch(split);
        whole.info.step = step;
        if one_sided {
            // The last clips have no label, so that one rank has none at all.
            let _ = whole.target.labels.narrow(1, 2, 3).fill_(crate::data::condition::UNLABELLED);
        }
        let own = match world {
            Some(world) => part(&whole, &Shares::of(5, world.size(), replicas, rounds).places(world.rank())),
            None => whole,
        };
        let outcome = trainer.run(&own).unwrap();
        numbers.push(values(&outcome.step_metrics));
        numbers.extend(outcome.confusion.iter().chain(&outcome.frames).map(values));
        if let Some(analysis) = outcome.analysis {
            let blocks = analysis.read().unwrap().blocks;
            numbers.push(blocks.iter().flat_map(|b| [b.box_norm, b.class_norm, b.norm, b.dot, b.residual]).collect());
        }
    }
    let state = trainer.snapshot(Metadata::new("tiny".into(), 3, String::new())).unwrap().tensors;
    Left { numbers, tensors: state.into_iter().map(|(name, tensor)| (name, values(&tensor))).collect() }
}

fn with(way: &str, more: &[&str]) -> Vec<String> {
    let all = way.split(' ').chain(more.iter().copied());
    all.map(|set| format!("TRAIN.{set}")).collect()
}

#[test]
fn two_ranks_leave_the_bits_of_one_with_two_replicas() {
    tch::set_num_threads(1);
    for (way, one_sided) in [
        ("TASK_WEIGHTING=fixed GRAD_ANALYSIS_INTERVAL=1 EMA_DECAY=0.9", false),
        ("TASK_WEIGHTING=uncertainty GRAD_CLIP_NORM=0.1", false),
        ("TASK_WEIGHTING=gradnorm", true),
        ("TASK_WEIGHTING=pcgrad GRAD_ANALYSIS_INTERVAL=2", false),
        ("ACCUMULATE=2 EMA_DECAY=0.5", false),
        ("ACTIVATION_CHECKPOINTING=True", true),
        ("MTL_MODE=multilabel+film ACCUMULATE=2", false),
        ("CLS_LOSS_TYPE=FOCAL", true),
    ] {
        let single = run(&with(way, &["REPLICAS=2"]), None, one_sided);
        assert!(single.numbers.len() > 3 && single.tensors.keys().any(|name| name.contains("running_mean")));
        for left in worlds(2, |world| run(&with(way, &["REPLICAS=1"]), Some(world), one_sided)) {
            assert_eq!(left.numbers, single.numbers, "{way}");
            for (name, tensor) in &single.tensors {
                assert_eq!(left.tensors.get(name), Some(tensor), "{way}: {name}");
            }
        }
    }
}

#[test]
fn four_ranks_and_more_than_there_are_clips_agree_but_for_rounding() {
    tch::set_num_threads(1);
    for ranks in [4, 6] {
        let way = "TASK_WEIGHTING=fixed EMA_DECAY=0.9";
        let single = run(&with(way, &[&format!("REPLICAS={ranks}")]), None, false);
        let all = worlds(ranks, |world| run(&with(way, &["REPLICAS=1"]), Some(world), false));
        for left in &all {
            assert_eq!(left, &all[0], "all ranks have the same bits");
            // Where a gradient is next to nothing, the first updates are as large as elsewhere, and of either sign.
            for (at, (one, other)) in single.numbers.iter().zip(&left.numbers).enumerate() {
                let most = if at == 0 { 1e-6 } else { 1e-3 };
                for (a, b) in one.iter().zip(other) {
                    assert!((a - b).abs() <= most * a.abs().max(1.0), "{ranks} ranks, {at}: {a} and {b}");
                }
            }
        }
    }
}

#[test]
fn synchronised_statistics_are_those_of_the_whole_batch() {
    tch::set_num_threads(1);
    // Without the guards that make small differences large: clipping and the optimizer's first steps.
    let way = "WEIGHT_DECAY=0.0 GRAD_ANALYSIS_INTERVAL=1";
    let single = run(&with(way, &["REPLICAS=1"]), None, false);
    let apart = run(&with(way, &["REPLICAS=2"]), None, false);
    let size = |left: &Left| -> f64 {
        let first = left.numbers.first().into_iter().zip(single.numbers.first());
        first.flat_map(|(a, b)| a.iter().zip(b)).map(|(a, b)| (a - b).abs() / a.abs().max(1.0)).fold(0.0, f64::max)
    };
    for left in worlds(2, |world| run(&with(way, &["REPLICAS=1", "SYNC_BN=True"]), Some(world), false)) {
        assert!(size(&left) < 2e-5, "{}", size(&left));
        assert!(size(&apart) > 1e-3, "statistics of parts make another loss: {}", size(&apart));
        for (name, values) in single.tensors.iter().filter(|(name, _)| name.contains("running_")) {
            for (a, b) in values.iter().zip(&left.tensors[name]) {
                assert!((a - b).abs() < 1e-3 * a.abs().max(1.0), "{name}: {a} {b}");
            }
        }
    }
}
