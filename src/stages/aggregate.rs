//! `aggregate`: reads the numbers of a step, sums them up, and tells observers and metrics.

use super::{
    Facts, RunContext,
    figures::Figures,
    forms::small,
    items::*,
    seen::{Pixels, seen},
};
use crate::{
    failure::{Failure, Result},
    flow::{Blueprint, Form, Kind, Outbox, Payload, Stage, pack, unpack},
    settings::Section,
    train::{
        checkpoint::{Folder, Validation},
        confusion::Confusion,
        events::{Observer, StepTime},
        experiment::Training,
        features::Features,
        itinerary::{Split, Visit},
        means::BatchMetrics,
        overlaps::{Overlap, Overlaps},
        run_event::{Batch, ConditionScore, GradientComparison, LossMetrics, NonFinite, Pass, RunEvent},
        tally::{Progress, Terms},
    },
};
use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Instant,
};
use tch::Tensor;

pub(super) const KIND: Kind<RunContext> = Kind {
    name: "aggregate",
    about: "sums up losses and metrics, reports them, and stops a run that stays non-finite",
    input: Some(STEP_REPORTS),
    output: Some(CHECKPOINTS),
    ordered: true,
    workers: 1,
    max_workers: 1,
    capacity: 1,
    parse: |_: &mut Section<'_>| Box::new(Aggregate),
};

struct Aggregate;

impl Blueprint<RunContext> for Aggregate {
    fn worker(&self, context: &RunContext, _index: usize) -> Result<Box<dyn Stage>> {
        Ok(Box::new(AggregateStage {
            progress: context.progress.clone(),
            observer: context.observer.clone(),
            figures: Figures::new(&context.itinerary, &context.experiment.training.phases),
            training: context.experiment.training.clone(),
            pixels: Pixels { mean: context.experiment.data.mean, std: context.experiment.data.std },
            folder: context.folder.clone(),
            validated: None,
            features: None,
        }))
    }

    fn gives_form(&self, _facts: &Facts, _input: Option<&Form>) -> Option<Form> {
        Some(small())
    }
}

struct AggregateStage {
    progress: Arc<Mutex<Progress>>,
    observer: Arc<dyn Observer>,
    figures: Figures,
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
    fn frames(&mut self, visit: &Visit, rows: &Tensor, names: &Arc<[String]>) -> Result<Overlaps> {
        let width = rows.size().get(1).copied().and_then(|width| usize::try_from(width).ok()).unwrap_or_default();
        let values = Vec::<f32>::try_from(rows.flatten(0, -1))?;
        let most = self.training.kept_features;
        if visit.batch == 0 {
            self.features = (most > 0).then(|| Features::of(visit));
        }
        match &mut self.features {
            Some(features) => features.add(&values, width, names, most),
            None => Features::default().add(&values, width, names, 0),
        }
    }

    fn report(&mut self, report: StepReport, out: &Outbox) -> Result<()> {
        let StepReport { visit, names: clip_names, outcome, time } = report;
        let clips = clip_names.len();
        let asked = Instant::now();
        let values = Vec::<f64>::try_from(&outcome.terms)?;
        let sync = asked.elapsed();
        let unpacked = Terms::unpack_from(&values);
        let (terms, sums) = unpacked.ok_or_else(|| Failure::stage("a step report has the wrong length"))?;
        let metrics = BatchMetrics::new(clips, &outcome.weights, sums);
        let confusion = match &outcome.confusion {
            Some(counts) => Confusion::from_counts(&Vec::<f64>::try_from(counts.flatten(0, -1))?),
            None => None,
        };
        let overlaps = match &outcome.frames {
            Some(rows) => Some(self.frames(&visit, rows, &clip_names)?),
            None => None,
        };
        let (pass, in_a_row) = {
            let mut progress = self.progress();
            (progress.add(&visit, &terms, &metrics, confusion.as_ref(), overlaps.as_ref()), progress.nonfinite_in_a_row)
        };
        self.figures.batch(&visit, clips, &terms, outcome.lr);
        if visit.split == Split::Train {
            self.figures.phase(self.training.phase_at(visit.epoch).0);
            self.figures.time(&time, &outcome.spent, sync);
        }
        self.observer.batch(&batch_event(&visit, clips, &terms, outcome.lr, time), &metrics);
        if let Some(analysis) = outcome.analysis {
            let gradients = analysis.read()?;
            Figures::gradients(&gradients);
            let comparison = GradientComparison::new(visit.position, visit.step, &gradients);
            self.observer.observe(&RunEvent::Gradients(comparison));
        }
        self.validated = None;
        if let Some((means, confusion, overlaps)) = pass {
            if visit.split == Split::Val {
                self.figures.validation(&means, &confusion, &overlaps);
                let position = visit.position + 1;
                let validation = Validation { iou: means.iou, accuracy: means.accuracy(), loss: means.total };
                self.validated = Some((position, validation));
            }
            self.observer.observe(&pass_event(&visit, &means, confusion, &overlaps));
            if let Some(features) = self.features.take_if(|_| visit.split == Split::Val) {
                self.observer.features(&features);
            }
        }
        if terms.applied == 0.0 && visit.split == Split::Train {
            let (position, step, clips) = (visit.position, visit.step, clip_names.to_vec());
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

/// What is told of a batch of `clips`.
fn batch_event(visit: &Visit, clips: usize, terms: &Terms, lr: [f64; 2], time: StepTime) -> RunEvent {
    RunEvent::Batch(Batch {
        position: visit.position,
        split: visit.split,
        epoch: visit.epoch as u64 + 1,
        before_training: visit.before,
        batch: visit.batch as u64,
        batches: visit.of as u64,
        step: visit.step,
        clips: clips as u64,
        metrics: LossMetrics::from(terms),
        lr: lr[0].into(),
        lr_backbone: lr[1].into(),
        data_seconds: time.data.into(),
        forward_seconds: time.forward.into(),
    })
}

/// What is told of the pass that `visit` closes.
fn pass_event(visit: &Visit, means: &Terms, confusion: Confusion, overlaps: &Overlaps) -> RunEvent {
    let score = |one: &Overlap| {
        let (frames, iou) = (one.frames, one.iou.into());
        (one.condition.name().to_string(), ConditionScore { frames, iou })
    };
    RunEvent::Pass(Box::new(Pass {
        position: visit.position,
        split: visit.split,
        epoch: if visit.before { 0 } else { visit.epoch as u64 + 1 },
        step: Some(visit.step),
        metrics: LossMetrics::from(means),
        confusion,
        conditions: overlaps.means().iter().map(score).collect(),
    }))
}

impl Stage for AggregateStage {
    fn process(&mut self, payload: Payload, out: &mut Outbox) -> Result<()> {
        match unpack(payload)? {
            StepOutput::Report(report) => self.report(report, out),
            StepOutput::Look { visit, look } => {
                self.observer.preview(&seen(visit, &look, &self.pixels)?);
                Ok(())
            }
            StepOutput::Snapshot { mut state, epoch_end, stall } => {
                let (progress, in_a_row) = {
                    let progress = self.progress();
                    (serde_json::to_value(&*progress), progress.nonfinite_in_a_row)
                };
                let about = &mut state.about;
                about.progress =
                    progress.map_err(|error| Failure::output(format!("a checkpoint's header: {error}")))?;
                about.nonfinite_in_a_row = in_a_row;
                let position = about.position;
                about.validation = self.validated.filter(|(at, _)| *at == position).map(|(_, said)| said);
                out.emit(pack(PendingCheckpoint { state, epoch_end, stall }));
                Ok(())
            }
        }
    }
}
