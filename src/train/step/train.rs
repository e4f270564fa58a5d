//! A training step: gradients, what the tasks' weighting makes of them, and the update.

use super::{
    Batch, Moments, Outcome, PartMoments, Trainer, UnderWay, is_last_shared, numbers, pack, parts::Taken,
    replica_options,
};
use crate::{
    failure::{Failure, Result},
    loss::{Weights, loss_of_part},
    model::{ForwardOptions, Statistics},
    native::stream::{Event, Stream},
    train::{
        experiment::Phase,
        ranks::World,
        replicas::{ReplicaOutput, SharedModel},
        tasks::{Analysis, Balancer, TaskWeighting, combine},
    },
};
use tch::{Kind, Tensor};

/// Which gradients of single tasks a step takes beside the whole one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum TaskGradients {
    /// None.
    Nothing,
    /// Those of the last shared layer.
    LastShared,
    /// All, beside the whole one.
    All,
    /// The class task's, beside the whole one; the box task's is what is left of it.
    Class,
    /// All, in place of the whole one.
    Instead,
}

impl Trainer {
    pub(super) fn train(&mut self, batch: &Batch) -> Result<Outcome> {
        let info = batch.info;
        let (phase, _) = self.training.phase_at(info.epoch);
        self.prepare(&info, phase)?;
        let options = self.training_options(&info);
        self.train_with(batch, &options)
    }

    /// A step of the prepared optimizer with these `options` of the forward pass.
    pub(super) fn train_with(&mut self, batch: &Batch, options: &ForwardOptions) -> Result<Outcome> {
        let info = batch.info;
        let (phase, epoch_in_phase) = self.training.phase_at(info.epoch);
        let phase = self.training.phases.get(phase);
        // The middle of the step, so that a warm-up's first step already moves.
        let progress = epoch_in_phase as f64 + (info.batch as f64 + 0.5) / self.steps_per_epoch.max(1) as f64;
        let lr = phase.map_or(0.0, |phase| phase.lr * self.training.schedule.factor(progress, phase.epochs));
        // Nothing of a backbone that is frozen moves, whatever its multiplier.
        let backbone = phase.is_some_and(Phase::touches_backbone);
        let lr = [lr, if backbone { lr * self.training.backbone_multiplier } else { 0.0 }];
        let weights = self.weights(phase, progress);
        let analysed =
            self.training.analysis_interval > 0 && info.step.is_multiple_of(self.training.analysis_interval as u64);
        let scope = self.optimizer.as_ref().map(|(scope, _)| *scope);
        let is_checked = self.checked == scope;
        let task_gradients = match (self.training.weighting, analysed) {
            (TaskWeighting::PcGrad, false) => TaskGradients::Instead,
            (TaskWeighting::Fixed, true) if is_checked => TaskGradients::Class,
            (_, true) => TaskGradients::All,
            (TaskWeighting::GradNorm { .. }, false) => TaskGradients::LastShared,
            _ => TaskGradients::Nothing,
        };
        let (precision, device) = (self.training.precision, self.model.params().device());
        let (model, replicas) = (SharedModel::new(&self.model), self.at_once());
        let factors = self.balancer.as_ref().map(Balancer::factors);
        let moves = [options.statistics, options.class_statistics].contains(&Statistics::BatchAndUpdate);
        let buffers = moves.then(|| self.buffers());
        let by = factors.as_ref().map(Numbers);
        let before = buffers.iter().flatten().map(Tensor::shallow_clone).collect();
        self.under_way = UnderWay::Gradients(before);
        let taken = self.gradients_of(task_gradients);
        let sync = self.world.as_ref().filter(|_| self.training.sync_bn);
        let part = self.in_parts(batch, &taken, move |replica| {
            let (model, stream) = (model.model(), Stream::current(device)?);
            let begin = stream.record()?;
            let options = replica_options(options, replica.index, replicas);
            let sync = sync.map(World::summing);
            let output = precision.forward(device, || model.forward(&replica.input, &options))?;
            drop(sync);
            let step_metrics = loss_of_part(&output, &replica.target, &weights, &replica.counts)?;
            let named = || model.params().parameters().filter(|(_, tensor)| tensor.requires_grad());
            let trained: Vec<&Tensor> = named().map(|(_, tensor)| tensor).collect();
            let tasks = [&step_metrics.box_task, &step_metrics.class_task];
            let objective = match by.map(Numbers::tensor) {
                None => step_metrics.objective.shallow_clone(),
                Some(by) => tasks[0] * by.get(0) + tasks[1] * by.get(1),
            };
            let losses = stream.record()?;
            let gradients = match task_gradients {
                TaskGradients::Instead => Vec::new(),
                _ => Tensor::f_run_backward(&[objective], &trained, task_gradients != TaskGradients::Nothing, false)?,
            };
            let of_tasks = match task_gradients {
                TaskGradients::Nothing => None,
                TaskGradients::LastShared => {
                    let last: Vec<&Tensor> =
                        named().filter(|(name, _)| is_last_shared(model, name)).map(|(_, tensor)| tensor).collect();
                    Some(each(tasks, &last)?)
                }
                TaskGradients::All | TaskGradients::Instead => Some(each(tasks, &trained)?),
                TaskGradients::Class => {
                    let class = of_task(tasks[1], &trained, false)?;
                    Some([gradients.iter().zip(&class).map(|(whole, class)| without(whole, class)).collect(), class])
                }
            };
            let moments = Some(PartMoments { begin, losses, gradients: stream.record()? });
            let report = step_metrics.report_tensor().shallow_clone();
            Ok(ReplicaOutput {
                report,
                sums: step_metrics.sums,
                gradients,
                tasks: of_tasks,
                moments,
                ..ReplicaOutput::default()
            })
        })?;
        if let Some(world) = self.world.as_ref().filter(|_| moves) {
            // The first part of all moved them, and that is a part of rank 0.
            let buffers: Vec<Tensor> = self.model.params().buffers().into_iter().map(Tensor::shallow_clone).collect();
            world.broadcast(&buffers, 0)?;
        }
        let begin = Stream::current(device)?.record()?;
        let ReplicaOutput { report, sums, gradients: whole, tasks, moments, .. } = part;
        let analysis = match analysed {
            true => self.analysis(tasks.as_ref(), &whole, factors.as_ref(), task_gradients),
            false => None,
        };
        if analysed {
            self.checked = scope;
        }
        let wanted = self.balancer.as_ref().is_some_and(Balancer::wants_norms);
        let norms = tasks.as_ref().filter(|_| wanted).map(|tasks| self.last_norms(tasks, task_gradients));
        let gradients = match (self.training.weighting, &tasks) {
            (TaskWeighting::PcGrad, Some([first, second])) => combine(first, second),
            _ => whole,
        };
        self.under_way = UnderWay::Update;
        let taken = Update { report, sums, gradients, analysis, norms, buffers, moments, begin };
        let outcome = self.update(taken, lr, weights)?;
        self.under_way = UnderWay::Nothing;
        Ok(outcome)
    }

    /// What has gradients in a step that takes these.
    fn gradients_of(&self, task_gradients: TaskGradients) -> Taken<'_> {
        let named = || self.model.params().parameters().filter(|(_, tensor)| tensor.requires_grad());
        let all = || named().map(|(_, tensor)| tensor).collect::<Vec<_>>();
        let last = || named().filter(|(name, _)| is_last_shared(&self.model, name)).map(|(_, tensor)| tensor).collect();
        Taken {
            trained: if task_gradients == TaskGradients::Instead { Vec::new() } else { all() },
            of_tasks: match task_gradients {
                TaskGradients::Nothing => None,
                TaskGradients::LastShared => Some(last()),
                TaskGradients::All | TaskGradients::Class | TaskGradients::Instead => Some(all()),
            },
            frames: false,
        }
    }

    /// Applies the gradients, unless loss or gradients are not finite; then nothing changes.
    fn update(&mut self, taken: Update, lr: [f64; 2], weights: Weights) -> Result<Outcome> {
        let Update { report, sums, gradients, analysis, norms, buffers, moments, begin } = taken;
        let Some((_, optimizer)) = &mut self.optimizer else {
            return Err(Failure::stage("the optimizer is missing"));
        };
        let finite = report.get(0).isfinite().to_kind(Kind::Float);
        let update = optimizer.update(&gradients, Some(&finite), lr[0], lr[1])?;
        if let Some(before) = buffers {
            self.keep_buffers(&before, &update.applied)?;
        }
        if let Some(ema) = &mut self.ema {
            ema.follow(&self.model, &update.applied)?;
        }
        let fixed = numbers(&[1.0, weights.class], report.device());
        let (report, factors) = match &mut self.balancer {
            None => (report, fixed),
            Some(balancer) => {
                let factors = balancer.factors().to_kind(Kind::Double);
                // Box and weighted class loss, and whether there were labels.
                let losses = Tensor::stack(&[report.get(1), report.get(6)], 0);
                let present = Tensor::stack(&[report.get(1).ones_like(), report.get(9)], 0);
                balancer.learn(&losses, &present, norms.as_ref(), lr[0])?;
                let total = (losses * &factors).sum(Kind::Double).view([1]);
                (Tensor::cat(&[total, report.narrow(0, 1, report.size()[0] - 1)], 0), fixed * factors)
            }
        };
        let rest = Tensor::stack(&[update.norm, update.applied], 0).to_kind(Kind::Double);
        let step_metrics = pack(&report, &Tensor::cat(&[rest, factors], 0), &sums);
        let end = Stream::current(step_metrics.device())?.record()?;
        let moments = moments.map(|part| Moments { part, update: begin, end });
        Ok(Outcome { step_metrics, weights, confusion: None, frames: None, analysis, lr, moments })
    }

    fn analysis(
        &self,
        tasks: Option<&[Vec<Tensor>; 2]>,
        whole: &[Tensor],
        factors: Option<&Tensor>,
        task_gradients: TaskGradients,
    ) -> Option<Analysis> {
        let (_, optimizer) = self.optimizer.as_ref()?;
        let [first, second] = tasks?;
        let names = optimizer.slots.iter().map(|slot| slot.name.as_str());
        let Some(factors) = factors else {
            return Analysis::of(names, [first, second], whole, task_gradients != TaskGradients::Class);
        };
        let scaled = |gradients: &[Tensor], factor: Tensor| -> Vec<Tensor> {
            gradients.iter().map(|x| if x.defined() { x * &factor } else { Tensor::new() }).collect()
        };
        Analysis::of(names, [&scaled(first, factors.get(0)), &scaled(second, factors.get(1))], whole, true)
    }

    /// `[2]`: the norms of both tasks' gradients at the last shared layer.
    fn last_norms(&self, tasks: &[Vec<Tensor>; 2], task_gradients: TaskGradients) -> Tensor {
        let names = self.optimizer.iter().flat_map(|(_, optimizer)| optimizer.slots.iter().map(|slot| &slot.name));
        let last: Vec<bool> = match task_gradients {
            TaskGradients::LastShared => vec![true; tasks[0].len()],
            _ => names.map(|name| is_last_shared(&self.model, name)).collect(),
        };
        let norms = tasks.each_ref().map(|gradients| {
            let squares = gradients.iter().zip(&last).filter(|(x, last)| **last && x.defined());
            let zero = Tensor::zeros([0i64; 0], (Kind::Double, self.model.params().device()));
            squares.fold(zero, |sum, (x, _)| sum + (x * x).sum(Kind::Double)).sqrt()
        });
        Tensor::stack(&norms, 0)
    }

    /// Copies of the running statistics, which a forward pass moves before anyone knows whether it was finite.
    fn buffers(&self) -> Vec<Tensor> {
        self.model.params().buffers().into_iter().map(Tensor::copy).collect()
    }

    /// Puts the running statistics back where the step was not `applied`.
    fn keep_buffers(&self, before: &[Tensor], applied: &Tensor) -> Result<()> {
        let applied = applied.gt(0.5);
        for (tensor, before) in self.model.params().buffers().into_iter().zip(before) {
            tensor.shallow_clone().f_copy_(&tensor.f_where_self(&applied, before)?)?;
        }
        Ok(())
    }
}

/// What the parts of a step gave.
struct Update {
    report: Tensor,
    sums: Tensor,
    gradients: Vec<Tensor>,
    analysis: Option<Analysis>,
    norms: Option<Tensor>,
    buffers: Option<Vec<Tensor>>,
    moments: Option<PartMoments>,
    begin: Event,
}

/// A small tensor that all shards read.
#[derive(Clone, Copy)]
struct Numbers<'a>(&'a Tensor);

// SAFETY: nobody writes to it while the shards run, and reference counts are atomic in libtorch.
unsafe impl Send for Numbers<'_> {}

impl<'a> Numbers<'a> {
    fn tensor(self) -> &'a Tensor {
        self.0
    }
}

/// The gradients of each task; undefined where it reaches nothing.
fn each(tasks: [&Tensor; 2], inputs: &[&Tensor]) -> Result<[Vec<Tensor>; 2]> {
    Ok([of_task(tasks[0], inputs, true)?, of_task(tasks[1], inputs, false)?])
}

/// The gradients of one task; undefined where it reaches nothing.
fn of_task(task: &Tensor, inputs: &[&Tensor], keep_graph: bool) -> Result<Vec<Tensor>> {
    match task.requires_grad() && !inputs.is_empty() {
        true => Ok(Tensor::f_run_backward(&[task], inputs, keep_graph, false)?),
        false => Ok(inputs.iter().map(|_| Tensor::new()).collect()),
    }
}

/// What is left of `whole` without `part`; undefined where there is nothing of it.
fn without(whole: &Tensor, part: &Tensor) -> Tensor {
    match (whole.defined(), part.defined()) {
        (true, true) => whole - part,
        // Not the same memory: gradients are summed over shards in place.
        (true, false) => whole.copy(),
        _ => Tensor::new(),
    }
}
