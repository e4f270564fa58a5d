//! What a run that goes on did before: read from its log, so that curves do not begin where a process does.

use super::{Live, Saved, Validation, push};
use crate::monitor::run_log::confusion;
use crate::train::{
    itinerary::{Split, Visit},
    tally::Terms,
};
use serde_json::Value;
use std::{
    fs::File,
    io::{BufRead, BufReader},
    path::Path,
};

impl Live {
    /// Takes in the batches, validations and checkpoints of `run.jsonl` at `path`. Lines that say something else are
    /// passed over, and so is a log that cannot be read: the run does not depend on what is shown of it.
    pub fn recall(&self, path: &Path) {
        let Ok(file) = File::open(path) else { return };
        for line in BufReader::new(file).lines().map_while(Result::ok) {
            if let Ok(event) = serde_json::from_str::<Value>(&line) {
                self.recall_event(&event);
            }
        }
    }

    fn recall_event(&self, event: &Value) {
        let number = |key: &str| event[key].as_f64().unwrap_or(f64::NAN);
        let whole = |key: &str| event[key].as_u64().unwrap_or(0);
        let training = event["split"] == "train";
        let visit = Visit {
            position: whole("position"),
            split: if training { Split::Train } else { Split::Val },
            epoch: usize::try_from(whole("epoch")).unwrap_or(0).saturating_sub(1),
            batch: 0,
            of: 0,
            step: whole("step"),
            before: whole("epoch") == 0,
            closes_epoch: false,
        };
        let mut shown = self.shown();
        match event["event"].as_str() {
            Some("batch") if training => {
                let lr = [number("lr"), number("lr_backbone")];
                let times = [number("data_seconds"), number("forward_seconds")];
                shown.batch(&visit, &terms(event), usize::try_from(whole("clips")).unwrap_or(0), lr, times);
            }
            Some("pass") if !training => {
                let step = shown.newest.map_or(0, |(newest, ..)| newest.step + 1);
                let epoch = usize::try_from(whole("epoch")).unwrap_or(0);
                shown.validation(Validation { epoch, step, means: terms(event), confusion: confusion(event) });
            }
            Some("checkpoint") => {
                let path = event["path"].as_str().unwrap_or_default();
                let file = path.rsplit('/').next().unwrap_or_default().to_string();
                let (bytes, seconds, position) = (whole("bytes"), number("seconds"), whole("position"));
                push(&mut shown.checkpoints, Saved { file, bytes, seconds, position, at: None });
            }
            _ => {}
        }
    }
}

fn terms(event: &Value) -> Terms {
    let number = |key: &str| event[key].as_f64().unwrap_or(f64::NAN);
    let labelled = event["labelled"].as_f64().unwrap_or(0.0);
    Terms {
        total: number("Loss/total"),
        box_loss: number("Loss/box"),
        giou: number("Loss/giou"),
        l1: number("Loss/l1"),
        location: number("Loss/location"),
        class: number("Loss/cls"),
        class_weighted: number("Loss/cls_weighted"),
        iou: number("IoU"),
        correct: event["Accuracy"].as_f64().unwrap_or(0.0) * labelled,
        labelled,
        gradient_norm: number("gradient_norm"),
        applied: f64::from(u8::from(event["applied"] == true)),
        weight_box: number("weight_box"),
        weight_class: number("weight_cls"),
    }
}
