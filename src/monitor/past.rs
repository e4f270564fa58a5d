//! What a run that goes on did before, as the events of its log: curves and advice do not begin where a process does.

use super::{health::RULES, run_log::confusion};
use crate::train::{
    events::{Advice, Event, StepTime},
    itinerary::{Split, Visit},
    overlaps::Overlaps,
    tally::Terms,
    tasks::{BlockGradients, Gradients},
};
use serde_json::Value;
use std::{
    fs::File,
    io::{BufRead, BufReader},
    path::Path,
};

/// The batches, passes, checkpoints, comparisons of gradients and advice in `run.jsonl` at `path`, in their order. Lines
/// that say something else are passed over, and so is a log that cannot be read: a run does not depend on it.
pub fn events(path: &Path) -> impl Iterator<Item = Event> {
    let lines = File::open(path).ok().map(|file| BufReader::new(file).lines().map_while(Result::ok));
    lines.into_iter().flatten().filter_map(|line| event(&serde_json::from_str(&line).ok()?))
}

fn event(line: &Value) -> Option<Event> {
    let number = |key: &str| line[key].as_f64().unwrap_or(f64::NAN);
    let whole = |key: &str| line[key].as_u64().unwrap_or(0);
    let epoch = usize::try_from(whole("epoch")).unwrap_or(0);
    let visit = Visit {
        position: whole("position"),
        split: if line["split"] == "val" { Split::Val } else { Split::Train },
        epoch: epoch.saturating_sub(1),
        batch: 0,
        of: 0,
        step: whole("step"),
        before: line["event"] == "pass" && epoch == 0,
        closes_epoch: false,
    };
    Some(match line["event"].as_str()? {
        "batch" => Event::Batch {
            visit,
            clips: usize::try_from(whole("clips")).unwrap_or(0),
            terms: terms(line),
            metrics: Default::default(),
            lr: [number("lr"), number("lr_backbone")],
            time: StepTime { data: number("data_seconds"), forward: number("forward_seconds") },
        },
        "pass" => Event::Pass { visit, means: terms(line), confusion: confusion(line), overlaps: Overlaps::default() },
        "checkpoint" => Event::Saved {
            path: line["path"].as_str().unwrap_or_default().into(),
            bytes: whole("bytes"),
            seconds: number("seconds"),
            stall: number("stall_seconds"),
            position: whole("position"),
        },
        "gradients" => {
            let blocks = line["blocks"].as_array().into_iter().flatten().map(block).collect();
            Event::Gradients { visit, gradients: Gradients { blocks, independent: false } }
        }
        "advice" => Event::Advice(Advice {
            rule: RULES.iter().map(|rule| rule.name).find(|name| line["rule"] == *name)?,
            message: line["message"].as_str().unwrap_or_default().into(),
            numbers: Vec::new(),
        }),
        _ => return None,
    })
}

fn block(line: &Value) -> BlockGradients {
    let number = |key: &str| line[key].as_f64().unwrap_or(0.0);
    let (box_norm, class_norm) = (number("box"), number("cls"));
    BlockGradients {
        name: line["block"].as_str().unwrap_or_default().into(),
        box_norm,
        class_norm,
        norm: number("total"),
        dot: number("cosine") * box_norm * class_norm,
        residual: 0.0,
    }
}

fn terms(line: &Value) -> Terms {
    let number = |key: &str| line[key].as_f64().unwrap_or(f64::NAN);
    let labelled = line["labelled"].as_f64().unwrap_or(0.0);
    Terms {
        total: number("Loss/total"),
        box_loss: number("Loss/box"),
        giou: number("Loss/giou"),
        l1: number("Loss/l1"),
        location: number("Loss/location"),
        class: number("Loss/cls"),
        class_weighted: number("Loss/cls_weighted"),
        iou: number("IoU"),
        correct: line["Accuracy"].as_f64().unwrap_or(0.0) * labelled,
        labelled,
        gradient_norm: number("gradient_norm"),
        applied: f64::from(u8::from(line["applied"] == true)),
        weight_box: number("weight_box"),
        weight_class: number("weight_cls"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        monitor::run_log::{History, RunLog},
        train::{confusion::Confusion, events::Observer},
    };

    #[test]
    fn what_was_written_down_comes_back() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("run.jsonl");
        assert_eq!(events(&path).count(), 0);
        let log = RunLog::open(&path, 0, History::Other, None).unwrap();
        let visit = |split, before| Visit {
            position: 7,
            split,
            epoch: if before { 0 } else { 2 },
            batch: 0,
            of: 0,
            step: if split == Split::Val { 0 } else { 5 },
            before,
            closes_epoch: false,
        };
        let terms = Terms { total: 1.0 / 3.0, iou: 0.5, labelled: 4.0, correct: 1.0, applied: 1.0, ..Terms::default() };
        let time = StepTime { data: 0.1, forward: 0.2 };
        let mut counts = [0.0; 100];
        counts[33] = 3.0;
        let confusion = Confusion::from_counts(&counts).unwrap();
        let block = BlockGradients {
            name: "backbone".into(),
            box_norm: 2.0,
            class_norm: 0.5,
            norm: 2.2,
            dot: -0.25,
            residual: 0.0,
        };
        let pass =
            |visit| Event::Pass { visit, means: terms, confusion: confusion.clone(), overlaps: Overlaps::default() };
        let told = [
            pass(visit(Split::Val, true)),
            Event::Batch {
                visit: visit(Split::Train, false),
                clips: 4,
                terms,
                metrics: Default::default(),
                lr: [1e-3, 1e-4],
                time,
            },
            Event::Note("a note".into()),
            Event::Gradients {
                visit: Visit { epoch: 0, ..visit(Split::Train, false) },
                gradients: Gradients { blocks: vec![block], independent: false },
            },
            pass(visit(Split::Val, false)),
            Event::Saved { path: "/a/b".into(), bytes: 7, seconds: 0.5, stall: 0.1, position: 4 },
            Event::Advice(Advice { rule: "iou_falls", message: "try".into(), numbers: Vec::new() }),
        ];
        log.begin("hiptrack/demo", 1, "cpu", 0, None);
        told.iter().for_each(|event| log.observe(event));
        let shown = |event: &Event| format!("{event:?}");
        let expected: Vec<String> = told.iter().filter(|event| !matches!(event, Event::Note(_))).map(shown).collect();
        assert_eq!(events(&path).map(|event| shown(&event)).collect::<Vec<_>>(), expected);
    }
}
