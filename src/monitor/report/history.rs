//! What `run.jsonl` and `load.json` of a run say.

use crate::{
    failure::{Failure, Result},
    monitor::run_log::confusion,
    train::confusion::{Confusion, Recall},
};
use serde_json::Value;
use std::{
    collections::BTreeMap,
    fs::File,
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
};

/// A run as it was written down.
#[derive(Clone, Debug, Default)]
pub struct History {
    /// The name of its folder.
    pub name: String,
    /// Its folder.
    pub folder: PathBuf,
    /// `script/config` of its experiment; empty for runs of programs that did not write it down.
    pub experiment: String,
    /// What it computed on.
    pub device: String,
    /// Its seed.
    pub seed: Option<u64>,
    /// How many of how many sequences validation shares with training, where it does.
    pub shared: Option<[u64; 2]>,
    /// Means of each pass over an epoch's training or validation clips.
    pub passes: Vec<Pass>,
    /// Training steps.
    pub steps: Vec<Step>,
    /// Comparisons of both tasks' gradients.
    pub gradients: Vec<Gradients>,
    /// Advice, as rule and message.
    pub advice: Vec<(String, String)>,
    /// Warnings.
    pub warnings: Vec<String>,
    /// Steps that were not finite.
    pub nonfinite: usize,
    /// Checkpoints: file, bytes, seconds.
    pub checkpoints: Vec<(String, u64, f64)>,
    /// What the stages did in the last call, when it ended by itself.
    pub load: Value,
}

/// Means over the clips of one epoch and split.
#[derive(Clone, Debug, Default)]
pub struct Pass {
    /// From 1; 0 is the validation before training.
    pub epoch: u64,
    /// Whether these are validation clips.
    pub is_val: bool,
    /// Losses, IoU, Accuracy by their names in the log.
    pub values: BTreeMap<String, f64>,
    /// Which conditions were taken for which; empty without a class head.
    pub confusion: Confusion,
}

/// A training step.
#[derive(Clone, Copy, Debug, Default)]
pub struct Step {
    /// Its number.
    pub step: f64,
    /// Learning rate of the heads.
    pub lr: f64,
    /// Norm of all gradients before clipping.
    pub norm: f64,
    /// Factor of the class loss.
    pub class_weight: f64,
    /// Seconds that it waited for data, and that it computed.
    pub seconds: [f64; 2],
    /// Its clips.
    pub clips: f64,
}

/// A comparison of both tasks' gradients.
#[derive(Clone, Debug, Default)]
pub struct Gradients {
    /// The step.
    pub step: f64,
    /// Block, norms of the box's, the weighted class's and the whole gradient, and the cosine between the first two.
    pub blocks: Vec<(String, [f64; 3], Option<f64>)>,
}

impl History {
    /// Reads the run in `folder` (a `--save_dir`).
    ///
    /// # Errors
    /// 66 when there is no `run.jsonl`, or a line in its middle is none of ours.
    pub fn read(folder: &Path) -> Result<Self> {
        let path = folder.join("run.jsonl");
        let failed = |what: &dyn std::fmt::Display| Failure::input(format!("{}: {what}", path.display()));
        let file = File::open(&path).map_err(|error| failed(&format_args!("{error}; name a --save_dir with --run")))?;
        let absolute = std::path::absolute(folder).unwrap_or_else(|_| folder.to_owned());
        let name = absolute.file_name().map_or_else(|| folder.display().to_string(), |n| n.to_string_lossy().into());
        let load = std::fs::read(folder.join("load.json")).ok().and_then(|text| serde_json::from_slice(&text).ok());
        let mut history = Self { name, folder: folder.to_owned(), load: load.unwrap_or_default(), ..Self::default() };
        let mut broken: Option<usize> = None;
        for (number, line) in BufReader::new(file).split(b'\n').enumerate() {
            let line = line.map_err(|error| failed(&error))?;
            if line.is_empty() {
                continue;
            }
            if let Some(number) = broken {
                let path = path.display();
                return Err(Failure::input(format!("{path}:{}: no event of a run; remove the line", number + 1)));
            }
            match serde_json::from_slice::<Value>(&line) {
                Ok(event) => history.add(&event),
                // A killed run leaves half a line at the end.
                Err(_) => broken = Some(number),
            }
        }
        Ok(history)
    }

    fn add(&mut self, event: &Value) {
        let text = |key: &str| event[key].as_str().unwrap_or_default().to_string();
        let number = |key: &str| event[key].as_f64().unwrap_or(f64::NAN);
        match event["event"].as_str().unwrap_or_default() {
            "run" => {
                (self.experiment, self.device) = (text("experiment"), text("device"));
                self.seed = event["seed"].as_u64();
                let counts = ["shared", "sequences"].map(|key| event["validation"][key].as_u64());
                self.shared = counts[0].zip(counts[1]).map(|(shared, all)| [shared, all]);
            }
            "pass" => {
                let values = event.as_object().into_iter().flatten();
                let values = values.filter_map(|(key, value)| Some((key.clone(), value.as_f64()?))).collect();
                let mut values: BTreeMap<String, f64> = values;
                let said = confusion(event);
                for (condition, told) in event["conditions"].as_object().into_iter().flatten() {
                    let both = ["IoU", "frames"].map(|key| (format!("{key}/{condition}"), told[key].as_f64()));
                    values.extend(both.into_iter().filter_map(|(key, value)| Some((key, value?))));
                }
                let accuracy =
                    |own: Recall| (format!("Accuracy/{}", own.condition), own.right as f64 / own.frames as f64);
                values.extend(said.recalls().into_iter().map(accuracy));
                let epoch = event["epoch"].as_u64().unwrap_or_default();
                self.passes.push(Pass { epoch, is_val: event["split"] == "val", values, confusion: said });
            }
            "batch" if event["split"] == "train" => self.steps.push(Step {
                step: number("step"),
                lr: number("lr"),
                norm: number("gradient_norm"),
                class_weight: number("weight_cls"),
                seconds: [number("data_seconds"), number("forward_seconds")],
                clips: number("clips"),
            }),
            "gradients" => {
                let block = |block: &Value| {
                    let norm = |key: &str| block[key].as_f64().unwrap_or(f64::NAN);
                    let norms = [norm("box"), norm("cls"), norm("total")];
                    (block["block"].as_str().unwrap_or_default().to_string(), norms, block["cosine"].as_f64())
                };
                let blocks = event["blocks"].as_array().into_iter().flatten().map(block).collect();
                self.gradients.push(Gradients { step: number("step"), blocks });
            }
            "advice" => self.advice.push((text("rule"), text("message"))),
            "warning" => self.warnings.push(text("message")),
            "nonfinite" => self.nonfinite += 1,
            "checkpoint" => {
                let path = text("path");
                let file = path.rsplit('/').next().unwrap_or_default().to_string();
                self.checkpoints.push((file, event["bytes"].as_u64().unwrap_or_default(), number("seconds")));
            }
            _ => {}
        }
    }

    /// `key` by epoch, of training or validation.
    pub fn curve(&self, key: &str, is_val: bool) -> Vec<(f64, f64)> {
        let passes = self.passes.iter().filter(|pass| pass.is_val == is_val);
        passes.filter_map(|pass| Some((pass.epoch as f64, *pass.values.get(key)?))).collect()
    }

    /// Whether it had the class task.
    pub fn has_classes(&self) -> bool {
        self.passes.iter().any(|pass| pass.values.contains_key("Accuracy"))
    }

    /// The last value of `key` in validation.
    pub fn last(&self, key: &str) -> Option<f64> {
        self.curve(key, true).last().map(|(_, value)| *value)
    }

    /// Clips a second of training, waits for data included.
    pub fn rate(&self) -> Option<f64> {
        let clips: f64 = self.steps.iter().map(|step| step.clips).sum();
        let seconds: f64 = self.steps.iter().map(|step| step.seconds[0] + step.seconds[1]).sum();
        (seconds > 0.0 && clips > 0.0).then(|| clips / seconds)
    }
}
