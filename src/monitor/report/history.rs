//! What `run.jsonl` and `load.json` of a run say.

use crate::{
    failure::{Failure, Result},
    train::{
        confusion::{Confusion, Recall},
        run_event::{
            BlockComparison, End, RunEvent, RunLine, RunStart, Timestamp,
            read::{self, SkippedItem},
        },
        run_schedule::Split,
    },
};
use serde_json::Value;
use std::{
    collections::BTreeMap,
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
    /// Its calls of the program, in order.
    pub calls: Vec<Call>,
    /// What its log says that this version does not know.
    pub skipped: SkippedItem,
}

/// A call of the program.
#[derive(Clone, Debug, PartialEq)]
pub struct Call {
    /// When it began to train; unknown in logs of earlier versions.
    pub began: Option<Timestamp>,
    /// What it said of itself.
    pub start: RunStart,
    /// When it was last heard of.
    pub last: Option<Timestamp>,
    /// Why it ended; nothing where it was killed, or goes on.
    pub end: Option<End>,
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
        let lines =
            read::lines(&path).map_err(|error| failed(&format_args!("{error}; name a --save_dir with --run")))?;
        let absolute = std::path::absolute(folder).unwrap_or_else(|_| folder.to_owned());
        let name = absolute.file_name().map_or_else(|| folder.display().to_string(), |n| n.to_string_lossy().into());
        let load = std::fs::read(folder.join("load.json")).ok().and_then(|text| serde_json::from_slice(&text).ok());
        let mut history = Self { name, folder: folder.to_owned(), load: load.unwrap_or_default(), ..Self::default() };
        let mut last = 0;
        for line in lines {
            let line = line.map_err(|error| failed(&error))?;
            last = line.number;
            if let Some(line) = history.skipped.sift(line) {
                history.add(line);
            }
        }
        // A killed run leaves half a line at the end.
        history.skipped.forgive_end(last);
        if let Some((number, why)) = history.skipped.first_damaged() {
            let path = path.display();
            return Err(Failure::input(format!("{path}:{number}: no event of a run: {why}; remove the line")));
        }
        Ok(history)
    }

    fn add(&mut self, line: RunLine) {
        let RunLine { time, event } = line;
        if let (Some(call), Some(time)) = (self.calls.last_mut(), time) {
            call.last = Some(time);
        }
        match event {
            RunEvent::Run(start) => {
                (self.experiment, self.device) = (start.experiment.clone(), start.device.clone());
                self.seed = start.seed;
                self.shared = start.validation.map(|both| [both.shared, both.sequences]);
                self.calls.push(Call { began: time, last: time, start: *start, end: None });
            }
            RunEvent::End(end) => {
                if let Some(call) = self.calls.last_mut() {
                    call.end = Some(end);
                }
            }
            RunEvent::Pass(pass) => {
                let named = pass.metrics.named().map(|(name, value)| (name.to_string(), value));
                let mut values: BTreeMap<String, f64> = named.collect();
                for (condition, score) in &pass.conditions {
                    values.insert(format!("frames/{condition}"), score.frames as f64);
                    if score.iou.0.is_finite() {
                        values.insert(format!("IoU/{condition}"), score.iou.0);
                    }
                }
                let accuracy =
                    |own: Recall| (format!("Accuracy/{}", own.condition), own.right as f64 / own.frames as f64);
                values.extend(pass.confusion.recalls().into_iter().map(accuracy));
                let is_val = pass.split == Split::Val;
                self.passes.push(Pass { epoch: pass.epoch, is_val, values, confusion: pass.confusion });
            }
            RunEvent::Batch(batch) if batch.split == Split::Train => self.steps.push(Step {
                step: batch.step as f64,
                lr: batch.lr.0,
                norm: batch.metrics.gradient_norm.0,
                class_weight: batch.metrics.weight_class.0,
                seconds: [batch.data_seconds.0, batch.forward_seconds.0],
                clips: batch.clips as f64,
            }),
            RunEvent::Batch(_) => {}
            RunEvent::Gradients(comparison) => {
                let block = |block: BlockComparison| {
                    let norms = [block.box_norm, block.class_norm, block.norm].map(|norm| norm.0);
                    (block.block, norms, block.cosine.map(|cosine| cosine.0))
                };
                let blocks = comparison.blocks.into_iter().map(block).collect();
                self.gradients.push(Gradients { step: comparison.step as f64, blocks });
            }
            RunEvent::Advice(advice) => self.advice.push((advice.rule, advice.message)),
            RunEvent::Note(_) => {}
            RunEvent::Warning(warning) => self.warnings.push(warning.message),
            RunEvent::Nonfinite(_) => self.nonfinite += 1,
            RunEvent::Checkpoint(saved) => {
                self.checkpoints.push((saved.file().to_string(), saved.bytes, saved.seconds.0));
            }
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
