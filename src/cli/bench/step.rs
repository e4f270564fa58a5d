//! `trackflow bench step`: what a training step of an experiment costs, on random pixels. Each phase is measured in a
//! process of its own, so that its peak of memory is its own.

use crate::{
    failure::{Failure, Result},
    loss::Target,
    model::ClipInput,
    session::find,
    train::{
        device::{self, DeviceChoice},
        experiment::{Experiment, HEADS, Phase},
        network,
        run_schedule::{BatchInfo, RunSchedule},
        step::{Batch, Spent, Trainer},
    },
};
use clap::{Args, ValueEnum};
use serde::{Deserialize, Serialize};
use std::{
    process::{Command, Stdio},
    time::Instant,
};
use tch::{Device, Kind, Tensor};

/// `trackflow bench step`.
#[derive(Debug, Args)]
pub(super) struct StepArgs {
    /// Family of experiments: configs/<SCRIPT>/
    #[arg(long, default_value = "hiptrack")]
    script: String,
    /// Experiment: configs/<script>/<CONFIG>.yaml, or a path that ends in .yaml
    #[arg(long, default_value = "hiptrack_cls")]
    config: String,
    /// Set a key of the experiment (repeatable)
    #[arg(long = "set", value_name = "KEY.PATH=VALUE")]
    set: Vec<String>,
    /// What trains: all but the backbone, everything, or one after the other
    #[arg(long, value_enum, default_value_t = What::All)]
    phase: What,
    /// Share of search tokens that eliminating blocks keep (default: all, as in the first epochs)
    #[arg(long = "keep_rate", alias = "keep-rate", value_name = "RATE")]
    keep_rate: Option<f64>,
    /// Clips in a batch (default: TRAIN.BATCH_SIZE)
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    batch: Option<u32>,
    /// Steps that are measured, after one that is not
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..))]
    steps: u32,
    /// auto, cpu or cuda:N
    #[arg(long, default_value = "auto")]
    device: DeviceChoice,
    /// Threads (default: TRAIN.THREADS)
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    threads: Option<u32>,
    /// Print one JSON object a phase
    #[arg(long)]
    json: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum What {
    Frozen,
    Joint,
    All,
}

/// What was measured of a phase; times are medians over its steps.
#[derive(Debug, Serialize, Deserialize)]
struct Measured {
    experiment: String,
    phase: String,
    clips: u32,
    search_frames: usize,
    keep_rate: f64,
    threads: usize,
    steps: u32,
    /// Seconds of a step.
    seconds: f64,
    /// Shares of it.
    forward: f64,
    backward: f64,
    update: f64,
    /// Share of it until the host had asked for everything; near 1 on a GPU, it is the host that is slow.
    asked: f64,
    clips_per_second: f64,
    /// Most resident memory of the process.
    peak_bytes: u64,
}

/// Measures, and prints a line for each phase.
///
/// # Errors
/// The experiment is wrong, or the measuring process fails.
pub(super) fn step(args: &StepArgs) -> Result<()> {
    let mut experiment = experiment(args)?;
    network::config(&experiment).check()?;
    if args.phase != What::All {
        return print(&[measure(args, &mut experiment)?], args.json);
    }
    let phases = [What::Frozen, What::Joint].map(|phase| in_own_process(args, phase));
    print(&phases.into_iter().collect::<Result<Vec<_>>>()?, args.json)
}

/// The experiment with what the command line changes of it. Weights are drawn: they do not change what a step costs.
fn experiment(args: &StepArgs) -> Result<Experiment> {
    let mut experiment = find::read(&args.script, &args.config, &args.set)?;
    experiment.model.pretrain_file = None;
    let training = &mut experiment.training;
    training.batch_size = args.batch.map_or(training.batch_size, |batch| batch as usize);
    training.threads = args.threads.map_or(training.threads, |threads| threads as usize);
    if let Some(rate) = args.keep_rate {
        if !(rate > 0.0 && rate <= 1.0) {
            return Err(Failure::usage(format!("--keep_rate {rate}: must be above 0 and at most 1")));
        }
        if rate < 1.0 && experiment.model.elimination_blocks.is_empty() {
            let remedy = "name some in MODEL.BACKBONE.CE_LOC";
            return Err(Failure::config(format!("--keep_rate {rate}: no block eliminates candidates; {remedy}")));
        }
        experiment.model.keep_ratios.fill(rate);
        (training.elimination_start, training.elimination_warm) = (0, 0);
    }
    Ok(experiment)
}

fn in_own_process(args: &StepArgs, phase: What) -> Result<Measured> {
    let broken = |what: String| Failure::stage(format!("bench step: {what}"));
    let program = std::env::current_exe().map_err(|error| broken(error.to_string()))?;
    let mut command = Command::new(program);
    command.args(["bench", "step", "--json", "--script", &args.script, "--config", &args.config]);
    command.args(["--phase", if phase == What::Frozen { "frozen" } else { "joint" }]);
    command.args(["--steps", &args.steps.to_string(), "--device", &args.device.to_string()]);
    let optional = [
        ("--keep_rate", args.keep_rate.map(|rate| rate.to_string())),
        ("--batch", args.batch.map(|batch| batch.to_string())),
        ("--threads", args.threads.map(|threads| threads.to_string())),
    ];
    for (flag, value) in optional {
        command.args(value.map(|value| [flag.to_string(), value]).into_iter().flatten());
    }
    command.args(args.set.iter().flat_map(|set| ["--set", set]));
    let output = command.stderr(Stdio::inherit()).output().map_err(|error| broken(error.to_string()))?;
    if !output.status.success() {
        return Err(broken(format!("the measuring process ended with {}", output.status)));
    }
    serde_json::from_slice(&output.stdout).map_err(|error| broken(error.to_string()))
}

/// Takes the steps of `args.phase` here.
fn measure(args: &StepArgs, experiment: &mut Experiment) -> Result<Measured> {
    let trains = if args.phase == What::Frozen { HEADS.map(String::from).to_vec() } else { vec![String::new()] };
    let Some(last) = experiment.training.phases.last().cloned() else {
        return Err(Failure::config("TRAIN.PHASES: there is no phase"));
    };
    experiment.training.phases = vec![Phase { trains, ..last }];
    tch::set_num_threads(experiment.training.threads_per_replica());
    let device = args.device.open()?;
    experiment.training.precision.apply_tf32()?;
    let (model, _) = network::build(experiment, 1, device)?;
    let steps = args.steps as usize + 1;
    let mut trainer = Trainer::new(experiment, model, 1, steps)?;
    let run = RunSchedule { epochs: 1, train_batches: steps, val_batches: 0, val_interval: 1, val_before: false };
    let (mut seconds, mut asked, mut spent) = (Vec::new(), Vec::new(), Vec::new());
    for info in (0..steps as u64).filter_map(|position| run.batch_info(position)) {
        let batch = batch(experiment, info, device);
        device::wait(device);
        let start = Instant::now();
        let outcome = trainer.run(&batch)?;
        asked.push(start.elapsed().as_secs_f64());
        let step_metrics = Vec::<f64>::try_from(&outcome.step_metrics)?;
        device::wait(device);
        seconds.push(start.elapsed().as_secs_f64());
        spent.push(outcome.spent()?);
        if !step_metrics.iter().all(|term| term.is_finite()) {
            return Err(Failure::stage("bench step: the loss is not finite"));
        }
    }
    let all = median(&seconds);
    let share = |part: fn(&Spent) -> f64| median(&spent.iter().map(part).collect::<Vec<_>>()) / all;
    let clips = experiment.training.batch_size;
    Ok(Measured {
        experiment: args.config.clone(),
        phase: if args.phase == What::Frozen { "frozen" } else { "joint" }.to_string(),
        clips: u32::try_from(clips).unwrap_or(u32::MAX),
        search_frames: experiment.data.search_frames,
        keep_rate: args.keep_rate.unwrap_or(1.0),
        threads: experiment.training.threads,
        steps: args.steps,
        seconds: all,
        forward: share(|spent| spent.forward),
        backward: share(|spent| spent.backward),
        update: share(|spent| spent.update),
        asked: median(&asked) / all,
        clips_per_second: clips as f64 / all,
        peak_bytes: device::peak_memory(device)?,
    })
}

/// The median, without the first, which pays for what is set up once.
fn median(values: &[f64]) -> f64 {
    let mut values = values.get(1..).unwrap_or_default().to_vec();
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

fn batch(experiment: &Experiment, info: BatchInfo, device: Device) -> Batch {
    let (clips, frames) = (experiment.training.batch_size as i64, experiment.data.search_frames as i64);
    let (template, search) = (experiment.data.template.size as i64, experiment.data.search.size as i64);
    let pixels = |shape: &[i64]| Tensor::randn(shape, (Kind::Float, device));
    let boxes = |shape: &[i64]| Tensor::full(shape, 0.375, (Kind::Float, device));
    Batch {
        info,
        input: ClipInput {
            template: pixels(&[clips, 3, template, template]),
            search: pixels(&[frames, clips, 3, search, search]),
            template_boxes: boxes(&[clips, 4]),
        },
        target: Target {
            boxes: boxes(&[frames, clips, 4]),
            labels: Tensor::full([frames, clips], 9, (Kind::Int64, device)),
            soft: None,
        },
        names: (1..=clips).map(|clip| format!("clip {clip}")).collect(),
    }
}

fn print(phases: &[Measured], json: bool) -> Result<()> {
    if json {
        for phase in phases {
            let line = serde_json::to_string(phase).map_err(|error| Failure::stage(error.to_string()))?;
            println!("{line}");
        }
        return Ok(());
    }
    if let Some(first) = phases.first() {
        let Measured { experiment, clips, search_frames, keep_rate, threads, steps, .. } = first;
        println!(
            "{experiment}: {clips} clips of {search_frames} search frames a step, keep rate {keep_rate}, \
             {threads} threads, median of {steps}"
        );
    }
    println!(
        "{:<8} {:>8} {:>8} {:>9} {:>7} {:>8} {:>8}",
        "phase", "s/step", "forward", "backward", "update", "clips/s", "peak GB"
    );
    for phase in phases {
        let percent = |share: f64| format!("{:.1}%", 100.0 * share);
        println!(
            "{:<8} {:>8.3} {:>8} {:>9} {:>7} {:>8.2} {:>8.2}",
            phase.phase,
            phase.seconds,
            percent(phase.forward),
            percent(phase.backward),
            percent(phase.update),
            phase.clips_per_second,
            phase.peak_bytes as f64 / 1e9,
        );
    }
    Ok(())
}
