//! `trackflow report`: what runs wrote down, as a page to look at and a table to compute with.

use crate::{
    failure::{Failure, Result},
    monitor::report::{Group, History, page, table},
};
use clap::Args;
use std::path::{Path, PathBuf};

/// `trackflow report`.
#[derive(Debug, Args)]
pub struct ReportArgs {
    /// A run's --save_dir; several are runs of one experiment with other seeds
    #[arg(long, required = true, num_args = 1.., value_name = "DIR")]
    run: Vec<PathBuf>,
    /// Runs to compare with, as a baseline; paired with --run in order
    #[arg(long, num_args = 1.., value_name = "DIR")]
    compare: Vec<PathBuf>,
    /// What the runs of --run are called (default: their folder's name)
    #[arg(long)]
    name: Option<String>,
    /// What the runs of --compare are called (default: their folder's name)
    #[arg(long = "compare_name", alias = "compare-name")]
    compare_name: Option<String>,
    /// The page to write, one file that needs nothing else
    #[arg(long, default_value = "report.html", value_name = "FILE.html")]
    out: PathBuf,
    /// Also write losses, IoU and accuracy by epoch as comma-separated values
    #[arg(long, value_name = "FILE.csv")]
    csv: Option<PathBuf>,
}

/// Reads the runs and writes the page.
///
/// # Errors
/// 66 for a run that is not there or damaged, 74 when a file cannot be written.
pub fn report(args: &ReportArgs) -> Result<()> {
    let mut groups = vec![group(&args.run, args.name.as_deref())?];
    if !args.compare.is_empty() {
        groups.push(group(&args.compare, args.compare_name.as_deref())?);
    }
    write(&args.out, &page(&groups)?)?;
    println!("report   {}", args.out.display());
    if let Some(csv) = &args.csv {
        write(csv, &table(&groups))?;
        println!("table    {}", csv.display());
    }
    Ok(())
}

fn group(folders: &[PathBuf], name: Option<&str>) -> Result<Group> {
    let runs = folders.iter().map(|folder| History::read(folder)).collect::<Result<Vec<_>>>()?;
    let name = name.map(str::to_owned).or_else(|| runs.first().map(|run| run.name.clone())).unwrap_or_default();
    Ok(Group { name, runs })
}

fn write(path: &Path, text: &str) -> Result<()> {
    std::fs::write(path, text)
        .map_err(|error| Failure::output(format!("{}: cannot be written: {error}; name another file", path.display())))
}
