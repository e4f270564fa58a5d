//! The numbers that health advice rests on.

use super::price::{Baseline, Price};
use crate::{
    data::condition::Condition,
    train::{
        experiment::{Experiment, Training},
        metrics::StepMetrics,
        run_event::RunEvent,
        run_schedule::Split,
        tasks::TaskWeighting,
    },
};
use std::collections::VecDeque;

/// How far back single steps are looked at.
pub(super) const STEPS: usize = 200;

/// How many comparisons of gradients are looked at.
pub(super) const COMPARISONS: usize = 20;

/// Labelled frames from which a share of them means something.
pub(super) const FRAMES: f64 = 100.0;

/// What is known of an epoch.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Epoch {
    /// Means of its training.
    pub train: Option<StepMetrics>,
    /// Means of the validation after it.
    pub val: Option<StepMetrics>,
}

/// A training step.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Step {
    /// Whether it was finite.
    pub finite: bool,
    /// Norm of the gradients before clipping.
    pub norm: f64,
    /// Seconds that it waited for its batch.
    pub data: f64,
    /// Seconds that it computed.
    pub compute: f64,
}

/// The numbers of a run, from its start.
#[derive(Clone, Debug)]
pub struct Vitals {
    /// λ as the experiment says it.
    pub lambda: f64,
    /// Whether the tasks' gradients are kept from opposing each other already.
    pub surgery: bool,
    /// The share of labelled frames that saying always the same would get right: at least one of all conditions, and
    /// that of the most frequent one once a validation has counted.
    pub chance: f64,
    /// Whether a validation has counted.
    pub counted: bool,
    /// The epochs of the present phase, in order.
    pub epochs: Vec<Epoch>,
    /// The newest steps, oldest first.
    pub steps: VecDeque<Step>,
    /// Cosines between the tasks' gradients over the backbone, oldest first.
    pub cosines: VecDeque<f64>,
    /// What λ‖∇L_cls‖ is over the backbone as a share of ‖∇L_box‖, oldest first.
    pub class_shares: VecDeque<f64>,
    /// Another run to compare with.
    pub baseline: Option<Baseline>,
    /// Validations beside the baseline's, in order.
    pub prices: Vec<Price>,
    training: Training,
    phase: usize,
}

impl Vitals {
    /// Before anything is known of a run of `experiment`.
    pub fn new(experiment: &Experiment) -> Self {
        let phases = &experiment.training.phases;
        Self {
            lambda: phases.first().map_or(0.0, |phase| phase.class_weight),
            surgery: experiment.training.weighting == TaskWeighting::PcGrad,
            chance: 1.0 / Condition::COUNT as f64,
            counted: false,
            epochs: Vec::new(),
            steps: VecDeque::new(),
            cosines: VecDeque::new(),
            class_shares: VecDeque::new(),
            baseline: None,
            prices: Vec::new(),
            training: experiment.training.clone(),
            phase: 0,
        }
    }

    /// Takes note of `event`, and says whether there is reason to look at the rules.
    pub fn add(&mut self, event: &RunEvent) -> bool {
        match event {
            RunEvent::Batch(batch) if batch.split == Split::Train => {
                self.enter(batch.epoch);
                if self.steps.len() == STEPS {
                    self.steps.pop_front();
                }
                self.steps.push_back(Step {
                    finite: batch.metrics.applied,
                    norm: batch.metrics.gradient_norm.0,
                    data: batch.data_seconds.0,
                    compute: batch.forward_seconds.0,
                });
                true
            }
            RunEvent::Pass(pass) => {
                if pass.epoch == 0 {
                    return false;
                }
                self.enter(pass.epoch);
                let (means, confusion) = (StepMetrics::from(&pass.metrics), &pass.confusion);
                let total: u64 = confusion.rows().iter().flatten().sum();
                let most = confusion.rows().iter().map(|row| row.iter().sum::<u64>()).max().unwrap_or(0);
                // Of a handful of frames the most frequent condition says little.
                if total as f64 >= FRAMES {
                    self.counted = true;
                    self.chance = (most as f64 / total as f64).max(1.0 / Condition::COUNT as f64);
                }
                if pass.split == Split::Val {
                    self.prices.extend(self.baseline.as_ref().and_then(|run| run.price(pass.epoch, &means)));
                }
                match pass.split {
                    Split::Train => self.epochs.push(Epoch { train: Some(means), val: None }),
                    Split::Val => match self.epochs.last_mut() {
                        Some(epoch) if epoch.val.is_none() => epoch.val = Some(means),
                        _ => self.epochs.push(Epoch { train: None, val: Some(means) }),
                    },
                }
                true
            }
            RunEvent::Gradients(comparison) => {
                let Some(block) = comparison.block("backbone") else { return false };
                let Some(cosine) = block.cosine else { return false };
                for (list, value) in
                    [(&mut self.cosines, cosine.0), (&mut self.class_shares, block.class_norm.0 / block.box_norm.0)]
                {
                    if list.len() == COMPARISONS {
                        list.pop_front();
                    }
                    list.push_back(value);
                }
                true
            }
            _ => false,
        }
    }

    /// Begins anew where a phase begins: another part of the model trains, at another rate.
    fn enter(&mut self, epoch: u64) {
        let (phase, _) = self.training.phase_at(usize::try_from(epoch).unwrap_or(usize::MAX).saturating_sub(1));
        if phase != self.phase {
            self.phase = phase;
            self.lambda = self.training.phases.get(phase).map_or(self.lambda, |phase| phase.class_weight);
            self.epochs.clear();
            self.steps.clear();
            self.cosines.clear();
            self.class_shares.clear();
            self.prices.clear();
        }
    }
}
