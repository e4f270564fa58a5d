//! What differs between the experiment that a checkpoint was made with and the one that it goes on with.

use crate::{settings::Node, train::checkpoint::About, train::experiment::Experiment};

/// Keys that may change between two calls of one run without a word: they decide neither batches nor updates.
const FREE: [&str; 20] = [
    "PRINT_INTERVAL",
    "KEEP_CHECKPOINTS",
    "KEEP_BEST",
    "KEEP_EVERY",
    "BEST_METRIC",
    "SAVE_INTERVAL",
    "SAVE_PATIENCE",
    "PATIENCE",
    "GRAD_ANALYSIS_INTERVAL",
    "ACTIVATION_CHECKPOINTING",
    "KEEP_FEATURES",
    "SHOW_CLIPS",
    "NONFINITE_LIMIT",
    "PRETRAIN_FILE",
    "PRETRAIN_KEY",
    "MAX_MEM",
    "CHECK",
    "MAX_REJECTED",
    "MAX_REJECTED_SHARE",
    "QUARANTINE_AFTER",
];

/// Parts of keys whose absence says something by itself; all others are absent only where they have no effect.
const ABSENT_ACTS: [&str; 4] = ["CLS_ANN_DIR", "CLS_HEAD.NUM_CLASSES", "DATA.SYNTH.", "TRAIN.PHASES."];

/// A difference.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Change {
    /// `TRAIN.LR was 0.001, is 0.002`.
    pub text: String,
    /// What it leads to, where it is no other run for that; `None` where it is one.
    pub harmless: Option<&'static str>,
}

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

/// Where the lengths of the phases are written, in their order.
fn lengths(experiment: &Experiment) -> Vec<String> {
    let value = |key: &str| line(&plan(experiment), key).is_some_and(|value| value == "true");
    let phases = &experiment.training.phases;
    match phases.as_slice() {
        [_, _] if value("TRAIN.TWO_STAGE") => vec!["TRAIN.STAGE1_EPOCHS".into(), "TRAIN.STAGE2_EPOCHS".into()],
        [only] if line(&plan(experiment), &format!("TRAIN.PHASES.{}.EPOCHS", only.name)).is_none() => {
            vec!["TRAIN.EPOCH".into()]
        }
        phases => phases.iter().map(|phase| format!("TRAIN.PHASES.{}.EPOCHS", phase.name)).collect(),
    }
}

/// The value of `key` in `plan`.
fn line<'a>(plan: &'a str, key: &str) -> Option<&'a str> {
    plan.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(": "))
}

/// All differences between the run of a checkpoint and `experiment` with `seed`, in the order of the keys.
pub(super) fn changes(made: &About, experiment: &Experiment, seed: u64) -> Vec<Change> {
    let now = plan(experiment);
    // What an older program did not know was as it is by default; it knew HIPTracks alone.
    let default = Node::parse("", "MODEL: {NEW_HIP: True}")
        .and_then(|node| Experiment::from_node(&node))
        .map(|default| plan(&default));
    let default = default.unwrap_or_default();
    let mut keys: Vec<&str> =
        made.plan.lines().chain(now.lines()).filter_map(|l| Some(l.split_once(": ")?.0)).collect();
    keys.sort_unstable();
    keys.dedup();
    let mut changes = Vec::new();
    if made.seed != seed {
        changes.push(Change { text: format!("--seed was {}, is {seed}", made.seed), harmless: None });
    }
    for key in keys {
        let (before, after) = (line(&made.plan, key), line(&now, key));
        let before = before.or_else(|| line(&default, key).filter(|_| !key.starts_with("TRAIN.PHASES.")));
        // A key that is absent has no effect; what made it so is a change of its own.
        let is_idle = after.is_none() && !ABSENT_ACTS.iter().any(|part| key.contains(part));
        if before == after || is_idle {
            continue;
        }
        let word = |value: Option<&str>| value.unwrap_or("absent").to_string();
        let text = format!("{key} was {}, is {}", word(before), word(after));
        changes.push(Change { text, harmless: harmless(key, made, experiment) });
    }
    changes
}

fn harmless(key: &str, made: &About, experiment: &Experiment) -> Option<&'static str> {
    if key == "TRAIN.THREADS" {
        return Some("losses may differ in their last bits");
    }
    if key.starts_with("DATA.VAL.") || key.starts_with("TRAIN.VAL_") {
        return Some("validations change, training does not");
    }
    let lengths = lengths(experiment);
    let phase = lengths.iter().position(|known| known == key)?;
    let phases = &experiment.training.phases;
    let before: usize = phases.iter().take(phase).map(|phase| phase.epochs).sum();
    let done = (made.epoch + 1).saturating_sub(before);
    let still_reaches = phases.get(phase).is_some_and(|phase| phase.epochs >= done);
    match phase {
        later if later > made.phase => Some("the run has another length"),
        same if same == made.phase && still_reaches => {
            Some("the run has another length; a schedule that ends with the phase goes on along its new curve")
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn experiment(text: &str) -> Experiment {
        Experiment::from_node(&Node::parse("x.yaml", text).unwrap()).unwrap()
    }

    fn about(text: &str, epoch: usize, phase: usize) -> About {
        About { epoch, phase, ..About::new("hiptrack/x".into(), 1, plan(&experiment(text))) }
    }

    fn found(before: &str, epoch: usize, phase: usize, after: &str) -> Vec<(String, bool)> {
        let changes = changes(&about(before, epoch, phase), &experiment(after), 1);
        changes.into_iter().map(|change| (change.text, change.harmless.is_some())).collect()
    }

    #[test]
    fn a_longer_run_is_the_same_run() {
        let with = |epochs: usize| format!("TRAIN: {{EPOCH: {epochs}}}");
        assert_eq!(found(&with(3), 2, 0, &with(3)), []);
        assert_eq!(found(&with(3), 2, 0, &with(5)), [("TRAIN.EPOCH was 3, is 5".to_string(), true)]);
        assert!(!found(&with(9), 5, 0, &with(3))[0].1, "six epochs are done");
        assert!(found(&with(9), 5, 0, &with(6))[0].1);
    }

    #[test]
    fn a_phase_that_is_over_cannot_change_its_length() {
        let two = |a: usize, b: usize| {
            let stages = format!("TRAIN: {{TWO_STAGE: True, STAGE1_EPOCHS: {a}, STAGE2_EPOCHS: {b}}}");
            format!("MODEL: {{NEW_HIP: True, CLS_HEAD: {{}}}}\n{stages}")
        };
        assert!(found(&two(3, 4), 4, 1, &two(3, 9))[0].1);
        assert!(!found(&two(3, 4), 4, 1, &two(2, 4))[0].1);
        assert!(found(&two(3, 4), 1, 0, &two(5, 4))[0].1);
        let list = |a: usize, b: usize| format!("TRAIN: {{PHASES: {{one: {{EPOCHS: {a}}}, two: {{EPOCHS: {b}}}}}}}");
        assert!(found(&list(1, 2), 2, 1, &list(1, 7))[0].1);
        assert!(!found(&list(1, 2), 2, 1, &list(2, 2))[0].1);
        let idle = "MODEL: {NEW_HIP: True, CLS_HEAD: {}}\nTRAIN: {TWO_STAGE: True";
        assert_eq!(found(&format!("{idle}}}"), 2, 0, &format!("{idle}, EPOCH: 7}}")), [], "of no effect");
    }

    #[test]
    fn what_decides_about_batches_and_updates_is_another_run() {
        let after = "TRAIN: {LR: 0.5, PRINT_INTERVAL: 1, VAL_EPOCH_INTERVAL: 3, THREADS: 77}";
        assert_eq!(
            found("{}", 0, 0, after)
                .into_iter()
                .map(|(text, harmless)| (text.split(' ').next().unwrap().to_string(), harmless))
                .collect::<Vec<_>>(),
            [
                ("TRAIN.LR".to_string(), false),
                ("TRAIN.THREADS".into(), true),
                ("TRAIN.VAL_EPOCH_INTERVAL".into(), true)
            ]
        );
        let mut old = about("{}", 0, 0);
        old.plan = old.plan.lines().filter(|line| !line.contains("EMA_DECAY")).collect::<Vec<_>>().join("\n");
        assert_eq!(changes(&old, &experiment("{}"), 1), []);
        let with = experiment("TRAIN: {EMA_DECAY: 0.5}");
        assert_eq!(changes(&old, &with, 2).len(), 2, "the seed and a key that the older program did not know");
    }
}
