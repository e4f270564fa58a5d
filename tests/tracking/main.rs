//! Tracking as its users do it, through the program: data sets side by side, scores, submissions, films.

#[path = "../support/mod.rs"]
mod support;

mod films;
mod scores;
mod sets;
mod submissions;
mod training;

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    sync::OnceLock,
};
use support::{data, experiment, files, program, succeed};
use tempfile::TempDir;

/// A run of two epochs' checkpoints, made once for all tests here.
fn run() -> &'static Path {
    static RUN: OnceLock<TempDir> = OnceLock::new();
    RUN.get_or_init(|| {
        let home = tempfile::tempdir().unwrap();
        succeed(&mut support::train(home.path()));
        home
    })
    .path()
}

fn checkpoints(save_dir: &Path) -> Vec<PathBuf> {
    let folder = save_dir.join("checkpoints/train/hiptrack/tiny");
    let all = files(&folder).into_iter().filter(|name| name.ends_with(".safetensors"));
    all.map(|name| folder.join(name)).collect()
}

fn write(path: &Path, text: &str) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
}

/// A data folder with two sets, `one` and `two`, whose sequences have the same names.
fn twins() -> &'static Path {
    static HOME: OnceLock<TempDir> = OnceLock::new();
    HOME.get_or_init(|| {
        let home = tempfile::tempdir().unwrap();
        let from = data().join("got10k/val");
        let mut sequences: Vec<PathBuf> = fs::read_dir(&from).unwrap().map(|entry| entry.unwrap().path()).collect();
        sequences.retain(|path| path.is_dir());
        sequences.sort();
        for (set, order) in [("one", [0, 1, 2]), ("two", [2, 0, 1])] {
            for (name, at) in ["a", "b", "c"].iter().zip(order) {
                let to = home.path().join(set).join(name);
                fs::create_dir_all(&to).unwrap();
                for entry in fs::read_dir(&sequences[at]).unwrap().flatten() {
                    fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
                }
            }
        }
        home
    })
    .path()
}

/// `track` of both sets with the newest checkpoint.
fn track(save_dir: &Path) -> Command {
    let mut command = program();
    command.args(["track", "--config"]).arg(experiment()).arg("--weights").arg(checkpoints(run()).last().unwrap());
    command.args(["--device", "cpu", "--threads", "1", "--save_dir"]).arg(save_dir);
    command
}

fn both(save_dir: &Path) -> Command {
    let mut command = track(save_dir);
    command.args(["--dataset", "one", "--dataset", "two", "--data_dir"]).arg(twins());
    command
}

fn evaluate(save_dir: &Path) -> Command {
    let mut command = program();
    command.args(["evaluate", "--config"]).arg(experiment()).arg("--save_dir").arg(save_dir);
    command.arg("--data_dir").arg(twins());
    command
}

fn results(save_dir: &Path) -> PathBuf {
    save_dir.join("test/tracking_results/hiptrack/tiny")
}

/// What was found: boxes and conditions, not the seconds.
fn found(save_dir: &Path) -> Vec<(String, String)> {
    let folder = results(save_dir);
    let kept = files(&folder).into_iter().filter(|name| name.ends_with(".txt") && !name.contains("_time"));
    kept.map(|name| (name.clone(), fs::read_to_string(folder.join(&name)).unwrap())).collect()
}
