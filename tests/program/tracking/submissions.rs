//! What goes to the benchmarks' servers.

use super::{
    support::{fail, program, succeed},
    write,
};
use std::{fs, path::Path, process::Command};

/// A test set in the layout of GOT-10k with so many sequences, and results of it.
fn got10k_test(home: &Path, sequences: usize) {
    for at in 1..=sequences {
        let name = format!("GOT-10k_Test_{at:06}");
        let folder = home.join("data/got10k/test").join(&name);
        write(&folder.join("groundtruth.txt"), "10.5,20,30,40\n");
        for frame in 1..=3 {
            write(&folder.join(format!("{frame:08}.jpg")), "");
        }
        write(&home.join(format!("results/{name}.txt")), "10\t20\t30\t40\n11\t21\t30\t40\n12.3456\t22\t30\t40\n");
        write(&home.join(format!("results/{name}_time.txt")), "0.5\n0.25\n0.125\n");
    }
}

fn submit(home: &Path, server: &str) -> Command {
    let mut command = program();
    command.args(["evaluate", "--submit", server, "--results"]).arg(home.join("results"));
    command.arg("--data_dir").arg(home.join("data")).arg("--zip").arg(home.join("out.zip"));
    command
}

#[test]
fn a_submission_is_what_the_server_takes_or_is_refused_with_all_reasons() {
    let home = tempfile::tempdir().unwrap();
    let home = home.path();
    got10k_test(home, 180);
    succeed(&mut submit(home, "got10k"));
    let mut zip = zip::ZipArchive::new(fs::File::open(home.join("out.zip")).unwrap()).unwrap();
    assert_eq!(zip.len(), 360);
    let mut text = |name: &str| std::io::read_to_string(zip.by_name(name).unwrap()).unwrap();
    let name = "GOT-10k_Test_000007";
    let boxes = text(&format!("{name}/{name}_001.txt"));
    assert_eq!(boxes, "10.500,20.000,30.000,40.000\n11.000,21.000,30.000,40.000\n12.346,22.000,30.000,40.000\n");
    assert_eq!(text(&format!("{name}/{name}_time.txt")), "0.50000000\n0.25000000\n0.12500000\n");
    // All that is wrong at once, and no file.
    fs::remove_file(home.join("out.zip")).unwrap();
    let result = |at: usize, ending: &str| home.join(format!("results/GOT-10k_Test_{at:06}{ending}.txt"));
    fs::remove_file(result(1, "")).unwrap();
    write(&result(2, ""), "50\t20\t30\t40\n11\t21\t30\t40\n12\t22\t-3\t40\n");
    write(&result(3, ""), "10\t20\t30\t40\n");
    write(&result(4, "_time"), "0.5\n-1\n0.1\n");
    fs::remove_dir_all(home.join("data/got10k/test/GOT-10k_Test_000180")).unwrap();
    let errors = fail(&mut submit(home, "got10k"), 66);
    for part in [
        "179 sequences of GOT10K_test, but the server wants all 180",
        "000001.txt: no such result",
        "000002.txt:1: is not the given box 10.5,20,30,40",
        "000002.txt:3: a negative size",
        "000003.txt: 1 boxes for 3 frames",
        "000004_time.txt:2: is not one number of seconds",
    ] {
        assert!(errors.contains(part), "{part}: {errors}");
    }
    assert!(!home.join("out.zip").exists());
    let errors = fail(submit(home, "got10k").args(["--dataset", "OTB"]), 64);
    assert!(errors.contains("accepts only results of GOT10K_test"), "{errors}");
}

#[test]
fn a_submission_to_trackingnet_has_its_files_at_the_top() {
    let home = tempfile::tempdir().unwrap();
    let home = home.path();
    for at in 0..511 {
        // `all` and `time` in a name are names like others.
        let name = format!("all_time_{at}");
        write(&home.join(format!("data/trackingnet/TEST/anno/{name}.txt")), "1,2,3,4\n");
        for frame in 0..2 {
            write(&home.join(format!("data/trackingnet/TEST/frames/{name}/{frame}.jpg")), "");
        }
        write(&home.join(format!("results/trackingnet/{name}.txt")), "1,2,3,4\n1.005,2,3.339,4\n");
    }
    succeed(&mut submit(home, "trackingnet"));
    let mut zip = zip::ZipArchive::new(fs::File::open(home.join("out.zip")).unwrap()).unwrap();
    assert_eq!(zip.len(), 511);
    let text = std::io::read_to_string(zip.by_name("all_time_510.txt").unwrap()).unwrap();
    assert!(text.starts_with("1.00,2.00,3.00,4.00\n1.0") && text.ends_with(",2.00,3.34,4.00\n"), "{text}");
}
