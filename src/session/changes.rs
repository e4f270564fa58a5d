//! What differs between the experiment that a checkpoint was made with and the one that it goes on with.

use crate::{
    settings::{Node, Resume},
    train::checkpoint::Metadata,
    train::experiment::{Experiment, Keys},
};

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
    let keys = Keys::all().ok();
    let is_free = |path: &str| rule(keys.as_ref(), path) == Resume::Free;
    let decisive = experiment.values.iter().filter(|(path, _)| !is_free(path));
    decisive.map(|(path, value)| format!("{path}: {value}")).collect::<Vec<_>>().join("\n")
}

/// What a change of the key at `path` means; of one that nobody knows, that it is another run.
fn rule(keys: Option<&Keys>, path: &str) -> Resume {
    keys.and_then(|keys| keys.get(path)).map_or(Resume::Fixed, |field| field.resume)
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
pub(super) fn changes(made: &Metadata, experiment: &Experiment, seed: u64) -> Vec<Change> {
    let known = Keys::all().ok();
    let current = |path: &str| known.as_ref().map_or_else(|| path.to_string(), |keys| keys.current(path));
    // A key may have had another name when the checkpoint was made.
    let made_plan: Vec<String> = made
        .plan
        .lines()
        .filter_map(|line| line.split_once(": ").map(|(path, value)| format!("{}: {value}", current(path))))
        .collect();
    let made_plan = made_plan.join("\n");
    let now = plan(experiment);
    // What an older program did not know was as it is by default; it knew HIPTracks alone.
    let default = Node::parse("", "MODEL: {NEW_HIP: True}")
        .and_then(|node| Experiment::from_node(&node))
        .map(|default| plan(&default));
    let default = default.unwrap_or_default();
    let mut keys: Vec<&str> =
        made_plan.lines().chain(now.lines()).filter_map(|l| Some(l.split_once(": ")?.0)).collect();
    keys.sort_unstable();
    keys.dedup();
    let mut changes = Vec::new();
    if made.seed != seed {
        changes.push(Change { text: format!("--seed was {}, is {seed}", made.seed), harmless: None });
    }
    for key in keys {
        let (before, after) = (line(&made_plan, key), line(&now, key));
        let field = known.as_ref().and_then(|keys| keys.get(key));
        let by_default = || line(&default, key).or_else(|| field.and_then(|field| field.default.as_deref()));
        let before = before.or_else(|| by_default().filter(|_| !key.starts_with("TRAIN.PHASES.")));
        // A key that is absent has no effect; what made it so is a change of its own.
        let absent_acts = field.is_some_and(|field| field.absent_acts);
        if before == after || after.is_none() && !absent_acts {
            continue;
        }
        let word = |value: Option<&str>| value.unwrap_or("absent").to_string();
        let text = format!("{key} was {}, is {}", word(before), word(after));
        let harmless = match rule(known.as_ref(), key) {
            Resume::Fixed => None,
            Resume::Free => Some("it decides neither batches nor updates"),
            Resume::Noted(why) => Some(why),
            Resume::Length => other_length(key, made, experiment),
        };
        changes.push(Change { text, harmless });
    }
    changes
}

/// What another length of a phase leads to, as long as the phase is not over.
fn other_length(key: &str, made: &Metadata, experiment: &Experiment) -> Option<&'static str> {
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

    fn metadata(text: &str, epoch: usize, phase: usize) -> Metadata {
        Metadata { epoch, phase, ..Metadata::new("hiptrack/x".into(), 1, plan(&experiment(text))) }
    }

    fn found(before: &str, epoch: usize, phase: usize, after: &str) -> Vec<(String, bool)> {
        let changes = changes(&metadata(before, epoch, phase), &experiment(after), 1);
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
        let mut old = metadata("{}", 0, 0);
        old.plan = old.plan.lines().filter(|line| !line.contains("EMA_DECAY")).collect::<Vec<_>>().join("\n");
        assert_eq!(changes(&old, &experiment("{}"), 1), []);
        let with = experiment("TRAIN: {EMA_DECAY: 0.5}");
        assert_eq!(changes(&old, &with, 2).len(), 2, "the seed and a key that the older program did not know");
    }
}
