//! `trackflow serve`: the live page of all runs below a folder, finished and running ones.

use crate::{
    failure::{Failure, Result},
    monitor::live::{Live, SERVE, runs::Runs},
    session::watch,
    telemetry::log,
};
use clap::Args;
use std::{net::SocketAddr, path::PathBuf, thread, time::Duration};

/// How often logs are read.
const PERIOD: Duration = Duration::from_secs(2);

/// `trackflow serve`.
#[derive(Debug, Args)]
pub struct ServeArgs {
    /// Folder in which runs are looked for: each folder below it that holds a run.jsonl
    #[arg(value_name = "DIR")]
    folder: PathBuf,
    /// Address of the page (default: 127.0.0.1:9187, or a free port when that one is used)
    #[arg(long, alias = "metrics", value_name = "HOST:PORT", value_parser = watch::address)]
    address: Option<SocketAddr>,
}

/// Serves until the process is ended.
///
/// # Errors
/// 66 when there is no such folder, 69 when the address cannot be had.
pub fn serve(args: &ServeArgs) -> Result<()> {
    let folder = args.folder.display();
    if !args.folder.is_dir() {
        return Err(Failure::input(format!("{folder}: no such folder; name one that holds the --save_dir of runs")));
    }
    let runs = Runs::below(&args.folder);
    runs.scan();
    let live = Live::new(SERVE);
    live.show_runs(runs.clone(), PERIOD);
    let lines = watch::serve(args.address, &live)?;
    match runs.count() {
        0 => log::say(&format!("{folder}: no runs yet; those that begin are shown")),
        count => log::say(&format!("{folder}: {count} runs")),
    }
    lines.iter().filter(|line| !line.starts_with("metrics: ")).for_each(|line| log::say(line));
    log::say("Ctrl-C ends it");
    log::written()?;
    loop {
        thread::park();
    }
}
