//! `trackflow sweep`: one experiment with several settings and seeds, each run in a folder of its own, then what differs.

mod plan;
mod results;
mod runner;
mod statistics;

use crate::{
    failure::{Failure, FailureKind, Result},
    flow::{Shutdown, watch_signals},
    lock::FolderLock,
    monitor::replay,
    session::{check, find, sets},
    telemetry::{log, machine},
    train::{
        experiment::{Experiment, Synth},
        run_event::RunEvent,
    },
};
use clap::Args;
use plan::{Arm, Plan};
use runner::{Done, Job};
use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

/// `trackflow sweep`.
#[derive(Debug, Args)]
pub struct SweepArgs {
    /// What to run: an experiment, settings by name or as a grid, and seeds (see docs/sweeps.md)
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Folder for all runs: <SAVE_DIR>/<name of the file>/<arm>/seed-<N>
    #[arg(long = "save_dir", alias = "save-dir", default_value = "./output")]
    save_dir: PathBuf,
    /// Folder that holds the data sets (default: what configs/paths.yaml says, else ./data)
    #[arg(long = "data_dir", alias = "data-dir")]
    data_dir: Option<PathBuf>,
    /// Devices, a run on each at a time: cuda:0,cuda:1
    #[arg(long, value_delimiter = ',', default_value = "auto", value_name = "DEVICE,…")]
    device: Vec<String>,
    /// Runs at once on each device (default: as many as the cores have threads for, on a CPU; one on a GPU)
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    jobs: Option<u64>,
    /// Training steps in this call for each run, then save: to try a sweep out
    #[arg(long = "max_steps", alias = "max-steps", value_name = "N")]
    max_steps: Option<u64>,
    /// Only list the runs, and which of them are done
    #[arg(long)]
    list: bool,
}

/// A run of the sweep.
struct Member {
    arm: usize,
    seed: u64,
    folder: PathBuf,
    experiment: Experiment,
    is_complete: bool,
}

/// Does what is left of the sweep and compares. The value is the exit code: 0, that of a stop, or 70 where runs failed.
///
/// # Errors
/// Anything that is wrong in the file or with an arm, all at once, before a run is started.
pub fn sweep(args: &SweepArgs) -> Result<i32> {
    let plan = Plan::read(&args.file)?;
    let home = args.save_dir.join(&plan.name);
    let members = members(&plan, &home)?;
    let open: Vec<&Member> = members.iter().filter(|member| !member.is_complete).collect();
    let all = members.len();
    log::say(&format!(
        "{}: {} runs, {} settings with {} seeds; {} are done",
        args.file.display(),
        all,
        plan.arms.len(),
        plan.seeds.len(),
        all - open.len()
    ));
    if args.list {
        for member in &members {
            let state = if member.is_complete { "done" } else { "open" };
            log::say(&format!(
                "  {state}  {}, seed {}  {}",
                plan.arms[member.arm].name,
                member.seed,
                member.folder.display()
            ));
        }
        return Ok(0);
    }
    let _lock = FolderLock::take(&home, "sweep")?;
    let stop = Shutdown::new();
    let _signals = watch_signals(stop.clone())?;
    let mut scenes = BTreeMap::new();
    let jobs = open.iter().map(|member| job(args, &plan, &home, member, &mut scenes)).collect::<Result<Vec<_>>>()?;
    let devices = devices(args, open.first().map_or(1, |member| member.experiment.training.threads));
    let mut failed = Vec::new();
    let mut finished = 0;
    let total = jobs.len();
    runner::run(&jobs, &devices, &stop, |Done { index, code, time }| {
        finished += 1;
        let Job { name, folder, .. } = &jobs[index];
        let left = total - finished;
        let took = humantime::format_duration(std::time::Duration::from_secs(time.as_secs()));
        match code {
            Some(0) => {
                let numbers = results::numbers(folder).unwrap_or_else(|failure| failure.message);
                log::say(&format!("[{finished}/{total}] {name}: {numbers} ({took}); {left} left"));
            }
            _ if stop.is_stopping() => log::say(&format!("[{finished}/{total}] {name}: stopped and saved")),
            code => {
                let code = code.map_or("a signal".into(), |code| format!("exit code {code}"));
                let file = folder.join("output.txt");
                log::warn(&format!("[{finished}/{total}] {name}: ended with {code}; see {}", file.display()));
                failed.push(name.clone());
            }
        }
    })?;
    let done: Vec<&Member> = members.iter().filter(|member| has_numbers(&member.folder)).collect();
    results::write(&plan, &done.iter().map(|m| (m.arm, m.seed, m.folder.clone())).collect::<Vec<_>>(), &home)?;
    if let Some(reason) = stop.reason() {
        log::say("stopped; the same command goes on");
        return Ok(reason.exit_code());
    }
    if !failed.is_empty() {
        let message = format!(
            "{} of {total} runs failed: {}; the same command tries them again",
            failed.len(),
            failed.join("; ")
        );
        return Err(Failure::new(FailureKind::Stage, message));
    }
    Ok(0)
}

/// All runs, their experiments read and checked.
fn members(plan: &Plan, home: &Path) -> Result<Vec<Member>> {
    let mut members = Vec::new();
    let mut problems = Vec::new();
    for (arm, Arm { name, set }) in plan.arms.iter().enumerate() {
        let node = find::experiment(&plan.script, &plan.config, set);
        match node.and_then(|node| check::experiment(&node).sound()) {
            Ok(experiment) => members.extend(plan.seeds.iter().map(|&seed| {
                let folder = home.join(folder_name(name)).join(format!("seed-{seed}"));
                Member { arm, seed, is_complete: is_complete(&folder), folder, experiment: experiment.clone() }
            })),
            Err(failure) => problems.push(failure.within(format!("arm `{name}`"))),
        }
    }
    let folders: Vec<String> = plan.arms.iter().map(|arm| folder_name(&arm.name)).collect();
    for (at, folder) in folders.iter().enumerate() {
        if folders[..at].contains(folder) {
            problems.push(Failure::config(format!(
                "arm `{}`: another one has the same folder {folder}",
                plan.arms[at].name
            )));
        }
    }
    // A run that is there must be of these settings: its numbers would be taken for theirs.
    for Member { folder, experiment, .. } in members.iter().filter(|member| member.is_complete) {
        let file = folder.join("experiment.yaml");
        if std::fs::read_to_string(&file).is_ok_and(|text| text != experiment.resolved) {
            let message =
                "made with other settings than the sweep has now; remove the folder, or use another --save_dir";
            problems.push(Failure::config(format!("{}: {message}", folder.display())));
        }
    }
    check::merged(problems).map_or(Ok(members), Err)
}

/// What a folder can be called after an arm.
fn folder_name(arm: &str) -> String {
    let keep = |c: char| if c.is_alphanumeric() || "=.-_+".contains(c) { c } else { '_' };
    arm.chars().map(keep).collect::<String>().trim_start_matches('.').to_string()
}

fn is_complete(folder: &Path) -> bool {
    let last = replay::events(&folder.join("run.jsonl")).pop().map(|line| line.event);
    matches!(last, Some(RunEvent::End(end)) if end.reason == "complete")
}

fn has_numbers(folder: &Path) -> bool {
    folder.join("run.jsonl").is_file()
}

/// The command line of a run; synthetic scenes are made once for all that have the same.
fn job(
    args: &SweepArgs,
    plan: &Plan,
    home: &Path,
    member: &Member,
    scenes: &mut BTreeMap<String, PathBuf>,
) -> Result<Job> {
    let arm = &plan.arms[member.arm];
    let mut arguments: Vec<String> =
        ["--script", &plan.script, "--config", &plan.config, "--pipeline", &plan.pipeline].map(str::to_owned).to_vec();
    arguments.extend(arm.set.iter().flat_map(|set| ["--set".to_string(), set.clone()]));
    arguments.extend(["--seed".into(), member.seed.to_string(), "--metrics".into(), "127.0.0.1:0".into()]);
    arguments.extend(args.max_steps.iter().flat_map(|steps| ["--max_steps".into(), steps.to_string()]));
    let data = match (&member.experiment.data.synth, &args.data_dir) {
        (Some(synth), None) => Some(made(synth, home, scenes)?),
        (_, given) => given.clone(),
    };
    if let Some(data) = data {
        arguments.extend(["--data_dir".into(), data.display().to_string()]);
    }
    let name = format!("{}, seed {}", arm.name, member.seed);
    Ok(Job { name, folder: member.folder.clone(), arguments })
}

/// The folder of the scenes that `synth` describes, made at its first use.
fn made(synth: &Synth, home: &Path, scenes: &mut BTreeMap<String, PathBuf>) -> Result<PathBuf> {
    let words = format!("{synth:?}");
    if let Some(folder) = scenes.get(&words) {
        return Ok(folder.clone());
    }
    let digest = xxhash_rust::xxh3::xxh3_64(words.as_bytes());
    let folder = home.join("data").join(format!("{digest:016x}"));
    log::say(&sets::synthesise(synth, &folder)?);
    scenes.insert(words, folder.clone());
    Ok(folder)
}

/// A device for each run that goes on at a time.
fn devices(args: &SweepArgs, threads: usize) -> Vec<String> {
    let cores = machine::cores();
    let on_cpu = |device: &String| device == "cpu" || device == "auto" && !tch::Cuda::is_available();
    let each = |device: &String| match args.jobs {
        Some(jobs) => jobs as usize,
        None if on_cpu(device) => (cores / threads.max(1)).max(1),
        None => 1,
    };
    args.device.iter().flat_map(|device| std::iter::repeat_n(device.clone(), each(device))).collect()
}
