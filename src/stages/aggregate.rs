//! `aggregate`: reads the numbers of a step, sums them up, and reports them to observers and metrics.

use super::{
    Facts, RunContext,
    element_specs::small,
    items::*,
    model_preview::{Pixels, render},
    prometheus::PrometheusMetrics,
};
use crate::{
    failure::{Failure, Result},
    flow::{ElementSpec, Emitter, Kind, Payload, Stage, StageConfig, pack, unpack},
    settings::Section,
    train::{
        checkpoint::{Folder, Validation},
        confusion::Confusion,
        events::{Observer, StepTime},
        experiment::Training,
        features::Features,
        means::BatchMetrics,
        metrics::{Progress, StepMetrics},
        overlaps::{Overlap, Overlaps},
        run_event::{Batch, ConditionScore, GradientComparison, LossMetrics, NonFinite, Pass, RunEvent},
        run_schedule::{BatchInfo, Split},
    },
};
use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};
use tch::Tensor;

pub(super) const KIND: Kind<RunContext> = Kind {
    name: "aggregate",
    description: "sums up losses and metrics, reports them, and stops a run that stays non-finite",
    input: Some(STEP_REPORTS),
    output: Some(CHECKPOINTS),
    ordered: true,
    workers: 1,
    max_workers: 1,
    capacity: 1,
    parse: |_: &mut Section<'_>| Box::new(Aggregate),
};

struct Aggregate;

impl StageConfig<RunContext> for Aggregate {
    fn worker(&self, context: &RunContext, _index: usize) -> Result<Box<dyn Stage>> {
        Ok(Box::new(AggregateStage {
            progress: context.progress.clone(),
            observer: context.observer.clone(),
            prometheus: PrometheusMetrics::new(&context.schedule, &context.experiment.training.phases),
            training: context.experiment.training.clone(),
            pixels: Pixels { mean: context.experiment.data.mean, std: context.experiment.data.std },
            folder: context.folder.clone(),
            validated: None,
            features: None,
        }))
    }

    fn output_spec(&self, _facts: &Facts, _input: Option<&ElementSpec>) -> Option<ElementSpec> {
        Some(small())
    }
}

struct AggregateStage {
    progress: Arc<Mutex<Progress>>,
    observer: Arc<dyn Observer>,
    prometheus: PrometheusMetrics,
    training: Training,
    pixels: Pixels,
    folder: Folder,
    /// What the validation said that has just ended, and the position after it.
    validated: Option<(u64, Validation)>,
    /// What was seen in the validation that goes on; none of one whose beginning is in an earlier call.
    features: Option<Features>,
}

impl AggregateStage {
    fn progress(&self) -> MutexGuard<'_, Progress> {
        self.progress.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Keeps what a validation's batch says of its frames; their IoUs by condition.
    fn frames(&mut self, info: &BatchInfo, rows: &Tensor, names: &Arc<[String]>) -> Result<Overlaps> {
        let width = rows.size().get(1).copied().and_then(|width| usize::try_from(width).ok()).unwrap_or_default();
        let values = Vec::<f32>::try_from(rows.flatten(0, -1))?;
        let most = self.training.kept_features;
        if info.batch == 0 {
            self.features = (most > 0).then(|| Features::of(info));
        }
        match &mut self.features {
            Some(features) => features.add(&values, width, names, most),
            None => Features::default().add(&values, width, names, 0),
        }
    }

    fn report(&mut self, report: StepReport, out: &mut Emitter) -> Result<()> {
        let StepReport { info, names: clip_names, outcome, step_metrics, confusion, frames, clock, meter } = report;
        let clips = clip_names.len();
        let asked = Instant::now();
        let values = Vec::<f64>::try_from(&step_metrics.finish()?)?;
        let sync = asked.elapsed();
        let time = clock.time()?;
        if let Some(meter) = meter {
            out.leave_out(sync);
            meter.add_busy(Duration::try_from_secs_f64(time.forward).unwrap_or_default());
        }
        let unpacked = StepMetrics::unpack_from(&values);
        let (step_metrics, sums) = unpacked.ok_or_else(|| Failure::stage("a step report has the wrong length"))?;
        let metrics = BatchMetrics::new(clips, &outcome.weights, sums);
        let confusion = match confusion {
            Some(counts) => Confusion::from_counts(&Vec::<f64>::try_from(counts.finish()?.flatten(0, -1))?),
            None => None,
        };
        let overlaps = match frames {
            Some(rows) => Some(self.frames(&info, &rows.finish()?, &clip_names)?),
            None => None,
        };
        let (pass, in_a_row) = {
            let mut progress = self.progress();
            (
                progress.add(&info, &step_metrics, &metrics, confusion.as_ref(), overlaps.as_ref()),
                progress.nonfinite_in_a_row,
            )
        };
        self.prometheus.batch(&info, clips, &step_metrics, outcome.lr);
        if info.split == Split::Train {
            self.prometheus.phase(self.training.phase_at(info.epoch).0);
            let busy = {
                let mut progress = self.progress();
                progress.add_time(&time);
                progress.device_busy()
            };
            self.prometheus.time(&time, &outcome.spent()?, sync, busy);
        }
        self.observer.batch(&batch_event(&info, clips, &step_metrics, outcome.lr, time), &metrics);
        if let Some(analysis) = outcome.analysis {
            let gradients = analysis.read()?;
            PrometheusMetrics::gradients(&gradients);
            let comparison = GradientComparison::new(info.position, info.step, &gradients);
            self.observer.observe(&RunEvent::Gradients(comparison));
        }
        self.validated = None;
        if let Some((means, confusion, overlaps)) = pass {
            if info.split == Split::Val {
                self.prometheus.validation(&means, &confusion, &overlaps);
                let position = info.position + 1;
                let validation = Validation { iou: means.iou, accuracy: means.accuracy(), loss: means.total };
                self.validated = Some((position, validation));
            }
            self.observer.observe(&pass_event(&info, &means, confusion, &overlaps));
            if let Some(features) = self.features.take_if(|_| info.split == Split::Val) {
                self.observer.features(&features);
            }
        }
        if step_metrics.applied == 0.0 && info.split == Split::Train {
            let (position, step, clips) = (info.position, info.step, clip_names.to_vec());
            self.observer.observe(&RunEvent::Nonfinite(NonFinite { position, step, clips, in_a_row }));
            if in_a_row >= self.training.nonfinite_limit as u64 {
                let sound = self.folder.newest_sound().map_or("no checkpoint was written before".into(), |path| {
                    format!("go on from the last sound checkpoint: --resume {} --allow_changes", path.display())
                });
                let remedy = format!("lower TRAIN.LR or TRAIN.GRAD_CLIP_NORM; {sound}");
                // Such steps change nothing: what the others have done is saved first.
                out.fail_after_saving(Failure::stage(format!(
                    "stage `aggregate`: {in_a_row} steps in a row were not finite; {remedy}"
                )));
            }
        }
        Ok(())
    }
}

/// The event of a batch of `clips`.
fn batch_event(info: &BatchInfo, clips: usize, step_metrics: &StepMetrics, lr: [f64; 2], time: StepTime) -> RunEvent {
    RunEvent::Batch(Batch {
        position: info.position,
        split: info.split,
        epoch: info.epoch as u64 + 1,
        before_training: info.before,
        batch: info.batch as u64,
        batches: info.of as u64,
        step: info.step,
        clips: clips as u64,
        metrics: LossMetrics::from(step_metrics),
        lr: lr[0].into(),
        lr_backbone: lr[1].into(),
        data_seconds: time.data.into(),
        forward_seconds: time.forward.into(),
    })
}

/// The event of the pass that `info` closes.
fn pass_event(info: &BatchInfo, means: &StepMetrics, confusion: Confusion, overlaps: &Overlaps) -> RunEvent {
    let score = |one: &Overlap| {
        let (frames, iou) = (one.frames, one.iou.into());
        (one.condition.name().to_string(), ConditionScore { frames, iou })
    };
    RunEvent::Pass(Box::new(Pass {
        position: info.position,
        split: info.split,
        epoch: if info.before { 0 } else { info.epoch as u64 + 1 },
        step: Some(info.step),
        metrics: LossMetrics::from(means),
        confusion,
        conditions: overlaps.means().iter().map(score).collect(),
    }))
}

impl Stage for AggregateStage {
    fn process(&mut self, payload: Payload, out: &mut Emitter) -> Result<()> {
        match unpack(payload)? {
            StepOutput::Report(report) => self.report(*report, out),
            StepOutput::PreviewTensors { info, preview } => {
                self.observer.preview(&render(info, &preview, &self.pixels)?);
                Ok(())
            }
            StepOutput::Snapshot { mut state, epoch_end, ready, stall } => {
                let (progress, in_a_row) = {
                    let progress = self.progress();
                    (serde_json::to_value(&*progress), progress.nonfinite_in_a_row)
                };
                let metadata = &mut state.metadata;
                metadata.progress =
                    progress.map_err(|error| Failure::output(format!("a checkpoint's header: {error}")))?;
                metadata.nonfinite_in_a_row = in_a_row;
                let position = metadata.position;
                metadata.validation = self.validated.filter(|(at, _)| *at == position).map(|(_, said)| said);
                out.emit(pack(PendingCheckpoint { state, ready, epoch_end, stall }));
                Ok(())
            }
        }
    }
}
