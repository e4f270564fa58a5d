//! `trackflow sweep`: settings by seeds, each run in a folder of its own.

use crate::support::{data, experiment, fail, losses, program, succeed, train};
use std::{fs, path::Path, process::Command};

fn sweep(file: &Path, save_dir: &Path) -> Command {
    let mut command = program();
    command.arg("sweep").arg(file).arg("--save_dir").arg(save_dir).arg("--data_dir").arg(data());
    command.args(["--device", "cpu", "--jobs", "2"]);
    command
}

#[test]
fn a_sweep_runs_what_is_left_and_compares_seed_by_seed() {
    let home = tempfile::tempdir().unwrap();
    let (file, out) = (home.path().join("two.yaml"), home.path().join("out"));
    let text = format!(
        "config: {}\nseeds: [1, 2]\narms: {{none: {{MODEL.CLS_HEAD.NUM_CLASSES: 0, TRAIN.PHASES.head.EPOCHS: 1}}}}\n",
        experiment().display()
    );
    // The experiment's first phase trains the condition head alone.
    let errors = {
        fs::write(&file, &text).unwrap();
        fail(&mut sweep(&file, &out), 78)
    };
    assert!(errors.contains("arm `none`: "), "{errors}");
    let text = format!("config: {}\nseeds: [1, 2]\ngrid: {{TRAIN.CLS_WEIGHT: [0.5, 2]}}\n", experiment().display());
    fs::write(&file, text.replace("CLS_WEIGHT", "CLS_WEIGTH")).unwrap();
    let errors = fail(&mut sweep(&file, &out), 78);
    assert!(errors.contains("did you mean CLS_WEIGHT"), "{errors}");

    fs::write(&file, &text).unwrap();
    let printed = succeed(&mut sweep(&file, &out));
    assert!(printed.contains("4 runs, 2 settings with 2 seeds; 0 are done"), "{printed}");
    assert!(printed.contains("less CLS_WEIGHT=0.5: mean, 95 % interval"), "{printed}");
    let table = |name: &str| fs::read_to_string(out.join("two").join(name)).unwrap();
    let rows = table("runs.csv");
    assert_eq!(rows.lines().count(), 5, "{rows}");
    assert!(table("report.html").contains("CLS_WEIGHT=2"), "every setting is in the report");
    // What a run of it computes is what `train` computes.
    let single = home.path().join("single");
    succeed(train(&single).args(["--set", "TRAIN.CLS_WEIGHT=2", "--seed", "2"]));
    assert_eq!(losses(&single), losses(&out.join("two/CLS_WEIGHT=2/seed-2")));

    // Again: nothing is left to be done. A run that is gone is done again, to the same digest.
    let printed = succeed(&mut sweep(&file, &out));
    assert!(printed.contains("4 are done") && !printed.contains("[1/"), "{printed}");
    fs::remove_dir_all(out.join("two/CLS_WEIGHT=0.5/seed-1")).unwrap();
    let printed = succeed(&mut sweep(&file, &out));
    assert!(printed.contains("3 are done") && printed.contains("[1/1] CLS_WEIGHT=0.5, seed 1: IoU "), "{printed}");
    assert_eq!(table("runs.csv"), rows);
}
