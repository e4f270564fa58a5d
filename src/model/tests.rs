//! The model as a whole, on small sizes.

use super::*;
use crate::data::random::CounterRng;
use std::collections::BTreeSet;
use tch::{Device, Kind, Tensor};

/// Everything the small model has, in a size that takes milliseconds.
pub(super) fn tiny() -> Config {
    Config {
        dim: 32,
        depth: 3,
        heads: 2,
        elimination: Elimination { layers: vec![0, 1], keep: vec![0.7; 2], range: TemplateRange::CentrePoint },
        prompts: Some(Prompts { encoder_stem: 4, encoder_stages: [4, 8, 8], key_dim: 8 }),
        head_channels: 16,
        ..Config::small()
    }
}

pub(super) fn noise(shape: &[i64], word: u64) -> Tensor {
    let mut rng = CounterRng::new(&[word]);
    let values: Vec<f32> = (0..shape.iter().product::<i64>()).map(|_| rng.normal() as f32).collect();
    Tensor::from_slice(&values).view(shape)
}

pub(super) fn clips(config: &Config, frames: i64, batch: i64) -> ClipInput {
    let (template, search) = (config.template_size, config.search_size);
    ClipInput {
        template: noise(&[batch, 3, template, template], 1),
        search: noise(&[frames, batch, 3, search, search], 2),
        template_boxes: Tensor::from_slice(&[0.25f32, 0.25, 0.5, 0.5]).repeat([batch, 1]),
    }
}

/// The same with a corner head.
pub(super) fn cornered() -> Config {
    Config { box_head: BoxHeadKind::Corner, ..tiny() }
}

pub(super) fn sum_of(output: &ClipOutput) -> Tensor {
    let logits = output.logits().map_or(Tensor::from(0f32), |logits| logits.sum(Kind::Float));
    output.boxes().sum(Kind::Float) + output.score_maps().log().sum(Kind::Float) + logits
}

pub(super) const SEED: StepSeed = StepSeed { seed: 3, step: 7 };

/// Name, shape and type of every tensor of the model, as a line each.
pub(super) fn states(config: &Config) -> Vec<String> {
    let model = Hiptrack::new(config, 1, Device::Cpu).unwrap();
    let line = |(name, tensor, _): (&str, &Tensor, Role)| {
        let kind = if tensor.kind() == Kind::Int64 { "int64" } else { "float32" };
        format!("{name}\t{:?}\t{kind}", tensor.size())
    };
    let parameters: i64 = model.params().parameters().map(|(_, tensor)| tensor.numel() as i64).sum();
    let lines: Vec<String> = model.params().iter().map(line).collect();
    assert_eq!(parameters, if config.prompts.is_some() { 120_809_738 } else { 92_518_533 });
    lines
}

/// The same lines as the reference's own implementation has them, where they are at hand.
pub(super) fn golden_states(variable: &str, default: &str) -> Option<Vec<String>> {
    let folder = std::env::var(variable).unwrap_or_else(|_| default.into());
    let text = std::fs::read_to_string(std::path::Path::new(&folder).join("state_dict_keys.txt")).ok()?;
    Some(text.lines().map(String::from).collect())
}

#[test]
fn the_reference_has_the_references_state_names() {
    let have = states(&Config::reference());
    assert_eq!(have.len(), 377);
    match golden_states("TRACKFLOW_GOLDEN", "../shared/golden") {
        Some(expected) => assert_eq!(have, expected),
        None => {
            for line in [
                "backbone.pos_embed\t[1, 197, 768]\tfloat32",
                "backbone.blocks.11.mlp.fc1.weight\t[3072, 768]\tfloat32",
                "HIP.encoder.layer2.0.downsample.1.num_batches_tracked\t[]\tint64",
                "HIP.encoder.fuser.attention.ChannelGate.mlp.3.weight\t[384, 24]\tfloat32",
                "box_head.conv5_offset.weight\t[2, 32, 1, 1]\tfloat32",
                "key_comp.weight\t[384, 768, 3, 3]\tfloat32",
                "cls_head.classifier.bias\t[10]\tfloat32",
            ] {
                assert!(have.iter().any(|have| have == line), "{line}");
            }
        }
    }
}

#[test]
fn a_pass_has_the_documented_shapes_for_both_patch_sizes() {
    for (patch, grid) in [(16, 8), (8, 16)] {
        let config = Config { patch, ..tiny() };
        let model = Hiptrack::new(&config, 1, Device::Cpu).unwrap();
        let output = model.evaluate(&clips(&config, 3, 2), &ForwardOptions::evaluation()).unwrap();
        assert_eq!(output.boxes().size(), [3, 2, 4]);
        assert_eq!(output.score_maps().size(), [3, 2, grid, grid]);
        assert_eq!(output.logits().unwrap().size(), [3, 2, 10]);
        let frame = &output.frames[2];
        assert_eq!(frame.size_map.size(), [2, 2, grid, grid]);
        assert_eq!(frame.offset_map.size(), [2, 2, grid, grid]);
        assert_eq!(frame.pooled.size(), [2, 32]);
        assert_eq!(frame.prompt.as_ref().unwrap().size(), [2, 32, grid, grid]);
        let template = grid * grid / 4;
        assert_eq!(output.tokens.size(), [6, template + grid * grid, 32]);
        assert_eq!(output.memory.len(), 3, "the template and two search frames");
        assert_eq!(output.memory[1].mask.size(), [2, 1, 128, 128]);
        assert!(!output.boxes().requires_grad());
        assert_eq!(output.boxes().isfinite().all().int64_value(&[]), 1);
    }
}

#[test]
fn eliminated_tokens_are_counted_distinct_and_zero() {
    let model = Hiptrack::new(&tiny(), 1, Device::Cpu).unwrap();
    let input = clips(&tiny(), 2, 2);
    let options = ForwardOptions { keep_rate: Some(0.7), ..ForwardOptions::evaluation() };
    let output = model.evaluate(&input, &options).unwrap();
    // 64 → 45 → 32
    assert_eq!(output.removed.iter().map(Tensor::size).collect::<Vec<_>>(), [[4, 19], [4, 13]]);
    for row in 0..4 {
        let removed = Tensor::cat(&output.removed.iter().map(|part| part.get(row)).collect::<Vec<_>>(), 0);
        let removed: BTreeSet<i64> = Vec::<i64>::try_from(removed).unwrap().into_iter().collect();
        assert_eq!(removed.len(), 32);
        let zero = output.tokens.get(row).narrow(0, 16, 64).abs().amax([1], false).eq(0.0);
        let zero: BTreeSet<i64> = Vec::<i64>::try_from(zero.nonzero().reshape([-1])).unwrap().into_iter().collect();
        assert_eq!(zero, removed);
    }
    let all = model.evaluate(&input, &ForwardOptions { keep_rate: Some(1.0), ..options }).unwrap();
    assert!(all.removed.is_empty());
}

#[test]
fn one_pass_over_all_frames_is_the_same_as_one_pass_a_frame() {
    let model = Hiptrack::new(&tiny(), 1, Device::Cpu).unwrap();
    let input = clips(&tiny(), 3, 2);
    let options = ForwardOptions::evaluation();
    let together = model.evaluate(&input, &options).unwrap();
    for frame in 0..3 {
        let alone = tch::no_grad(|| model.backbone(&input.template, &input.search.get(frame), &options));
        let difference = (alone.tokens - together.tokens.narrow(0, 2 * frame, 2)).abs().max().double_value(&[]);
        assert!(difference < 1e-5, "{difference}");
    }
}

#[test]
fn gradients_reach_every_parameter_but_the_unused_two() {
    let model = Hiptrack::new(&tiny(), 1, Device::Cpu).unwrap();
    let output = model.forward(&clips(&tiny(), 3, 2), &ForwardOptions::training(0.7, SEED)).unwrap();
    sum_of(&output).backward();
    let without: Vec<_> =
        model.params().parameters().filter(|(_, tensor)| !tensor.grad().defined()).map(|(name, _)| name).collect();
    assert_eq!(without, ["backbone.cls_token", "backbone.pos_embed"]);
}

#[test]
fn gradients_flow_through_the_memory() {
    let model = Hiptrack::new(&tiny(), 1, Device::Cpu).unwrap();
    model.params().set_trainable(|name| name.starts_with("HIP.encoder."));
    let output = model.forward(&clips(&tiny(), 2, 1), &ForwardOptions::evaluation()).unwrap();
    output.frames[1].score_map.log().sum(Kind::Float).backward();
    let gradient = model.params().get("HIP.encoder.conv1.weight").unwrap().grad();
    assert!(gradient.abs().sum(Kind::Float).double_value(&[]) > 0.0, "the second frame sees the first one's value");
}

#[test]
fn a_frozen_backbone_has_no_gradients_and_no_drop_path() {
    let config = Config { drop_path: 0.9, ..tiny() };
    let model = Hiptrack::new(&config, 1, Device::Cpu).unwrap();
    let input = clips(&config, 2, 2);
    let frozen = ForwardOptions { frozen_backbone: true, ..ForwardOptions::training(1.0, SEED) };
    let output = model.forward(&input, &frozen).unwrap();
    sum_of(&output).backward();
    for (name, tensor) in model.params().parameters() {
        assert_eq!(tensor.grad().defined(), !name.starts_with("backbone."), "{name}");
    }
    let evaluated = model.evaluate(&input, &ForwardOptions { keep_rate: Some(1.0), ..ForwardOptions::evaluation() });
    assert_eq!(output.tokens, evaluated.unwrap().tokens);
    let trained = model.forward(&input, &ForwardOptions::training(1.0, SEED)).unwrap();
    assert_ne!(output.tokens, trained.tokens, "drop-path acts when the backbone trains");
}

#[test]
fn a_step_repeats_bit_for_bit_and_another_step_differs() {
    let config = tiny();
    let step = |step| {
        let model = Hiptrack::new(&config, 1, Device::Cpu).unwrap();
        let options = ForwardOptions::training(0.7, StepSeed { seed: 5, step });
        model.forward(&clips(&config, 2, 2), &options).unwrap().logits().unwrap()
    };
    assert_eq!(step(1), step(1));
    assert_ne!(step(1), step(2));
}

#[test]
fn batch_statistics_update_the_running_ones_only_when_asked() {
    let model = Hiptrack::new(&tiny(), 1, Device::Cpu).unwrap();
    let name = "box_head.conv1_ctr.1.num_batches_tracked";
    let counted = || model.params().get(name).unwrap().int64_value(&[]);
    let mean = || model.params().get("HIP.encoder.bn1.running_mean").unwrap().abs().sum(Kind::Float).double_value(&[]);
    let input = clips(&tiny(), 3, 2);
    model.evaluate(&input, &ForwardOptions::training(1.0, SEED)).unwrap();
    assert_eq!((counted(), mean()), (0, 0.0));
    model.forward(&input, &ForwardOptions::training(1.0, SEED)).unwrap();
    assert_eq!(counted(), 3, "one batch a frame");
    assert!(mean() > 0.0);
}

#[test]
fn loading_reports_everything_that_does_not_match() {
    let (from, to) = (Hiptrack::new(&tiny(), 1, Device::Cpu).unwrap(), Hiptrack::new(&tiny(), 2, Device::Cpu).unwrap());
    let given: Vec<_> = from.params().iter().map(|(name, tensor, _)| (name, tensor)).collect();
    assert!(to.params().load(given.iter().copied()).unwrap().is_exact());
    let input = clips(&tiny(), 1, 1);
    let boxes = |model: &Hiptrack| model.evaluate(&input, &ForwardOptions::evaluation()).unwrap().boxes();
    assert_eq!(boxes(&from), boxes(&to));

    let wrong = Tensor::zeros([3, 3], (Kind::Float, Device::Cpu));
    let partial = given[2..].iter().copied().filter(|(name, _)| !name.starts_with("cls_head."));
    let report = to.params().load(partial.chain([("cls_head.classifier.bias", &wrong), ("spare", &wrong)])).unwrap();
    assert_eq!(report.matched.len(), given.len() - 6);
    assert_eq!(report.missing.len(), 5);
    assert_eq!(report.unexpected, ["spare"]);
    assert_eq!(report.reshaped, [("cls_head.classifier.bias".to_string(), vec![10], vec![3, 3])]);
    let failure = report.require(&["cls_head."]).unwrap_err();
    insta::assert_snapshot!(failure.message, @r"
    backbone.cls_token: missing
    backbone.pos_embed: missing
    spare: the model has no such tensor
    cls_head.classifier.bias: shape [3, 3], the model has [10]
    ");
    assert!(to.params().load([("a", &wrong), ("a", &wrong)]).is_err());
}

#[test]
fn a_model_without_condition_head_has_no_logits() {
    let config = Config { class_head: None, ..tiny() };
    let model = Hiptrack::new(&config, 1, Device::Cpu).unwrap();
    assert!(model.params().iter().all(|(name, ..)| !name.starts_with("cls_head.")));
    assert!(model.evaluate(&clips(&config, 1, 1), &ForwardOptions::evaluation()).unwrap().logits().is_none());
}

#[test]
fn crops_of_another_size_are_named() {
    let model = Hiptrack::new(&tiny(), 1, Device::Cpu).unwrap();
    let mut input = clips(&tiny(), 1, 2);
    input.search = noise(&[1, 2, 3, 96, 96], 1);
    let failure = model.evaluate(&input, &ForwardOptions::evaluation()).unwrap_err();
    assert_eq!(failure.message, "search crops are Float [1, 2, 3, 96, 96]; the model needs Float [1, 2, 3, 128, 128]");
}

#[test]
fn positions_start_as_a_resized_pretrained_grid() {
    let model = Hiptrack::new(&tiny(), 1, Device::Cpu).unwrap();
    let pretrained = model.params().get("backbone.pos_embed").unwrap();
    let patches = pretrained.narrow(1, 1, 196);
    assert_eq!(vit::resize_positions(&patches, config::PRETRAINED_GRID), patches);
    let positions = model.params().get("backbone.pos_embed_x").unwrap();
    assert_eq!(&vit::resize_positions(&patches, 8), positions);
    assert!(positions.requires_grad());
}

#[test]
fn a_corner_head_fits_in_with_maps_boxes_and_memory() {
    let config = cornered();
    let model = Hiptrack::new(&config, 1, Device::Cpu).unwrap();
    let of_head: Vec<_> =
        model.params().iter().map(|(name, ..)| name).filter(|name| name.starts_with("box_head.conv5")).collect();
    let named = ["tl", "br"].map(|name| ["weight", "bias"].map(|part| format!("box_head.conv5_{name}.{part}")));
    assert_eq!(of_head, named.concat());
    let output = model.evaluate(&clips(&config, 3, 2), &ForwardOptions::evaluation()).unwrap();
    let frame = &output.frames[1];
    for (map, channels) in [(&frame.score_map, 1), (&frame.size_map, 2), (&frame.offset_map, 2)] {
        assert_eq!(map.size(), [2, channels, 8, 8]);
    }
    let corners = frame.corners.as_ref().unwrap();
    assert_eq!((corners.edges.size(), corners.maps.size()), (vec![2, 4], vec![2, 2, 8, 8]));
    assert_eq!(output.corners().unwrap().size(), [3, 2, 4]);
    // The memory's mask is drawn with the predicted box, and lacks the eliminated tokens.
    let whole = mask::centre_mask(&output.frames[0].boxes, 128, MaskClamp::Correct);
    let removed: Vec<_> = output.removed.iter().map(|removed| removed.narrow(0, 0, 2)).collect();
    assert_eq!(output.memory[1].mask, mask::without_removed(whole, &removed, 8));
}

#[test]
fn gradients_of_corners_reach_every_parameter() {
    let model = Hiptrack::new(&cornered(), 1, Device::Cpu).unwrap();
    let output = model.forward(&clips(&cornered(), 3, 2), &ForwardOptions::training(0.7, SEED)).unwrap();
    (output.corners().unwrap().square().sum(Kind::Float) + output.logits().unwrap().sum(Kind::Float)).backward();
    let without: Vec<_> =
        model.params().parameters().filter(|(_, tensor)| !tensor.grad().defined()).map(|(name, _)| name).collect();
    assert_eq!(without, ["backbone.cls_token", "backbone.pos_embed"]);
}

#[test]
fn modulation_starts_as_the_identity_and_then_moves_the_boxes_alone() {
    let config = tiny();
    let head = ClassHead { film: true, ..config.class_head.clone().unwrap() };
    let with = Config { class_head: Some(head), ..config.clone() };
    let [plain, film] = [&config, &with].map(|config| Hiptrack::new(config, 1, Device::Cpu).unwrap());
    let names = |model: &Hiptrack| model.params().iter().map(|(name, ..)| name.to_owned()).collect::<Vec<_>>();
    let own = ["film.projection.weight", "film.projection.bias"].map(String::from);
    assert_eq!(names(&film), [names(&plain), own.to_vec()].concat());
    let input = clips(&config, 1, 2);
    let said = |model: &Hiptrack| {
        let mut output = model.evaluate(&input, &ForwardOptions::evaluation()).unwrap();
        let frame = output.frames.remove(0);
        (frame.score_map, frame.logits.unwrap())
    };
    assert_eq!(said(&plain), said(&film));
    // It learns from the start, though what it is told does not yet.
    let options = ForwardOptions { statistics: Statistics::Batch, ..ForwardOptions::training(0.7, SEED) };
    let output = film.forward(&input, &options).unwrap();
    output.boxes().sum(Kind::Float).backward();
    let gradient = |name: &str| film.params().get(name).unwrap().grad().abs().sum(Kind::Float).double_value(&[]);
    assert!(gradient("film.projection.weight") > 0.0);
    assert_eq!(gradient("cls_head.classifier.weight"), 0.0);
    let moved = noise(&film.params().get(&own[0]).unwrap().size(), 5);
    film.params().load([(own[0].as_str(), &moved)]).unwrap();
    let ((before, logits), (after, same)) = (said(&plain), said(&film));
    assert_eq!(logits, same);
    assert!((before - after).abs().max().double_value(&[]) > 1e-4);
}

#[test]
fn what_is_computed_again_gives_the_same_bits() {
    let config = Config { drop_path: 0.4, ..tiny() };
    let model = Hiptrack::new(&config, 1, Device::Cpu).unwrap();
    let input = clips(&config, 2, 3);
    let pass = |recompute: bool| {
        let statistics = Statistics::Batch;
        let options = ForwardOptions { recompute, statistics, ..ForwardOptions::training(0.7, SEED) };
        let output = model.forward(&input, &options).unwrap();
        let trained: Vec<&Tensor> = model.params().parameters().map(|(_, tensor)| tensor).collect();
        let sum = sum_of(&output);
        let once = Tensor::run_backward(&[&sum], &trained, true, false);
        let twice = Tensor::run_backward(&[&sum], &trained, false, false);
        (sum, output.removed, once, twice)
    };
    let ((plain, removed, expected, _), (ours, also, once, twice)) = (pass(false), pass(true));
    assert_eq!((plain, removed), (ours, also));
    for (at, (name, _)) in model.params().parameters().enumerate() {
        assert_eq!(expected[at].defined(), once[at].defined(), "{name}");
        if expected[at].defined() {
            assert!(expected[at] == once[at] && expected[at] == twice[at], "{name}");
        }
    }
}
