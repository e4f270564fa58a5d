use super::*;
use tch::{Device, Kind, Tensor};

fn values(tensor: &Tensor) -> Vec<f64> {
    Vec::try_from(&tensor.to_kind(Kind::Double).flatten(0, -1)).unwrap()
}

fn near(a: &[f64], b: &[f64], tolerance: f64) {
    assert!(a.len() == b.len() && a.iter().zip(b).all(|(a, b)| (a - b).abs() < tolerance), "{a:?} {b:?}");
}

#[test]
fn opposed_gradients_lose_the_part_that_opposes() {
    // g₁·g₂ = −1: g₁ ← (1, 0) + ½(−1, 1) = (½, ½), g₂ ← (−1, 1) + 1·(1, 0) = (0, 1).
    let first = [Tensor::from_slice(&[1f32]), Tensor::from_slice(&[0f32]), Tensor::from_slice(&[7f32]), Tensor::new()];
    let second =
        [Tensor::from_slice(&[-1f32]), Tensor::from_slice(&[1f32]), Tensor::new(), Tensor::from_slice(&[3f32])];
    let whole = combine(&first, &second);
    let found: Vec<f64> = whole.iter().flat_map(values).collect();
    near(&found, &[0.5, 1.5, 7.0, 3.0], 1e-6);
}

#[test]
fn gradients_that_agree_are_added_and_none_oppose_nothing() {
    let one = |values: &[f32]| [Tensor::from_slice(values)];
    near(&values(&combine(&one(&[1.0, 2.0]), &one(&[3.0, 0.5]))[0]), &[4.0, 2.5], 1e-6);
    near(&values(&combine(&one(&[1.0, 2.0]), &one(&[0.0, 0.0]))[0]), &[1.0, 2.0], 1e-9);
    // Exactly opposed tasks stand still instead of one running over the other.
    near(&values(&combine(&one(&[3.0, 0.0]), &one(&[-1.0, 0.0]))[0]), &[0.0, 0.0], 1e-6);
    assert!(combine(&[Tensor::new()], &[Tensor::new()]).iter().all(|x| !x.defined()));
}

#[test]
fn a_task_that_has_all_but_vanished_leaves_numbers() {
    let (large, tiny) = ([Tensor::from_slice(&[100f32, 1.0])], [Tensor::from_slice(&[-1e-30f32, 0.0])]);
    near(&values(&combine(&large, &tiny)[0]), &[0.0, 1.0], 1e-3);
    near(&values(&combine(&tiny, &large)[0]), &[0.0, 1.0], 1e-3);
    let none = [Tensor::from_slice(&[-1e-45f32, 0.0])];
    assert!(values(&combine(&large, &none)[0]).iter().all(|x| x.is_finite()));
}

fn pair(a: f64, b: f64) -> Tensor {
    Tensor::from_slice(&[a, b])
}

#[test]
fn uncertainties_settle_where_the_paper_says() {
    // ½e^(−s)L + ½s is smallest at s = log L, and e^(−s)L + ½s at s = log 2L: the factors are ½/L and 1/(2L).
    let (first, second) = (4.0, 0.25);
    let mut balancer = Balancer::new(TaskWeighting::Uncertainty, Device::Cpu).unwrap();
    near(&values(&balancer.factors()), &[0.5, 1.0], 1e-9);
    for _ in 0..3000 {
        balancer.learn(&pair(first, second), &pair(1.0, 9.0), None, 0.01).unwrap();
    }
    near(&values(&balancer.factors()), &[0.5 / first, 0.5 / second], 1e-2);
    let before = values(&balancer.factors());
    balancer.learn(&pair(f64::NAN, second), &pair(1.0, 9.0), None, 0.01).unwrap();
    assert_eq!(values(&balancer.factors()), before, "a step that is not finite moves nothing");
}

#[test]
fn a_task_without_labels_does_not_move_its_uncertainty() {
    let mut balancer = Balancer::new(TaskWeighting::Uncertainty, Device::Cpu).unwrap();
    for _ in 0..50 {
        balancer.learn(&pair(1.0, 0.0), &pair(1.0, 0.0), None, 0.01).unwrap();
    }
    near(&values(&balancer.factors())[1..], &[1.0], 1e-9);
}

#[test]
fn gradnorm_makes_the_weighted_gradients_equal_when_both_losses_fall_alike() {
    // With equal rates every task's target is the mean: w₁n₁ = w₂n₂ and w₁ + w₂ = 2.
    let norms = pair(9.0, 1.0);
    let weighting = TaskWeighting::GradNorm { alpha: 1.5, lr: 0.005 };
    let mut balancer = Balancer::new(weighting, Device::Cpu).unwrap();
    for step in 0..2000 {
        let fallen = 0.999f64.powi(step);
        balancer.learn(&pair(5.0 * fallen, 2.0 * fallen), &pair(1.0, 1.0), Some(&norms), 1.0).unwrap();
    }
    near(&values(&balancer.factors()), &[0.2, 1.8], 2e-2);
    assert!((values(&balancer.factors()).iter().sum::<f64>() - 2.0).abs() < 1e-5);
}

#[test]
fn gradnorm_pulls_along_the_task_that_lags() {
    // r = L/L(0) over their mean: with ratios 1 and ½ they are 4/3 and 2/3, and w₁/w₂ = (r₁/r₂)^α = 2 with α = 1.
    let weighting = TaskWeighting::GradNorm { alpha: 1.0, lr: 0.005 };
    let mut balancer = Balancer::new(weighting, Device::Cpu).unwrap();
    balancer.learn(&pair(1.0, 1.0), &pair(1.0, 1.0), Some(&pair(1.0, 1.0)), 1.0).unwrap();
    for _ in 0..2000 {
        balancer.learn(&pair(1.0, 0.5), &pair(1.0, 1.0), Some(&pair(1.0, 1.0)), 1.0).unwrap();
    }
    near(&values(&balancer.factors()), &[4.0 / 3.0, 2.0 / 3.0], 2e-2);
}

#[test]
fn what_was_learnt_survives_a_checkpoint() {
    let weighting = TaskWeighting::GradNorm { alpha: 1.0, lr: 0.1 };
    let mut one = Balancer::new(weighting, Device::Cpu).unwrap();
    let norms = pair(3.0, 1.0);
    let learn = |balancer: &mut Balancer, times: usize| {
        for step in 0..times {
            let losses = pair(3.0 - step as f64 / 10.0, 1.0);
            balancer.learn(&losses, &pair(1.0, 1.0), Some(&norms), 1.0).unwrap();
        }
    };
    learn(&mut one, 3);
    let kept: Vec<(String, Tensor)> = one.tensors().into_iter().map(|(name, x)| (name, x.detach().copy())).collect();
    let find = |name: &str| kept.iter().find(|(own, _)| own == name).map(|(_, tensor)| tensor);
    let mut other = Balancer::new(weighting, Device::Cpu).unwrap();
    other.restore(find).unwrap();
    learn(&mut one, 4);
    learn(&mut other, 4);
    assert_eq!(values(&one.factors()), values(&other.factors()));
    assert!(other.restore(|_| None).is_err());
}

#[test]
fn gradients_are_compared_block_by_block() {
    let names =
        ["backbone.pos_embed_z", "backbone.blocks.3.attn.a", "backbone.blocks.3.mlp.b", "cls_head.c", "box_head.d"];
    let some = |values: &[f32]| Tensor::from_slice(values);
    let boxes = [some(&[3.0]), some(&[1.0, 0.0]), some(&[0.0]), Tensor::new(), some(&[2.0])];
    let classes = [some(&[4.0]), some(&[-1.0, 0.0]), some(&[1.0]), some(&[5.0]), Tensor::new()];
    let whole = [some(&[7.0]), some(&[0.0, 0.0]), some(&[1.0]), some(&[5.0]), some(&[2.0])];
    let found = Analysis::of(names.into_iter(), [&boxes, &classes], &whole, true).unwrap().read().unwrap();
    let order: Vec<&str> = found.blocks.iter().map(|block| block.name.as_str()).collect();
    assert_eq!(order, ["backbone.embed", "backbone.blocks.3", "cls_head", "box_head", "backbone", "all"]);
    let block = found.block("backbone.blocks.3").unwrap();
    near(&[block.box_norm, block.class_norm, block.norm, block.dot], &[1.0, 2f64.sqrt(), 1.0, -1.0], 1e-12);
    assert!((block.cosine().unwrap() + 0.5f64.sqrt()).abs() < 1e-12);
    assert_eq!(found.block("cls_head").unwrap().cosine(), None);
    let backbone = found.block("backbone").unwrap();
    near(&[backbone.box_norm, backbone.norm, backbone.dot], &[10f64.sqrt(), 50f64.sqrt(), 11.0], 1e-12);
    assert_eq!(found.identity_error(), Some(0.0));
    let wrong = [some(&[7.5]), some(&[0.0, 0.0]), some(&[1.0]), some(&[5.0]), some(&[2.0])];
    let found = Analysis::of(names.into_iter(), [&boxes, &classes], &wrong, true).unwrap().read().unwrap();
    assert!((found.identity_error().unwrap() - 0.5 / 7.0).abs() < 1e-12, "{:?}", found.identity_error());
    let derived = Analysis::of(names.into_iter(), [&boxes, &classes], &whole, false).unwrap().read().unwrap();
    assert_eq!(derived.identity_error(), None);
}
