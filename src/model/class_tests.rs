//! The condition head: what it reads, and how far its gradients reach.

use super::tests::{SEED, clips, sum_of, tiny};
use super::*;
use tch::{Device, Kind, Tensor};

/// The heads that read something else than the mean of the fused feature.
fn other_heads() -> [ClassHead; 3] {
    let plain = tiny().class_head.unwrap();
    let pooled = ClassHead { pooling: Pooling::Attention, ..plain.clone() };
    let tokens = ClassHead { input: ClassInput::Tokens, ..plain };
    let own = ClassHead { stem: vec![4, 6, 8, 8], blocks: 1, pooling: Pooling::Attention, ..tokens.clone() };
    [pooled, tokens, own]
}

#[test]
fn a_condition_head_with_tokens_of_its_own_leaves_the_tracker_as_it_was() {
    let input = clips(&tiny(), 2, 2);
    let pass = |head: Option<ClassHead>| {
        let model = Hiptrack::new(&Config { class_head: head, ..tiny() }, 1, Device::Cpu).unwrap();
        let output = model.forward(&input, &ForwardOptions::training(0.7, SEED)).unwrap();
        (model, output)
    };
    let (_, without) = pass(None);
    for head in other_heads() {
        let (model, output) = pass(Some(head));
        assert_eq!(output.boxes(), without.boxes());
        assert_eq!(output.logits().unwrap().size(), [2, 2, 10]);
        let logits = output.logits().unwrap();
        assert!(
            (logits.get(0) - logits.get(1)).abs().max().double_value(&[]) > 0.0,
            "frames have their own conditions"
        );
        sum_of(&output).backward();
        let idle: Vec<_> =
            model.params().parameters().filter(|(_, tensor)| !tensor.grad().defined()).map(|(name, _)| name).collect();
        assert_eq!(idle, ["backbone.cls_token", "backbone.pos_embed"]);
    }
}

#[test]
fn gradients_of_the_class_task_into_shared_features_are_scaled_and_nothing_else_is() {
    let input = clips(&tiny(), 2, 2);
    let pass = |head: &ClassHead, scale: f64| {
        let head = ClassHead { gradient_scale: scale, ..head.clone() };
        let model = Hiptrack::new(&Config { class_head: Some(head), ..tiny() }, 1, Device::Cpu).unwrap();
        let output = model.forward(&input, &ForwardOptions::training(0.7, SEED)).unwrap();
        let logits = output.logits().unwrap();
        logits.square().sum(Kind::Float).backward();
        let gradients: Vec<(String, Option<Tensor>)> = model
            .params()
            .parameters()
            .map(|(name, tensor)| (name.to_owned(), Some(tensor.grad()).filter(Tensor::defined)))
            .collect();
        (logits.detach(), gradients)
    };
    let plain = tiny().class_head.unwrap();
    for head in [plain].into_iter().chain(other_heads()) {
        let (logits, whole) = pass(&head, 1.0);
        for scale in [0.25, 0.0] {
            let (same, scaled) = pass(&head, scale);
            assert_eq!(logits, same);
            for ((name, whole), (_, scaled)) in whole.iter().zip(&scaled) {
                let by = if name.starts_with("cls_head.") { 1.0 } else { scale };
                let expected = whole.as_ref().map(|whole| whole * by).filter(|_| by > 0.0);
                match (expected, scaled) {
                    (None, scaled) => assert!(scaled.is_none(), "{name}"),
                    (Some(expected), scaled) => {
                        let off = (&expected - scaled.as_ref().unwrap()).abs().max().double_value(&[]);
                        let size = expected.abs().max().double_value(&[]);
                        assert!(off <= 1e-5 * size.max(1e-6), "{name}: {off} of {size}");
                    }
                }
            }
        }
    }
}
