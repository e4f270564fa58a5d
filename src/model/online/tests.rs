//! The short way against the plain one, on a small model.

use super::*;
use crate::data::random::CounterRng;
use crate::model::mask::MaskClamp;
use crate::model::{
    BackboneOutput, BoxHeadKind, ClassHead, ClassInput, Elimination, ForwardOptions, FrameOutput, MemoryEntry, Pooling,
    Prompts, TemplateRange,
};
use tch::Tensor;

fn tiny() -> Config {
    Config {
        dim: 32,
        depth: 3,
        heads: 2,
        elimination: Elimination { layers: vec![0, 1], keep: vec![0.7; 2], range: TemplateRange::CentrePoint },
        prompts: Some(Prompts { encoder_stem: 4, encoder_stages: [4, 8, 8], key_dim: 8 }),
        head_channels: 16,
        class_head: Some(ClassHead::plain(8, 0.1)),
        ..Config::small()
    }
}

fn noise(shape: &[i64], word: u64) -> Tensor {
    let mut rng = CounterRng::new(&[word]);
    let values: Vec<f32> = (0..shape.iter().product::<i64>()).map(|_| rng.normal() as f32).collect();
    Tensor::from_slice(&values).view(shape)
}

/// A model whose running statistics are not those it starts with.
fn model(config: &Config) -> Hiptrack {
    let model = Hiptrack::new(config, 5, tch::Device::Cpu).unwrap();
    let moved: Vec<(String, Tensor)> = model
        .params()
        .iter()
        .filter_map(|(name, tensor, _)| match name {
            _ if name.contains("running_") => Some((name.to_owned(), noise(&tensor.size(), 3).abs() + 0.5)),
            // A modulation that does something.
            _ if name.starts_with("film.") => Some((name.to_owned(), noise(&tensor.size(), 4))),
            _ => None,
        })
        .collect();
    model.params().load(moved.iter().map(|(name, tensor)| (name.as_str(), tensor))).unwrap();
    model
}

/// The tracker as the reference writes it down, with the model's own passes.
fn plain(
    model: &Hiptrack,
    template: &Tensor,
    boxes: &Tensor,
    search: &[Tensor],
    policy: MemoryPolicy,
) -> Vec<FrameOutput> {
    let options = ForwardOptions::evaluation();
    let see = |image: &Tensor| model.backbone(template, image, &options);
    let read = |image: &Tensor, features: &BackboneOutput, fused: &Tensor| {
        model.read_with(fused, model.conditions_of(template, image, features, &options), None, &options)
    };
    let Some(prompts) = model.prompts() else {
        let alone = |image: &Tensor, features| read(image, &features, &model.search_features(&features));
        return search.iter().map(|image| alone(image, see(image))).collect();
    };
    let mut memory: Vec<MemoryEntry> = Vec::new();
    let mut outputs = Vec::new();
    for (index, image) in search.iter().enumerate().map(|(at, image)| (at + 1, image)) {
        let features = see(image);
        let map = model.search_features(&features);
        let (key, value) = prompts.query(&map);
        let predict = |memory: &[&MemoryEntry]| read(image, &features, &prompts.fuse(&map, &key, &value, memory).0);
        let output = if index <= 10 {
            let entry = prompts.remember_template(template, boxes, &model.template_features(&features), &options);
            predict(&[&entry])
        } else {
            predict(&memory.iter().collect::<Vec<_>>())
        };
        if index == 5 || index == 10 || index > 10 && index % policy.interval == 0 {
            if memory.len() == policy.capacity {
                memory.remove(0);
            }
            memory.push(prompts.remember(image, &map, key, &output.boxes, &features.removed, &options));
        }
        outputs.push(output);
    }
    outputs
}

fn agree(config: &Config) {
    let model = model(config);
    let online = Online::new(&model).unwrap();
    let (t, s) = (config.template_size, config.search_size);
    let template = noise(&[1, 3, t, t], 1);
    let boxes = Tensor::from_slice(&[0.25f32, 0.2, 0.5, 0.4]).view([1, 4]);
    let search: Vec<_> = (0..17).map(|frame| noise(&[1, 3, s, s], 100 + frame)).collect();
    let policy = MemoryPolicy { capacity: 2, interval: 3 };
    let expected = tch::no_grad(|| plain(&model, &template, &boxes, &search, policy));
    let mut session = Session::new(&online, &template, &boxes, policy, MaskClamp::Correct).unwrap();
    for (at, (image, expected)) in search.iter().zip(expected).enumerate() {
        let have = session.step(&online, image).unwrap();
        let pairs = [
            (&have.score_map, &expected.score_map),
            (&have.size_map, &expected.size_map),
            (&have.offset_map, &expected.offset_map),
        ];
        let pairs = pairs.into_iter().chain(have.logits.as_ref().zip(expected.logits.as_ref()));
        let pairs = pairs.chain(have.severity.as_ref().zip(expected.severity.as_ref()));
        for (part, (have, expected)) in pairs.enumerate() {
            assert_eq!(have.size(), expected.size());
            let scale = expected.abs().max().double_value(&[]).max(1.0);
            let difference = (have - expected).abs().max().double_value(&[]) / scale;
            assert!(difference < 2e-5, "frame {at}, part {part}: {difference}");
        }
    }
    assert_eq!(session.remembered().0, if config.prompts.is_some() { 2 } else { 0 });
}

#[test]
fn the_short_way_gives_what_the_plain_one_gives() {
    agree(&tiny());
}

#[test]
fn so_it_does_with_a_corner_head() {
    agree(&Config { box_head: BoxHeadKind::Corner, ..tiny() });
}

#[test]
fn so_it_does_where_conditions_modulate_features() {
    let plain = ClassHead::plain(8, 0.1);
    agree(&Config { class_head: Some(ClassHead { film: true, ..plain.clone() }), ..tiny() });
    agree(&Config { class_head: Some(ClassHead { film: true, multi_label: true, ..plain }), ..tiny() });
}

#[test]
fn so_it_does_where_the_condition_head_has_tokens_of_its_own() {
    let plain = ClassHead::plain(8, 0.1);
    let pooled = ClassHead { pooling: Pooling::Attention, ..plain.clone() };
    let tokens = ClassHead { input: ClassInput::Tokens, ..plain };
    let own = ClassHead { stem: vec![4, 6, 8, 8], blocks: 1, film: true, ..tokens.clone() };
    let all = ClassHead { pooling: Pooling::Attention, multi_label: true, ..own.clone() };
    for head in [pooled, tokens.clone(), own, all.clone()] {
        agree(&Config { class_head: Some(head), ..tiny() });
    }
    agree(&Config { prompts: None, class_head: Some(all), ..tiny() });
    agree(&Config { prompts: None, class_head: Some(tokens), ..tiny() });
}

#[test]
fn so_it_does_at_other_sizes() {
    let elimination = |layers, keep, range| Elimination { layers, keep, range };
    // An odd grid, elimination in the last block by all template tokens.
    let last = elimination(vec![2], vec![0.5], TemplateRange::All);
    agree(&Config { search_size: 112, template_size: 64, elimination: last, class_head: None, ..tiny() });
    let none = elimination(vec![], vec![], TemplateRange::All);
    agree(&Config { patch: 8, search_size: 64, template_size: 32, elimination: none, ..tiny() });
    // Wide enough for Winograd's convolutions.
    let rect = elimination(vec![1], vec![0.7], TemplateRange::CentreRect);
    agree(&Config { dim: 256, depth: 2, head_channels: 128, elimination: rect, ..tiny() });
}

#[test]
fn so_it_does_without_prompts() {
    let plain = Config { prompts: None, class_head: None, ..tiny() };
    agree(&plain);
    let film = ClassHead { film: true, ..ClassHead::plain(8, 0.1) };
    agree(&Config { class_head: Some(film), box_head: BoxHeadKind::Corner, ..plain.clone() });
    // Elimination in the last block, each block with a rate of its own, and one that never eliminates.
    let elimination = Elimination { layers: vec![0, 1, 2], keep: vec![0.5, 1.0, 0.8], range: TemplateRange::All };
    agree(&Config { elimination, ..plain });
}

#[test]
fn memory_is_written_early_and_then_at_intervals() {
    let policy = MemoryPolicy { capacity: 150, interval: 20 };
    let written: Vec<_> = (1..=60).filter(|&index| policy.remembers(index)).collect();
    assert_eq!(written, [5, 10, 20, 40, 60]);
    let policy = MemoryPolicy { capacity: 2, interval: 3 };
    let written: Vec<_> = (1..=16).filter(|&index| policy.remembers(index)).collect();
    assert_eq!(written, [5, 10, 12, 15]);
}

#[test]
fn crops_of_another_size_are_named() {
    let model = model(&tiny());
    let online = Online::new(&model).unwrap();
    let boxes = Tensor::from_slice(&[0.25f32, 0.2, 0.5, 0.4]).view([1, 4]);
    let policy = MemoryPolicy { capacity: 2, interval: 3 };
    let failure = Session::new(&online, &noise(&[1, 3, 32, 32], 1), &boxes, policy, MaskClamp::Correct).unwrap_err();
    assert_eq!(failure.message, "the template crop is Float [1, 3, 32, 32]; the model needs Float [1, 3, 64, 64]");
}
