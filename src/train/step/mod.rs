//! One batch: forward, loss, backward and update, or an evaluation. Nothing here waits for the device; the numbers of
//! a batch stay in one small tensor that someone else reads.

mod frames;
mod preview;
mod state;
mod train;

pub use preview::PreviewTensors;

use super::{
    ema::Ema,
    experiment::{ClassTargets, Experiment, Phase, Training},
    metrics::StepMetrics,
    optimizer::{AdamW, AdamWOptions},
    replicas::{Merged, Replica, ReplicaOutput, SharedModel, side_by_side, split},
    run_schedule::{BatchInfo, Split},
    tasks::{Analysis, Balancer},
};
use crate::{
    failure::{Failure, Result},
    loss::{ClassLoss, Counts, Target, Weights, confusion, loss_of_part},
    model::{
        BoxHeadKind, ClipInput, ForwardOptions, Hiptrack, MaskClamp, Params, Statistics, StepSeed, keep_rate::keep_rate,
    },
    native::stream::Event,
};
use std::sync::Arc;
use tch::{Device, Kind, Tensor};

/// A batch on the device.
#[derive(Debug)]
pub struct Batch {
    /// Its place in the run.
    pub info: BatchInfo,
    /// Crops and template boxes.
    pub input: ClipInput,
    /// Boxes and labels of the search frames.
    pub target: Target,
    /// What its clips are called.
    pub names: Arc<[String]>,
}

/// What a batch gave.
#[derive(Debug)]
pub struct Outcome {
    /// `[StepMetrics::COUNT + 4 N]` f64 on the device: the fields of [`StepMetrics`] in their order, and a row of
    /// [`LossComponents::sums`](crate::loss::LossComponents::sums) for each of the N search frames.
    pub step_metrics: Tensor,
    /// How the losses were weighted.
    pub weights: Weights,
    /// In validation, `[K, K]` f64 on the device: labelled frames by true (row) and predicted condition.
    pub confusion: Option<Tensor>,
    /// In validation, a row for each search frame on the device, `[B·N, 6 + C]` f32: see
    /// [`Features`](super::features::Features).
    pub frames: Option<Tensor>,
    /// How the tasks' gradients compare, in the steps that look at it.
    pub analysis: Option<Analysis>,
    /// Learning rates of the heads and of the backbone; 0 in validation.
    pub lr: [f64; 2],
    /// When the parts of a training step were over; none in validation.
    pub moments: Option<Moments>,
}

impl Outcome {
    /// Where the time of a training step went, once it is over.
    ///
    /// # Errors
    /// It is not.
    pub fn spent(&self) -> Result<Spent> {
        let Some(Moments { part, update, end }) = &self.moments else { return Ok(Spent::default()) };
        let seconds = |from: &Event, to: &Event| from.until(to).map(|time| time.as_secs_f64());
        Ok(Spent {
            forward: seconds(&part.begin, &part.losses)?,
            backward: seconds(&part.losses, &part.gradients)?,
            update: seconds(update, end)?,
        })
    }
}

/// Moments of the device in the first part of a batch.
#[derive(Debug)]
pub struct PartMoments {
    /// The forward pass begins.
    pub begin: Event,
    /// The losses are there, and the backward pass begins.
    pub losses: Event,
    /// The gradients are there.
    pub gradients: Event,
}

/// Moments of the device in a training step.
#[derive(Debug)]
pub struct Moments {
    /// Of the first part of its batch.
    pub part: PartMoments,
    /// The update begins.
    pub update: Event,
    /// The update is over.
    pub end: Event,
}

/// The device's seconds in the parts of a training step (of its first part, where the batch is cut).
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Spent {
    /// Model and loss.
    pub forward: f64,
    /// Gradients.
    pub backward: f64,
    /// Clipping and the parameters' update.
    pub update: f64,
}

/// Model, optimizer and everything that changes from step to step.
#[derive(Debug)]
pub struct Trainer {
    model: Hiptrack,
    training: Training,
    base_keep_rate: Option<f64>,
    masks: MaskClamp,
    /// Whether anything is dropped at random; if not, shards need not take turns at libtorch's one generator.
    stochastic: bool,
    seed: u64,
    steps_per_epoch: usize,
    optimizer: Option<(OptimizerScope, AdamW)>,
    /// The learnt weights of the tasks, for as long as the optimizer.
    balancer: Option<Balancer>,
    ema: Option<Ema>,
    /// The stretch in which the gradients of the tasks were found to add up to the whole one.
    checked: Option<OptimizerScope>,
    under_way: UnderWay,
}

/// How far the step under way has come.
#[derive(Debug)]
enum UnderWay {
    /// There is none.
    Nothing,
    /// Gradients are being computed; the running statistics were these before it.
    Gradients(Vec<Tensor>),
    /// Parameters are being changed.
    Update,
}

/// For how long one optimizer serves: until the phase changes or the class head is frozen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct OptimizerScope {
    phase: usize,
    class_frozen: bool,
}

/// Whether each phase of `training` trains something of a model with these `params`.
///
/// # Errors
/// One trains nothing.
pub fn check_phases(training: &Training, params: &Params) -> Result<()> {
    for phase in &training.phases {
        if !params.parameters().any(|(name, _)| phase.trains(name)) {
            let (name, patterns) = (&phase.name, phase.trains.join(", "));
            let message = format!("TRAIN.PHASES.{name}.TRAINS: no parameter's name matches [{patterns}]");
            return Err(Failure::config(message));
        }
    }
    Ok(())
}

impl Trainer {
    /// A trainer of `model`; `steps_per_epoch` places a step within its epoch for the schedule.
    ///
    /// # Errors
    /// A phase trains nothing of the model, or there is no memory for the averaged one.
    pub fn new(experiment: &Experiment, model: Hiptrack, seed: u64, steps_per_epoch: usize) -> Result<Self> {
        let training = experiment.training.clone();
        check_phases(&training, model.params())?;
        let ema = (training.ema_decay > 0.0).then(|| Ema::new(training.ema_decay, &model)).transpose()?;
        Ok(Self {
            model,
            base_keep_rate: experiment.model.keep_ratios.first().copied(),
            masks: if experiment.compat { MaskClamp::Reference } else { MaskClamp::Correct },
            stochastic: training.drop_path > 0.0 || experiment.model.class_dropout > 0.0,
            seed,
            steps_per_epoch,
            optimizer: None,
            balancer: None,
            ema,
            checked: None,
            under_way: UnderWay::Nothing,
            training,
        })
    }

    /// Trains or evaluates on `batch`, as its visit says.
    ///
    /// # Errors
    /// The batch does not fit the model.
    pub fn run(&mut self, batch: &Batch) -> Result<Outcome> {
        match batch.info.split {
            Split::Train => self.train(batch),
            Split::Val => self.evaluate(batch),
        }
    }

    /// Takes back what a step that failed has changed already. The value tells whether the state is that before it.
    ///
    /// # Errors
    /// The device does not answer.
    pub fn undo(&mut self) -> Result<bool> {
        match std::mem::replace(&mut self.under_way, UnderWay::Nothing) {
            UnderWay::Nothing => Ok(true),
            UnderWay::Update => Ok(false),
            UnderWay::Gradients(before) => {
                for (tensor, before) in self.model.params().buffers().into_iter().zip(&before) {
                    tensor.shallow_clone().f_copy_(before)?;
                }
                Ok(true)
            }
        }
    }

    fn options(&self, info: &BatchInfo) -> ForwardOptions {
        let epoch = u32::try_from(info.epoch + 1).unwrap_or(u32::MAX);
        let bounded = |epochs: usize| u32::try_from(epochs).unwrap_or(u32::MAX);
        let (start, warm) = (bounded(self.training.elimination_start), bounded(self.training.elimination_warm));
        let scheduled = self.base_keep_rate.map_or(1.0, |base| keep_rate(epoch, start, warm, base));
        let (phase, _) = self.training.phase_at(info.epoch);
        let rate = self.training.phases.get(phase).and_then(|phase| phase.keep_rate).unwrap_or(scheduled);
        let seed = StepSeed { seed: self.seed, step: info.step };
        let dropout = self.stochastic.then_some(seed);
        let recompute = self.training.activation_checkpointing;
        ForwardOptions { masks: self.masks, dropout, recompute, ..ForwardOptions::training(rate, seed) }
    }

    /// Frozen means as in evaluation: a frozen backbone has no drop-path, and where nothing but the class head trains,
    /// batch normalisation keeps its statistics.
    fn training_options(&self, info: &BatchInfo) -> ForwardOptions {
        let trains = |part: fn(&str) -> bool| {
            self.model.params().parameters().any(|(name, tensor)| part(name) && tensor.requires_grad())
        };
        ForwardOptions {
            frozen_backbone: !trains(is_backbone),
            statistics: match trains(|name| !is_backbone(name) && !is_class_head(name)) {
                true => Statistics::BatchAndUpdate,
                false => Statistics::Running,
            },
            class_statistics: if trains(is_class_head) { Statistics::BatchAndUpdate } else { Statistics::Running },
            ..self.options(info)
        }
    }

    fn weights(&self, phase: Option<&Phase>, progress: f64) -> Weights {
        let training = &self.training;
        let (box_weight, class) =
            phase.map_or((1.0, 0.0), |phase| (phase.box_weight, training.lambda.at(progress, phase.class_weight)));
        let class_loss = match training.class_loss {
            _ if training.mtl.targets == ClassTargets::Soft => ClassLoss::Soft,
            _ if training.mtl.targets == ClassTargets::MultiLabel => {
                ClassLoss::MultiLabel { severity: training.severity_weight }
            }
            "FOCAL" => ClassLoss::Focal { alpha: training.class_focal_alpha, gamma: training.class_focal_gamma },
            "LABEL_SMOOTH" => ClassLoss::Smooth { smoothing: training.class_smoothing },
            _ => ClassLoss::CrossEntropy,
        };
        Weights {
            giou: box_weight * training.giou_weight,
            l1: box_weight * training.l1_weight,
            location: box_weight * training.focal_weight,
            class,
            class_loss,
        }
    }

    /// The validated model is the averaged one where there is one; its total is that of the fixed weights.
    fn evaluate(&self, batch: &Batch) -> Result<Outcome> {
        let (phase, epoch_in_phase) = self.training.phase_at(batch.info.epoch);
        let end = if batch.info.before { 0.0 } else { epoch_in_phase as f64 + 1.0 };
        let options = self.options(&batch.info);
        let weights = self.weights(self.training.phases.get(phase), end);
        let keeps = self.training.kept_features > 0;
        let (precision, device) = (self.training.precision, self.model.params().device());
        let model = SharedModel::new(self.ema.as_ref().map_or(&self.model, Ema::model));
        let ReplicaOutput { report, sums, confusion, frames, .. } = self.in_parts(batch, move |replica| {
            tch::no_grad(|| {
                let output = precision.forward(device, || model.model().evaluate(&replica.input, &options))?;
                let step_metrics = loss_of_part(&output, &replica.target, &weights, &replica.counts)?;
                let report = step_metrics.report_tensor().shallow_clone();
                let confusion = output.logits().map(|logits| confusion(&logits, &replica.target.labels));
                let frames = Some(frames::frames(&output, &replica.target, keeps));
                Ok(ReplicaOutput { report, sums: step_metrics.sums, confusion, frames, ..ReplicaOutput::default() })
            })
        })?;
        // No gradient, and applied.
        let rest = numbers(&[0.0, 1.0, 1.0, weights.class], report.device());
        let step_metrics = pack(&report, &rest, &sums);
        Ok(Outcome { step_metrics, weights, confusion, frames, analysis: None, lr: [0.0; 2], moments: None })
    }

    /// Runs `work` on all parts of `batch`: `TRAIN.REPLICAS` of them side by side, `TRAIN.ACCUMULATE` times in a row. What
    /// their losses are divided by is counted over the whole batch beforehand.
    fn in_parts(
        &self,
        batch: &Batch,
        work: impl Fn(&Replica) -> Result<ReplicaOutput> + Copy + Send,
    ) -> Result<ReplicaOutput> {
        let Training { replicas, accumulate, .. } = self.training;
        let mut merged = Merged::default();
        let config = self.model.config();
        let grid = (config.box_head == BoxHeadKind::Centre).then(|| config.search_grid());
        let counts = Counts::of(&batch.target, grid, config.class_head.as_ref().map(|head| head.classes));
        let mut all = split(batch, &counts, replicas * accumulate).into_iter().peekable();
        while all.peek().is_some() {
            side_by_side(all.by_ref().take(replicas).collect(), work)?.into_iter().for_each(|part| merged.add(part));
        }
        Ok(merged.part())
    }

    /// Makes the right parameters trainable, with a fresh optimizer where a new stretch begins.
    fn prepare(&mut self, info: &BatchInfo, phase: usize) -> Result<()> {
        let class_frozen = self.training.freeze_class_epoch.is_some_and(|epoch| info.epoch + 1 >= epoch);
        let scope = OptimizerScope { phase, class_frozen };
        if self.optimizer.as_ref().is_some_and(|(present, _)| *present == scope) {
            return Ok(());
        }
        self.optimizer = Some((scope, self.fresh_optimizer(scope)?));
        self.balancer = Balancer::new(self.training.weighting, self.model.params().device());
        Ok(())
    }

    fn fresh_optimizer(&self, scope: OptimizerScope) -> Result<AdamW> {
        let Some(phase) = self.training.phases.get(scope.phase) else {
            return Err(Failure::config("TRAIN.PHASES: there is no phase"));
        };
        let params = self.model.params();
        params.set_trainable(|name| phase.trains(name) && !(scope.class_frozen && is_class_head(name)));
        let trained: Vec<_> = params
            .parameters()
            .filter(|(_, tensor)| tensor.requires_grad())
            .map(|(name, tensor)| (name.to_string(), tensor.shallow_clone()))
            .collect();
        if trained.is_empty() {
            let patterns = phase.trains.join(", ");
            let message = format!("TRAIN.PHASES.{}.TRAINS: no parameter's name matches [{patterns}]", phase.name);
            return Err(Failure::config(message));
        }
        let options = AdamWOptions {
            beta1: 0.9,
            beta2: 0.999,
            eps: 1e-8,
            weight_decay: self.training.weight_decay,
            clip_norm: self.training.clip_norm,
        };
        Ok(AdamW::new(options, trained, params.device()))
    }

    /// Parameters of the model.
    pub fn parameters(&self) -> usize {
        self.model.params().parameters().map(|(_, tensor)| tensor.numel()).sum()
    }
}

/// The options of one of the parts, of which `replicas` are computed side by side: its own draws, and only the first of
/// those moves the running statistics.
fn replica_options(options: &ForwardOptions, index: usize, replicas: usize) -> ForwardOptions {
    let own = |step: StepSeed| StepSeed { seed: step.seed.wrapping_add((index as u64) << 48), ..step };
    let [statistics, class_statistics] = [options.statistics, options.class_statistics].map(|whose| match whose {
        Statistics::BatchAndUpdate if !index.is_multiple_of(replicas) => Statistics::Batch,
        same => same,
    });
    ForwardOptions { dropout: options.dropout.map(own), statistics, class_statistics, ..*options }
}

fn is_backbone(name: &str) -> bool {
    name.starts_with("backbone.")
}

fn is_class_head(name: &str) -> bool {
    name.starts_with("cls_head.")
}

/// What both heads look at comes out of here: the fusion with the prompt, or without one the backbone's last norm.
fn is_last_shared(model: &Hiptrack, name: &str) -> bool {
    name.starts_with(if model.prompts().is_some() { "searchRegionFusion." } else { "backbone.norm." })
}

/// A list of f64 on `device`, made there: a copy from the host would wait for the device.
fn numbers(values: &[f64], device: Device) -> Tensor {
    let each: Vec<Tensor> = values.iter().map(|value| Tensor::full([1], *value, (Kind::Double, device))).collect();
    Tensor::cat(&each, 0)
}

/// The report's terms and what else there is of [`StepMetrics`], in their order, and the sums by frame: what one transfer reads.
fn pack(report: &Tensor, rest: &Tensor, sums: &Tensor) -> Tensor {
    Tensor::cat(&[&report.narrow(0, 0, StepMetrics::REPORTED as i64), rest, &sums.flatten(0, -1)], 0)
}

#[cfg(test)]
mod tests;
