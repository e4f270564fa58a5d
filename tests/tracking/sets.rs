//! Data sets side by side: any number of jobs, results that are there, whose they are.

use super::{
    both, checkpoints, evaluate, found, results, run,
    support::{fail, succeed},
    track, twins,
};
use std::fs;

#[test]
fn results_are_the_same_for_any_number_of_jobs() {
    let home = tempfile::tempdir().unwrap();
    let at = |name: &str| home.path().join(name);
    succeed(&mut both(&at("1")));
    let one = found(&at("1"));
    for set in ["one", "two"] {
        assert!(one.iter().any(|(name, _)| *name == format!("{set}/a.txt")), "{one:?}");
    }
    for jobs in ["2", "5"] {
        let printed = succeed(both(&at(jobs)).args(["--jobs", jobs]));
        assert!(printed.contains("sequences at once, 1 threads each") && printed.contains(" to go"), "{printed}");
        assert!(found(&at(jobs)) == one, "{jobs} jobs");
    }
    let errors = fail(both(&at("no")).args(["--device", "cpu,cpu"]), 64);
    assert!(errors.contains("cpu is named twice"), "{errors}");
    let errors = fail(both(&at("no")).args(["--dataset", "folder:two"]), 64);
    assert!(errors.contains("two"), "{errors}");
}

#[test]
fn results_of_other_weights_are_not_taken_for_these() {
    let home = tempfile::tempdir().unwrap();
    succeed(&mut both(home.path()));
    let printed = succeed(both(home.path()).arg("--skip_existing"));
    assert!(printed.contains("all 6 sequences have results already"), "{printed}");
    // A result that was cut short is made again, and it alone.
    let cut = results(home.path()).join("one/b.txt");
    let before = fs::read_to_string(&cut).unwrap();
    fs::write(&cut, before.lines().next().unwrap()).unwrap();
    let printed = succeed(both(home.path()).arg("--skip_existing"));
    assert!(printed.contains("1 lines for 20 frames: tracked again") && printed.contains("1 sequences"), "{printed}");
    assert_eq!(fs::read_to_string(&cut).unwrap(), before);
    let mut other = both(home.path());
    other.arg("--skip_existing").arg("--weights").arg(&checkpoints(run())[0]);
    let errors = fail(&mut other, 66);
    assert!(errors.contains("6 sequences have results of other weights"), "{errors}");
    // A mixture is said.
    let mut mixed = track(home.path());
    mixed.args(["--dataset", "one", "--sequence", "a", "--data_dir"]).arg(twins());
    succeed(mixed.arg("--weights").arg(&checkpoints(run())[0]));
    let printed = succeed(evaluate(home.path()).args(["--dataset", "one"]));
    assert!(printed.contains("these results are of 2 different trackers"), "{printed}");
}
