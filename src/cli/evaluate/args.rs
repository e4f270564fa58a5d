//! The command line of `trackflow evaluate`.

use super::{epochs::Which, groups::By};
use crate::{
    cli::track::Devices,
    track::{Server, score::Rules},
};
use clap::Args;
use std::path::PathBuf;

/// `trackflow evaluate`.
#[derive(Debug, Args)]
#[command(args_override_self = true)]
pub struct EvaluateArgs {
    /// Folder with the result files, under the community's names or ours (default: where `trackflow track` put them;
    /// repeatable: one folder a run, averaged per sequence)
    #[arg(long, value_name = "DIR")]
    pub(super) results: Vec<PathBuf>,
    /// Another tracker beside: what to call it, and the folder of its results (repeatable)
    #[arg(long, value_name = "NAME=DIR")]
    pub(super) compare: Vec<String>,
    /// What to call the tracker of --results or --config beside those of --compare (default: --config, else its folder)
    #[arg(long, value_name = "NAME")]
    pub(super) name: Option<String>,
    /// Family of experiments
    #[arg(long, default_value = "hiptrack")]
    pub(super) script: String,
    /// Experiment, where neither --results nor --compare is given
    #[arg(long, required_unless_present_any = ["results", "compare"], default_value = "")]
    pub(super) config: String,
    /// Data set, or a folder below --data_dir (repeatable: a row each)
    #[arg(long, required_unless_present = "submit", value_name = "NAME")]
    pub(super) dataset: Vec<String>,
    /// Only this sequence (repeatable)
    #[arg(long, value_name = "NAME")]
    pub(super) sequence: Vec<String>,
    /// Whose rules give the scores (default: hiptrack; with those of got10k for AO and SR of GOT-10k and of folders)
    #[arg(long, value_enum)]
    pub(super) rules: Option<Rules>,
    /// Scores over the frames that show the object alone, beside the others
    #[arg(long)]
    pub(super) strict: bool,
    /// Divide by the number of valid frames, as the toolkits' option of this name does (not with --rules got10k)
    #[arg(long = "exclude_invalid_frames", alias = "exclude-invalid-frames")]
    pub(super) exclude_invalid_frames: bool,
    /// Scores of parts too: sequences that have an attribute, frames of a condition, single sequences
    #[arg(long, value_enum, value_delimiter = ',')]
    pub(super) by: Vec<By>,
    /// Condition labels for --by condition, as CLS_ANN_DIR (default: what the tracker of --results predicted)
    #[arg(long, value_name = "DIR")]
    pub(super) labels: Option<PathBuf>,
    /// Attributes for --by attribute: <sequence>.txt, names or 0 and 1 (default: what lies in the data set)
    #[arg(long, value_name = "DIR")]
    pub(super) attributes: Option<PathBuf>,
    /// Write plots (SVG, PNG), one page (report.html) and tables (CSV, LaTeX) into this folder
    #[arg(long, value_name = "DIR")]
    pub(super) report: Option<PathBuf>,
    /// Write the zip that this server takes instead of scores
    #[arg(long, value_enum, conflicts_with_all = ["compare", "by", "report", "epochs", "sequence"])]
    pub(super) submit: Option<Server>,
    /// The zip to write (default: <server>.zip beside the results)
    #[arg(long, value_name = "FILE.zip", requires = "submit")]
    pub(super) zip: Option<PathBuf>,
    /// Track with checkpoints of the run below --save_dir and score each: all, or numbers with commas
    #[arg(long, value_name = "all|N,N", requires = "config", conflicts_with_all = ["results", "compare"])]
    pub(super) epochs: Option<Which>,
    /// For --epochs: auto, cpu, cuda:N, or several with commas
    #[arg(long, default_value = "auto")]
    pub(super) device: Devices,
    /// For --epochs: sequences that are tracked side by side
    #[arg(long, value_parser = clap::value_parser!(u16).range(1..))]
    pub(super) jobs: Option<u16>,
    /// For --epochs: threads of the CPU that one frame is computed with
    #[arg(long, value_parser = clap::value_parser!(u16).range(1..))]
    pub(super) threads: Option<u16>,
    /// For --epochs: set a key of the experiment (repeatable)
    #[arg(long = "set", value_name = "KEY.PATH=VALUE")]
    pub(super) set: Vec<String>,
    /// Folder that holds the data sets (default: what configs/paths.yaml says, else ./data)
    #[arg(long = "data_dir", alias = "data-dir")]
    pub(super) data_dir: Option<PathBuf>,
    /// Folder that results were saved to
    #[arg(long = "save_dir", alias = "save-dir", default_value = "./output")]
    pub(super) save_dir: PathBuf,
    /// File for scores and curves (default: scores.json beside the results of each data set)
    #[arg(long, visible_alias = "out", value_name = "FILE")]
    pub(super) json: Option<PathBuf>,
}
