//! What the class task costs the tracker, where a run without it (or with less of it) is there to compare with.

use crate::{
    failure::{Failure, Result},
    monitor::replay,
    train::{metrics::StepMetrics, run_event::RunEvent, run_schedule::Split},
};
use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

/// The validations of another run, by their epoch from 1.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Baseline {
    /// Its folder.
    pub folder: PathBuf,
    iou: BTreeMap<u64, f64>,
}

impl std::fmt::Display for Baseline {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let last = self.iou.last_key_value().map_or((0, 0.0), |(epoch, iou)| (*epoch, *iou));
        let (folder, count) = (self.folder.display(), self.iou.len());
        write!(f, "baseline: {folder}: {count} validations, IoU {:.3} after epoch {}", last.1, last.0)
    }
}

/// A validation beside that of the baseline at the same epoch.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Price {
    /// From 1.
    pub epoch: u64,
    /// IoU of this run.
    pub iou: f64,
    /// IoU of the baseline.
    pub baseline: f64,
    /// Condition accuracy of this run.
    pub accuracy: f64,
}

impl Price {
    /// IoU that is missing beside the baseline.
    pub fn iou_lost(&self) -> f64 {
        self.baseline - self.iou
    }
}

impl Baseline {
    /// The validations in the `run.jsonl` of the run in `folder`.
    ///
    /// # Errors
    /// There is no such file, or no validation in it.
    pub fn read(folder: &Path) -> Result<Self> {
        let path = folder.join("run.jsonl");
        if !path.is_file() {
            let message = format!("--baseline: {}: not found; give the --save_dir of a run", path.display());
            return Err(Failure::input(message));
        }
        let iou: BTreeMap<u64, f64> = replay::events(&path)
            .into_iter()
            .filter_map(|line| match line.event {
                RunEvent::Pass(pass) if pass.split == Split::Val && pass.epoch > 0 => {
                    Some((pass.epoch, StepMetrics::from(&pass.metrics).iou)).filter(|(_, iou)| iou.is_finite())
                }
                _ => None,
            })
            .collect();
        if iou.is_empty() {
            let message = format!("--baseline: {}: holds no validation to compare with", path.display());
            return Err(Failure::input(message));
        }
        Ok(Self { folder: folder.to_path_buf(), iou })
    }

    /// A validation after `epoch` (from 1) beside this run's; none where either has nothing to compare.
    pub fn price(&self, epoch: u64, means: &StepMetrics) -> Option<Price> {
        let (baseline, accuracy) = (*self.iou.get(&epoch)?, means.accuracy()?);
        Some(Price { epoch, iou: means.iou, baseline, accuracy })
    }
}
