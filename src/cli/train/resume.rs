//! Where a run goes on.

use super::Resume;
use crate::{
    failure::{Failure, Result},
    train::{
        checkpoint::{About, Folder, State, read},
        experiment::Experiment,
        step::Trainer,
        tally::Progress,
    },
};

/// Keys that may change between two calls of one run: they decide neither batches nor updates.
const FREE: [&str; 9] = [
    "PRINT_INTERVAL",
    "KEEP_CHECKPOINTS",
    "NONFINITE_LIMIT",
    "PRETRAIN_FILE",
    "MAX_MEM",
    "CHECK",
    "MAX_REJECTED",
    "MAX_REJECTED_SHARE",
    "QUARANTINE_AFTER",
];

/// What decides the batches and updates of a run, as lines of YAML paths and values.
pub(super) fn plan(experiment: &Experiment) -> String {
    let mut open: Vec<&str> = Vec::new();
    let mut lines = Vec::new();
    for line in experiment.resolved.lines() {
        let depth = (line.len() - line.trim_start().len()) / 2;
        let Some((key, value)) = line.trim_start().split_once(':') else { continue };
        open.truncate(depth);
        open.push(key);
        let value = value.trim();
        if !value.is_empty() && !FREE.contains(&key) && open[0] != "TEST" {
            lines.push(format!("{}: {value}", open.join(".")));
        }
    }
    lines.join("\n")
}

/// The trainer as a checkpoint left it, with its progress and the position of the next batch; all as they are for a
/// run that starts anew.
///
/// # Errors
/// The checkpoint cannot be read, is of another architecture, or was made with settings that give other batches.
pub(super) fn resume(
    choice: &Resume,
    folder: &Folder,
    mut trainer: Trainer,
    about: &About,
) -> Result<(Trainer, Progress, u64)> {
    let found = match choice {
        Resume::Never => {
            if let Some(moved) = folder.set_aside()? {
                println!("older checkpoints moved to {}", moved.display());
            }
            None
        }
        Resume::Auto => {
            let warn = |failure: &Failure| println!("warning: checkpoint passed over: {failure}");
            folder.newest(warn)?.map(|(saved, state)| (saved.path, state))
        }
        Resume::Path(path) => Some((path.clone(), read(path)?)),
    };
    let Some((path, state)) = found else { return Ok((trainer, Progress::default(), 0)) };
    let name = path.display();
    trainer.restore(&state).map_err(|failure| Failure {
        message: format!(
            "{name}: {}\n{name}: use another --save_dir, or --resume never to start anew",
            failure.message
        ),
        ..failure
    })?;
    check(&state, about).map_err(|failure| failure.within(&name))?;
    let progress = serde_json::from_value(state.about.progress.clone())
        .map_err(|error| Failure::input(format!("{name}: its progress cannot be read: {error}")))?;
    let About { step, epoch, position, .. } = state.about;
    println!("resumed from {name}: step {step}, epoch {}", epoch + 1);
    Ok((trainer, progress, position))
}

/// Refuses a checkpoint whose run had other batches or updates.
fn check(state: &State, about: &About) -> Result<()> {
    let mut changes = Vec::new();
    if state.about.seed != about.seed {
        changes.push(format!("--seed was {}, is {}", state.about.seed, about.seed));
    }
    let value = |plan: &str, key: &str| {
        plan.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(": ").map(str::to_string))
    };
    let keys =
        |plan: &str| plan.lines().filter_map(|line| Some(line.split_once(": ")?.0.to_string())).collect::<Vec<_>>();
    let mut all = keys(&state.about.plan);
    all.extend(keys(&about.plan));
    all.sort();
    all.dedup();
    for key in all {
        let (before, now) = (value(&state.about.plan, &key), value(&about.plan, &key));
        if before != now {
            let word = |value: Option<String>| value.unwrap_or_else(|| "absent".into());
            changes.push(format!("{key} was {}, is {}", word(before), word(now)));
        }
    }
    if changes.is_empty() {
        return Ok(());
    }
    let remedy = "restore these settings, use another --save_dir, or start anew with --resume never";
    Err(Failure::config(format!("made with other settings: {}; {remedy}", changes.join("; "))))
}
