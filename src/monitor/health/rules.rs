//! The rules: pure functions from numbers to advice.

use super::vitals::{COMPARISONS, FRAMES, STEPS, Vitals};
use crate::train::{metrics::StepMetrics, run_event::Advice};

/// One rule.
#[derive(Clone, Copy, Debug)]
pub struct Rule {
    /// Its short name, in metrics and events.
    pub name: &'static str,
    /// What it finds, if anything.
    pub look: fn(&Vitals) -> Option<Advice>,
}

/// All rules.
pub const RULES: [Rule; 9] = [
    Rule { name: "accuracy_at_chance", look: accuracy_at_chance },
    Rule { name: "iou_falls", look: iou_falls },
    Rule { name: "accuracy_costs_iou", look: accuracy_costs_iou },
    Rule { name: "class_gradient_dominates", look: class_gradient_dominates },
    Rule { name: "loss_stands_still", look: loss_stands_still },
    Rule { name: "gradients_opposed", look: gradients_opposed },
    Rule { name: "not_finite", look: not_finite },
    Rule { name: "norm_explodes", look: norm_explodes },
    Rule { name: "step_starves", look: step_starves },
];

/// Epochs after which something should have happened.
const EPOCHS: usize = 3;
/// The fewest steps to judge by.
const FEW: usize = 20;

/// The means of the newest epochs' training, when there are so many.
fn trained(vitals: &Vitals, epochs: usize) -> Option<Vec<&StepMetrics>> {
    let all: Vec<&StepMetrics> = vitals.epochs.iter().filter_map(|epoch| epoch.train.as_ref()).collect();
    (all.len() >= epochs).then(|| all[all.len() - epochs..].to_vec())
}

/// Accuracy no better than saying always the same → raise λ.
fn accuracy_at_chance(vitals: &Vitals) -> Option<Advice> {
    let epochs = trained(vitals, EPOCHS)?;
    let stuck = |step_metrics: &&StepMetrics| {
        let margin = 2.0 * (vitals.chance * (1.0 - vitals.chance) / step_metrics.labelled.max(1.0)).sqrt();
        step_metrics.labelled >= FRAMES
            && step_metrics.accuracy().is_some_and(|share| share < vitals.chance + margin.max(0.02))
    };
    let newest = epochs.last().and_then(|step_metrics| step_metrics.accuracy())?;
    epochs.iter().all(stuck).then(|| {
        let (lambda, chance) = (vitals.lambda, vitals.chance);
        let remedy = match lambda > 0.0 {
            true => format!("raise λ (TRAIN.CLS_WEIGHT is {lambda}, try {})", round(5.0 * lambda)),
            false => "give the class loss a weight (TRAIN.CLS_WEIGHT is 0)".to_string(),
        };
        let message = format!(
            "condition accuracy in training is {:.1} %, for {EPOCHS} epochs no better than always the same answer, \
             which would get {:.1} % {}; {remedy}",
            100.0 * newest,
            100.0 * chance,
            if vitals.counted { "of the frames of validation" } else { "if conditions were equally frequent" },
        );
        let numbers = [("accuracy", newest), ("chance", chance), ("lambda", lambda)];
        Advice::new("accuracy_at_chance", message, &numbers)
    })
}

/// IoU of validations falls while accuracy rises → lower λ.
fn iou_falls(vitals: &Vitals) -> Option<Advice> {
    const FALL: f64 = 0.02;
    // One point, and two standard errors of a share.
    const RISE: f64 = 0.01;
    let all: Vec<&StepMetrics> = vitals.epochs.iter().filter_map(|epoch| epoch.val.as_ref()).collect();
    let [.., first, second, third] = all.as_slice() else { return None };
    let best = all.iter().map(|step_metrics| step_metrics.iou).fold(0.0, f64::max);
    let falling = first.iou > second.iou && second.iou > third.iou && best - third.iou >= FALL;
    let (before, now) = (first.accuracy()?, third.accuracy()?);
    let error = 2.0 * (before * (1.0 - before) / first.labelled.max(1.0) * 2.0).sqrt();
    (falling && now - before >= RISE.max(error)).then(|| {
        let lambda = vitals.lambda;
        let message = format!(
            "validation IoU falls ({:.3}, {:.3}, {:.3}; best {best:.3}) while condition accuracy rises ({:.1} to {:.1} %); \
             lower λ (TRAIN.CLS_WEIGHT is {lambda}, try {})",
            first.iou,
            second.iou,
            third.iou,
            100.0 * before,
            100.0 * now,
            round(lambda / 5.0)
        );
        let numbers = [
            ("iou", third.iou),
            ("iou_best", best),
            ("accuracy_before", before),
            ("accuracy", now),
            ("lambda", lambda),
        ];
        Advice::new("iou_falls", message, &numbers)
    })
}

/// What makes the class task cheaper for the tracker.
const CHEAPER: &str = "lower λ (TRAIN.CLS_WEIGHT), or give the condition head tokens of its own and scale its gradients \
                       (MODEL.CLS_HEAD.INPUT: tokens with STEM and BLOCKS, TRAIN.CLS_GRADIENT_SCALE below 1)";

/// Validations stay below those of the baseline → a cheaper class task.
fn accuracy_costs_iou(vitals: &Vitals) -> Option<Advice> {
    // Two points: twice what the same setting with another seed differs by.
    const LOST: f64 = 0.02;
    let [.., before, now] = vitals.prices.as_slice() else { return None };
    let folder = &vitals.baseline.as_ref()?.folder;
    (before.iou_lost() >= LOST && now.iou_lost() >= LOST).then(|| {
        let message = format!(
            "validation IoU is {:.3} after epoch {}, {:.3} below the {:.3} of the baseline ({}), and was {:.3} below after \
             epoch {}: that is what a condition accuracy of {:.1} % costs here; {CHEAPER}",
            now.iou,
            now.epoch,
            now.iou_lost(),
            now.baseline,
            folder.display(),
            before.iou_lost(),
            before.epoch,
            100.0 * now.accuracy,
        );
        let numbers = [
            ("iou", now.iou),
            ("iou_baseline", now.baseline),
            ("iou_lost", now.iou_lost()),
            ("accuracy", now.accuracy),
            ("lambda", vitals.lambda),
        ];
        Advice::new("accuracy_costs_iou", message, &numbers)
    })
}

/// The class task's gradient is as large as the box task's in the backbone → a cheaper class task.
fn class_gradient_dominates(vitals: &Vitals) -> Option<Advice> {
    const SHARE: f64 = 1.0;
    let shares: Vec<f64> = vitals.class_shares.iter().copied().collect();
    if vitals.surgery || shares.len() < COMPARISONS / 2 {
        return None;
    }
    let middle = median(&shares);
    (middle > SHARE).then(|| {
        let count = shares.len();
        let cosine = vitals.cosines.iter().sum::<f64>() / count as f64;
        let message = format!(
            "in the backbone the class task's gradient is {middle:.2} times as large as the box task's (median of the \
             last {count} comparisons; cosine {cosine:.2}): the shared features follow the conditions, and tracking pays \
             for it; {CHEAPER}; compare with a run without the class task (--baseline)"
        );
        let numbers = [("class_share", middle), ("cosine", cosine), ("lambda", vitals.lambda)];
        Advice::new("class_gradient_dominates", message, &numbers)
    })
}

/// No loss has fallen since the phase began → learning rate.
fn loss_stands_still(vitals: &Vitals) -> Option<Advice> {
    const FALL: f64 = 0.05;
    let epochs: Vec<&StepMetrics> = vitals.epochs.iter().filter_map(|epoch| epoch.train.as_ref()).collect();
    let (first, rest) = epochs.split_first().filter(|(_, rest)| rest.len() >= EPOCHS)?;
    let still = |of: fn(&StepMetrics) -> f64| {
        let best = rest.iter().map(|step_metrics| of(step_metrics)).fold(f64::INFINITY, f64::min);
        best >= (1.0 - FALL) * of(first)
    };
    let class_still = first.labelled == 0.0 || first.weight_class == 0.0 || still(|step_metrics| step_metrics.class);
    (first.total > 0.0 && still(|step_metrics| step_metrics.total) && still(|step_metrics| step_metrics.box_loss) && class_still).then(|| {
        let last = rest.last().map_or(0.0, |step_metrics| step_metrics.total);
        let message = format!(
            "no loss has fallen by {:.0} % in {} epochs (Loss/total {:.4} then, {last:.4} now); change the learning rate: \
             lower TRAIN.LR if the losses jump about, raise it if they hardly move",
            100.0 * FALL,
            rest.len(),
            first.total
        );
        Advice::new("loss_stands_still", message, &[("loss_before", first.total), ("loss", last)])
    })
}

/// The tasks' gradients oppose each other for long → PCGrad.
fn gradients_opposed(vitals: &Vitals) -> Option<Advice> {
    const OPPOSED: f64 = -0.1;
    let count = vitals.cosines.len();
    if vitals.surgery || count < COMPARISONS / 2 {
        return None;
    }
    let mean = vitals.cosines.iter().sum::<f64>() / count as f64;
    let negative = vitals.cosines.iter().filter(|cosine| **cosine < 0.0).count() as f64 / count as f64;
    (mean < OPPOSED && negative >= 0.8).then(|| {
        let message = format!(
            "the gradients of box and class loss oppose each other in the backbone: cosine {mean:.2} on average of the \
             last {count} comparisons, {:.0} % of them negative; try TRAIN.TASK_WEIGHTING: pcgrad, or a lower λ \
             (TRAIN.CLS_WEIGHT is {})",
            100.0 * negative,
            vitals.lambda
        );
        let numbers = [("cosine", mean), ("negative_share", negative), ("comparisons", count as f64)];
        Advice::new("gradients_opposed", message, &numbers)
    })
}

/// Several steps that are not finite → learning rate.
fn not_finite(vitals: &Vitals) -> Option<Advice> {
    const MANY: usize = 3;
    let bad = vitals.steps.iter().filter(|step| !step.finite).count();
    (bad >= MANY).then(|| {
        let of = vitals.steps.len();
        let message = format!(
            "{bad} of the last {of} steps were not finite and changed nothing; lower TRAIN.LR or TRAIN.GRAD_CLIP_NORM, and \
             look at their clips in run.jsonl (event nonfinite)"
        );
        Advice::new("not_finite", message, &[("not_finite", bad as f64), ("steps", of as f64)])
    })
}

/// The gradients' norm has grown many times over → learning rate or warm-up.
fn norm_explodes(vitals: &Vitals) -> Option<Advice> {
    const TIMES: f64 = 10.0;
    let norms: Vec<f64> = vitals.steps.iter().filter(|step| step.finite).map(|step| step.norm).collect();
    if norms.len() < 4 * FEW {
        return None;
    }
    let (before, now) = norms.split_at(norms.len() - FEW);
    let (before, now) = (median(before), median(now));
    (before > 0.0 && now > TIMES * before).then(|| {
        let message = format!(
            "the gradients' norm has grown from {before:.3} to {now:.3} (medians; the last {FEW} steps against those \
             before); lower TRAIN.LR or lengthen SCHEDULER.WARMUP_EPOCHS"
        );
        Advice::new("norm_explodes", message, &[("norm_before", before), ("norm", now)])
    })
}

/// The step waits for data → more workers.
fn step_starves(vitals: &Vitals) -> Option<Advice> {
    const SHARE: f64 = 0.2;
    // The first steps wait for the pipeline to fill.
    let steps: Vec<_> = vitals.steps.iter().skip(FEW).collect();
    if steps.len() < STEPS / 4 {
        return None;
    }
    let data: f64 = steps.iter().map(|step| step.data).sum();
    let share = data / (data + steps.iter().map(|step| step.compute).sum::<f64>()).max(f64::MIN_POSITIVE);
    (share > SHARE).then(|| {
        let message = format!(
            "the step waits for data {:.0} % of its time (the last {} steps); where cores are free, give the busiest stage \
             more workers (trackflow top shows it, trackflow tune finds the numbers)",
            100.0 * share,
            steps.len()
        );
        Advice::new("step_starves", message, &[("wait_share", share), ("steps", steps.len() as f64)])
    })
}

fn median(values: &[f64]) -> f64 {
    let mut values = values.to_vec();
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(0.0)
}

/// Without the dust of floating point.
fn round(value: f64) -> f64 {
    (value * 1e6).round() / 1e6
}
