//! Where a run goes on.

use super::{
    changes::{Change, changes},
    data_changes::{Digests, TRAIN, data_changes},
};
use crate::{
    failure::{Failure, Result},
    monitor::run_log::History,
    telemetry::log,
    train::{
        checkpoint::{Folder, Metadata, Saved, read},
        confusion::Confusion,
        experiment::Experiment,
        means::AverageMeter,
        metrics::Progress,
        overlaps::Overlaps,
        run_schedule::RunSchedule,
        step::Trainer,
    },
};
use std::path::{Path, PathBuf};

/// Where a run goes on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Resume {
    /// At the newest checkpoint, if there is one.
    Auto,
    /// Nowhere: it starts anew.
    Never,
    /// At this checkpoint.
    Path(PathBuf),
}

impl std::str::FromStr for Resume {
    type Err = std::convert::Infallible;

    fn from_str(text: &str) -> std::result::Result<Self, Self::Err> {
        Ok(match text {
            "auto" => Self::Auto,
            "never" => Self::Never,
            path => Self::Path(PathBuf::from(path)),
        })
    }
}

/// What there is to go on with.
pub(super) struct Start {
    pub trainer: Trainer,
    pub progress: Progress,
    /// The first batch to do.
    pub position: u64,
    /// So many batches were done by the numbers of the run that the checkpoint is of: those of its log.
    pub logged: u64,
    /// What becomes of the log that is there.
    pub history: History,
}

/// What a run is, beside its checkpoints.
pub(super) struct Run<'a> {
    pub experiment: &'a Experiment,
    pub schedule: &'a RunSchedule,
    pub seed: u64,
    /// The content of the data sets.
    pub data: &'a Digests,
    /// `--allow_changes`.
    pub allow_changes: bool,
}

/// The trainer as a checkpoint left it, with its progress and the position of the next batch; all as they are for a
/// run that starts anew.
///
/// # Errors
/// The checkpoint cannot be read, is of another architecture, or was made with an experiment whose differences matter
/// and are not allowed.
pub(super) fn resume(choice: &Resume, folder: &Folder, mut trainer: Trainer, run: &Run<'_>) -> Result<Start> {
    let found = match choice {
        Resume::Never => {
            if let Some(moved) = folder.set_aside(|_| true)? {
                log::say(&format!("older checkpoints moved to {}", moved.display()));
            }
            None
        }
        Resume::Auto => {
            let warn = |failure: &Failure| log::warn(&format!("checkpoint passed over: {failure}"));
            folder.newest(warn)?.map(|(saved, state)| (saved.path, state))
        }
        Resume::Path(path) => Some((path.clone(), read(path)?)),
    };
    let Some((path, state)) = found else {
        return Ok(Start { trainer, progress: Progress::default(), position: 0, logged: 0, history: History::Other });
    };
    let name = path.display();
    let mut changed = changes(&state.metadata, run.experiment, run.seed);
    trainer.restore(&state, run.allow_changes).map_err(|failure| does_not_fit(&path, failure, &changed))?;
    changed.extend(data_changes(&state.metadata, run.data));
    check(&path, &changed, run.allow_changes)?;
    let Metadata { step, epoch, epoch_position, nonfinite_in_a_row, .. } = &state.metadata;
    let mut progress: Progress = serde_json::from_value(state.metadata.progress.clone())
        .map_err(|error| Failure::input(format!("{name}: its progress cannot be read: {error}")))?;
    log::say(&format!("resumed from {name}: step {step}, epoch {}", epoch + 1));
    if state.metadata.data.is_none() {
        log::say("the checkpoint does not say what its data was, as older ones do not: changes of it cannot be shown");
    }
    for Change { text, harmless } in &changed {
        log::say(&format!("changed since then: {text} ({})", harmless.unwrap_or("allowed")));
    }
    if *nonfinite_in_a_row > 0 {
        log::warn(&format!("{nonfinite_in_a_row} steps before it were not finite"));
    }
    let logged = state.metadata.position;
    let (position, same_pass) = match epoch_position {
        Some(epoch_position) if !changed.is_empty() => run.schedule.after(epoch_position),
        _ => (logged, true),
    };
    let outdated = same_pass && progress.open.is_outdated();
    if outdated {
        log::warn(&format!(
            "{name} is of an earlier version: the pass that it interrupts is reported without its first part"
        ));
    }
    if !same_pass || outdated {
        (progress.open, progress.open_confusion) = (AverageMeter::default(), Confusion::default());
        progress.open_overlaps = Overlaps::default();
    }
    let history = match choice {
        Resume::Path(path) => go_back(folder, path)?,
        _ => History::Same,
    };
    Ok(Start { trainer, progress, position, logged, history })
}

/// Makes the checkpoint at `path` the newest of the folder: those that came after it would otherwise be taken for the
/// run's state by the next call. All others are of another line where `path` is no file of this folder.
///
/// # Errors
/// They cannot be moved.
fn go_back(folder: &Folder, path: &Path) -> Result<History> {
    let own = folder.list();
    let is_it = |saved: &Saved| matches!((saved.path.canonicalize(), path.canonicalize()), (Ok(a), Ok(b)) if a == b);
    let Some(at) = own.iter().position(is_it) else {
        if let Some(moved) = folder.set_aside(|_| true)? {
            let moved = moved.display();
            log::say(&format!(
                "{} is not of this run's folder: the run's own checkpoints moved to {moved}",
                path.display()
            ));
        }
        return Ok(History::Other);
    };
    let later = &own[at + 1..];
    if let Some(moved) = folder.set_aside(|saved| later.contains(saved))? {
        log::say(&format!("went back: the {} checkpoints after this one moved to {}", later.len(), moved.display()));
    }
    Ok(History::CutAside)
}

/// What a checkpoint of another model says: why it does not fit, and which keys have changed since then.
fn does_not_fit(path: &Path, failure: Failure, changed: &[Change]) -> Failure {
    /// Lines of the reason that are shown.
    const MOST_LISTED: usize = 6;
    let name = path.display();
    let mut lines = failure.message.lines();
    let mut message = format!("{name}: {}", lines.next().unwrap_or_default());
    let rest: Vec<&str> = lines.collect();
    rest.iter().take(MOST_LISTED).for_each(|line| message += &format!("\n  {}", line.trim_start()));
    if rest.len() > MOST_LISTED {
        message += &format!("\n  … and {} more", rest.len() - MOST_LISTED);
    }
    let keys: Vec<&Change> = changed.iter().filter(|change| change.harmless.is_none()).collect();
    if !keys.is_empty() {
        message += "\n  it was made with other settings:";
        keys.iter().for_each(|change| message += &format!("\n    {}", change.text));
    }
    message += "\n  restore the settings, use another --save_dir, or start anew with --resume never";
    Failure { message, ..failure }
}

/// Refuses changes that make another run of it, unless they are allowed.
fn check(path: &Path, changed: &[Change], allowed: bool) -> Result<()> {
    let matter: Vec<&Change> = changed.iter().filter(|change| change.harmless.is_none()).collect();
    if allowed || matter.is_empty() {
        return Ok(());
    }
    let lines: String = matter.iter().map(|change| format!("\n  {}", change.text)).collect();
    let data = matter.iter().filter(|change| change.text.starts_with(TRAIN)).count();
    let what = match data {
        0 => "settings",
        all if all == matter.len() => "data",
        _ => "settings and data",
    };
    let remedy = format!(
        "go on with these changes by --allow_changes, restore the {what}, use another --save_dir, or start anew with \
         --resume never"
    );
    Err(Failure::config(format!("{}: made with other {what}; {remedy}{lines}", path.display())))
}
