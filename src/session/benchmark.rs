//! `TEST.BENCHMARK`: each epoch's checkpoint is tracked with and scored while training goes on.
//!
//! A process of its own does that, one checkpoint at a time: training's bits depend on the number of libtorch's threads,
//! which is one for a whole process.

use super::{
    children::Children,
    request::{Request, Source},
};
use crate::{
    failure::{Failure, Result},
    telemetry::log,
    train::{
        checkpoint::benchmark::{self, Benchmark},
        device::DeviceChoice,
        events::Observer,
        experiment::Experiment,
        run_event::RunEvent,
    },
};
use serde_json::Value;
use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::{
        Arc, Mutex, PoisonError,
        mpsc::{Receiver, Sender, channel},
    },
    thread::JoinHandle,
};

/// Observes which checkpoints are saved, and has them scored.
pub(super) struct Scorer {
    interval: usize,
    queue: Mutex<Option<Sender<(usize, PathBuf)>>>,
    thread: Mutex<Option<JoinHandle<()>>>,
    children: Arc<Children>,
}

impl Scorer {
    /// A scorer for the run of `request`, whose data lies below `data_dir` where one is known; none where the experiment
    /// names no benchmark.
    ///
    /// # Errors
    /// 78 when a benchmark cannot be opened: nobody wants to hear of that after the first epoch.
    pub fn of(request: &Request, experiment: &Experiment, data_dir: Option<&Path>) -> Result<Option<Arc<Self>>> {
        let (sets, interval) = (&experiment.test.benchmark, experiment.test.benchmark_interval);
        if sets.is_empty() {
            return Ok(None);
        }
        let roots = crate::data::dataset::Roots::open(data_dir)?;
        let named = crate::track::named_sets(sets).map_err(|failure| failure.within("TEST.BENCHMARK"))?;
        let (subjects, _) =
            crate::track::subjects(&named, &[], &roots).map_err(|failure| failure.within("TEST.BENCHMARK"))?;
        let frames: usize = subjects.iter().map(|subject| subject.truth.boxes.len()).sum();
        log::say(&format!(
            "TEST.BENCHMARK: every {interval} epochs, {frames} frames of {} sequences ({}) are tracked and scored",
            subjects.len(),
            sets.join(", ")
        ));
        let job = Job::new(request, sets, data_dir)?;
        let (queue, receive) = channel();
        let children = Arc::new(Children::default());
        let own = Arc::clone(&children);
        let thread = std::thread::spawn(move || job.work(&receive, &own));
        Ok(Some(Arc::new(Self {
            interval,
            queue: Mutex::new(Some(queue)),
            thread: Mutex::new(Some(thread)),
            children,
        })))
    }

    /// Waits until what was saved is scored; where the run was `stopped`, ends that instead.
    pub fn finish(&self, stopped: bool) {
        if stopped {
            self.children.end(libc::SIGKILL);
        }
        self.queue.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(thread) = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take() {
            // It says itself what went wrong.
            let _ = thread.join();
        }
    }
}

impl Observer for Scorer {
    fn observe(&self, event: &RunEvent) {
        let RunEvent::Checkpoint(saved) = event else { return };
        let path = Path::new(&saved.path);
        let number = |path: &Path| -> Option<usize> {
            let name = path.file_stem()?.to_str()?;
            let rest = name.rsplit_once("_ep").filter(|_| !name.ends_with("_mid"))?.1;
            rest.split('_').next()?.parse().ok()
        };
        let Some(epoch) = number(path).filter(|epoch| epoch.is_multiple_of(self.interval)) else { return };
        if let Some(queue) = self.queue.lock().unwrap_or_else(PoisonError::into_inner).as_ref() {
            // A worker that has gone said why.
            let _ = queue.send((epoch, path.to_path_buf()));
        }
    }
}

/// How a checkpoint is scored.
struct Job {
    program: PathBuf,
    arguments: Vec<String>,
    folder: PathBuf,
    json: PathBuf,
}

impl Job {
    fn new(request: &Request, sets: &[String], data_dir: Option<&Path>) -> Result<Self> {
        let unavailable = |what: &str| Failure::unavailable(format!("TEST.BENCHMARK: {what}"));
        let program =
            request.program.clone().ok_or_else(|| unavailable("the trackflow program, which scores, is not found"))?;
        let Source::Named(config) = &request.experiment else {
            return Err(unavailable(
                "the program that scores reads an experiment from its file, and this one has none",
            ));
        };
        let folder = request.folder();
        let json = folder.join("benchmark.json");
        let mut arguments: Vec<String> =
            ["evaluate", "--script", &request.script, "--config", config].map(str::to_owned).into();
        let mut add = |key: &str, value: &Path| arguments.extend([key.to_owned(), value.display().to_string()]);
        add("--save_dir", &request.save_dir);
        add("--json", &json);
        if let Some(data_dir) = data_dir {
            add("--data_dir", data_dir);
        }
        arguments.extend(sets.iter().flat_map(|set| ["--dataset".to_owned(), set.clone()]));
        arguments.extend(request.set.iter().flat_map(|set| ["--set".to_owned(), set.clone()]));
        arguments.extend(["--device".to_owned(), request.device.to_string()]);
        if request.device == DeviceChoice::Cpu {
            // The others are training's.
            arguments.extend(["--threads".to_owned(), "1".to_owned()]);
        }
        Ok(Self { program, arguments, folder, json })
    }

    fn work(&self, queue: &Receiver<(usize, PathBuf)>, children: &Children) {
        for (epoch, path) in queue {
            if children.are_ending() {
                log::say(&format!(
                    "TEST.BENCHMARK: epoch {epoch} is not scored; trackflow evaluate --epochs {epoch} does that"
                ));
                continue;
            }
            match self.score(epoch, &path, children) {
                Ok(Some(line)) => log::say(&line),
                Ok(None) => log::say(&format!(
                    "TEST.BENCHMARK: epoch {epoch} is not scored; trackflow evaluate --epochs {epoch} does that"
                )),
                Err(failure) => log::warn(&format!("TEST.BENCHMARK: epoch {epoch}: {failure}; training goes on")),
            }
        }
    }

    /// What is to be said of the checkpoint; nothing where the run was stopped.
    fn score(&self, epoch: usize, path: &Path, children: &Children) -> Result<Option<String>> {
        if !path.exists() {
            let what = "was removed before its turn; let TRAIN.KEEP_CHECKPOINTS or TEST.BENCHMARK_INTERVAL be larger";
            return Err(Failure::input(format!("{}: {what}", path.display())));
        }
        let failed = |error: std::io::Error| Failure::unavailable(format!("{}: {error}", self.program.display()));
        // A pipe that nobody reads would fill up.
        let predicted = self.folder.join("benchmark.log");
        let log = std::fs::File::create(&predicted)
            .map_err(|error| Failure::output(format!("{}: {error}", predicted.display())))?;
        let mut command = Command::new(&self.program);
        command.args(&self.arguments).args(["--epochs", &epoch.to_string()]);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);
        let mut child = command.spawn().map_err(failed)?;
        let status = children.wait(&mut child).map_err(failed)?;
        if !status.success() && children.are_ending() {
            return Ok(None);
        }
        if !status.success() {
            let text = std::fs::read_to_string(&predicted).unwrap_or_default();
            return Err(Failure::stage(text.trim().trim_start_matches("error: ").to_owned()));
        }
        let scores = self.read(epoch, path)?;
        benchmark::note(&self.folder, &scores)?;
        let all = benchmark::read(&self.folder);
        let best = all.iter().max_by(|a, b| a.score.total_cmp(&b.score)).unwrap_or(&scores);
        let sets: Vec<String> =
            scores.datasets.iter().map(|(set, score)| format!("{set} {:.2}", 100.0 * score)).collect();
        Ok(Some(format!(
            "benchmark: epoch {epoch}: {}; best so far: epoch {} ({:.2}), which is kept",
            sets.join(", "),
            best.epoch,
            100.0 * best.score
        )))
    }

    fn read(&self, epoch: usize, path: &Path) -> Result<Benchmark> {
        let broken = |what: &str| Failure::stage(format!("{}: {what}", self.json.display()));
        let text = std::fs::read_to_string(&self.json).map_err(|error| broken(&error.to_string()))?;
        let document: Value = serde_json::from_str(&text).map_err(|error| broken(&error.to_string()))?;
        let one = std::slice::from_ref(&document);
        let boards = document["boards"].as_array().map_or(one, |all| &all[..]);
        let score = |board: &Value| {
            let overall = &board["overall"];
            let value = overall["ao"].as_f64().or_else(|| overall["auc"].as_f64())?;
            Some((board["datasets"][0].as_str()?.to_owned(), value))
        };
        let datasets: BTreeMap<String, f64> =
            boards.iter().map(score).collect::<Option<_>>().ok_or_else(|| broken("holds no score"))?;
        let mean = datasets.values().sum::<f64>() / datasets.len().max(1) as f64;
        let checkpoint = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        Ok(Benchmark { checkpoint, epoch, score: mean, datasets })
    }
}
