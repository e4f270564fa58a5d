//! The loss as a whole.

use super::*;
use crate::data::condition::UNLABELLED;
use crate::data::random::CounterRng;
use crate::model::{ClipInput, Config, ForwardOptions, Hiptrack, StepSeed};
use tch::{Device, Kind, Tensor};

fn scalar(x: &Tensor) -> f64 {
    x.double_value(&[])
}

fn float(values: &[f32]) -> Tensor {
    Tensor::from_slice(values)
}

fn setting() -> (Hiptrack, ClipInput, Target) {
    let config = Config { dim: 32, heads: 2, head_channels: 16, ..Config::small() };
    let noise = |shape: &[i64]| {
        let mut rng = CounterRng::new(&[shape[0] as u64]);
        let values: Vec<f32> = (0..shape.iter().product::<i64>()).map(|_| rng.normal() as f32).collect();
        Tensor::from_slice(&values).view(shape)
    };
    let input = ClipInput {
        template: noise(&[2, 3, 64, 64]),
        search: noise(&[3, 2, 3, 128, 128]),
        template_boxes: float(&[0.25, 0.25, 0.5, 0.5]).repeat([2, 1]),
    };
    let target = Target {
        soft: None,
        boxes: float(&[0.25, 0.375, 0.25, 0.25]).repeat([3, 2, 1]),
        labels: Tensor::from_slice(&[3i64, UNLABELLED, 4, 5, UNLABELLED, UNLABELLED]).view([3, 2]),
    };
    (Hiptrack::new(&config, 1, Device::Cpu).unwrap(), input, target)
}

#[test]
fn the_objective_is_the_sum_over_frames_and_the_report_their_mean() {
    let (model, input, target) = setting();
    let output = model.evaluate(&input, &ForwardOptions::evaluation()).unwrap();
    let weights = Weights::reference();
    let components = loss(&output, &target, &weights).unwrap();
    let report = components.report().unwrap();
    assert!((report.objective - 3.0 * report.total).abs() < 1e-3 * report.objective.abs(), "{report:?}");
    let boxed = 2.0 * report.giou + 5.0 * report.l1 + report.location;
    assert!((report.box_task - boxed).abs() < 1e-4 * boxed, "{report:?}");
    assert!((report.class_weighted - 0.1 * report.class).abs() < 1e-6, "{report:?}");
    assert!((report.total - report.box_task - report.class_weighted).abs() < 1e-6 * report.total);
    assert_eq!(report.class_labelled, 3.0);
    assert!(report.is_finite() && components.is_finite().int64_value(&[]) == 1);
    let parts = scalar(&components.box_task) + scalar(&components.class_task);
    assert!((report.objective - parts).abs() < 1e-3 * parts);
}

#[test]
fn a_batch_without_labels_has_no_class_loss_and_finite_gradients() {
    let (model, input, mut target) = setting();
    target.labels = Tensor::full([3, 2], UNLABELLED, (Kind::Int64, Device::Cpu));
    for class_loss in
        [ClassLoss::CrossEntropy, ClassLoss::Focal { alpha: 0.25, gamma: 2.0 }, ClassLoss::Smooth { smoothing: 0.1 }]
    {
        let options = ForwardOptions::training(1.0, StepSeed { seed: 1, step: 1 });
        let output = model.forward(&input, &options).unwrap();
        let components = loss(&output, &target, &Weights { class_loss, ..Weights::reference() }).unwrap();
        components.objective.backward();
        let report = components.report().unwrap();
        assert_eq!((report.class, report.class_labelled, report.class_accuracy()), (0.0, 0.0, None));
        let gradient = model.params().get("cls_head.classifier.weight").unwrap().grad();
        assert_eq!(scalar(&gradient.abs().sum(Kind::Float)), 0.0);
        assert!(scalar(&model.params().get("key_comp.weight").unwrap().grad().abs().sum(Kind::Float)) > 0.0);
    }
}

#[test]
fn without_condition_head_only_the_boxes_count() {
    let (with, input, target) = setting();
    let model = Hiptrack::new(&Config { class_head: None, ..with.config().clone() }, 1, Device::Cpu).unwrap();
    let output = model.evaluate(&input, &ForwardOptions::evaluation()).unwrap();
    let report = loss(&output, &target, &Weights::reference()).unwrap().report().unwrap();
    assert_eq!(report.total, report.box_task);
    assert_eq!(report.class_accuracy(), None);
}

#[test]
fn targets_of_another_shape_are_named() {
    let (model, input, mut target) = setting();
    let output = model.evaluate(&input, &ForwardOptions::evaluation()).unwrap();
    target.labels = target.labels.narrow(0, 0, 2);
    let failure = loss(&output, &target, &Weights::reference()).unwrap_err();
    assert_eq!(failure.message, "labels are Int64 [2, 2]; the prediction needs Int64 [3, 2]");
}

#[test]
fn overlap_has_its_known_values_and_an_inverted_box_is_no_number() {
    let boxes = |values: &[f32]| float(values).view([-1, 4]);
    let a = boxes(&[0.0, 0.0, 2.0, 2.0, 0.0, 0.0, 1.0, 1.0, 0.0, 0.0, 1.0, 1.0, 1.0, 0.0, 0.0, 1.0]);
    let b = boxes(&[1.0, 1.0, 3.0, 3.0, 0.0, 0.0, 1.0, 1.0, 3.0, 0.0, 4.0, 1.0, 0.0, 0.0, 1.0, 1.0]);
    let (giou, iou) = overlap::generalised_iou(&a, &b);
    let (giou, iou) = (Vec::<f32>::try_from(giou).unwrap(), Vec::<f32>::try_from(iou).unwrap());
    for (have, expected) in iou.iter().zip([1.0 / 7.0, 1.0, 0.0]) {
        assert!((have - expected).abs() < 1e-6);
    }
    for (have, expected) in giou.iter().zip([1.0 / 7.0 - 2.0 / 9.0, 1.0, -0.5]) {
        assert!((have - expected).abs() < 1e-6);
    }
    assert!(giou[3].is_nan() && iou[3].is_nan());
}

#[test]
fn a_heat_map_peaks_once_at_the_rounded_centre() {
    // Centres at (2.5, 3.5) tokens: half to even gives (2, 4). The second is outside, the third has no size.
    let boxes = float(&[0.1875, 0.3125, 0.25, 0.25, 1.5, 1.5, 0.5, 0.5, 0.5, 0.5, 0.0, 0.0]).view([3, 4]);
    let maps = heatmap::heatmap(&boxes, 8);
    assert_eq!(maps.size(), [3, 8, 8]);
    let peaks = maps.eq(1).nonzero();
    assert_eq!(Vec::<i64>::try_from(peaks.reshape([-1])).unwrap(), [0, 4, 2, 2, 4, 4]);
    assert_eq!(scalar(&maps.get(1).sum(Kind::Float)), 0.0);
    assert_eq!(scalar(&maps.get(2).sum(Kind::Float)), 1.0, "radius 0 is the peak alone");
}

#[test]
fn focal_loss_counts_peaks_per_frame() {
    // One frame with two peaks, one with none.
    let score = float(&[0.5, 0.5, 0.5, 0.5]).view([2, 1, 1, 2]);
    let target = float(&[1.0, 1.0, 0.0, 0.5]).view([2, 1, 1, 2]);
    let loss = Vec::<f32>::try_from(focal::focal(&score, &target)).unwrap();
    let unit = 0.25 * 2f32.ln();
    assert!((loss[0] - unit).abs() < 1e-6, "two misses over two peaks");
    assert!((loss[1] - unit * (1.0 + 0.0625)).abs() < 1e-6, "no peak divides by one");
}

#[test]
fn conditions_are_counted_by_what_they_are_and_what_they_were_told_to_be() {
    let logits = float(&[0.1, 0.9, 0.8, 0.2, 0.3, 0.7, 0.6, 0.4]).view([2, 2, 2]);
    let labels = Tensor::from_slice(&[1i64, 1, UNLABELLED, 0]).view([2, 2]);
    let counts = Vec::<f64>::try_from(confusion(&logits, &labels).view([-1])).unwrap();
    assert_eq!(counts, [1.0, 0.0, 1.0, 1.0], "told 1 and 0 of two ones, told 0 of the zero; no label counts nowhere");
}

#[test]
fn class_losses_have_their_known_values() {
    let logits = float(&[2.0, 0.0, 0.0, 0.0, 0.0, 0.0]).view([1, 2, 3]);
    let labels = Tensor::from_slice(&[0i64, UNLABELLED]).view([1, 2]);
    let p = 2f64.exp() / (2f64.exp() + 2.0);
    let q = (1.0 - p) / 2.0;
    for (class_loss, expected) in [
        (ClassLoss::CrossEntropy, -p.ln()),
        (ClassLoss::Focal { alpha: 0.25, gamma: 2.0 }, -0.25 * (1.0 - p).powi(2) * p.ln()),
        (ClassLoss::Smooth { smoothing: 0.1 }, -0.9 * p.ln() - 0.1 * q.ln()),
    ] {
        let components = class_loss.components(&logits, &labels, None, None);
        assert!((scalar(&components.sum.get(0)) - expected).abs() < 1e-6, "{class_loss:?}");
        assert_eq!((scalar(&components.correct.get(0)), scalar(&components.labelled.get(0))), (1.0, 1.0));
    }
}

#[test]
fn losses_of_many_conditions_have_their_known_values() {
    let logits = float(&[2.0, 0.0, -1.0, 1.0, 0.0, 0.0, 5.0, 5.0, 5.0]).view([1, 3, 3]);
    let labels = Tensor::from_slice(&[0i64, 1, UNLABELLED]).view([1, 3]);
    // Two thirds and one third, with a severity; the second condition alone, without one.
    let soft = float(&[1.0, 0.5, 0.0, 3.0, 0.0, 1.0, 0.0, -1.0, 0.0, 0.0, 0.0, -1.0]).view([1, 3, 4]);
    let severity = float(&[1.0, 7.0, 7.0]).view([1, 3]);
    let log_softmax = |x: [f64; 3]| {
        let sum: f64 = x.iter().map(|x| x.exp()).sum();
        x.map(|x| x - sum.ln())
    };
    let [p, q] = [log_softmax([2.0, 0.0, -1.0]), log_softmax([1.0, 0.0, 0.0])];
    let (a, b) = (2.0 / 3.0, 1.0 / 3.0);
    let kl = a * (f64::ln(a) - p[0]) + b * (f64::ln(b) - p[1]);
    let value = |loss: ClassLoss, soft: Option<&Tensor>| {
        let components = loss.components(&logits, &labels, soft, Some(&severity));
        assert_eq!(scalar(&components.labelled.get(0)), 2.0);
        scalar(&components.sum.get(0)) / 2.0
    };
    let close = |have: f64, expected: f64| assert!((have - expected).abs() < 1e-6, "{have} {expected}");
    close(value(ClassLoss::Soft, Some(&soft)), (kl - q[1]) / 2.0);
    close(value(ClassLoss::Soft, None), value(ClassLoss::CrossEntropy, None));
    let bce = |x: f64, t: f64| x.max(0.0) - x * t + (-x.abs()).exp().ln_1p();
    let first = (bce(2.0, 1.0) + bce(0.0, 0.5) + bce(-1.0, 0.0)) / 3.0;
    let second = (bce(1.0, 0.0) + bce(0.0, 1.0) + bce(0.0, 0.0)) / 3.0;
    // Smooth L1 of a distance of two, where the severity is known.
    close(value(ClassLoss::MultiLabel { severity: 2.0 }, Some(&soft)), (first + 2.0 * 1.5 + second) / 2.0);
    let hard = (bce(2.0, 1.0) + bce(0.0, 0.0) + bce(-1.0, 0.0)) / 3.0;
    close(value(ClassLoss::MultiLabel { severity: 2.0 }, None), (hard + second) / 2.0);
}

#[test]
fn a_class_that_is_certain_costs_nothing_and_gradients_stay_finite() {
    let logits = float(&[60.0, -60.0, -60.0]).view([1, 1, 3]).set_requires_grad(true);
    let labels = Tensor::from_slice(&[0i64]).view([1, 1]);
    let soft = float(&[1.0, 0.0, 0.0, 0.0]).view([1, 1, 4]);
    for loss in [ClassLoss::Soft, ClassLoss::MultiLabel { severity: 1.0 }] {
        let components = loss.components(&logits, &labels, Some(&soft), None);
        assert!(scalar(&components.sum.get(0)).abs() < 1e-6);
        let gradient = Tensor::run_backward(&[components.sum.sum(Kind::Float)], &[&logits], false, false).remove(0);
        assert!(scalar(&gradient.abs().max()) < 1e-6, "{loss:?}");
    }
}

/// Twenty-five steps against the sign of the gradient: the totals.
fn descend(model: &Hiptrack, input: &ClipInput, target: &Target) -> Vec<f64> {
    let step = |step| {
        let options = ForwardOptions::training(1.0, StepSeed { seed: 1, step });
        let components = loss(&model.forward(input, &options).unwrap(), target, &Weights::reference()).unwrap();
        components.objective.backward();
        let trained: Vec<&Tensor> =
            model.params().parameters().map(|(_, tensor)| tensor).filter(|tensor| tensor.grad().defined()).collect();
        tch::no_grad(|| {
            for tensor in trained {
                let _ = tensor.shallow_clone().g_sub_(&(tensor.grad().sign() * 1e-3));
                tensor.shallow_clone().zero_grad();
            }
        });
        components.report().unwrap().total
    };
    (0..25).map(step).collect()
}

#[test]
fn descending_the_gradient_lowers_the_loss_of_a_batch() {
    let (model, input, target) = setting();
    let totals = descend(&model, &input, &target);
    assert!(totals[24] < 0.5 * totals[0], "{totals:?}");
}

#[test]
fn corners_are_trained_without_a_map_of_centres() {
    let (centred, input, target) = setting();
    let config = Config { box_head: crate::model::BoxHeadKind::Corner, ..centred.config().clone() };
    let model = Hiptrack::new(&config, 1, Device::Cpu).unwrap();
    let output = model.evaluate(&input, &ForwardOptions::evaluation()).unwrap();
    let report = loss(&output, &target, &Weights::reference()).unwrap().report().unwrap();
    assert_eq!(report.location, 0.0);
    assert!((report.box_task - 2.0 * report.giou - 5.0 * report.l1).abs() < 1e-5, "{report:?}");
    let totals = descend(&model, &input, &target);
    assert!(totals[24] < 0.5 * totals[0], "{totals:?}");
}
