//! `trackflow bench track`: frames/s of the online tracker, the short way and the plain one in one go.

use crate::{
    failure::Result,
    model::{
        BackboneOutput, ForwardOptions, Hiptrack, MemoryEntry,
        online::{Online, Session},
    },
    session::find,
    track::Options,
    train::{device::DeviceChoice, experiment::Experiment, network},
    weights::Choice,
};
use clap::Args;
use std::{path::PathBuf, time::Instant};
use tch::{Kind, Tensor};

/// `trackflow bench track`.
#[derive(Debug, Args)]
#[command(args_override_self = true)]
pub struct TrackBenchArgs {
    /// Family of experiments: configs/<SCRIPT>/
    #[arg(long, default_value = "hiptrack")]
    script: String,
    /// Experiment: configs/<script>/<CONFIG>.yaml, or a path that ends in .yaml
    #[arg(long, default_value = "hiptrack_cls")]
    config: String,
    /// Weights to measure with (default: drawn at random, which decides nothing about speed)
    #[arg(long, value_name = "FILE")]
    weights: Option<PathBuf>,
    /// The key of the weights in that file, for example teacher or model_ema (default: the usual one)
    #[arg(long, requires = "weights")]
    key: Option<String>,
    /// Shares of search tokens kept at each eliminating block
    #[arg(long = "keep_rate", alias = "keep-rate", value_delimiter = ',', default_values_t = [0.7, 1.0])]
    keep_rate: Vec<f64>,
    /// Entries of the full memory (default: MODEL.MAX_MEM); OSTrack has none
    #[arg(long)]
    memory: Option<usize>,
    /// Frames that are measured in each case; the fastest counts, as others share the machine
    #[arg(long, default_value_t = 5)]
    frames: usize,
    /// Measure the plain passes of the model too
    #[arg(long)]
    plain: bool,
    /// auto, cpu or cuda:N
    #[arg(long, default_value = "auto")]
    device: DeviceChoice,
    /// Threads of the CPU (default: all cores)
    #[arg(long)]
    threads: Option<u16>,
    /// Set a key of the experiment (repeatable)
    #[arg(long = "set", value_name = "KEY.PATH=VALUE")]
    set: Vec<String>,
}

/// Seconds of the fastest and of the middle frame.
struct Times {
    best: f64,
    median: f64,
}

fn measure(frames: usize, mut frame: impl FnMut() -> Result<()>) -> Result<Times> {
    frame()?;
    let mut seconds = Vec::new();
    for _ in 0..frames.max(1) {
        let start = Instant::now();
        frame()?;
        seconds.push(start.elapsed().as_secs_f64());
    }
    seconds.sort_by(f64::total_cmp);
    Ok(Times { best: seconds[0], median: seconds[seconds.len() / 2] })
}

/// Measures and prints a table.
///
/// # Errors
/// An experiment or a device that cannot be used.
pub(super) fn track(args: &TrackBenchArgs) -> Result<()> {
    let node = find::experiment(&args.script, &args.config, &args.set)?;
    let mut experiment = find::read(&args.script, &args.config, &args.set)?;
    crate::cli::note(&experiment);
    (experiment.model.pretrain_file, experiment.model.encoder_pretrain_file) = (None, None);
    let device = args.device.open()?;
    if let Some(threads) = args.threads {
        tch::set_num_threads(i32::from(threads));
    }
    let capacity = args.memory.unwrap_or(experiment.model.max_memory).max(1);
    println!(
        "{}: {} threads, {} frames a case; only the model, without reading and cropping images",
        node.origin.source,
        tch::get_num_threads(),
        args.frames
    );
    println!("{:>5}  {:<24} {:>10} {:>10} {:>10}", "keep", "case", "s (best)", "s (median)", "frames/s");
    for (at, &keep) in args.keep_rate.iter().enumerate() {
        experiment.model.keep_ratios.iter_mut().for_each(|ratio| *ratio = keep);
        let model = match &args.weights {
            Some(path) => {
                let choice = Choice::option(args.key.as_deref());
                let (model, loaded) = network::build_for_tracking(&experiment, path, choice, device)?;
                if at == 0 {
                    loaded.lines.iter().for_each(|line| println!("{line}"));
                }
                model
            }
            None => network::build(&experiment, 1, device)?.0,
        };
        let row = |case: &str, times: Times| {
            let Times { best, median } = times;
            println!("{keep:>5}  {case:<24} {best:>10.3} {median:>10.3} {:>10.2}", 1.0 / best);
        };
        short(&model, &experiment, capacity, args.frames, &row)?;
        if args.plain {
            plain(&model, capacity, args.frames, &row)?;
        }
    }
    Ok(())
}

fn crops(model: &Hiptrack) -> (Tensor, Tensor, Tensor) {
    let (config, device) = (model.config(), model.params().device());
    let noise = |side: i64| Tensor::randn([1, 3, side, side], (Kind::Float, device));
    let boxes = Tensor::from_slice(&[0.25f32, 0.25, 0.5, 0.5]).view([1, 4]).to_device(device);
    (noise(config.template_size), noise(config.search_size), boxes)
}

fn wait(boxes: &Tensor) -> Result<()> {
    Vec::<f32>::try_from(boxes.reshape([-1]))?;
    Ok(())
}

/// As `trackflow track` runs it.
fn short(
    model: &Hiptrack,
    experiment: &Experiment,
    capacity: usize,
    frames: usize,
    row: &impl Fn(&str, Times),
) -> Result<()> {
    let online = Online::new(model)?;
    let mut options = Options::of(experiment, model.config())?;
    options.memory.capacity = capacity;
    let (template, search, boxes) = crops(model);
    let mut session = Session::new(&online, &template, &boxes, options.memory, options.masks)?;
    let step = |session: &mut Session| wait(&session.step(&online, &search)?.boxes(None));
    if model.prompts().is_none() {
        row("every frame", measure(frames, || step(&mut session))?);
        return Ok(());
    }
    // Frames 1 to 4 and 6 to 9 write no memory.
    row("template prompt", measure(frames.min(3), || step(&mut session))?);
    for _ in frames.min(3) + 1..10 {
        step(&mut session)?;
    }
    row(&format!("memory of {} entries", session.remembered().0), measure(frames.min(8), || step(&mut session))?);
    session.fill();
    row(&format!("memory of {} entries", session.remembered().0), measure(frames.min(8), || step(&mut session))?);
    Ok(())
}

fn see(model: &Hiptrack, template: &Tensor, search: &Tensor) -> BackboneOutput {
    model.backbone(template, search, &ForwardOptions::evaluation())
}

/// The model's own passes, one after the other, as a direct translation of the reference runs them.
fn plain(model: &Hiptrack, capacity: usize, frames: usize, row: &impl Fn(&str, Times)) -> Result<()> {
    let options = ForwardOptions::evaluation();
    let (template, search, boxes) = crops(model);
    tch::no_grad(|| {
        let Some(prompts) = model.prompts() else {
            let every = || wait(&model.read(&model.search_features(&see(model, &template, &search)), &options).boxes);
            row("plain: every frame", measure(frames, every)?);
            return Ok(());
        };
        let see = || {
            let features = see(model, &template, &search);
            let map = model.search_features(&features);
            let (key, value) = prompts.query(&map);
            (features, map, key, value)
        };
        let predict = |map: &Tensor, key: &Tensor, value: &Tensor, memory: &[&MemoryEntry]| {
            wait(&model.read(&prompts.fuse(map, key, value, memory).0, &options).boxes)
        };
        let asked_template = || {
            let (features, map, key, value) = see();
            let entry = prompts.remember_template(&template, &boxes, &model.template_features(&features), &options);
            predict(&map, &key, &value, &[&entry])
        };
        row("plain: template prompt", measure(frames, asked_template)?);
        let (features, map, key, value) = see();
        let one = prompts.remember(&search, &map, key, &boxes, &features.removed, &options);
        drop((map, value));
        for entries in [2, capacity] {
            let memory: Vec<MemoryEntry> = (0..entries)
                .map(|_| MemoryEntry { key: one.key.copy(), value: one.value.copy(), mask: one.mask.shallow_clone() })
                .collect();
            let memory: Vec<&MemoryEntry> = memory.iter().collect();
            let asked = || {
                let (_, map, key, value) = see();
                predict(&map, &key, &value, &memory)
            };
            row(&format!("plain: {entries} entries"), measure(frames, asked)?);
        }
        Ok(())
    })
}
