//! The command line of `trackflow train`; the reference's own is accepted as it is.

use crate::{
    session::{Resume, limit, watch},
    train::device::DeviceChoice,
};
use clap::{Args, ValueEnum};
use std::{net::SocketAddr, ops::Range, path::PathBuf, time::Duration};

/// `trackflow train`.
#[derive(Debug, Args)]
#[command(args_override_self = true)]
pub struct TrainArgs {
    /// Family of experiments: configs/<SCRIPT>/
    #[arg(long, default_value = "hiptrack")]
    pub script: String,
    /// Experiment: configs/<script>/<CONFIG>.yaml, or a path that ends in .yaml
    #[arg(long)]
    pub config: String,
    /// Folder for checkpoints, logs and results
    #[arg(long = "save_dir", alias = "save-dir", default_value = "./output")]
    pub save_dir: PathBuf,
    /// Processes: this one, or the rank that torchrun or Slurm makes of it; several of this machine; those of several machines
    #[arg(long, value_enum, default_value_t = Mode::Single)]
    pub mode: Mode,
    /// With --mode multiple and multi_node: processes that are started on this machine
    #[arg(long = "nproc_per_node", alias = "nproc-per-node", value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    pub processes: Option<u16>,
    /// With --mode multi_node: number of this machine, from 0
    #[arg(long = "rank", value_name = "N")]
    pub machine: Option<usize>,
    /// With --mode multi_node: how many machines there are
    #[arg(long = "world-size", alias = "world_size", value_name = "N")]
    pub machines: Option<usize>,
    /// With --mode multi_node: address of machine 0
    #[arg(long = "ip", value_name = "HOST")]
    pub ip: Option<String>,
    /// With --mode multi_node: a free port of machine 0, where all meet
    #[arg(long = "port", value_name = "PORT")]
    pub port: Option<u16>,
    /// Pipeline: pipelines/<PIPELINE>.yaml, or a path that ends in .yaml
    #[arg(long, default_value = "train")]
    pub pipeline: String,
    /// Set a key of the experiment (repeatable)
    #[arg(long = "set", value_name = "KEY.PATH=VALUE")]
    pub set: Vec<String>,
    /// Folder that holds the data sets (default: what configs/paths.yaml says, else ./data)
    #[arg(long = "data_dir", alias = "data-dir")]
    pub data_dir: Option<PathBuf>,
    /// auto, cpu or cuda:N
    #[arg(long, default_value = "auto")]
    pub device: DeviceChoice,
    /// Seed of all draws
    #[arg(long, default_value_t = 42)]
    pub seed: u64,
    /// Do at most this many training steps in this call, then save
    #[arg(long = "max_steps", alias = "max-steps", value_name = "N")]
    pub max_steps: Option<u64>,
    /// Address of the live page and /metrics (default: 127.0.0.1:9187, or a free port when that one is used)
    #[arg(long, value_name = "HOST:PORT", value_parser = watch::address)]
    pub metrics: Option<SocketAddr>,
    /// auto: go on from the newest checkpoint; never: start anew; or the path of a checkpoint
    #[arg(long, default_value = "auto", value_name = "auto|never|PATH")]
    pub resume: Resume,
    /// Go on although the experiment has changed in ways that matter
    #[arg(long = "allow_changes", alias = "allow-changes")]
    pub allow_changes: bool,
    /// Folder of a finished run, such as one without a condition head: validations are compared with its own, and the
    /// cost of the class task is reported
    #[arg(long, value_name = "DIR")]
    pub baseline: Option<PathBuf>,
    /// Stop early enough to have saved after this time: 90m, 2h, 1h30m; the same command goes on
    #[arg(long = "time_limit", alias = "time-limit", value_name = "TIME", value_parser = limit::parse)]
    pub time_limit: Option<Duration>,
    /// Write what every worker does when, as a trace that Perfetto and chrome://tracing open
    #[arg(long, value_name = "FILE.json")]
    pub trace: Option<PathBuf>,
    /// With --trace: from this training step up to that one, counted from 0
    #[arg(long = "trace_steps", alias = "trace-steps", value_name = "FROM:TO", default_value = "10:20",
        value_parser = steps, requires = "trace")]
    pub trace_steps: Range<u64>,
    /// 1: pass everything on to Weights & Biases, by a bridge beside the run (docs/where-you-are.md)
    #[arg(long = "use_wandb", alias = "use-wandb", value_name = "0|1", default_value_t = 0,
        value_parser = clap::value_parser!(u8).range(0..=1))]
    pub use_wandb: u8,
    /// 1: the same to MLflow
    #[arg(long = "use_mlflow", alias = "use-mlflow", value_name = "0|1", default_value_t = 0,
        value_parser = clap::value_parser!(u8).range(0..=1))]
    pub use_mlflow: u8,
    /// Format of what the run prints: text for people, or one JSON object a line
    #[arg(long, value_enum, default_value_t = LogFormat::Text, value_name = "text|json")]
    pub log: LogFormat,
    /// Print a line every TRAIN.PRINT_INTERVAL batches, with all loss components, instead of one an epoch
    #[arg(long, short)]
    pub verbose: bool,
    /// Let one stage work at a time, and write to load.json what each costs in isolation: slower, for measuring
    #[arg(long = "one_at_a_time", alias = "one-at-a-time")]
    pub one_at_a_time: bool,
}

/// `FROM:TO`.
fn steps(text: &str) -> Result<Range<u64>, String> {
    let parsed = text.split_once(':').and_then(|(from, to)| Some(from.trim().parse().ok()?..to.trim().parse().ok()?));
    match parsed {
        Some(steps) if steps.start < steps.end => Ok(steps),
        Some(_) => Err("the second step has to be above the first".into()),
        None => Err("two numbers are expected, as in 10:20".into()),
    }
}

/// What a run says on its way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// Text.
    Text,
    /// JSON objects.
    Json,
}

/// How many processes train.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Mode {
    /// One process, or one of those that torchrun or Slurm started.
    Single,
    /// Several processes on this machine.
    Multiple,
    /// Several processes on each of several machines.
    #[value(name = "multi_node")]
    MultiNode,
}
