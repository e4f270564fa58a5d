//! `trackflow doctor`: whether this machine can train, and where the data is.

use crate::{
    data::dataset::{KEYS, PATHS_FILE, Roots, cache_folder},
    failure::{Failure, FailureKind, Result},
    monitor::live,
    native,
    telemetry::{self, Driver, log, machine, terminal::Paint},
    train::device::{DeviceChoice, INSTALL, cuda_part, gpu_left_out},
};
use clap::Args;
use std::{
    net::TcpListener,
    path::{Path, PathBuf},
};

/// `trackflow doctor`.
#[derive(Debug, Args)]
pub struct DoctorArgs {
    /// Write configs/paths.yaml, in which each data set has a line for its folder
    #[arg(long)]
    init: bool,
    /// Folder that holds the data sets (default: what configs/paths.yaml says, else ./data)
    #[arg(long = "data_dir", alias = "data-dir")]
    data_dir: Option<PathBuf>,
    /// Folder for checkpoints, logs and results
    #[arg(long = "save_dir", alias = "save-dir", default_value = "./output")]
    save_dir: PathBuf,
    /// auto, cpu or cuda:N
    #[arg(long, default_value = "auto")]
    device: DeviceChoice,
}

/// What one look found.
enum Finding {
    Ok(String),
    /// Something that a run may do without.
    Missing(String),
    /// Something that no run can do without.
    Bad(FailureKind, String),
}

/// Prints a list of what is there and what is missing, with remedies.
///
/// # Errors
/// The first thing without which no run is possible decides the exit code: 69 for the device, 74 for folders that
/// cannot be written, 78 for a wrong `configs/paths.yaml`.
pub fn doctor(args: &DoctorArgs) -> Result<()> {
    if args.init {
        init()?;
    }
    let roots = Roots::open(args.data_dir.as_deref())?;
    let mut found = vec![
        ("trackflow", version()),
        ("libtorch", libtorch()),
        ("driver", driver()),
        ("CUDA libraries", cuda_libraries()),
        ("device", device(args.device)),
        ("processors", processors()),
        ("memory", memory()),
        ("save_dir", writable(&args.save_dir, "--save_dir")),
        ("cache", cache()),
        ("metrics port", port()),
        ("data", data(&roots)),
    ];
    found.extend(KEYS.iter().skip(1).map(|(key, holds)| (*key, root(&roots, key, holds))));
    let mut failure = None;
    for (name, finding) in found {
        let (word, paint, text) = match finding {
            Finding::Ok(text) => ("ok", Paint::Good, text),
            Finding::Missing(text) => ("missing", Paint::Warning, text),
            Finding::Bad(kind, text) => {
                failure.get_or_insert_with(|| Failure::new(kind, format!("{name}: {text}")));
                ("bad", Paint::Error, text)
            }
        };
        log::cells(&[(&format!("{name:<16}"), None), (&format!("{word:<8}"), Some(paint))], &text);
    }
    failure.map_or(Ok(()), Err)
}

/// The program: its version, its commit where that is known, and its optional parts.
fn version() -> Finding {
    let commit = option_env!("TRACKFLOW_COMMIT").filter(|commit| !commit.is_empty());
    let commit = commit.map_or_else(String::new, |commit| format!(" ({commit})"));
    let parts = [
        (cfg!(feature = "cpu-kernels"), "cpu-kernels"),
        (cfg!(feature = "png"), "png"),
        (cfg!(feature = "turbojpeg"), "turbojpeg"),
    ];
    let parts: Vec<&str> = parts.into_iter().filter_map(|(there, name)| there.then_some(name)).collect();
    let parts = if parts.is_empty() { "none".to_string() } else { parts.join(", ") };
    Finding::Ok(format!("{}{commit}, features: {parts}", env!("CARGO_PKG_VERSION")))
}

fn libtorch() -> Finding {
    let sum = tch::Tensor::from_slice(&[1.0f32, 2.0]).f_sum(tch::Kind::Float).and_then(f64::try_from);
    match sum {
        Ok(3.0) => Finding::Ok(format!("{}, computes; {} threads", native::torch_version(), tch::get_num_threads())),
        Ok(other) => Finding::Bad(FailureKind::Unavailable, format!("computes 1 + 2 = {other}; install torch 2.11")),
        Err(error) => Finding::Bad(FailureKind::Unavailable, format!("{error}; install torch 2.11")),
    }
}

/// NVIDIA's driver, and the GPUs that it knows.
fn driver() -> Finding {
    match telemetry::driver() {
        Ok(driver) if driver.gpus.is_empty() => {
            Finding::Missing(format!("NVIDIA {}, which finds no GPU; check nvidia-smi", driver.version))
        }
        Ok(Driver { version, cuda: [major, minor], gpus }) => {
            let gpus = gpus.iter().enumerate().map(|(number, (name, memory))| {
                format!("cuda:{number} {name}, {:.0} GiB", *memory as f64 / f64::from(1 << 30))
            });
            let gpus = gpus.collect::<Vec<_>>().join("; ");
            let text = format!("NVIDIA {version}, for CUDA {major}.{minor} and before: {gpus}");
            if major < LEAST_CUDA {
                return Finding::Missing(format!(
                    "{text}; torch 2.11.0 of PyPI is for CUDA {LEAST_CUDA}: a newer driver, or a torch for CUDA {major}"
                ));
            }
            Finding::Ok(text)
        }
        Err(error) => Finding::Missing(format!("none ({error}); a GPU of NVIDIA needs it, a CPU does not")),
    }
}

/// What torch 2.11.0 of PyPI was built for.
const LEAST_CUDA: i32 = 13;

/// libtorch's CUDA part, and what it needs.
fn cuda_libraries() -> Finding {
    match cuda_part() {
        Ok(()) => Finding::Ok("libtorch_cuda.so and all that it needs".into()),
        Err(error) => Finding::Missing(format!("{error}; for a GPU {INSTALL}")),
    }
}

fn device(choice: DeviceChoice) -> Finding {
    match choice.open() {
        Ok(device) if gpu_left_out(choice, device).is_some() => {
            Finding::Bad(FailureKind::Unavailable, gpu_left_out(choice, device).unwrap_or_default())
        }
        Ok(tch::Device::Cuda(number)) => Finding::Ok(format!("cuda:{number}")),
        Ok(_) => Finding::Ok("cpu (no GPU answers: training a full model takes days; the demo runs)".into()),
        Err(failure) => Finding::Bad(failure.kind, failure.message),
    }
}

fn processors() -> Finding {
    match machine::cores() {
        1 => Finding::Missing("only 1 that this process may use: data and step share it".into()),
        count => Finding::Ok(count.to_string()),
    }
}

/// What training the full model with a batch of 1 on a CPU takes, in GiB.
const ENOUGH: f64 = 13.0;

fn memory() -> Finding {
    let Some(memory) = machine::memory() else {
        return Finding::Missing("unknown: /proc/meminfo cannot be read".into());
    };
    let gib = |bytes: u64| bytes as f64 / f64::from(1 << 30);
    let whose = if memory.limited { " (the limit of the container)" } else { "" };
    let text = format!("{:.1} of {:.1} GiB free{whose}", gib(memory.available), gib(memory.total));
    match gib(memory.available) >= ENOUGH {
        true => Finding::Ok(text),
        false => Finding::Missing(format!("{text}: enough for small models; the full one needs {ENOUGH} on a CPU")),
    }
}

/// Whether files can be made in `folder`, or in the nearest one above it that is there.
fn writable(folder: &Path, flag: &str) -> Finding {
    let absolute = std::path::absolute(folder).unwrap_or_else(|_| folder.to_owned());
    let Some(there) = absolute.ancestors().find(|path| path.exists()) else {
        return Finding::Bad(FailureKind::Output, format!("{}: no such place", folder.display()));
    };
    let probe = there.join(format!(".trackflow-{}", std::process::id()));
    match std::fs::write(&probe, b"x").and_then(|()| std::fs::remove_file(&probe)) {
        Ok(()) => Finding::Ok(format!("{} can be written", folder.display())),
        Err(error) => {
            let text = format!("{}: {error}; make it writable or name another {flag}", there.display());
            Finding::Bad(FailureKind::Output, text)
        }
    }
}

fn cache() -> Finding {
    let Some(folder) = cache_folder() else {
        return Finding::Missing("none: data sets are read anew each time; set TRACKFLOW_CACHE or HOME".into());
    };
    match writable(&folder, "TRACKFLOW_CACHE") {
        Finding::Bad(_, text) => Finding::Missing(format!("data sets are read anew each time: {text}")),
        other => other,
    }
}

fn port() -> Finding {
    let address = live::DEFAULT_ADDRESS;
    let port = address.port();
    match TcpListener::bind(address) {
        Ok(_) => Finding::Ok(format!("{port} is free")),
        Err(error) => Finding::Missing(format!("{port}: {error}; a run takes a free one and prints it (--metrics)")),
    }
}

fn data(roots: &Roots) -> Finding {
    let path = roots.base.display();
    match roots.base.is_dir() {
        true => Finding::Ok(format!("{path}")),
        false => {
            Finding::Missing(format!("{path}: no such folder; name one with --data_dir or trackflow doctor --init"))
        }
    }
}

fn root(roots: &Roots, key: &str, holds: &str) -> Finding {
    match roots.found(key) {
        Some(path) => Finding::Ok(path.display().to_string()),
        None => match roots.own(key) {
            Some(path) => Finding::Missing(format!("{}: no such folder; correct {PATHS_FILE}", path.display())),
            None => Finding::Missing(format!("{holds}; put it below the data folder or name it in {PATHS_FILE}")),
        },
    }
}

/// Writes the file of folders, with what is found already.
fn init() -> Result<()> {
    let file = Path::new(PATHS_FILE);
    if file.exists() {
        println!("{PATHS_FILE} already exists and was not changed");
        return Ok(());
    }
    let roots = Roots::below(Path::new("./data"));
    let mut text = String::from(
        "# Where the data sets lie. An empty line: below data_dir, under the usual names. --data_dir overrides all.\n",
    );
    for (key, holds) in KEYS {
        let path = if key == "data_dir" { Some(roots.base.clone()) } else { roots.found(key) };
        let value = path.map_or_else(String::new, |path| format!(" {}", path.display()));
        text.push_str(&format!("# {holds}\n{key}:{value}\n"));
    }
    let failed = |error: std::io::Error| Failure::output(format!("{PATHS_FILE}: cannot be written: {error}"));
    if let Some(folder) = file.parent() {
        std::fs::create_dir_all(folder).map_err(failed)?;
    }
    std::fs::write(file, text).map_err(failed)?;
    println!("{PATHS_FILE} written: name the folders of your data sets there");
    Ok(())
}
