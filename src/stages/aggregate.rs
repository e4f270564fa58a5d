//! `aggregate`: reads the numbers of a step, sums them up, and tells observers and metrics.

use super::{Facts, RunContext, forms::small, items::*};
use crate::{
    failure::{Failure, Result},
    flow::{Blueprint, Form, Kind, Outbox, Payload, Stage, pack, unpack},
    settings::Section,
    telemetry::names,
    train::{
        checkpoint::{Folder, Validation},
        confusion::Confusion,
        events::{Event, Observer},
        itinerary::{Split, Visit},
        tally::{Progress, Terms},
        tasks::Gradients,
    },
};
use metrics::{counter, gauge, histogram};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

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
            nonfinite_limit: context.experiment.training.nonfinite_limit as u64,
            folder: context.folder.clone(),
            validated: None,
        }))
    }

    fn gives_form(&self, _facts: &Facts, _input: Option<&Form>) -> Option<Form> {
        Some(small())
    }
}

struct AggregateStage {
    progress: Arc<Mutex<Progress>>,
    observer: Arc<dyn Observer>,
    nonfinite_limit: u64,
    folder: Folder,
    /// What the validation said that has just ended, and the position after it.
    validated: Option<(u64, Validation)>,
}

impl AggregateStage {
    fn progress(&self) -> MutexGuard<'_, Progress> {
        self.progress.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn report(&mut self, report: StepReport) -> Result<()> {
        let StepReport { visit, names: clip_names, outcome, time } = report;
        let clips = clip_names.len();
        let values = Vec::<f64>::try_from(&outcome.terms)?;
        let terms = Terms::unpack(&values).ok_or_else(|| Failure::stage("a step report has the wrong length"))?;
        let confusion = match &outcome.confusion {
            Some(counts) => Confusion::from_counts(&Vec::<f64>::try_from(counts.flatten(0, -1))?),
            None => None,
        };
        let (pass, in_a_row) = {
            let mut progress = self.progress();
            (progress.add(&visit, &terms, confusion.as_ref(), clips), progress.nonfinite_in_a_row)
        };
        publish(&visit, clips, &terms, outcome.lr);
        if visit.split == Split::Train {
            histogram!(names::TRAIN_STEP_SECONDS).record(time.forward);
            histogram!(names::TRAIN_DATA_WAIT_SECONDS).record(time.data);
        }
        let event = Event::Batch { visit, clips, terms, lr: outcome.lr, time };
        self.observer.observe(&event);
        if let Some(analysis) = outcome.analysis {
            let gradients = analysis.read()?;
            publish_gradients(&gradients);
            self.observer.observe(&Event::Gradients { visit, gradients });
        }
        self.validated = None;
        if let Some((means, confusion)) = pass {
            if visit.split == Split::Val {
                let position = visit.position + 1;
                let validation = Validation { iou: means.iou, accuracy: means.accuracy(), loss: means.total };
                self.validated = Some((position, validation));
                gauge!(names::VALIDATION_IOU).set(means.iou);
                if let Some(accuracy) = means.accuracy() {
                    gauge!(names::VALIDATION_CLASS_ACCURACY).set(accuracy);
                }
            }
            self.observer.observe(&Event::Pass { visit, means, confusion });
        }
        if terms.applied == 0.0 && visit.split == Split::Train {
            counter!(names::TRAIN_NONFINITE_STEPS).increment(1);
            self.observer.observe(&Event::NonFinite { visit, clips: clip_names, in_a_row });
            if in_a_row >= self.nonfinite_limit {
                let sound = self.folder.newest_sound().map_or("no checkpoint was written before".into(), |path| {
                    format!("go on from the last sound checkpoint: --resume {} --allow_changes", path.display())
                });
                let remedy = format!("lower TRAIN.LR or TRAIN.GRAD_CLIP_NORM; {sound}");
                return Err(Failure::stage(format!("{in_a_row} steps in a row were not finite; {remedy}")));
            }
        }
        Ok(())
    }
}

fn publish(visit: &Visit, clips: usize, terms: &Terms, lr: [f64; 2]) {
    if visit.split != Split::Train {
        return;
    }
    counter!(names::TRAIN_STEPS).increment(1);
    counter!(names::TRAIN_CLIPS).increment(clips as u64);
    gauge!(names::TRAIN_EPOCH).set((visit.epoch + 1) as f64);
    gauge!(names::TRAIN_IOU).set(terms.iou);
    if let Some(accuracy) = terms.accuracy() {
        gauge!(names::TRAIN_CLASS_ACCURACY).set(accuracy);
    }
    for (name, value) in terms.losses() {
        gauge!(names::TRAIN_LOSS, "term" => name.trim_start_matches("Loss/")).set(value);
    }
    gauge!(names::TRAIN_GRADIENT_NORM).set(terms.gradient_norm);
    for (task, weight) in [("box", terms.weight_box), ("cls", terms.weight_class)] {
        gauge!(names::TRAIN_TASK_WEIGHT, "task" => task).set(weight);
    }
    for (group, lr) in [("heads", lr[0]), ("backbone", lr[1])] {
        gauge!(names::TRAIN_LEARNING_RATE, "group" => group).set(lr);
    }
}

fn publish_gradients(gradients: &Gradients) {
    for block in &gradients.blocks {
        let name = &block.name;
        for (task, norm) in [("box", block.box_norm), ("cls", block.class_norm), ("total", block.norm)] {
            gauge!(names::TRAIN_BLOCK_GRADIENT, "block" => name.clone(), "task" => task).set(norm);
        }
        if let Some(cosine) = block.cosine() {
            gauge!(names::TRAIN_BLOCK_COSINE, "block" => name.clone()).set(cosine);
        }
    }
}

impl Stage for AggregateStage {
    fn process(&mut self, payload: Payload, out: &mut Outbox) -> Result<()> {
        match unpack(payload)? {
            StepOutput::Report(report) => self.report(report),
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
