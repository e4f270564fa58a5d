//! `trackflow tune`: measures what each stage costs, finds the workers with which a pipeline is fastest, measures that
//! too, and writes it down with its reasons.

mod allot;
mod file;
mod measure;

use super::table::{self, AnyGraph};
use crate::{
    failure::{Failure, Result},
    flow::{Graph, StageContext},
    session::find,
    settings::Diagnostics,
    telemetry::machine,
};
use allot::{Costs, allot};
use clap::Args;
use measure::{How, Target};
use std::path::PathBuf;

/// `trackflow tune`.
#[derive(Debug, Args)]
pub struct TuneArgs {
    /// Family of experiments: configs/<SCRIPT>/
    #[arg(long, default_value = "hiptrack")]
    script: String,
    /// Experiment to tune for; not needed for a pipeline of simulated stages
    #[arg(long)]
    config: Option<String>,
    /// Pipeline: pipelines/<PIPELINE>.yaml, or a path that ends in .yaml
    #[arg(long, default_value = "train")]
    pipeline: String,
    /// Set a key of the experiment (repeatable)
    #[arg(long = "set", value_name = "KEY.PATH=VALUE")]
    set: Vec<String>,
    /// Folder that holds the data sets (default: what configs/paths.yaml says, else ./data)
    #[arg(long = "data_dir", alias = "data-dir")]
    data_dir: Option<PathBuf>,
    /// auto, cpu or cuda:N
    #[arg(long, default_value = "auto")]
    device: String,
    /// Threads for all stages that can have several (default: as many as in the file, or the machine's cores)
    #[arg(long)]
    cores: Option<usize>,
    /// Training steps of one measurement
    #[arg(long, default_value_t = 30)]
    steps: u64,
    /// File to write (default: <PIPELINE>-tuned.yaml)
    #[arg(long)]
    out: Option<PathBuf>,
}

/// Tunes, and prints what was predicted and measured.
///
/// # Errors
/// The pipeline or experiment is wrong, a measurement fails, or the file cannot be written.
pub fn tune(args: &TuneArgs) -> Result<()> {
    let file = find::pipeline(&args.pipeline)?;
    let diagnostics = Diagnostics::new();
    let graph = table::compile(&diagnostics, &file);
    find::finish(&diagnostics)?;
    let out = args.out.clone().unwrap_or_else(|| {
        let stem = std::path::Path::new(&args.pipeline).file_stem().unwrap_or_default().to_string_lossy().into_owned();
        PathBuf::from(format!("{stem}-tuned.yaml"))
    });
    match graph {
        Some(AnyGraph::Simulated(graph)) => run(args, &graph, &Target::Simulated, &out),
        Some(AnyGraph::Training(graph)) => {
            let Some(config) = &args.config else {
                return Err(Failure::usage("--config NAME is needed to tune a pipeline that trains"));
            };
            run(args, &graph, &Target::training(args, config)?, &out)
        }
        None => Err(Failure::config(format!("{}: could not be read", args.pipeline))),
    }
}

fn run<C: StageContext>(args: &TuneArgs, graph: &Graph<C>, target: &Target, out: &std::path::Path) -> Result<()> {
    let machine = machine::cores();
    let given: Vec<usize> = graph.nodes().iter().map(|node| node.workers).collect();
    let scalable = graph.nodes().iter().filter(|node| node.kind.worker_limit() > 1);
    let threads = scalable.map(|node| node.workers).sum::<usize>().max(machine);
    let cores = args.cores.unwrap_or(threads);
    println!("measuring the pipeline with its present workers");
    let before = target.measure(&file::render(graph, &given, graph.name(), &[], &[]), How::Together)?;
    println!("  {:.2} items/s", before.rate);
    println!("measuring the cost of each stage in isolation, one stage at a time");
    let ones = vec![1; given.len()];
    let isolated_cost = target.measure(&file::render(graph, &ones, graph.name(), &[], &[]), How::Isolated)?;
    let costs = Costs::of(graph, &isolated_cost, target.shares_cores().then_some(machine));
    println!("  for an item of the source      ms   processor ms");
    for (node, (wall, processor)) in graph.nodes().iter().zip(costs.seconds.iter().zip(&costs.processor)) {
        println!("  {:<22} {:>10.3}   {:>12.3}", node.id, 1000.0 * wall, 1000.0 * processor);
    }
    let chosen = allot(&costs, cores);
    let predicted = costs.rate(&chosen.workers);
    let name = format!("{}-tuned", graph.name());
    let tuned = target.measure(&file::render(graph, &chosen.workers, &name, &[], &[]), How::Together)?;
    println!("predicted {predicted:.2} items/s, measured {:.2} items/s", tuned.rate);
    let better = tuned.rate >= before.rate;
    let (workers, rate) = if better { (&chosen.workers, tuned.rate) } else { (&given, before.rate) };
    if !better {
        println!("the present workers are faster ({:.2} items/s): they are kept", before.rate);
    }
    let mut head = vec![
        format!("Tuned by `trackflow tune` with {cores} threads for the stages that can have several."),
        format!(
            "Before: {:.2} items/s. Predicted: {predicted:.2}. Measured: {:.2}. This file: {rate:.2}.",
            before.rate, tuned.rate
        ),
    ];
    head.push(chosen.limit.clone());
    let reasons =
        if better { chosen.reasons.clone() } else { vec!["as before: nothing was faster".into(); given.len()] };
    let text = file::render(graph, workers, &name, &head, &reasons);
    std::fs::write(out, text).map_err(|error| Failure::output(format!("{}: {error}", out.display())))?;
    println!("{}", chosen.limit);
    println!("written: {}", out.display());
    Ok(())
}
