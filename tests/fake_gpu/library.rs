//! Builds the device, and runs the program on it.

use crate::support::{data, experiment, program, text};
use serde_json::{Map, Value};
use std::{
    collections::BTreeMap,
    hash::{DefaultHasher, Hash, Hasher},
    path::{Path, PathBuf},
    process::{Command, Output},
    sync::OnceLock,
};

/// The folder with the library that stands in for libtorch's CUDA part; none, loudly, where it cannot be compiled.
pub fn library() -> Option<&'static Path> {
    static LIBRARY: OnceLock<Option<PathBuf>> = OnceLock::new();
    LIBRARY.get_or_init(build).as_deref()
}

fn build() -> Option<PathBuf> {
    let sources = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fake_gpu/device");
    let lib = Path::new(env!("TRACKFLOW_LIBTORCH_LIB"));
    let include = std::env::var_os("LIBTORCH_INCLUDE").map_or_else(|| lib.join(".."), PathBuf::from).join("include");
    let abi = std::env::var("LIBTORCH_CXX11_ABI").unwrap_or_else(|_| "1".into());
    let compiler = std::env::var_os("CXX").unwrap_or_else(|| "c++".into());
    let mut hash = DefaultHasher::new();
    (lib, &abi).hash(&mut hash);
    let mut files: Vec<PathBuf> = std::fs::read_dir(&sources).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files.iter().for_each(|file| std::fs::read(file).unwrap().hash(&mut hash));
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("fake-gpu-{:016x}", hash.finish()));
    let library = folder.join("libtorch_cuda.so");
    if library.exists() {
        return Some(folder);
    }
    std::fs::create_dir_all(&folder).unwrap();
    // Under another name until it is whole: several test programs may build it.
    let part = folder.join(format!("part-{}.so", std::process::id()));
    let mut command = Command::new(&compiler);
    command.args(["-std=c++17", "-O1", "-DNDEBUG", "-fPIC", "-shared", "-w"]);
    command.arg(format!("-D_GLIBCXX_USE_CXX11_ABI={abi}")).arg("-I").arg(include).arg(sources.join("all.cpp"));
    command.arg("-o").arg(&part).arg("-L").arg(lib).args(["-ltorch_cpu", "-lc10"]);
    command.arg(format!("-Wl,-rpath,{}", lib.display()));
    let Ok(output) = command.output() else {
        eprintln!("SKIPPED: nothing ran on a device: there is no C++ compiler ({})", compiler.to_string_lossy());
        return None;
    };
    assert!(output.status.success(), "{}", text(&output));
    std::fs::rename(part, &library).unwrap();
    Some(folder)
}

/// What the device saw of a process.
#[derive(Debug)]
pub struct Report {
    /// Kernels and copies.
    pub launches: i64,
    /// The same by operation.
    pub operations: BTreeMap<String, i64>,
    waits: Vec<(String, String, i64)>,
}

impl Report {
    /// The report in the file `path`.
    pub fn read(path: &Path) -> Self {
        let report: Value = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
        let word = |value: &Value| value.as_str().unwrap().to_string();
        let waits = report["waits"].as_array().unwrap().iter();
        Self {
            launches: report["launches"].as_i64().unwrap(),
            operations: report["operations"]
                .as_object()
                .unwrap()
                .iter()
                .map(|(k, n)| (k.clone(), n.as_i64().unwrap()))
                .collect(),
            waits: waits
                .map(|wait| (word(&wait["thread"]), word(&wait["why"]), wait["times"].as_i64().unwrap()))
                .collect(),
        }
    }

    /// Waits of threads whose name begins with one of `threads`, as text.
    pub fn waits_of(&self, threads: &[&str]) -> Vec<String> {
        let of = |name: &str| threads.iter().any(|thread| name.starts_with(thread));
        let found = self.waits.iter().filter(|(name, ..)| of(name));
        found.map(|(name, why, times)| format!("{name} waited {times} times {why}")).collect()
    }

    /// Launches of `operation`.
    pub fn count(&self, operation: &str) -> i64 {
        self.operations.get(operation).copied().unwrap_or(0)
    }
}

/// `command` with the device in place of a GPU. The report is written to `report`.
pub fn on_device(command: &mut Command, library: &Path, report: &Path) {
    command.env("LD_LIBRARY_PATH", library).env("FAKE_GPU_REPORT", report);
}

/// A training of the tiny experiment.
pub struct Run {
    /// Its folder.
    pub save_dir: PathBuf,
    /// What it printed, and how it ended.
    pub output: Output,
    report: PathBuf,
}

impl Run {
    /// Trains on `device`, with `arguments` and `variables` of the environment.
    pub fn train(library: &Path, save_dir: &Path, device: &str, arguments: &[&str], variables: &[&str]) -> Self {
        Self::of(&experiment(), library, save_dir, device, arguments, variables)
    }

    /// The same of another experiment.
    pub fn of(
        experiment: &Path,
        library: &Path,
        save_dir: &Path,
        device: &str,
        arguments: &[&str],
        variables: &[&str],
    ) -> Self {
        let report = save_dir.join("device.json");
        std::fs::create_dir_all(save_dir).unwrap();
        let mut command = program();
        command.args(["train", "--script", "hiptrack", "--mode", "single", "--config"]).arg(experiment);
        command.arg("--save_dir").arg(save_dir).arg("--data_dir").arg(data());
        command.args(["--device", device, "--metrics", "127.0.0.1:0"]).args(arguments);
        on_device(&mut command, library, &report);
        command.envs(variables.iter().map(|name| (name, "1")));
        let output = command.output().unwrap();
        Self { save_dir: save_dir.into(), output, report }
    }

    /// Expects that it ended well.
    pub fn good(self) -> Self {
        assert_eq!(self.output.status.code(), Some(0), "{}", text(&self.output));
        self
    }

    /// What the device saw.
    pub fn report(&self) -> Report {
        Report::read(&self.report)
    }

    /// The events of this kind in its log.
    pub fn events(&self, kind: &str) -> Vec<Map<String, Value>> {
        let log = std::fs::read_to_string(self.save_dir.join("run.jsonl")).unwrap();
        let events = log.lines().map(|line| serde_json::from_str::<Map<String, Value>>(line).unwrap());
        events.filter(|event| event["event"] == kind).collect()
    }

    /// The total loss of each batch.
    pub fn losses(&self) -> Vec<f64> {
        self.events("batch").iter().map(|event| event["Loss/total"].as_f64().unwrap_or(f64::NAN)).collect()
    }
}
