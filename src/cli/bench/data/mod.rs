//! `trackflow bench data`: how many clips a second a pipeline prepares, with nothing behind it that holds it up. Each
//! number of workers is measured in a process of its own, so that its peak of memory is its own.

mod measure;
mod table;

use crate::failure::{Failure, Result};
use clap::Args;
use measure::{Measured, measure};
use std::{
    path::PathBuf,
    process::{Command, Stdio},
};

/// `trackflow bench data`.
#[derive(Debug, Args)]
pub(super) struct DataBenchArgs {
    /// Pipeline that ends in a `count`: pipelines/<NAME>.yaml, or a path that ends in .yaml
    #[arg(long, default_value = "bench-data")]
    pipeline: String,
    /// Family of experiments: configs/<SCRIPT>/
    #[arg(long, default_value = "hiptrack")]
    script: String,
    /// Experiment: configs/<script>/<CONFIG>.yaml, or a path that ends in .yaml
    #[arg(long, default_value = "hiptrack_cls")]
    config: String,
    /// Set a key of the experiment (repeatable)
    #[arg(long = "set", value_name = "KEY.PATH=VALUE")]
    set: Vec<String>,
    /// Folder that holds the data sets (default: what configs/paths.yaml says, else ./data)
    #[arg(long = "data_dir", alias = "data-dir")]
    data_dir: Option<PathBuf>,
    /// How long to measure each number of workers, after some seconds of warming up
    #[arg(long, value_name = "N", default_value_t = 30, value_parser = clap::value_parser!(u64).range(2..=3600))]
    seconds: u64,
    /// Workers of the decoding stages, each number measured on its own (default: what the pipeline says)
    #[arg(long, value_name = "N,N", value_delimiter = ',', value_parser = clap::value_parser!(u32).range(1..=256))]
    workers: Vec<u32>,
    /// Seed of all draws
    #[arg(long, default_value_t = 42)]
    seed: u64,
    /// Print one JSON object a measurement
    #[arg(long)]
    json: bool,
}

/// Measures and prints.
///
/// # Errors
/// Whatever is wrong with experiment, pipeline or data, or ends the run.
pub(super) fn data(args: &DataBenchArgs) -> Result<()> {
    let measured = match args.workers.as_slice() {
        [] | [_] => vec![measure(args)?],
        many => many.iter().map(|workers| in_own_process(args, *workers)).collect::<Result<Vec<_>>>()?,
    };
    for one in &measured {
        match args.json {
            true => crate::telemetry::log::data(
                serde_json::to_string(one).map_err(|error| Failure::stage(error.to_string()))?,
            ),
            false => print!("{}", table::table(one)),
        }
    }
    if let (false, [first, .., last]) = (args.json, measured.as_slice()) {
        let ratio = last.clips_per_second / first.clips_per_second;
        println!("{} workers against {}: {ratio:.2}x", last.workers, first.workers);
    }
    Ok(())
}

fn in_own_process(args: &DataBenchArgs, workers: u32) -> Result<Measured> {
    let broken = |what: String| Failure::stage(format!("bench data: {what}"));
    let program = std::env::current_exe().map_err(|error| broken(error.to_string()))?;
    let mut command = Command::new(program);
    command.args(["bench", "data", "--json", "--script", &args.script, "--config", &args.config]);
    command.args(["--pipeline", &args.pipeline, "--seconds", &args.seconds.to_string()]);
    command.args(["--workers", &workers.to_string(), "--seed", &args.seed.to_string()]);
    if let Some(folder) = &args.data_dir {
        command.arg("--data_dir").arg(folder);
    }
    command.args(args.set.iter().flat_map(|set| ["--set", set]));
    let output = command.stderr(Stdio::piped()).output().map_err(|error| broken(error.to_string()))?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr).replace("error: ", "");
        return Err(broken(format!("the measuring process ended with {}\n{}", output.status, said.trim())));
    }
    serde_json::from_slice(&output.stdout).map_err(|error| broken(error.to_string()))
}
