//! `trackflow man`: a manual page for the program and for each of its verbs.

use crate::failure::{Failure, Result};
use clap::{Args, CommandFactory};
use std::path::PathBuf;

/// `trackflow man`.
#[derive(Debug, Args)]
pub struct ManArgs {
    /// Folder to write to, as trackflow.1, trackflow-train.1, …
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
}

/// Writes the pages.
///
/// # Errors
/// 74 where the folder or a file cannot be written.
pub fn man(args: &ManArgs) -> Result<()> {
    let out = args.out.display();
    std::fs::create_dir_all(&args.out)
        .and_then(|()| clap_mangen::generate_to(super::Cli::command(), &args.out))
        .map_err(|error| Failure::output(format!("{out}: cannot be written: {error}")))?;
    println!("pages written to {out}: man -l {}", args.out.join("trackflow.1").display());
    Ok(())
}
