//! Scores against those of the field's own toolkits: every set, rule and sequence of the golden scores, curves too. The
//! folder is named by `TRACKFLOW_GOLDEN_SCORES` (default `../shared/golden_scores`); where it is missing, the tests are
//! ignored and say so.

mod golden;
mod own;

use golden::Golden;
use libtest_mimic::{Arguments, Failed, Trial};

fn trial(name: String, there: bool, run: impl FnOnce() + Send + 'static) -> Trial {
    let run = move || {
        run();
        Ok::<(), Failed>(())
    };
    Trial::test(name, run).with_ignored_flag(!there)
}

fn main() {
    let golden = Golden::open();
    if golden.is_none() {
        let folder = golden::folder();
        eprintln!("SKIPPED: no golden scores at {} (TRACKFLOW_GOLDEN_SCORES names the folder)", folder.display());
    }
    let mut trials = vec![
        trial("own::names_and_notes".into(), true, own::names_and_notes),
        trial("own::strict_beside_the_rules".into(), true, own::strict_beside_the_rules),
        trial("own::what_cannot_be_scored".into(), true, own::what_cannot_be_scored),
    ];
    let sets = golden.as_ref().map_or_else(Vec::new, Golden::sets);
    for (set, rules) in &sets {
        for rule in rules {
            let (set, rule) = (set.clone(), rule.clone());
            trials.push(trial(format!("golden::{set}::{rule}"), true, move || golden::check(&set, &rule)));
        }
    }
    let there = golden.is_some();
    trials.push(trial("golden::refused".into(), there, golden::refused));
    trials.push(trial("golden::test_sets".into(), there, golden::test_sets));
    trials.push(trial("golden::nfs_as_published".into(), there, golden::nfs_as_published));
    trials.push(trial("golden::got10k_in_both_forms".into(), there, golden::got10k_in_both_forms));
    libtest_mimic::run(&Arguments::from_args(), trials).exit();
}
