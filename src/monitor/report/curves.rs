//! How losses, IoU, accuracy and what drives them went.

use super::{
    comparable::Incomparable,
    groups::Group,
    history::{History, Step},
    page::charts,
    svg::{Axes, Curve, lines},
};
use crate::data::condition::Condition;

/// The section of the page. A group has a colour; validation is solid, training is dashed.
pub(super) fn curves(groups: &[Group]) -> String {
    let by_epoch = |title: &str, up: &str, key: &str, scale: f64, level: Option<f64>| {
        let mut all = Vec::new();
        for (colour, group) in groups.iter().enumerate() {
            // Without the class task its loss is a row of zeros.
            if key == "Loss/cls" && !group.has_classes() {
                continue;
            }
            for (dash, is_val, what) in [(0, true, "validation"), (1, false, "training")] {
                let name = if groups.len() > 1 { format!("{}, {what}", group.name) } else { what.into() };
                let scaled = |run: &History| {
                    run.curve(key, is_val).into_iter().map(|(epoch, value)| (epoch, scale * value)).collect()
                };
                all.push(Curve { colour, dash, ..group.curve(&name, scaled) });
            }
        }
        lines(&Axes { title, across: "epoch", up, level }, &all)
    };
    let by_step = |title: &str, up: &str, of: &dyn Fn(&Step) -> f64| {
        let curve = |(colour, group): (usize, &Group)| {
            let name = if groups.len() > 1 { &group.name } else { "" };
            Curve { colour, dash: colour, ..group.curve(name, |run| thinned(run, of)) }
        };
        let all: Vec<Curve> = groups.iter().enumerate().map(curve).collect();
        lines(&Axes { title, across: "step", up, level: None }, &all)
    };
    let chance = 100.0 / Condition::COUNT as f64;
    let varies = |run: &History| run.steps.iter().any(|step| step.class_weight != run.steps[0].class_weight);
    let any_varies = groups.iter().filter(|group| group.has_classes()).flat_map(|group| &group.runs).any(varies);
    let incomparable = Incomparable::between(groups);
    let axis = Incomparable::axis;
    let body = charts([
        by_epoch("Total loss", &axis("L = L_box + λ·L_cls", &incomparable.total), "Loss/total", 1.0, None),
        by_epoch("Loss of the box task", &axis("L_box", &incomparable.box_loss), "Loss/box", 1.0, None),
        by_epoch("Loss of the class task", &axis("L_cls (without λ)", &incomparable.class), "Loss/cls", 1.0, None),
        by_epoch("Tracking", "mean IoU", "IoU", 1.0, None),
        by_epoch("Condition accuracy", "accuracy, %", "Accuracy", 100.0, Some(chance)),
        by_step("Gradient norm before clipping", "‖∇L‖", &|step| step.norm),
        by_step("Learning rate of the heads", "learning rate", &|step| step.lr),
        if any_varies { by_step("Factor of the class loss", "λ", &|step| step.class_weight) } else { String::new() },
    ]);
    if body.is_empty() {
        return body;
    }
    let mut caption = "Means over an epoch's frames; epoch 0 is before training.".to_string();
    if groups.iter().any(Group::has_classes) {
        caption += &format!(" Dotted: {chance:.0} %, a guess among {} conditions.", Condition::COUNT);
    }
    if groups.iter().any(|group| group.runs.len() > 1) {
        caption += " Lines are means over runs, bands reach from the lowest to the highest run.";
    }
    caption += &incomparable.remark();
    format!("{body}<p class=\"about\">{caption}</p>")
}

/// Means over at most 200 parts of the run.
fn thinned(run: &History, of: &dyn Fn(&Step) -> f64) -> Vec<(f64, f64)> {
    let length = run.steps.len().div_ceil(200).max(1);
    let mean = |chunk: &[Step]| {
        let values: Vec<f64> = chunk.iter().map(of).filter(|value| value.is_finite()).collect();
        let mean = values.iter().sum::<f64>() / values.len() as f64;
        chunk.first().map(|first| (first.step, mean))
    };
    run.steps.chunks(length).filter_map(mean).collect()
}
