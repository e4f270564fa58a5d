//! `trackflow report`: what runs wrote down, as a page to look at and a table to compute with.

use crate::{
    failure::{Failure, Result},
    monitor::report::{Group, History, export, gradients_table, gradients_text, page, table},
    telemetry::log,
};
use clap::{Args, Subcommand};
use std::path::{Path, PathBuf};

/// `trackflow report`.
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
pub struct ReportArgs {
    #[command(subcommand)]
    what: Option<What>,
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
    /// Also write every figure of the page into this folder, as SVG, PDF and PNG, as wide as a column of a paper
    #[arg(long, visible_alias = "figures", value_name = "DIR")]
    png: Option<PathBuf>,
}

/// Single parts of a report, on the terminal.
#[derive(Debug, Subcommand)]
enum What {
    /// Gradients of both tasks by block: their norms, and the cosine between them
    Gradients {
        /// A run's --save_dir (repeatable)
        #[arg(long, required = true, num_args = 1.., value_name = "DIR")]
        run: Vec<PathBuf>,
        /// Also write every comparison as comma-separated values
        #[arg(long, value_name = "FILE.csv")]
        csv: Option<PathBuf>,
    },
}

/// Reads the runs and writes the page, or prints the part that is asked for.
///
/// # Errors
/// 66 for a run that is not there or damaged, 74 when a file cannot be written.
pub fn report(args: &ReportArgs) -> Result<()> {
    if let Some(What::Gradients { run, csv }) = &args.what {
        let runs = run.iter().map(|folder| History::read(folder)).collect::<Result<Vec<_>>>()?;
        let texts: Vec<String> = runs.iter().map(gradients_text).collect();
        print!("{}", texts.join("\n"));
        return csv.as_ref().map_or(Ok(()), |csv| write(csv, &gradients_table(&runs)));
    }
    if args.png.is_some() {
        export::check()?;
    }
    let mut groups = vec![group(&args.run, args.name.as_deref())?];
    if !args.compare.is_empty() {
        groups.push(group(&args.compare, args.compare_name.as_deref())?);
    }
    for run in groups.iter().flat_map(|group| &group.runs).filter(|run| !run.skipped.is_empty()) {
        log::warn(&format!("{}: {}", run.folder.join("run.jsonl").display(), run.skipped));
    }
    // Threads that wait for each other at every small operation cost more than they bring, on a busy machine ten times.
    tch::set_num_threads(1);
    let page = page(&groups)?;
    write(&args.out, &page)?;
    println!("report   {}", args.out.display());
    if let Some(folder) = &args.png {
        let count = export::write(&export::pictures(&page)?, folder)?;
        println!("figures  {} ({count}, each as SVG, PDF and PNG)", folder.display());
    }
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
