//! How events change what is kept of a run.

use super::{
    Batch, Checkpoint, Curve, KEPT, LiveState, LossMetrics, Message, MeterHistory, Number, Pass, Previews, Saved,
    Split, Timestamp, Validation, timestamp,
};
use std::{collections::VecDeque, time::SystemTime};

impl LiveState {
    pub(super) fn new() -> Self {
        Self {
            plan: None,
            running: None,
            meter_history: MeterHistory::default(),
            train: Curve::new(KEPT),
            memory: Curve::new(KEPT),
            validations: Vec::new(),
            checkpoints: VecDeque::new(),
            messages: VecDeque::new(),
            previews: Previews::default(),
            last: None,
            newest: None,
            trained: 0,
            nonfinite: 0,
            settings: Vec::new(),
            loss_weights: None,
            phases: None,
            epochs: 0,
            first_time: None,
            last_time: None,
            last_event: None,
            in_use: false,
            call: None,
        }
    }

    pub(super) fn message(&mut self, warning: bool, text: &str) {
        self.message_at(timestamp(SystemTime::now()), warning, text);
    }

    pub(super) fn message_at(&mut self, at: f64, warning: bool, text: &str) {
        push(&mut self.messages, Message { at, warning, text: text.to_string() });
    }

    /// GIoU, L1, location and class loss as they are summed; what is not known is not finite.
    pub(super) fn weighted(&self, metrics: &LossMetrics) -> [f64; 4] {
        // Logs of earlier versions do not have the factors of the tasks.
        let factor = |weight: Number| if weight.0.is_finite() && weight.0 != 0.0 { weight.0 } else { 1.0 };
        let [giou, l1, location] =
            self.loss_weights.unwrap_or([f64::NAN; 3]).map(|weight| weight * factor(metrics.weight_box));
        let class = if metrics.weight_class.0 > 0.0 {
            metrics.weight_class.0 * metrics.class.0
        } else {
            metrics.class_weighted.0
        };
        [giou * metrics.giou.0, l1 * metrics.l1.0, location * metrics.location.0, class]
    }

    pub(super) fn batch(&mut self, batch: &Batch) {
        self.last = Some(batch.clone());
        if batch.split != Split::Train {
            return;
        }
        self.newest = Some(batch.clone());
        let metrics = &batch.metrics;
        if !metrics.applied || !metrics.total.0.is_finite() {
            self.nonfinite += 1;
            return;
        }
        let values = [
            metrics.total.0,
            metrics.box_loss.0,
            metrics.class.0,
            metrics.iou.0,
            metrics.accuracy.unwrap_or_default().0,
            metrics.gradient_norm.0,
            batch.data_seconds.0,
            batch.forward_seconds.0,
            batch.clips as f64,
        ];
        let mut values = values.into_iter().chain(self.weighted(metrics)).chain([batch.lr.0, batch.lr_backbone.0]);
        let values = std::array::from_fn(|_| values.next().unwrap_or(f64::NAN));
        self.train.push((batch.step + 1) as f64, values);
    }

    /// A validation is done; logs of earlier versions do not say after which step.
    pub(super) fn pass(&mut self, pass: &Pass) {
        if pass.split == Split::Val {
            let step = pass.step.or(self.newest.as_ref().map(|newest| newest.step + 1)).unwrap_or(0);
            let (means, confusion) = (pass.metrics.clone(), pass.confusion.clone());
            self.validation(Validation { epoch: pass.epoch, step, means, confusion });
        }
    }

    pub(super) fn checkpoint(&mut self, saved: &Checkpoint, at: Option<Timestamp>) {
        let (file, at) = (saved.file().to_string(), at.map(Timestamp::seconds));
        let Checkpoint { bytes, seconds, position, .. } = *saved;
        push(&mut self.checkpoints, Saved { file, bytes, seconds: seconds.0, position, at });
    }

    pub(super) fn validation(&mut self, validation: Validation) {
        self.validations.push(validation);
        if self.validations.len() > KEPT {
            // Every second one goes; the first and the newest stay.
            let mut index = 0;
            self.validations.retain(|_| {
                index += 1;
                index % 2 == 1
            });
        }
    }
}

fn push<T>(queue: &mut VecDeque<T>, item: T) {
    if queue.len() >= KEPT {
        queue.pop_front();
    }
    queue.push_back(item);
}
