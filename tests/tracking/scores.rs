//! Rows, parts, comparisons, plots and tables.

use super::{
    both, evaluate, results,
    support::{data, fail, files, succeed},
    twins, write,
};
use serde_json::Value;
use std::fs;

#[test]
fn every_data_set_has_a_row_and_a_file() {
    let home = tempfile::tempdir().unwrap();
    succeed(&mut both(home.path()));
    let printed = succeed(evaluate(home.path()).args(["--dataset", "one", "--dataset", "two"]));
    let table = printed.split("data set ").nth(1).unwrap();
    assert!(table.lines().skip(1).take(2).all(|line| line.starts_with("one") || line.starts_with("two")), "{printed}");
    for set in ["one", "two"] {
        let text = fs::read_to_string(results(home.path()).join(set).join("scores.json")).unwrap();
        let scores: Value = serde_json::from_str(&text).unwrap();
        assert_eq!((&scores["datasets"][0], scores["sequences"].as_array().unwrap().len()), (&set.into(), 3));
    }
    fail(evaluate(home.path()).args(["--dataset", "one", "--dataset", "folder:one"]), 64);
    // What an earlier version wrote is read, and said.
    let old = tempfile::tempdir().unwrap();
    for name in ["a", "b", "c"] {
        let to = results(old.path()).join(format!("{name}.txt"));
        write(&to, &fs::read_to_string(results(home.path()).join(format!("one/{name}.txt"))).unwrap());
    }
    let printed = succeed(evaluate(old.path()).args(["--dataset", "one"]));
    assert!(printed.contains("where earlier versions wrote results"), "{printed}");
    // Results under another name of the script are pointed to.
    let moved = tempfile::tempdir().unwrap();
    let there = moved.path().join("test/tracking_results/ostrack");
    fs::create_dir_all(&there).unwrap();
    fs::rename(results(old.path()), there.join("mine")).unwrap();
    let errors = fail(evaluate(moved.path()).args(["--dataset", "one"]), 66);
    assert!(errors.contains("give --script ostrack --config mine"), "{errors}");
}

#[test]
fn trackers_are_compared_in_tables_and_plots() {
    let home = tempfile::tempdir().unwrap();
    succeed(&mut both(home.path()));
    // A perfect tracker beside.
    let perfect = home.path().join("perfect");
    for name in ["a", "b", "c"] {
        let truth = fs::read_to_string(twins().join(format!("one/{name}/groundtruth.txt"))).unwrap();
        write(&perfect.join(format!("{name}.txt")), &truth);
        write(&home.path().join(format!("att/{name}.txt")), if name == "a" { "FAST, DARK" } else { "DARK" });
    }
    let report = home.path().join("report");
    let mut command = evaluate(home.path());
    command.args(["--dataset", "one", "--by", "attribute,condition,sequence", "--report"]).arg(&report);
    command.arg("--compare").arg(format!("Best_1={}", perfect.display()));
    command.arg("--attributes").arg(home.path().join("att")).arg("--labels").arg(data().join("conditions"));
    // The twins' names are not those that the labels have.
    let errors = fail(&mut command, 66);
    assert!(errors.contains("holds no labels of any sequence here"), "{errors}");
    let mut command = evaluate(home.path());
    command.args(["--dataset", "one", "--by", "attribute,condition,sequence", "--report"]).arg(&report);
    command.arg("--compare").arg(format!("Best_1={}", perfect.display()));
    command.arg("--attributes").arg(home.path().join("att")).arg("--json").arg(home.path().join("all.json"));
    let printed = succeed(&mut command);
    for part in
        ["DARK (3): Best_1", "FAST (1): tiny", "one: Best_1", "a: Best_1", "conditions are those that tiny predicted"]
    {
        assert!(printed.contains(part), "{part}: {printed}");
    }
    let names = files(&report);
    for name in [
        "one-success.svg",
        "one-precision.png",
        "one-normalised-precision.svg",
        "report.html",
        "scores.csv",
        "scores.tex",
    ] {
        assert!(names.iter().any(|found| found == name), "{name}: {names:?}");
    }
    let page = fs::read_to_string(report.join("report.html")).unwrap();
    let [best, tiny] = ["Best_1 [", "tiny ["].map(|name| page.find(name).unwrap());
    assert!(best < tiny, "the better one comes first");
    let tex = fs::read_to_string(report.join("scores.tex")).unwrap();
    assert!(tex.contains("Best\\_1 & \\textbf{") && tex.contains("\\bottomrule"), "{tex}");
    let csv = fs::read_to_string(report.join("scores.csv")).unwrap();
    assert!(csv.contains("\"one\",\"Best_1\",\"by attribute (sequences): FAST (1)\""), "{csv}");
    let all: Value = serde_json::from_str(&fs::read_to_string(home.path().join("all.json")).unwrap()).unwrap();
    assert_eq!(all["boards"].as_array().unwrap().len(), 2);
    let errors = fail(evaluate(home.path()).args(["--dataset", "one", "--compare", "nothing"]), 64);
    assert!(errors.contains("write NAME=DIR"), "{errors}");
}
