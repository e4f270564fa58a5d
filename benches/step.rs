//! Seconds a training step of the demo's model takes, forward and with backward and update, on random pixels.
//!
//! `cargo bench --bench step [-- EXPERIMENT.yaml]`

use std::{path::Path, time::Instant};
use tch::{Device, Kind, Tensor};
use trackflow::{
    failure::Failure,
    loss::Target,
    model::ClipInput,
    train::{
        experiment::Experiment,
        itinerary::{Itinerary, Split, Visit},
        network,
        step::{Batch, Trainer},
    },
};

const ROUNDS: usize = 7;

fn batch(experiment: &Experiment, visit: Visit) -> Batch {
    let (clips, frames) = (experiment.training.batch_size as i64, experiment.data.search_frames as i64);
    let (t, s) = (experiment.data.template.size as i64, experiment.data.search.size as i64);
    let pixels = |shape: &[i64]| Tensor::randn(shape, (Kind::Float, Device::Cpu));
    let boxes = |shape: &[i64]| Tensor::full(shape, 0.375, (Kind::Float, Device::Cpu));
    Batch {
        visit,
        input: ClipInput {
            template: pixels(&[clips, 3, t, t]),
            search: pixels(&[frames, clips, 3, s, s]),
            template_boxes: boxes(&[clips, 4]),
        },
        target: Target {
            boxes: boxes(&[frames, clips, 4]),
            labels: Tensor::full([frames, clips], 9, (Kind::Int64, Device::Cpu)),
        },
    }
}

fn main() -> Result<(), Failure> {
    let path = std::env::args().skip(1).find(|argument| argument.ends_with(".yaml"));
    let path = path.unwrap_or_else(|| concat!(env!("CARGO_MANIFEST_DIR"), "/configs/hiptrack/demo.yaml").to_string());
    let experiment = Experiment::read(Path::new(&path), &[])?;
    tch::set_num_threads(experiment.training.threads_per_shard());
    let (model, _) = network::build(&experiment, 1, Device::Cpu)?;
    let mut trainer = Trainer::new(&experiment, model, 1, 100);
    let run = Itinerary { epochs: 1, train_batches: 100, val_batches: 1, val_interval: 1, val_before: true };
    println!("{path}: {} threads, {} clips a step", experiment.training.threads, experiment.training.batch_size);
    for (what, first) in [("evaluation", 0), ("training", 1)] {
        let mut seconds = Vec::new();
        for round in 0..ROUNDS {
            let split = if first == 0 { Split::Val } else { Split::Train };
            let Some(visit) = run.visit(if first == 0 { 0 } else { first + round as u64 }) else { continue };
            let batch = batch(&experiment, Visit { split, ..visit });
            let start = Instant::now();
            let terms = Vec::<f64>::try_from(&trainer.run(&batch)?.terms)?;
            seconds.push(start.elapsed().as_secs_f64());
            assert!(terms[0].is_finite());
        }
        seconds.sort_by(f64::total_cmp);
        let median = seconds[seconds.len() / 2];
        println!("{what:<12} {median:.3} s ({:.1} clips/s)", experiment.training.batch_size as f64 / median);
    }
    Ok(())
}
