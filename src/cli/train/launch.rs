//! `--mode multiple` and `--mode multi_node`: this process starts the ranks of its machine, and waits for them.

use super::{Mode, TrainArgs};
use crate::{
    failure::{Failure, Result},
    flow::pass_signals,
    train::ranks::{self, Machines, RankInfo},
};
use std::ffi::OsString;

/// The reference's own.
const PORT: u16 = 20_000;

/// Trains in the processes that it starts, where the mode asks for that; the value is the exit code.
///
/// # Errors
/// Options that do not fit together, or processes that cannot be started.
pub(super) fn launch(args: &TrainArgs) -> Result<Option<i32>> {
    let machines = match args.mode {
        Mode::Single => {
            let given = [
                ("--nproc_per_node", args.processes.is_some()),
                ("--rank", args.machine.is_some()),
                ("--world-size", args.machines.is_some()),
                ("--ip", args.ip.is_some()),
                ("--port", args.port.is_some()),
            ];
            return match given.iter().find(|(_, given)| *given) {
                Some((name, _)) => {
                    Err(Failure::usage(format!("{name}: it belongs to --mode multiple or --mode multi_node")))
                }
                None => Ok(None),
            };
        }
        Mode::Multiple => {
            let given = args.machine.is_some() || args.machines.is_some() || args.ip.is_some() || args.port.is_some();
            if given {
                return Err(Failure::usage("--rank, --world-size, --ip and --port belong to --mode multi_node"));
            }
            Machines { number: 0, of: 1, meeting: None }
        }
        Mode::MultiNode => {
            let needed = |name: &str| Failure::usage(format!("--mode multi_node needs {name}"));
            let number = args.machine.ok_or_else(|| needed("--rank, the number of this machine from 0"))?;
            let of = args.machines.ok_or_else(|| needed("--world-size, the number of machines"))?;
            if number >= of {
                return Err(Failure::usage(format!("--rank {number}, but --world-size {of}: machines count from 0")));
            }
            let ip = args.ip.clone().unwrap_or_else(|| "127.0.0.1".into());
            Machines { number, of, meeting: Some((ip, args.port.unwrap_or(PORT))) }
        }
    };
    let count = args.processes.ok_or_else(|| {
        Failure::usage(format!("--mode {} needs --nproc_per_node, the processes of this machine", name(args.mode)))
    })?;
    if RankInfo::of_environment()?.is_some() {
        return Err(Failure::usage(format!(
            "--mode {} starts ranks, and this process is one already (RANK or SLURM_PROCID is set); leave --mode out",
            name(args.mode)
        )));
    }
    // The last one counts.
    let arguments: Vec<OsString> =
        std::env::args_os().skip(1).chain(["--mode", "single"].map(OsString::from)).collect();
    let arguments = without(&arguments);
    let (_watch, signals) = pass_signals()?;
    ranks::launch(&machines, usize::from(count), &arguments, &signals).map(Some)
}

fn name(mode: Mode) -> &'static str {
    match mode {
        Mode::Single => "single",
        Mode::Multiple => "multiple",
        Mode::MultiNode => "multi_node",
    }
}

/// The arguments of a rank: those of the launcher, without what is the launcher's alone.
fn without(arguments: &[OsString]) -> Vec<OsString> {
    const OWN: [&str; 7] =
        ["--nproc_per_node", "--nproc-per-node", "--rank", "--world-size", "--world_size", "--ip", "--port"];
    let mut kept = Vec::new();
    let mut all = arguments.iter();
    while let Some(argument) = all.next() {
        let text = argument.to_string_lossy();
        if OWN.iter().any(|own| text == *own) {
            all.next();
        } else if !OWN.iter().any(|own| text.strip_prefix(own).is_some_and(|rest| rest.starts_with('='))) {
            kept.push(argument.clone());
        }
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_the_launchers_is_not_the_ranks() {
        let all = "train --config x --mode multiple --nproc_per_node 2 --ip=h --seed 3 --world_size 4 --mode single";
        let kept = without(&all.split(' ').map(OsString::from).collect::<Vec<_>>());
        let kept: Vec<&str> = kept.iter().map(|word| word.to_str().unwrap()).collect();
        assert_eq!(kept.join(" "), "train --config x --mode multiple --seed 3 --mode single");
    }
}
