//! What a call of the program says of itself at its beginning, so that a run can be done again from what it wrote down.

use super::{data_changes::Digests, sets::Planners};
use crate::{
    lock, native,
    telemetry::{gpu_names, machine::Machine as Here, process, version},
    train::run_event::{DataSet, Machine, RunStart, SharedSequences},
};

/// The first event of a call that trains `experiment` from `position` on.
pub(super) fn run_start(experiment: &str, seed: u64, device: &str, position: u64, planners: &Planners) -> RunStart {
    let here = Here::here();
    let shared = planners.shared.as_ref();
    RunStart {
        experiment: experiment.into(),
        seed: Some(seed),
        device: device.into(),
        version: env!("CARGO_PKG_VERSION").into(),
        commit: version::commit().map(str::to_string),
        torch: native::torch_version(),
        command: std::env::args_os().map(|word| word.to_string_lossy().into_owned()).collect(),
        folder: std::env::current_dir().map_or_else(|_| String::new(), |folder| folder.display().to_string()),
        host: lock::host(),
        pid: std::process::id(),
        machine: Machine {
            system: format!("{} {}", std::env::consts::OS, std::env::consts::ARCH),
            processor: process::processor(),
            cores: here.cores as u64,
            memory_bytes: here.memory_total(),
            gpus: gpu_names(),
        },
        position,
        data: data_sets(&planners.digests),
        validation: shared
            .map(|shared| SharedSequences { shared: shared.sequences as u64, sequences: shared.of as u64 }),
    }
}

fn data_sets(digests: &Digests) -> Vec<DataSet> {
    let set = |(name, digest): (&String, &crate::data::dataset::Digest)| DataSet {
        name: name.clone(),
        sequences: digest.sequences as u64,
        frames: digest.frames as u64,
        digest: digest.to_string(),
    };
    digests.iter().map(set).collect()
}
