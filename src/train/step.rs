//! One batch: forward, loss, backward and update, or an evaluation. Nothing here waits for the device; the numbers of
//! a batch stay in one small tensor that someone else reads.

mod look;

pub use look::Look;

use super::{
    checkpoint::{About, OPTIMIZER, State},
    experiment::{Experiment, Training},
    itinerary::{Split, Visit},
    optimizer::{AdamW, AdamWOptions},
    shards::{Lent, Part, merge, side_by_side, split},
    tally::Terms,
};
use crate::{
    failure::{Failure, Result},
    loss::{ClassLoss, Target, Weights, confusion, loss},
    model::{ClipInput, ForwardOptions, Hiptrack, MaskClamp, Statistics, StepSeed, keep_rate::keep_rate},
};
use std::time::Instant;
use tch::{Kind, Tensor};

/// A batch on the device.
#[derive(Debug)]
pub struct Batch {
    /// Its place in the run.
    pub visit: Visit,
    /// Crops and template boxes.
    pub input: ClipInput,
    /// Boxes and labels of the search frames.
    pub target: Target,
}

/// What a batch gave.
#[derive(Debug)]
pub struct Outcome {
    /// `[Terms::COUNT]` f64 on the device: the fields of [`Terms`] in their order.
    pub terms: Tensor,
    /// In validation, `[K, K]` f64 on the device: labelled frames by true (row) and told condition.
    pub confusion: Option<Tensor>,
    /// Learning rates of the heads and of the backbone; 0 in validation.
    pub lr: [f64; 2],
    /// Where the host's time went.
    pub spent: Spent,
}

/// The host's seconds in the parts of a training step (of its first shard); on a CPU that is the time they take.
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
    optimizer: Option<(Stretch, AdamW)>,
}

/// For how long one optimizer serves: until the phase changes or the class head is frozen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Stretch {
    phase: usize,
    class_frozen: bool,
}

impl Trainer {
    /// A trainer of `model`; `steps_per_epoch` places a step within its epoch for the schedule.
    pub fn new(experiment: &Experiment, model: Hiptrack, seed: u64, steps_per_epoch: usize) -> Self {
        Self {
            model,
            training: experiment.training.clone(),
            base_keep_rate: experiment.model.keep_ratios.first().copied(),
            masks: if experiment.compat { MaskClamp::Reference } else { MaskClamp::Correct },
            stochastic: experiment.training.drop_path > 0.0 || experiment.model.class_dropout > 0.0,
            seed,
            steps_per_epoch,
            optimizer: None,
        }
    }

    /// Trains or evaluates on `batch`, as its visit says.
    ///
    /// # Errors
    /// The batch does not fit the model.
    pub fn run(&mut self, batch: &Batch) -> Result<Outcome> {
        match batch.visit.split {
            Split::Train => self.train(batch),
            Split::Val => self.evaluate(batch),
        }
    }

    fn options(&self, visit: &Visit) -> ForwardOptions {
        let epoch = u32::try_from(visit.epoch + 1).unwrap_or(u32::MAX);
        let bounded = |epochs: usize| u32::try_from(epochs).unwrap_or(u32::MAX);
        let (start, warm) = (bounded(self.training.elimination_start), bounded(self.training.elimination_warm));
        let rate = self.base_keep_rate.map_or(1.0, |base| keep_rate(epoch, start, warm, base));
        let seed = StepSeed { seed: self.seed, step: visit.step };
        let dropout = self.stochastic.then_some(seed);
        ForwardOptions { masks: self.masks, dropout, ..ForwardOptions::training(rate, seed) }
    }

    /// Frozen means as in evaluation: a frozen backbone has no drop-path, and where nothing but the class head trains,
    /// batch normalisation keeps its statistics.
    fn training_options(&self, visit: &Visit) -> ForwardOptions {
        let trains = |part: fn(&str) -> bool| {
            self.model.params().parameters().any(|(name, tensor)| part(name) && tensor.requires_grad())
        };
        ForwardOptions {
            frozen_backbone: !trains(is_backbone),
            statistics: match trains(|name| !is_backbone(name) && !is_class_head(name)) {
                true => Statistics::BatchAndUpdate,
                false => Statistics::Running,
            },
            ..self.options(visit)
        }
    }

    fn weights(&self, phase: usize) -> Weights {
        let training = &self.training;
        let (box_weight, class) =
            training.phases.get(phase).map_or((1.0, 0.0), |phase| (phase.box_weight, phase.class_weight));
        let class_loss = match training.class_loss {
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

    fn evaluate(&self, batch: &Batch) -> Result<Outcome> {
        let (phase, _) = self.training.phase_at(batch.visit.epoch);
        let (options, weights) = (self.options(&batch.visit), self.weights(phase));
        let (precision, device) = (self.training.precision, self.model.params().device());
        let model = Lent::new(&self.model);
        let parts = side_by_side(split(batch, self.training.shards), move |shard| {
            tch::no_grad(|| {
                let output = precision.forward(device, || model.model().evaluate(&shard.input, &options))?;
                let report = loss(&output, &shard.target, &weights)?.report_tensor().shallow_clone();
                let confusion = output.logits().map(|logits| confusion(&logits, &shard.target.labels));
                Ok(Part { report, confusion, ..Part::default() })
            })
        })?;
        let Part { report, confusion, .. } = merge(parts);
        // [0, 1]: no gradient, and applied.
        let rest = Tensor::arange(2, (Kind::Double, report.device()));
        Ok(Outcome { terms: pack(&report, &rest), confusion, lr: [0.0; 2], spent: Spent::default() })
    }

    fn train(&mut self, batch: &Batch) -> Result<Outcome> {
        let visit = batch.visit;
        let (phase, epoch_in_phase) = self.training.phase_at(visit.epoch);
        let lr = self.learning_rates(&visit, phase, epoch_in_phase);
        let weights = self.weights(phase);
        self.prepare(&visit, phase)?;
        let options = self.training_options(&visit);
        let Some((_, optimizer)) = &mut self.optimizer else {
            return Err(Failure::stage("the optimizer is missing"));
        };
        let (precision, device) = (self.training.precision, self.model.params().device());
        let model = Lent::new(&self.model);
        let parts = side_by_side(split(batch, self.training.shards), move |shard| {
            let (model, start) = (model.model(), Instant::now());
            let options = shard_options(&options, shard.index);
            let output = precision.forward(device, || model.forward(&shard.input, &options))?;
            let terms = loss(&output, &shard.target, &weights)?;
            let trained: Vec<&Tensor> =
                model.params().parameters().map(|(_, tensor)| tensor).filter(|tensor| tensor.requires_grad()).collect();
            let objective = &terms.objective * shard.share;
            let half = Instant::now();
            let gradients = Tensor::f_run_backward(&[objective], &trained, false, false)?;
            let (forward, backward) = ((half - start).as_secs_f64(), half.elapsed().as_secs_f64());
            let spent = Spent { forward, backward, update: 0.0 };
            Ok(Part { report: terms.report_tensor().shallow_clone(), gradients, confusion: None, spent })
        })?;
        let start = Instant::now();
        let Part { report, gradients, confusion: _, spent } = merge(parts);
        let update = optimizer.update(&gradients, lr[0], lr[1])?;
        let spent = Spent { update: start.elapsed().as_secs_f64(), ..spent };
        let finite = report.get(0).isfinite().to_kind(Kind::Double) * update.applied.to_kind(Kind::Double);
        let rest = Tensor::stack(&[update.norm.to_kind(Kind::Double), finite], 0);
        Ok(Outcome { terms: pack(&report, &rest), confusion: None, lr, spent })
    }

    /// Learning rates of heads and backbone for the step of `visit`.
    fn learning_rates(&self, visit: &Visit, phase: usize, epoch_in_phase: usize) -> [f64; 2] {
        let Some(phase) = self.training.phases.get(phase) else { return [0.0; 2] };
        // The middle of the step, so that a warm-up's first step already moves.
        let within = (visit.batch as f64 + 0.5) / self.steps_per_epoch.max(1) as f64;
        let lr = phase.lr * self.training.schedule.factor(epoch_in_phase as f64 + within, phase.epochs);
        [lr, lr * self.training.backbone_multiplier]
    }

    /// Makes the right parameters trainable, with a fresh optimizer where a new stretch begins.
    fn prepare(&mut self, visit: &Visit, phase: usize) -> Result<()> {
        let class_frozen = self.training.freeze_class_epoch.is_some_and(|epoch| visit.epoch + 1 >= epoch);
        let stretch = Stretch { phase, class_frozen };
        if self.optimizer.as_ref().is_some_and(|(present, _)| *present == stretch) {
            return Ok(());
        }
        self.optimizer = Some((stretch, self.fresh_optimizer(stretch)?));
        Ok(())
    }

    fn fresh_optimizer(&self, stretch: Stretch) -> Result<AdamW> {
        let Some(phase) = self.training.phases.get(stretch.phase) else {
            return Err(Failure::config("TRAIN.PHASES: there is no phase"));
        };
        let params = self.model.params();
        params.set_trainable(|name| phase.trains(name) && !(stretch.class_frozen && is_class_head(name)));
        let trained: Vec<_> = params
            .parameters()
            .filter(|(_, tensor)| tensor.requires_grad())
            .map(|(name, tensor)| (name.to_string(), tensor.shallow_clone()))
            .collect();
        if trained.is_empty() {
            let patterns = phase.trains.join(", ");
            let message = format!("TRAIN.PHASES.{}.TRAINS: no parameter's name begins with {patterns}", phase.name);
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

    /// Copies of all tensors that a resumed run needs, on the CPU.
    pub fn snapshot(&self, about: About) -> State {
        let copy = |tensor: &Tensor| tensor.detach().to_device(tch::Device::Cpu).copy();
        let mut tensors: Vec<(String, Tensor)> =
            self.model.params().iter().map(|(name, tensor, _)| (name.to_string(), copy(tensor))).collect();
        if let Some((stretch, optimizer)) = &self.optimizer {
            for slot in &optimizer.slots {
                tensors.push((format!("{OPTIMIZER}exp_avg.{}", slot.name), copy(&slot.exp_avg)));
                tensors.push((format!("{OPTIMIZER}exp_avg_sq.{}", slot.name), copy(&slot.exp_avg_sq)));
            }
            tensors.push((format!("{OPTIMIZER}updates"), copy(&optimizer.updates)));
            let stretch = [stretch.phase as i64, i64::from(stretch.class_frozen)];
            tensors.push((format!("{OPTIMIZER}stretch"), Tensor::from_slice(&stretch)));
        }
        State { about, tensors }
    }

    /// Puts back what [`Trainer::snapshot`] took.
    ///
    /// # Errors
    /// The checkpoint is of another architecture, or its optimizer is incomplete.
    pub fn restore(&mut self, state: &State) -> Result<()> {
        let (optimizer, weights): (Vec<_>, Vec<_>) =
            state.tensors.iter().partition(|(name, _)| name.starts_with(OPTIMIZER));
        let report = self.model.params().load(weights.iter().map(|(name, tensor)| (name.as_str(), tensor)))?;
        report.require(&[]).map_err(|failure| {
            Failure::input(format!("a checkpoint of another architecture:\n{}", shortened(&failure.message)))
        })?;
        let find = |name: &str| {
            let wanted = format!("{OPTIMIZER}{name}");
            optimizer.iter().find(|(name, _)| *name == wanted).map(|(_, tensor)| tensor)
        };
        let Some(stretch) = find("stretch") else {
            self.optimizer = None;
            return Ok(());
        };
        let stretch = Vec::<i64>::try_from(stretch)?;
        let &[phase, class_frozen] = stretch.as_slice() else {
            return Err(Failure::input("the checkpoint's optimizer state is damaged"));
        };
        let stretch = Stretch { phase: usize::try_from(phase).unwrap_or(usize::MAX), class_frozen: class_frozen != 0 };
        let mut fresh = self.fresh_optimizer(stretch)?;
        let missing = |name: &str| Failure::input(format!("the checkpoint's optimizer state lacks {name}"));
        tch::no_grad(|| -> Result<()> {
            for slot in &mut fresh.slots {
                for (kind, tensor) in [("exp_avg", &mut slot.exp_avg), ("exp_avg_sq", &mut slot.exp_avg_sq)] {
                    let name = format!("{kind}.{}", slot.name);
                    tensor.f_copy_(find(&name).ok_or_else(|| missing(&name))?)?;
                }
            }
            fresh.updates.f_copy_(find("updates").ok_or_else(|| missing("updates"))?)?;
            Ok(())
        })?;
        self.optimizer = Some((stretch, fresh));
        Ok(())
    }

    /// Parameters of the model.
    pub fn parameters(&self) -> usize {
        self.model.params().parameters().map(|(_, tensor)| tensor.numel()).sum()
    }
}

/// The options of one shard: its own draws, and only the first moves the running statistics.
fn shard_options(options: &ForwardOptions, index: usize) -> ForwardOptions {
    let own = |step: StepSeed| StepSeed { seed: step.seed.wrapping_add((index as u64) << 48), ..step };
    let statistics = match options.statistics {
        Statistics::BatchAndUpdate if index > 0 => Statistics::Batch,
        same => same,
    };
    ForwardOptions { dropout: options.dropout.map(own), statistics, ..*options }
}

fn is_backbone(name: &str) -> bool {
    name.starts_with("backbone.")
}

fn is_class_head(name: &str) -> bool {
    name.starts_with("cls_head.")
}

/// The first lines of a long list.
fn shortened(text: &str) -> String {
    const LINES: usize = 12;
    let more = text.lines().count().saturating_sub(LINES);
    let head: Vec<&str> = text.lines().take(LINES).collect();
    if more == 0 { head.join("\n") } else { format!("{}\n… and {more} more", head.join("\n")) }
}

/// The report's terms, gradient norm and applied flag as one tensor in the order of [`Terms`].
fn pack(report: &Tensor, rest: &Tensor) -> Tensor {
    let terms = report.narrow(0, 0, Terms::COUNT as i64 - 2);
    Tensor::cat(&[&terms, rest], 0)
}
